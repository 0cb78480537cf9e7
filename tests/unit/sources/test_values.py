"""Rows of values in a temporary database."""

from __future__ import annotations

from contextlib import closing

import pytest

from bulkmeta.errors import RunFatalError
from bulkmeta.model.key_ranges import Span
from bulkmeta.sources.values import ValuesTable

KEYS = ("a", "b/ä", "b/😀", "b/￿", "c")


def filled() -> ValuesTable:
    table = ValuesTable()
    table.fill((number, key, b"{}") for number, key in enumerate(reversed(KEYS)))
    return table


def test_keys_in() -> None:
    """Those of a span, in the service's order: by their bytes in UTF-8."""
    with closing(filled()) as table:
        assert list(table.keys_in(Span())) == sorted(KEYS, key=str.encode)
        assert list(table.keys_in(Span("a", "b/ä"))) == ["b/ä"]


def test_a_disk_that_fails() -> None:
    """It is told in words, whatever is being read."""
    table = filled()
    table.close()
    with pytest.raises(RunFatalError, match="temporary files cannot be kept"):
        list(table.keys_in(Span()))
    with pytest.raises(RunFatalError, match="temporary files cannot be kept"):
        table.row("a")
