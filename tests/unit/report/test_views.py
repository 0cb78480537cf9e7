"""Objects' metadata for people and for programs."""

from __future__ import annotations

import csv
import json
from typing import Any

import msgspec
import pytest

from bulkmeta.errors import ErrorDetail, UsageError
from bulkmeta.model.metadata import ListedObject, Metadata, ObjectHead
from bulkmeta.model.viewed import Needs, Viewed
from bulkmeta.report.views import (
    FIELDS,
    ViewPrinter,
    as_csv,
    as_jsonl,
    csv_header,
    is_field,
    needs_of,
    value_of,
)

LISTED = ListedObject(
    "照片/a,\n", 12345, "L", "2026-11-22T10:00:00.000Z", "Normal", "IA"
)
HEAD = ObjectHead(
    Metadata(
        {"b": "测试", "a": "1"},
        {"expires": 'say "never"'},
        storage_class="IA",
        sse={"x-oss-server-side-encryption": "KMS"},
    ),
    "E",
    "Sun, 22 Nov 2026 10:00:00 GMT",
    "Sun, 22 Nov 2026 11:00:00 GMT",
    54321,
    "Normal",
    version_id="v1",
    request_id=None,
)
SEEN = Viewed(1, LISTED.key, LISTED, head=HEAD)
UNSEEN = Viewed(2, LISTED.key, LISTED, error=ErrorDetail("AccessDenied", 403, "words"))
ROW = {
    "key": "照片/a,\n",
    "size_bytes": 54321,
    "last_modified": "2026-11-22T10:00:00.000Z",
    "etag": "E",
    "type": "Normal",
    "storage_class": "IA",
    "headers": {"expires": 'say "never"'},
    "meta": {"b": "测试", "a": "1"},
    "sse": {"x-oss-server-side-encryption": "KMS"},
    "version_id": "v1",
    "error": None,
}


def record(view: Viewed) -> dict[str, Any]:
    return {field: value_of(view, field) for field in FIELDS}


def test_fields_of_an_object() -> None:
    """Fixed names, in their order; the head's word before the listing's."""
    assert record(SEEN) == ROW
    assert list(ROW) == [*FIELDS]


def test_fields_of_an_unreadable_object() -> None:
    """What the listing knows, and the error's code."""
    assert record(UNSEEN) == ROW | {
        "size_bytes": 12345,
        "etag": "L",
        "headers": {},
        "meta": {},
        "sse": {},
        "version_id": None,
        "error": "AccessDenied",
    }


def test_fields_of_an_object_that_nobody_told_of() -> None:
    """No listing named it, and it could not be read: only its key is known."""
    view = Viewed(1, "k", error=ErrorDetail("NoSuchKey", 404, "words"))
    found = {name: value for name, value in record(view).items() if value}
    assert found == {"key": "k", "error": "NoSuchKey"}
    assert record(view)["size_bytes"] is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("meta.a", "1"),
        ("meta.A", "1"),
        ("meta.x-oss-meta-a", "1"),
        ("header.Expires", 'say "never"'),
        ("meta.none", None),
        ("header.content-type", None),
        ("tag.Team", "x"),
        ("tag.team", None),
        ("tags", {"Team": "x"}),
        ("acl", "private"),
    ],
)
def test_single_fields(field: str, value: object) -> None:
    """Entries by name, whatever its case but for tags; and what takes a request of its
    own."""
    view = msgspec.structs.replace(SEEN, tags={"Team": "x"}, acl="private")
    assert is_field(field)
    assert value_of(view, field) == value
    assert json.loads(as_jsonl(view, ["key", field])) == {
        "key": LISTED.key,
        field: value,
    }


@pytest.mark.parametrize(
    "name",
    ["", "Key", "meta.", "size", "sse.x", "a.b", ".", "header.x", "header.content-"],
)
def test_no_such_field(name: str) -> None:
    """Nor one of a header that no object has."""
    assert not is_field(name)


@pytest.mark.parametrize("name", ["meta.my_name", "meta.ü", "tag.a?", "meta.a.b"])
def test_entries_that_no_object_can_have(name: str) -> None:
    """They would be empty for ever."""
    with pytest.raises(
        UsageError, match=r"--fields: '.*': a (metadata name|tag's key) takes"
    ):
        is_field(name)


@pytest.mark.parametrize(
    ("fields", "needs"),
    [
        (("key",), Needs(head=False, listed=frozenset({"key"}))),
        (
            ("size_bytes", "type"),
            Needs(False, listed=frozenset({"size", "object_type"})),
        ),
        (("header.expires",), Needs()),
        (("meta.a",), Needs()),
        (("version_id",), Needs()),
        (("error",), Needs()),
        (("error", "acl"), Needs(head=False, acl=True)),
        (("tag.x",), Needs(head=False, tags=True)),
        (("acl",), Needs(head=False, acl=True)),
        (("acl", "tags", "sse"), Needs(tags=True, acl=True)),
    ],
)
def test_what_they_cost(fields: tuple[str, ...], needs: Needs) -> None:
    """No request for what nobody asked for."""
    assert needs_of(fields) == needs


def test_jsonl() -> None:
    """One line of JSON that reads back as the record."""
    line = as_jsonl(SEEN)
    assert (json.loads(line), line.count("\n"), "测试" in line) == (ROW, 0, True)


def test_csv() -> None:
    """A header and a record that a CSV reader takes apart again, maps as JSON."""
    text = f"{csv_header()}\n{as_csv(SEEN)}\n"
    (found,) = csv.DictReader(text.splitlines(keepends=True))
    maps = {name: json.loads(found[name]) for name in ("headers", "meta", "sse")}
    assert {**found, **maps} == ROW | {"size_bytes": "54321", "error": ""}


def test_printer_counts_failures() -> None:
    """The number of objects that could not be read decides the exit code."""
    printed: list[str] = []
    printer = ViewPrinter(lambda view: f"view {view.seq}", printed.append)
    printer.emit(SEEN)
    printer.emit(UNSEEN)
    printer.emit(Viewed(3, "k", left_out=True))
    printer.flush()
    assert (printed, printer.failed) == (["view 1", "view 2"], 1)
