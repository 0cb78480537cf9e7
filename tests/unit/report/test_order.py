"""Results in listing order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from bulkmeta.report import order
from bulkmeta.report.order import InOrder

if TYPE_CHECKING:
    import pytest


class Result(msgspec.Struct, frozen=True):
    """Something with a number, and not to be compared."""

    seq: int


class Printed:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.seqs: list[int] = []
        self.flushes = 0

    def emit(self, result: Result) -> None:
        self.seqs.append(result.seq)

    def flush(self) -> None:
        self.flushes += 1


@given(st.integers(0, 60).flatmap(lambda count: st.permutations(range(1, count + 1))))
def test_any_permutation_comes_out_sorted(seqs: list[int]) -> None:
    """In whatever order objects end, they are shown as listed."""
    printed = Printed()
    ordered = InOrder(printed)
    for seq in seqs:
        ordered.emit(Result(seq))
    ordered.finish()
    assert printed.seqs == sorted(seqs)


def test_nothing_is_held_without_need() -> None:
    """A result whose turn it is goes out at once."""
    printed = Printed()
    ordered = InOrder(printed)
    shown = []
    for seq in (1, 3, 2, 5, 4):
        ordered.emit(Result(seq))
        shown.append(len(printed.seqs))
    assert shown == [1, 1, 3, 3, 5]


def test_missing_numbers_are_skipped_at_the_end() -> None:
    """A run that was stopped has gaps; what is there comes out sorted."""
    printed = Printed()
    ordered = InOrder(printed)
    for seq in (5, 2, 9):
        ordered.emit(Result(seq))
    ordered.flush()
    assert printed.seqs == []
    ordered.finish()
    assert (printed.seqs, printed.flushes) == ([2, 5, 9], 2)


def test_no_more_than_the_bound_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """One object that never ends does not hold back ever more (promise 10)."""
    monkeypatch.setattr(order, "MOST_HELD", 3)
    printed = Printed()
    ordered = InOrder(printed)
    for seq in (2, 3, 4):
        ordered.emit(Result(seq))
    assert printed.seqs == []
    ordered.emit(Result(5))
    assert printed.seqs == [2, 3, 4, 5]


def test_late_result_beyond_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """The late one goes out when it comes, and those after it as before."""
    monkeypatch.setattr(order, "MOST_HELD", 3)
    printed = Printed()
    ordered = InOrder(printed)
    for seq in (2, 3, 4, 5, 1, 6, 7):
        ordered.emit(Result(seq))
    assert printed.seqs == [2, 3, 4, 5, 1, 6, 7]
