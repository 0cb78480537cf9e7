"""Objects' metadata for people (table) and for programs (JSONL, CSV)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from bulkmeta.report.text import plain, printable, quoted

if TYPE_CHECKING:
    from bulkmeta.model.viewed import Viewed

COLUMNS: Final = (
    "key",
    "size_bytes",
    "last_modified",
    "etag",
    "type",
    "storage_class",
    "headers",
    "meta",
    "sse",
    "version_id",
    "error",
)
Format = Callable[["Viewed"], str]


def row(view: Viewed) -> dict[str, Any]:
    """One object as a flat record with the keys of `COLUMNS`."""
    listed, head = view.listed, view.head
    metadata = head.metadata if head else None
    return {
        "key": listed.key,
        "size_bytes": head.size_bytes if head else listed.size_bytes,
        "last_modified": listed.last_modified,
        "etag": head.etag if head else listed.etag,
        "type": listed.object_type,
        "storage_class": listed.storage_class,
        "headers": metadata.headers if metadata else {},
        "meta": metadata.meta if metadata else {},
        "sse": metadata.sse if metadata else {},
        "version_id": head.version_id if head else None,
        "error": view.error.code if view.error else None,
    }


def as_jsonl(view: Viewed) -> str:
    return json.dumps(row(view), ensure_ascii=False)


def as_csv(view: Viewed) -> str:
    """One CSV record; maps are JSON inside their cell."""
    return _csv_line([_cell(value) for value in row(view).values()])


def csv_header() -> str:
    return _csv_line(list(COLUMNS))


def as_table(view: Viewed) -> str:
    """The key and size on a line, and each header and value below it."""
    listed = view.listed
    lines = [
        f"{printable(listed.key)}  ({listed.size_bytes:,} bytes, "
        f"{listed.storage_class}, {listed.last_modified})"
    ]
    if view.error:
        lines.append(f"  ! {view.error.code}: {plain(view.error.message)}")
    if view.head:
        metadata = view.head.metadata
        lines += _indented("", metadata.headers)
        lines += _indented("", metadata.sse)
        lines += _indented("meta ", metadata.meta)
    return "\n".join(lines)


def _indented(label: str, values: Mapping[str, str]) -> list[str]:
    return [
        f"  {label + name:<24} {quoted(value)}"
        for name, value in sorted(values.items())
    ]


def _cell(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value


def _csv_line(cells: list[Any]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)  # its own line end makes it quote those in cells
    return line.getvalue().removesuffix("\r\n")


class ViewPrinter:
    """Prints each view in one format, and counts those that could not be read."""

    def __init__(self, form: Format, write: Callable[[str], object]) -> None:
        self._form = form
        self._write = write
        self.failed = 0

    def emit(self, result: Viewed) -> None:
        self.failed += result.error is not None
        self._write(self._form(result))

    def flush(self) -> None:
        """Lines are written whole."""
