"""The rows of a values file, found by their keys: on disk, however many there are."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bulkmeta.errors import UsageError
from bulkmeta.journal.lines import bad_line
from bulkmeta.model.item import Item
from bulkmeta.model.key_ranges import Span
from bulkmeta.model.values import (
    KEY,
    KINDS,
    NO_KEY,
    Row,
    ValuesFile,
    check_columns,
    make_row,
    parse_column,
    sets_of,
)
from bulkmeta.sources.databases import (
    MAKE_ROOM,
    temporary_database,
    told_in_words,
)
from bulkmeta.sources.key_file import (
    fingerprint,
    named_fault,
    recordable,
    refuse_changed_file,
)
from bulkmeta.sources.tables import Cells, read_rows

if TYPE_CHECKING:
    from bulkmeta.model.key_ranges import Marks

_encode, _decode = msgspec.json.encode, msgspec.json.Decoder(Row).decode


class ValuesTable:
    """Rows by key, in a temporary database."""

    def __init__(self) -> None:
        self._database = temporary_database()

    def close(self) -> None:
        self._database.close()

    def fill(self, rows: Iterator[tuple[int, str, bytes]]) -> int:
        """Take rows in, each with its line and key; how many.

        Raises:
            KeyTwiceError: two of them have one key.
        """
        database = self._database
        database.execute("CREATE TABLE read (line INTEGER, key TEXT, row BLOB)")
        database.executemany("INSERT INTO read VALUES (?, ?, ?)", rows)
        database.execute(
            "CREATE TABLE rows (key TEXT PRIMARY KEY, row BLOB) WITHOUT ROWID"
        )
        try:
            # In key order, so that pages of the table are written one after the other.
            database.execute(
                "INSERT INTO rows SELECT key, row FROM read ORDER BY key, line"
            )
        except sqlite3.IntegrityError as error:
            raise KeyTwiceError(*self._first_twice()) from error
        database.execute("DROP TABLE read")
        return int(database.execute("SELECT count(*) FROM rows").fetchone()[0])

    def _first_twice(self) -> tuple[str, int, int]:
        key, first, second = self._database.execute(
            "SELECT a.key, a.line, min(b.line) FROM (SELECT key, min(line) AS line "
            "FROM read GROUP BY key HAVING count(*) > 1 ORDER BY line LIMIT 1) AS a "
            "JOIN read AS b ON b.key = a.key AND b.line > a.line"
        ).fetchone()
        return key, first, second

    def row(self, key: str) -> Row | None:
        """What is to be set on the object of that key; None if there is no row."""
        query = "SELECT row FROM rows WHERE key = ?"
        with told_in_words():
            row = self._database.execute(query, (key,)).fetchone()
        return _decode(row[0]) if row else None

    def keys_in(self, span: Span) -> Iterator[str]:
        """The keys of rows in a span, in their order, which is the service's.

        Raises:
            RunFatalError: the temporary file cannot be read.
        """
        query, ends = "SELECT key FROM rows WHERE key > ?", [span.after]
        if span.up_to is not None:
            query, ends = f"{query} AND key <= ?", [span.after, span.up_to]
        with told_in_words():
            for (key,) in self._database.execute(f"{query} ORDER BY key", ends):
                yield key


class KeyTwiceError(Exception):
    """Two rows have one key."""

    def __init__(self, key: str, first: int, second: int) -> None:
        super().__init__(key)
        self.key, self.first, self.second = key, first, second


def load_values(path: Path, prefix: tuple[str, ...]) -> tuple[ValuesFile, ValuesTable]:
    """The rows of a file that are about objects under one `prefix`, all checked.

    Raises:
        UsageError: it cannot be read, two rows have one key, or a row or column is none
            that it may hold.
    """
    name, before = recordable(path), fingerprint(path)
    table, told = ValuesTable(), _Told()
    with ExitStack() as failing:
        failing.callback(table.close)
        count = _filled(table, path, _checked(path, prefix, told))
        if fingerprint(path) != before:
            raise UsageError(f"{name!r} was changed while it was read; read it anew")
        if not count:
            under = " or ".join(map(repr, prefix))
            raise UsageError(
                f"{name!r}: none of its {told.others:,} rows is under {under}"
            )
        failing.pop_all()
    return ValuesFile(name, count, before, sets_of(told.used), told.others), table


def _filled(
    table: ValuesTable, path: Path, rows: Iterator[tuple[int, str, bytes]]
) -> int:
    """How many rows the table has taken in."""
    try:
        return table.fill(rows)
    except sqlite3.Error as error:
        raise UsageError(
            f"{str(path)!r} cannot be kept in temporary files: {error}; {MAKE_ROOM}"
        ) from error
    except KeyTwiceError as error:
        raise UsageError(
            f"{str(path)!r}: lines {error.first} and {error.second} both have "
            f"key {error.key!r}"
        ) from error


@dataclass
class _Told:
    """What a file turned out to hold: columns that have values, and how many rows are
    about other objects than the target's."""

    used: set[str] = field(default_factory=set)
    others: int = 0


def _checked(
    path: Path, prefix: tuple[str, ...], told: _Told
) -> Iterator[tuple[int, str, bytes]]:
    """Each row under one `prefix`."""
    known, line = {KEY}, 0
    for line, cells in read_rows(path, check_columns):
        try:
            known.update(map(_checked_column, cells.keys() - known))
            key = _key_of(cells)
            row = make_row(cells)
        except UsageError as error:
            raise bad_line(path, line, error) from error
        if key.startswith(prefix):
            told.used.update(column for column, value in cells.items() if value)
            yield line, key, _encode(row)
        else:
            told.others += 1
    if not line:
        raise UsageError(f"{str(path)!r} has no rows")
    if known == {KEY}:
        kinds = ", ".join(KINDS)
        raise UsageError(f"{str(path)!r} has no column of values: {kinds}")


def _checked_column(text: str) -> str:
    parse_column(text)
    return text


def _key_of(cells: Cells) -> str:
    key = cells.get(KEY)
    if not key:
        raise UsageError(NO_KEY)
    fault = named_fault(key)
    if fault:
        raise UsageError(f"key {key!r}: {fault}")
    return key


def reopen_values(file: ValuesFile, prefix: tuple[str, ...]) -> ValuesTable:
    """The rows of a file that a job was made with.

    Raises:
        UsageError: the file is not as it was then.
    """
    refuse_changed_file(file.path, file.sha256)
    return load_values(Path(file.path), prefix)[1]


async def with_rows(
    source: AsyncIterator[Item], table: ValuesTable, marks: Marks, left: Sequence[Span]
) -> AsyncIterator[Item]:
    """The listed items, and at their place in key order those keys of rows that are not
    listed: no object has them, or it is too new. `left` is what of each range was to be
    listed at first; `marks` follow the cuts."""
    whole = marks.ranges()
    passed = {span.after: rest.after for span, rest in zip(whole, left, strict=True)}
    async for item in source:
        start = marks.start_of(item.key)
        for key in table.keys_in(Span(passed.get(start, start), item.key)):
            if key != item.key:
                yield Item(key)
        passed[start] = item.key
        yield item
    for span in marks.ranges():
        for key in table.keys_in(Span(passed.get(span.after, span.after), span.up_to)):
            yield Item(key)
