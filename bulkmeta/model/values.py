"""Values that a file holds for each object by its key. Pure.

A column's header says what its values are: `meta.NAME`, `header.NAME` or `tag.KEY`. A
value stands for itself: it is no template. An empty cell changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final

import msgspec

from bulkmeta.errors import SkipError, UsageError
from bulkmeta.model import limits
from bulkmeta.model.changes import Change, refuse_conflicts
from bulkmeta.model.names import header_name, meta_name, tag_key

KEY: Final = "key"
NO_KEY: Final = f"it has no key; keys stand in column {KEY!r}"
KINDS: Final = ("meta.NAME", "header.NAME", "tag.KEY")

Column = tuple[str, str]
"""What kind of value it holds, and under which name."""


class Row(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one row sets."""

    meta: dict[str, str] = {}
    headers: dict[str, str] = {}
    tags: dict[str, str] = {}


class ValuesFile(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file of rows as it was when the job was made: how many are about its target,
    and how many about `others`; and, of all of them together, what they set, with empty
    values."""

    path: str
    rows: int
    sha256: str
    sets: Row
    others: int = 0


@lru_cache(maxsize=1024)
def parse_column(text: str) -> Column:
    """What a column's header means.

    Raises:
        UsageError: nothing that an object has.
    """
    kind, _, name = text.partition(".")
    if kind == "meta":
        return kind, meta_name("column", name)
    if kind == "header":
        return kind, header_name("column", name)
    if kind == "tag":
        return kind, tag_key("column", name)
    raise UsageError(
        f"column {text!r}: the key stands in column {KEY!r}, and values in "
        f"{', '.join(KINDS)}"
    )


def refuse_keyless(columns: Sequence[str]) -> None:
    """Stop where rows with these columns name no objects.

    Raises:
        UsageError: they do not.
    """
    if KEY not in columns:
        raise UsageError(NO_KEY)


def check_columns(columns: Sequence[str]) -> None:
    """Stop where rows with these columns cannot say what is to be set.

    Raises:
        UsageError: one of them is none, or none has the key.
    """
    for text in columns:
        if text != KEY:
            parse_column(text)
    refuse_keyless(columns)


def make_row(cells: Mapping[str, str | None]) -> Row:
    """A row's values by what they set.

    Raises:
        UsageError: a column that is none, two that set the same, or a value that OSS
            cannot hold.
    """
    found: dict[str, dict[str, str]] = {"meta": {}, "header": {}, "tag": {}}
    for text, value in cells.items():
        if not value or text == KEY:
            continue
        kind, name = parse_column(text)
        fault_of = limits.tag_value_fault if kind == "tag" else limits.value_fault
        fault = fault_of(value)
        if fault:
            raise UsageError(f"{text}: {fault}")
        if name in found[kind]:
            raise UsageError(f"two columns are {kind}.{name}")
        found[kind][name] = value
    return Row(found["meta"], found["header"], found["tag"])


def required(row: Row | None) -> Row:
    """The row that an object has.

    Raises:
        SkipError: it has none.
    """
    if row is None:
        raise SkipError("no_row", "the file of values has no row for it")
    return row


def with_row(change: Change, row: Row) -> Change:
    """The change, and what a row sets besides."""
    return msgspec.structs.replace(
        change,
        set_meta=change.set_meta | row.meta,
        set_headers=change.set_headers | row.headers,
        set_tags=change.set_tags | row.tags,
    )


def sets_of(columns: Iterable[str]) -> Row:
    """What columns with these headers can set, with empty values.

    Raises:
        UsageError: one of them is none.
    """
    found: dict[str, dict[str, str]] = {"meta": {}, "header": {}, "tag": {}}
    for kind, name in sorted(parse_column(text) for text in columns if text != KEY):
        found[kind][name] = ""
    return Row(found["meta"], found["header"], found["tag"])


def refuse_both(change: Change, sets: Row) -> None:
    """Stop where the command line and a column name the same.

    Raises:
        UsageError: they do.
    """
    for option, given, columns in (
        ("--set", change.set_meta, sets.meta),
        ("--header", change.set_headers, sets.headers),
        ("--tag", change.set_tags, sets.tags),
    ):
        twice = sorted(given.keys() & columns.keys())
        if twice:
            raise UsageError(f"{option} and a column of --values both set {twice[0]!r}")
    refuse_conflicts(with_row(change, sets), column="a column of --values")
