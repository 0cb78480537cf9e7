"""The low-water mark: up to where everything is done."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bulkmeta.model.key_ranges import Marks
from bulkmeta.model.low_water import LowWater


@given(st.integers(0, 30).flatmap(lambda n: st.permutations(range(1, n + 1))))
def test_any_order(order: list[int]) -> None:
    """After each end the mark is the last before the first gap, and memory holds just
    what is finished beyond it."""
    low, finished = LowWater(), set[int]()
    for seq in order:
        low.finish(seq, f"k{seq}")
        finished.add(seq)
        gap = next(n for n in range(1, len(order) + 2) if n not in finished)
        assert (low.next_seq, low.marks.first, low.beyond()) == (
            gap,
            f"k{gap - 1}" if gap > 1 else None,
            {f"k{n}" for n in finished if n > gap},
        )


def test_goes_on_from_a_number() -> None:
    """A resumed run's mark begins where it was, by number and key."""
    low = LowWater(8, Marks())
    low.marks.reach("g")
    low.finish(9, "i")
    assert (low.next_seq, low.marks.first, low.beyond()) == (8, "g", {"i"})
    low.finish(8, "h")
    assert (low.next_seq, low.marks.first, low.beyond()) == (10, "i", set())
