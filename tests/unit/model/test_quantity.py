"""Numbers of things read well."""

from __future__ import annotations

import pytest

from bulkmeta.model.quantity import counted


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0 objects"), (1, "1 object"), (2, "2 objects"), (12000, "12,000 objects")],
)
def test_counted(number: int, words: str) -> None:
    """One is told as one."""
    assert counted(number) == words


def test_counted_otherwise() -> None:
    """So of whatever is counted."""
    assert [counted(n, "time") for n in (1, 2000)] == ["1 time", "2,000 times"]
