"""Rows of files that other programs write: CSV, JSON lines, Parquet. They stream."""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, AnyStr, BinaryIO, Final

import msgspec

from bulkmeta.errors import MissingExtraError, UsageError
from bulkmeta.journal.lines import bad_line

Cells = dict[str, str | None]
Rows = Iterator[tuple[int, Cells]]
Header = Sequence[str]
CheckHeader = Callable[[Header], None]
"""Raises a UsageError for columns that are not what they should be."""

_LONGEST_CELL: Final = 1024 * 1024
"""An open quote does not take in the rest of the file; OSS holds 8 KB."""

_LONGEST_LINE: Final = 16 * 1024 * 1024
_BATCH_ROWS: Final = 10_000
_decode_row = msgspec.json.Decoder(dict[str, str | int | None]).decode


def read_rows(path: Path, check: CheckHeader) -> Rows:
    """Each row as texts by column, with the number of its line (of Parquet: its own).

    The form goes by the name: `.csv`, `.jsonl` (both also with `.gz`) or `.parquet`.
    Columns that hold for all rows are checked before the first; JSON lines have none.

    Raises:
        UsageError: another form, it cannot be read, or a row that is none.
    """
    form = path.name.removesuffix(".gz").rpartition(".")[2]
    read = _FORMS.get(form)
    if read is None or (form == "parquet" and path.suffix == ".gz"):
        raise UsageError(
            f"{str(path)!r}: name a file of rows .csv or .jsonl (or .csv.gz, "
            ".jsonl.gz), or .parquet"
        )
    try:
        yield from read(path, check)
    except UnicodeDecodeError as error:
        raise UsageError(f"{str(path)!r} is not UTF-8 text: {error.reason}") from error
    except (OSError, EOFError, csv.Error, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot read {str(path)!r}: {reason}") from error


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    with path.open("rb") as plain:
        if path.suffix == ".gz":
            with gzip.open(plain) as packed:
                yield packed  # type: ignore[misc]  # reads bytes, as any other
        else:
            yield plain


def _csv(path: Path, check: CheckHeader) -> Rows:
    csv.field_size_limit(_LONGEST_CELL)
    with _opened(path) as file:
        reader = csv.reader(_text_lines(file), strict=True)
        try:
            filled = filter(None, reader)
            header = next(filled, [])
            if header:
                _check_header(path, reader.line_num, header, check)
            for cells in filled:
                if len(cells) != len(header):
                    why = f"{len(cells)} cells, where the header has {len(header)}"
                    raise bad_line(path, reader.line_num, why)
                yield reader.line_num, dict(zip(header, cells, strict=True))
        except csv.Error as error:
            raise bad_line(path, reader.line_num, error) from error


def _check_header(path: Path, line: int, header: list[str], check: CheckHeader) -> None:
    try:
        _refuse_twice(header)
        check(header)
    except UsageError as error:
        raise bad_line(path, line, f"{error}{separator_hint(header)}") from error


def separator_hint(header: Header) -> str:
    """What may be the matter with a row that is refused."""
    other = len(header) == 1 and (";" in header[0] or "\t" in header[0])
    return "; columns are separated by commas" if other else ""


def _text_lines(file: BinaryIO) -> Iterator[str]:
    for number, line in enumerate(bounded_lines(file.readline)):
        yield (line if number else line.removeprefix(BOM_UTF8)).decode()


def bounded_lines(readline: Callable[[int], AnyStr]) -> Iterator[AnyStr]:
    """The lines of a file; a small compressed one may hold one without end.

    Raises:
        csv.Error: there is such a line.
    """
    while line := readline(_LONGEST_LINE + 1):
        if len(line) > _LONGEST_LINE:
            raise csv.Error("no row is as long as this")
        yield line


def _refuse_twice(header: Header) -> None:
    for name in header:
        if header.count(name) > 1:
            raise UsageError(f"two columns are named {name!r}")


def _jsonl(path: Path, _: CheckHeader) -> Rows:
    with _opened(path) as file:
        for number, line in enumerate(bounded_lines(file.readline), 1):
            text = line if number > 1 else line.removeprefix(BOM_UTF8)
            if not text.strip():
                continue
            try:
                row = _decode_row(text)
            except msgspec.DecodeError as error:
                why = f"write a JSON object of texts: {error}"
                raise bad_line(path, number, why) from error
            yield number, {name: _as_text(value) for name, value in row.items()}


def _as_text(value: str | int | None) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _parquet(path: Path, check: CheckHeader) -> Rows:
    try:
        import duckdb
    except ImportError as error:
        raise MissingExtraError(f"{str(path)!r}: Parquet", "analytics") from error
    try:
        with duckdb.connect() as connection:
            yield from _duck_rows(connection, path, check)
    except duckdb.Error as error:
        why = str(error).splitlines()[0]
        raise UsageError(f"cannot read {str(path)!r}: {why}") from error


def _duck_rows(connection: Any, path: Path, check: CheckHeader) -> Rows:
    connection.execute(
        "SET threads = 1; SET preserve_insertion_order = true; SET TimeZone = 'UTC'"
    )
    header = _parquet_columns(connection, path)
    try:
        _refuse_twice(header)
        check(header)
    except UsageError as error:
        raise UsageError(f"{str(path)!r}: {error}") from error
    found = connection.execute(
        "SELECT CAST(COLUMNS(*) AS VARCHAR) FROM read_parquet(?)", [str(path)]
    )
    number = 0
    while rows := found.fetchmany(_BATCH_ROWS):
        for cells in rows:
            number += 1
            yield number, dict(zip(header, cells, strict=True))


def _parquet_columns(connection: Any, path: Path) -> list[str]:
    """The columns' own names: DuckDB renames those that differ by case alone."""
    tree = connection.execute(
        "SELECT name, num_children FROM parquet_schema(?)", [str(path)]
    ).fetchall()
    names = [name for name, _ in tree[1:]]
    nested = [name for name, children in tree[1:] if children]
    if nested:
        raise UsageError(f"{str(path)!r}: column {nested[0]!r} holds more than texts")
    return names


_FORMS: Final[dict[str, Callable[[Path, CheckHeader], Rows]]] = {
    "csv": _csv,
    "jsonl": _jsonl,
    "parquet": _parquet,
}
