"""A short form of `make soak`: nothing is held on to from round to round."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from benchmarks.soak import Sample, growth, soak


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.timeout(180)
def test_nothing_is_held() -> None:
    """Some rounds of work with every kind of fault, some of them left half-way, in one
    process: sockets, descriptors and tasks are those of the first round."""
    samples, fired = soak(seconds=6, objects=40)
    assert fired.total() > 0
    first, last = samples[0], samples[-1]
    assert (last.sockets, last.tasks) == (first.sockets, first.tasks)
    assert last.descriptors == first.descriptors
    assert growth(samples) == []


@pytest.mark.parametrize("name", ["memory_mb", "descriptors", "sockets", "tasks"])
def test_growth_is_seen(name: str) -> None:
    """One more of anything in each round is a leak; what stays as it is, is none."""
    flat = [Sample(n, n, n, 70.0, 6, 2, 1) for n in range(40)]
    assert growth(flat) == []
    rising = [replace(s, **{name: getattr(s, name) + s.rounds}) for s in flat]
    assert [words.split()[0] for words in growth(rising)] == [name]
