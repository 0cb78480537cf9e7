"""Taking up an interrupted run's objects: each key once."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

from hypothesis import given
from hypothesis import strategies as st

from bulkmeta.model.item import Item
from bulkmeta.model.key_ranges import Marks
from bulkmeta.model.metadata import Metadata
from bulkmeta.model.plan import UpdatePlan
from bulkmeta.sources.resume import take_up

KEYS = st.sets(st.sampled_from("abcdefghijklmnop"))


def doubts_of(keys: set[str]) -> dict[str, UpdatePlan]:
    nothing = Metadata({}, {})
    return {key: UpdatePlan(key, nothing, nothing, "E", "T") for key in keys}


async def source(keys: list[str]) -> AsyncIterator[Item]:
    for key in keys:
        yield Item(key)


async def taken(
    keys: list[str], done: set[str], doubts: set[str], *, in_key_order: bool
) -> list[Item]:
    items = take_up(
        source(keys),
        done=done,
        doubts=doubts_of(doubts),
        marks=Marks() if in_key_order else None,
    )
    return [item async for item in items]


@given(KEYS, KEYS, KEYS)
async def test_listing(listed: set[str], done: set[str], doubts: set[str]) -> None:
    """Done items are left out; doubts are attached, and come at their place even if
    their object was deleted; each key once."""
    doubts -= done  # what is done has its line, so it is not in doubt
    items = await taken(sorted(listed), done, doubts, in_key_order=True)
    plans = doubts_of(doubts)
    expected = sorted((listed - done) | doubts)
    assert items == [Item(key, doubt=plans.get(key)) for key in expected]


@given(KEYS, KEYS, KEYS, KEYS, st.integers(0, 99))
async def test_listing_in_ranges(
    listed: set[str], done: set[str], doubts: set[str], bounds: set[str], seed: int
) -> None:
    """The same where ranges come in turn; in key order inside a range."""
    doubts -= done
    marks = Marks(bounds)
    parts: dict[str, list[str]] = {}
    for key in sorted(listed):
        parts.setdefault(marks.start_of(key), []).append(key)
    turns, draw = list[str](), random.Random(seed)  # noqa: S311 no secret
    while left := [part for part in parts.values() if part]:
        turns.append(draw.choice(left).pop(0))

    items = take_up(source(turns), done=done, doubts=doubts_of(doubts), marks=marks)
    found = [item async for item in items]

    plans = doubts_of(doubts)
    expected = [
        Item(key, doubt=plans.get(key)) for key in sorted((listed - done) | doubts)
    ]
    assert sorted(found, key=lambda item: item.key) == expected
    for start in {marks.start_of(item.key) for item in found}:
        keys = [item.key for item in found if marks.start_of(item.key) == start]
        assert keys == sorted(keys)


@given(KEYS.flatmap(lambda keys: st.permutations(sorted(keys))), KEYS, KEYS)
async def test_lines(keys: list[str], done: set[str], doubts: set[str]) -> None:
    """In the order of a file's lines a doubt waits for its own; the rest come last."""
    doubts -= done
    items = await taken(keys, done, doubts, in_key_order=False)
    plans = doubts_of(doubts)
    expected = [key for key in keys if key not in done]
    expected += sorted(doubts - set(keys))
    assert items == [Item(key, doubt=plans.get(key)) for key in expected]
