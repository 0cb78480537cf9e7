"""Objects' metadata for people and for programs."""

from __future__ import annotations

import csv
import json

from bulkmeta.errors import ErrorDetail
from bulkmeta.model.metadata import ListedObject, Metadata, ObjectHead
from bulkmeta.model.viewed import Viewed
from bulkmeta.report.views import (
    COLUMNS,
    ViewPrinter,
    as_csv,
    as_jsonl,
    as_table,
    csv_header,
    row,
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


def test_row_of_an_object() -> None:
    """One flat record with fixed names, the head's word before the listing's."""
    assert (row(SEEN), tuple(row(SEEN))) == (ROW, COLUMNS)


def test_row_of_an_unreadable_object() -> None:
    """What the listing knows, and the error's code."""
    assert row(UNSEEN) == ROW | {
        "size_bytes": 12345,
        "etag": "L",
        "headers": {},
        "meta": {},
        "sse": {},
        "version_id": None,
        "error": "AccessDenied",
    }


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


def test_table() -> None:
    """Key and size on a line, everything else below it, by name."""
    assert as_table(SEEN).splitlines() == [
        '"照片/a,\\n"  (12,345 bytes, IA, 2026-11-22T10:00:00.000Z)',
        '  expires                  "say \\"never\\""',
        '  x-oss-server-side-encryption "KMS"',
        '  meta a                   "1"',
        '  meta b                   "测试"',
    ]


def test_table_of_an_unreadable_object() -> None:
    """Why there is nothing to show."""
    assert as_table(UNSEEN).splitlines()[1:] == ["  ! AccessDenied: words"]


def test_table_stays_on_its_lines() -> None:
    """A value that holds control characters does not reach the terminal raw."""
    odd = Viewed(
        1,
        LISTED,
        head=ObjectHead(
            Metadata({"a": "\x9b31m\u202e"}, {}), "E", "", "", 0, "Normal", None, None
        ),
    )
    assert [line.isprintable() for line in as_table(odd).splitlines()] == [True, True]


def test_printer_counts_failures() -> None:
    """The number of objects that could not be read decides the exit code."""
    printed: list[str] = []
    printer = ViewPrinter(lambda view: f"view {view.seq}", printed.append)
    printer.emit(SEEN)
    printer.emit(UNSEEN)
    printer.flush()
    assert (printed, printer.failed) == (["view 1", "view 2"], 1)
