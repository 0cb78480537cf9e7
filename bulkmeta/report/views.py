"""Objects for people (table) and for programs (JSONL, CSV), by fields."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from bulkmeta.model.viewed import Needs
from bulkmeta.report.text import plain, printable, quoted

if TYPE_CHECKING:
    from bulkmeta.model.viewed import Viewed

LISTED: Final = (
    "key",
    "size_bytes",
    "last_modified",
    "etag",
    "type",
    "storage_class",
)
"""Fields that the listing tells."""

READ: Final = ("headers", "meta", "sse", "version_id")
ASKED: Final = ("tags", "acl")
"""Fields that take a head, and those that take a request each."""

FIELDS: Final = (*LISTED, *READ, "error")
"""What is shown for programs, unless others are asked for."""

BRIEF: Final = (
    "key",
    "size_bytes",
    "last_modified",
    "storage_class",
    "meta",
    "header.content-type",
)
"""The same for people."""

_TITLES: Final = {
    "size_bytes": "size",
    "last_modified": "modified (UTC)",
    "storage_class": "class",
    "header.content-type": "content-type",
}
"""What stands over a column, if not its field."""

ENTRIES: Final = {"meta": "meta", "header": "headers", "tag": "tags"}
"""What comes before the dot of a single entry, and the field that has it."""

_FIRST: Final = 100
_WIDEST: Final = 60
_UNITS: Final = ("", "K", "M", "G", "T", "P")


def known_fields() -> list[str]:
    """All names that a field may have; of entries how they begin."""
    return [*FIELDS, *ASKED, *(f"{prefix}." for prefix in ENTRIES)]


def field_named(text: str) -> str | None:
    """The field of that name, if it is one; names of entries are in lower case, but for
    those of tags."""
    prefix, dot, name = text.partition(".")
    if dot and name and prefix in ENTRIES:
        return text if prefix == "tag" else f"{prefix}.{name.lower()}"
    return text if text in FIELDS or text in ASKED else None


def needs_of(fields: Sequence[str]) -> Needs:
    """What has to be read of an object to show them."""
    of = {ENTRIES.get(name.partition(".")[0], name) for name in fields}
    return Needs(head=bool(of & {*READ}), tags="tags" in of, acl="acl" in of)


def value_of(view: Viewed, field: str) -> Any:
    """What an object has in a field; None if it lacks it."""
    prefix, dot, name = field.partition(".")
    if dot:
        return (value_of(view, ENTRIES[prefix]) or {}).get(name)
    return _VALUES[field](view)


def _of_head(name: str) -> Callable[[Viewed], Any]:
    return lambda view: getattr(view.head.metadata, name) if view.head else {}


_VALUES: Final[dict[str, Callable[[Viewed], Any]]] = {
    "key": lambda view: view.listed.key,
    "size_bytes": lambda view: (view.head or view.listed).size_bytes,
    "last_modified": lambda view: view.listed.last_modified,
    "etag": lambda view: (view.head or view.listed).etag,
    "type": lambda view: view.listed.object_type,
    "storage_class": lambda view: view.listed.storage_class,
    "headers": _of_head("headers"),
    "meta": _of_head("meta"),
    "sse": _of_head("sse"),
    "version_id": lambda view: view.head.version_id if view.head else None,
    "error": lambda view: view.error.code if view.error else None,
    "tags": lambda view: view.tags,
    "acl": lambda view: view.acl,
}


def as_jsonl(view: Viewed, fields: Sequence[str] = FIELDS) -> str:
    """One record by the names of its fields."""
    return json.dumps({f: value_of(view, f) for f in fields}, ensure_ascii=False)


def as_csv(view: Viewed, fields: Sequence[str] = FIELDS) -> str:
    """One CSV record; maps are JSON inside their cell."""
    return _csv_line([_csv_cell(value_of(view, field)) for field in fields])


def csv_header(fields: Sequence[str] = FIELDS) -> str:
    return _csv_line(list(fields))


def _csv_cell(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value


def _csv_line(cells: list[Any]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)  # its own line end makes it quote those in cells
    return line.getvalue().removesuffix("\r\n")


class ViewPrinter:
    """Prints each view on a line, and counts those that could not be read. Where no
    field tells of that, `complain` does."""

    def __init__(
        self,
        line: Callable[[Viewed], str],
        write: Callable[[str], object],
        complain: Callable[[str], object] | None = None,
    ) -> None:
        self._line = line
        self._write = write
        self._complain = complain
        self.failed = 0

    def emit(self, result: Viewed) -> None:
        if result.left_out:
            return
        if result.error:
            self.failed += 1
            if self._complain:
                why = plain(f"{result.error.code}: {result.error.message}")
                self._complain(f"bulkmeta: {printable(result.listed.key)}: {why}")
        self._write(self._line(result))

    def flush(self) -> None:
        """Lines are written whole."""

    def finish(self) -> None:
        """None is held back."""


class TablePrinter:
    """Prints views as lines in columns, and counts those that could not be read. The
    first hundred decide how wide the columns are; what is wider in a later one pushes
    the rest of its line aside. Lines end where a terminal does."""

    def __init__(
        self,
        fields: Sequence[str],
        write: Callable[[str], object],
        width: int | None = None,
    ) -> None:
        self._fields = fields
        self._write = write
        self._width = width
        self._first: list[list[str]] | None = [
            [_TITLES.get(name, name) for name in fields]
        ]
        self._widths: list[int] = []
        self.failed = 0

    def emit(self, result: Viewed) -> None:
        if result.left_out:
            return
        self.failed += result.error is not None
        row = self._row(result)
        if self._first is None:
            self._print(row)
            return
        self._first.append(row)
        if len(self._first) > _FIRST:
            self.finish()

    def flush(self) -> None:
        """The first lines wait for one another."""

    def finish(self) -> None:
        """Print what was held back."""
        from rich.cells import cell_len

        rows, self._first = self._first or [], None
        if len(rows) > 1:
            columns = zip(*rows, strict=True)
            self._widths = [min(max(map(cell_len, c)), _WIDEST) for c in columns]
            for row in rows:
                self._print(row)

    def _row(self, view: Viewed) -> list[str]:
        row = [table_cell(field, value_of(view, field)) for field in self._fields]
        if view.error:
            row[-1] = f"! {view.error.code}: {plain(view.error.message)}"
        return row

    def _print(self, row: list[str]) -> None:
        from rich.cells import cell_len, set_cell_size

        aligned = "  ".join(
            _padded(cell, width - cell_len(cell), right=field == "size_bytes")
            for field, cell, width in zip(self._fields, row, self._widths, strict=True)
        ).rstrip()
        if self._width and cell_len(aligned) > self._width:
            aligned = f"{set_cell_size(aligned, self._width - 1)}…"
        self._write(aligned)


def _padded(cell: str, missing: int, *, right: bool) -> str:
    room = " " * max(missing, 0)
    return room + cell if right else cell + room


def table_cell(field: str, value: Any) -> str:
    """A value in a few words that cannot harm a terminal."""
    if value is None:
        return ""
    if field == "size_bytes":
        return _size(value)
    if field == "last_modified":
        return plain(str(value)[:16].replace("T", " "))
    if isinstance(value, Mapping):
        return " ".join(f"{plain(n)}={_word(v)}" for n, v in sorted(value.items()))
    return printable(str(value)) if field == "key" else plain(str(value))


def _word(value: str) -> str:
    return quoted(value) if not value or " " in value or '"' in value else plain(value)


def _size(count: int) -> str:
    """A number of bytes in three digits or so, with K for 1,024 and so on."""
    size, unit = float(count), 0
    while size >= 1023.95 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.1f}{_UNITS[unit]}" if unit else str(count)
