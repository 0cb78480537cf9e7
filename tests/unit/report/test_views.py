"""Objects' metadata for people and for programs."""

from __future__ import annotations

import csv
import json
from typing import Any

import msgspec
import pytest
from rich.cells import cell_len

from bulkmeta.errors import ErrorDetail
from bulkmeta.model.metadata import ListedObject, Metadata, ObjectHead
from bulkmeta.model.viewed import Needs, Viewed
from bulkmeta.report.views import (
    BRIEF,
    FIELDS,
    TablePrinter,
    ViewPrinter,
    as_csv,
    as_jsonl,
    csv_header,
    field_named,
    needs_of,
    table_cell,
    value_of,
)
from bulkmeta.report.views import LISTED as LISTED_FIELDS

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
SEEN = Viewed(1, LISTED, head=HEAD)
UNSEEN = Viewed(2, LISTED, error=ErrorDetail("AccessDenied", 403, "words"))
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


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("meta.A", "meta.a", "1"),
        ("header.Expires", "header.expires", 'say "never"'),
        ("meta.none", "meta.none", None),
        ("tag.Team", "tag.Team", "x"),
        ("tags", "tags", {"Team": "x"}),
        ("acl", "acl", "private"),
    ],
)
def test_single_fields(name: str, field: str, value: object) -> None:
    """Entries by name, and what takes a request of its own."""
    view = msgspec.structs.replace(SEEN, tags={"Team": "x"}, acl="private")
    assert field_named(name) == field
    assert value_of(view, field) == value


@pytest.mark.parametrize("name", ["", "Key", "meta.", "size", "sse.x", "a.b", "."])
def test_no_such_field(name: str) -> None:
    assert field_named(name) is None


@pytest.mark.parametrize(
    ("fields", "needs"),
    [
        (LISTED_FIELDS, Needs(head=False)),
        (("key", "error"), Needs(head=False)),
        (("header.expires",), Needs()),
        (("meta.a",), Needs()),
        (("version_id",), Needs()),
        (("key", "tag.x"), Needs(head=False, tags=True)),
        (("acl",), Needs(head=False, acl=True)),
        (FIELDS, Needs()),
        (BRIEF, Needs()),
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


def table(*views: Viewed, width: int | None = None, fields: Any = BRIEF) -> list[str]:
    printed: list[str] = []
    printer = TablePrinter(fields, printed.append, width)
    for view in views:
        printer.emit(view)
    printer.finish()
    return printed


def test_table() -> None:
    """A line each, in columns, under the names of the fields."""
    small = msgspec.structs.replace(SEEN, listed=ListedObject("b", 7), head=None)
    fields = ("key", "size_bytes", "meta", "header.content-type")
    assert table(SEEN, small, fields=fields) == [
        "key           size  meta        content-type",
        '"照片/a,\\n"  53.0K  a=1 b=测试',
        "b                7",
    ]


def test_table_of_an_unreadable_object() -> None:
    """Why there is nothing to show."""
    assert table(SEEN, UNSEEN)[-1].endswith("  ! AccessDenied: words")


def test_table_stays_on_its_lines() -> None:
    """Control characters do not reach the terminal raw."""
    metadata = Metadata({"a\x1b": "\x9b31m\u202e", "b": ""}, {"content-type": "\r"})
    head = ObjectHead(metadata, "E", "", "", 0, "Normal", None, None)
    lines = table(Viewed(1, LISTED, head=head))
    assert all(line.isprintable() for line in lines)
    assert ' b=""  ' in lines[1]


@pytest.mark.parametrize("width", [10, 40, 80])
def test_table_ends_where_the_terminal_does(width: int) -> None:
    """Whatever the width of its characters."""
    lines = table(SEEN, UNSEEN, width=width)
    assert max(map(cell_len, lines)) <= width
    assert all(line.endswith("…") for line in lines if cell_len(line) == width)


def test_table_is_not_held_back_for_long() -> None:
    """The first hundred decide the widths; a wider one later pushes its line aside."""
    printed: list[str] = []
    printer = TablePrinter(("key", "etag"), printed.append)
    views = [Viewed(n, ListedObject(f"k{n:03}", etag="E")) for n in range(200)]
    for view in views[:99]:
        printer.emit(view)
    assert printed == []
    for view in views[99:]:
        printer.emit(view)
    assert len(printed) == 201
    printer.emit(Viewed(201, ListedObject("much longer", etag="E")))
    printer.finish()
    assert printed[0] == "key   etag"
    assert printed[-2:] == ["k199  E", "much longer  E"]


def test_an_empty_table() -> None:
    """No header over nothing."""
    assert table() == []
    assert table(Viewed(1, LISTED, left_out=True)) == []


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (1023, "1023"), (1024, "1.0K"), (1536, "1.5K"), (1024**2 - 1, "1.0M"),
     (5 * 1024**3, "5.0G"), (1024**6, "1024.0P")],
)  # fmt: skip
def test_sizes(count: int, text: str) -> None:
    assert table_cell("size_bytes", count) == text


def test_printer_counts_failures() -> None:
    """The number of objects that could not be read decides the exit code."""
    printed: list[str] = []
    printer = ViewPrinter(lambda view: f"view {view.seq}", printed.append)
    printer.emit(SEEN)
    printer.emit(UNSEEN)
    printer.emit(Viewed(3, LISTED, left_out=True))
    printer.flush()
    assert (printed, printer.failed) == (["view 1", "view 2"], 1)
