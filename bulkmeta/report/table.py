"""Objects for people: a line each, in columns."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from rich.cells import cell_len, set_cell_size

from bulkmeta.report.text import plain, printable, quoted
from bulkmeta.report.views import value_of

if TYPE_CHECKING:
    from bulkmeta.model.viewed import Viewed

BRIEF: Final = (
    "key",
    "size_bytes",
    "last_modified",
    "storage_class",
    "header.content-type",
    "meta",
)
"""What is shown for people, unless other fields are asked for."""

_TITLES: Final = {
    "size_bytes": "size",
    "last_modified": "modified (UTC)",
    "storage_class": "class",
    "header.content-type": "content-type",
}
"""What stands over a column, if not its field."""

_WEIGHTS: Final = {
    "key": 2,
    "size_bytes": 0,
    "last_modified": 0,
    "storage_class": 0,
    "type": 0,
}
"""How much of a line is a column's due where there is too little for all; those of none
are of no use in part."""

_FIRST: Final = 100
_MOMENT_S: Final = 0.5
_WIDEST: Final = 60
_LEAST: Final = 8
_GAP: Final = "  "
_UNITS: Final = ("", "K", "M", "G", "T", "P")


class TablePrinter:
    """Prints views as lines in columns, and counts those that could not be read.

    Those that come first (a hundred, or fewer if they take longer than a moment) decide
    how wide the columns are; what is wider in a later one pushes the rest of its line
    aside. On a terminal, `width` cells wide, no line is longer than that: values are
    cut, keys in their middle, and `has_cut` says so.
    """

    def __init__(
        self,
        fields: Sequence[str],
        write: Callable[[str], object],
        width: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fields = fields
        self._write = write
        self._width = width
        self._clock = clock
        self._first: list[tuple[list[str], str]] | None = []
        self._since_s = 0.0
        self._widths: list[int] = []
        self.failed = 0
        self.has_cut = False

    def emit(self, result: Viewed) -> None:
        if result.left_out:
            return
        self.failed += result.error is not None
        cells = [table_cell(name, value_of(result, name)) for name in self._fields]
        note = self._note(result)
        if self._first is None:
            self._show(cells, note)
            return
        if not self._first:
            self._since_s = self._clock()
        self._first.append((cells, note))
        if len(self._first) >= _FIRST:
            self.finish()

    def flush(self) -> None:
        """Called now and then: the first lines wait for one another, but not long."""
        if self._first and self._clock() - self._since_s >= _MOMENT_S:
            self.finish()

    def finish(self) -> None:
        """Print what was held back."""
        rows, self._first = self._first, None
        if not rows:
            return
        titles = [_TITLES.get(name, plain(name)) for name in self._fields]
        columns = zip(titles, *(cells for cells, _ in rows), strict=True)
        self._widths = [max(map(cell_len, column)) for column in columns]
        if self._width is None:
            self._widths = [min(width, _WIDEST) for width in self._widths]
        else:
            room = self._width - len(_GAP) * (len(titles) - 1)
            weights = [_WEIGHTS.get(name, 1) for name in self._fields]
            self._widths = fitted(self._widths, weights, room)
        self._write(self._line(titles, "")[0])
        for cells, note in rows:
            self._show(cells, note)

    def _note(self, view: Viewed) -> str:
        """Why there is no more to be seen, unless a column tells."""
        if view.error is None or "error" in self._fields:
            return ""
        return f"{_GAP}! {view.error.code}: {plain(view.error.message)}"

    def _show(self, cells: list[str], note: str) -> None:
        line, is_whole = self._line(cells, note)
        self.has_cut |= not is_whole
        self._write(line)

    def _line(self, cells: list[str], note: str) -> tuple[str, bool]:
        """The cells in their columns, and whether there is room for all of each."""
        shown = cells if self._width is None else self._cut(cells, self._width)
        line = _GAP.join(
            _padded(cell, width - cell_len(cell), right=name == "size_bytes")
            for name, cell, width in zip(self._fields, shown, self._widths, strict=True)
        )
        line = line.rstrip() + note
        fit = line if self._width is None else cut(line, self._width)
        return fit, (fit, shown) == (line, cells)

    def _cut(self, cells: list[str], width: int) -> list[str]:
        """The cells, each no wider than its column, and what lines can spare."""
        gaps = len(_GAP) * (len(cells) - 1)
        spare, found = max(width - gaps - sum(self._widths), 0), []
        for name, cell, column in zip(self._fields, cells, self._widths, strict=True):
            fit = cut_inside if name == "key" else cut
            found.append(fit(cell, column + spare))
            spare -= max(cell_len(found[-1]) - column, 0)
        return found


def fitted(widths: Sequence[int], weights: Sequence[int], room: int) -> list[int]:
    """The widths of columns that have `room` together. If it is too little, the widest
    give way, down to widths in proportion to their weights; columns without a weight
    only if the others would become useless. The last one has what is left."""
    if sum(widths) <= room:
        return [*widths]
    columns = [*zip(widths, weights, strict=True)]
    free = [column for column in columns if column[1]]
    level = _level(free, room - sum(width for width, weight in columns if not weight))
    if level < _LEAST:
        columns = [(width, 1) for width in widths]
        level = max(_level(columns, room), 1)
    found = [
        min(width, weight * level) if weight else width for width, weight in columns
    ]
    found[-1] += max(room - sum(found), 0)
    return found


def _level(columns: Sequence[tuple[int, int]], room: int) -> int:
    """The greatest width per weight with which all columns have room."""
    left = sorted(columns, key=lambda column: column[0] / column[1])
    while left:
        (width, weight), shares = left[0], sum(weight for _, weight in left)
        if width * shares > room * weight:
            return room // shares
        room -= left.pop(0)[0]
    return 0


def cut(text: str, room: int) -> str:
    """As much of the text as there is room for, in cells of a terminal."""
    if cell_len(text) <= room:
        return text
    return f"{set_cell_size(text, room - 1).rstrip()}…" if room > 0 else ""


def cut_inside(text: str, room: int) -> str:
    """The same, of beginning and end: keys differ in their ends most."""
    if cell_len(text) <= room:
        return text
    end = set_cell_size(text[::-1], max(room - 1, 0) * 2 // 3)[::-1].lstrip()
    return f"{cut(text, room - cell_len(end))}{end}"


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
        return " ".join(f"{_word(n)}={_word(v)}" for n, v in sorted(value.items()))
    if field == "key":
        return printable(value)
    return plain(str(value)) or quoted("")


def _word(value: str) -> str:
    return quoted(value) if not value or " " in value or '"' in value else plain(value)


def _size(count: int) -> str:
    """A number of bytes in three digits or so, with K for 1,024 and so on."""
    size, unit = float(count), 0
    while size >= 1023.95 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.1f}{_UNITS[unit]}" if unit else str(count)
