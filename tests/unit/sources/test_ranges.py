"""Walking key ranges in turn: each key once, and not all in one place."""

from __future__ import annotations

import asyncio
import hashlib
import random
import uuid
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bulkmeta.errors import RunFatalError
from bulkmeta.model.item import Item
from bulkmeta.model.key_ranges import Marks, Span
from bulkmeta.model.limits import is_utf8
from bulkmeta.runners.flow import requests_ahead
from bulkmeta.sources.listed_range import MOST_LISTED, ListedRange, Lister
from bulkmeta.sources.prefix import list_prefix
from bulkmeta.sources.ranges import RangeWalk, far_apart, walk_ranges
from tests.unit.sources.conftest import KeysBucket

if TYPE_CHECKING:
    from bulkmeta.oss.bucket import Bucket
    from bulkmeta.oss.page import Page

LETTERS = st.characters(exclude_categories=["Cs"])
NAMES = st.text(LETTERS, max_size=6) | st.text("ab/0", max_size=6)
COUNT, PARTITIONS, ACCOUNT = 4000, 16, 5


async def walked(
    bucket: KeysBucket, marks: Marks, wanted: int, few: int = 0
) -> list[str]:
    """The keys as they come. Each range is in key order, and has been cut before."""
    last: dict[str, str] = {}
    found: list[str] = []
    lister = Lister(cast("Bucket", bucket), "p/", wanted)
    lister.few = few
    async with requests_ahead() as ahead:
        walk = RangeWalk(lister, marks.left(), wanted, ahead, marks.cut)
        async for item in walk.items():
            start = marks.start_of(item.key)
            assert last.get(start, "") < item.key
            last[start] = item.key
            found.append(item.key)
    return found


@given(
    st.sets(NAMES, max_size=60),
    st.lists(NAMES, max_size=5),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(0, 3),
)
async def test_each_key_once(
    names: set[str], bounds: list[str], wanted: int, most: int, few: int
) -> None:
    """Whatever the keys are, where ever ranges end, however short the pages."""
    keys = {f"p/{name}" for name in names}
    bucket = KeysBucket(keys | {"o", "p", "q/1"}, most)
    marks = Marks(f"p/{name}" for name in bounds)

    found = await walked(bucket, marks, wanted, few)

    assert sorted(found) == sorted(keys)


@given(st.sets(NAMES, min_size=1, max_size=60), st.integers(2, 9), st.data())
async def test_taken_up_again(
    names: set[str], wanted: int, data: st.DataObject
) -> None:
    """A walk that ends somewhere goes on from the marks: nothing is missed, nothing
    comes again."""
    bucket = KeysBucket({f"p/{name}" for name in names}, 5)
    marks = Marks()
    lister = Lister(cast("Bucket", bucket), "p/", wanted)
    lister.few = 0
    done: list[str] = []
    end = data.draw(st.integers(0, len(names)))
    async with requests_ahead() as ahead:
        walk = RangeWalk(lister, marks.left(), wanted, ahead, marks.cut).items()
        while len(done) < end:
            done.append((await anext(walk)).key)
            marks.reach(done[-1])
        await walk.aclose()  # type: ignore[attr-defined] # it is a generator

    rest = await walked(bucket, marks, data.draw(st.integers(1, 9)))

    assert sorted(done + rest) == bucket.keys


NO_TEXT = (b"\x80", b"\xf5")


def as_text(raw: bytes) -> str:
    """As keys that are not UTF-8 are held."""
    return raw.decode("utf-8", "surrogateescape")


RAW = st.binary(min_size=1, max_size=5).map(as_text)


def refuse_unnameable(cut: Sequence[str]) -> None:
    """Where ranges are cut is written down, and asked for."""
    assert all(map(is_utf8, cut))


def test_what_is_given_up_goes_by_the_order_of_the_service() -> None:
    """A key that is no text stays with the range that its bytes lie in."""
    listed = ListedRange(Span())
    listed.hold([Item("p/a"), Item("p/\udc80")])
    listed.give_up("p/中")
    assert [item.key for item in listed.items] == ["p/a", "p/\udc80"]


@example({"(", "$0", "%", "'", "&", ")", "%\x00", *map(as_text, NO_TEXT)}, [], 2, 1)
@given(
    st.sets(RAW | NAMES, max_size=40),
    st.lists(NAMES, max_size=4),
    st.integers(1, 6),
    st.integers(1, 9),
)
async def test_each_key_in_one_part(
    names: set[str], bounds: list[str], wanted: int, most: int
) -> None:
    """The parts of a cut, each listed by itself, make up all keys: also where some are
    not UTF-8, which lie elsewhere by their bytes than as text."""
    keys = {f"p/{name}" for name in names}
    bucket, found = cast("Bucket", KeysBucket(keys, most)), list[str]()
    for span in Marks(f"p/{name}" for name in bounds).ranges():
        async with requests_ahead() as ahead:
            lister = Lister(bucket, "p/", wanted)
            lister.few = 0
            walk = RangeWalk(lister, [span], wanted, ahead, refuse_unnameable).items()
            one = list_prefix(bucket, "p/", ahead, span)
            walked = [item.key async for item in walk]
            assert sorted(walked) == sorted([item.key async for item in one])
            found += walked
    assert sorted(found) == sorted(keys)


# How evenly


def sequential(count: int) -> Iterator[str]:
    return (f"p/{n:012}.jpg" for n in range(count))


def unpadded(count: int) -> Iterator[str]:
    return (f"p/img{n}.jpg" for n in range(count))


def dates(count: int) -> Iterator[str]:
    """All days of a year."""
    for n in range(count):
        day = n * 365 // count
        yield f"p/2026/{day // 31 + 1:02}/{day % 31 + 1:02}/{n:07}.json"


def one_busy_month(count: int) -> Iterator[str]:
    """Nine of ten in July."""
    for n in range(count):
        month = 7 if n % 10 else n // 10 % 12 + 1
        yield f"p/2026/{month:02}/{n % 28 + 1:02}/{n:07}.json"


def hashed(count: int) -> Iterator[str]:
    return (f"p/{hashlib.sha256(b'%d' % n).hexdigest()}" for n in range(count))


def uuids(count: int) -> Iterator[str]:
    draw = random.Random(7)  # noqa: S311 repeatable, no secret
    return (f"p/{uuid.UUID(int=draw.getrandbits(128))}" for _ in range(count))


def giant(count: int) -> Iterator[str]:
    """Nineteen of twenty under one long prefix, the rest all over the alphabet."""
    for n in range(count):
        name = hashlib.sha256(b"%d" % n).hexdigest()[:6]
        yield f"p/events/production/{n:09}.gz" if n % 20 else f"p/{name}/{n}"


def chinese(count: int) -> Iterator[str]:
    draw = random.Random(7)  # noqa: S311 repeatable, no secret
    letters = [chr(code) for code in range(0x4E00, 0x9FA0)]
    return (f"p/{''.join(draw.choices(letters, k=2))}{n}" for n in range(count))


@pytest.mark.parametrize(
    "kind",
    [
        sequential, unpadded, dates, one_busy_month, hashed, uuids, giant, chinese,
    ],
)  # fmt: skip
async def test_many_partitions_at_a_time(kind: Callable[[int], Iterator[str]]) -> None:
    """With R requests a second for each of 16 partitions of the bucket and 5R for the
    account, at least 4R come through, for at most five requests more per range."""
    bucket = KeysBucket(kind(COUNT))
    in_order = rate_of(bucket.keys, bucket.keys)
    spread = rate_of(await walked(bucket, Marks(), 20, 64), bucket.keys)

    assert in_order < 1.2
    assert spread > 4.0
    assert bucket.asked < COUNT / 500 + 20 * 5


def rate_of(walk: Sequence[str], keys: Sequence[str]) -> float:
    """How many R: what is in hand at a time is done when its busiest partition is."""
    starts = [keys[len(keys) * n // PARTITIONS] for n in range(1, PARTITIONS)]
    duration = 0.0
    for first in range(0, len(walk), 100):
        hand = walk[first : first + 100]
        busiest = max(Counter(bisect_right(starts, key) for key in hand).values())
        duration += max(busiest, len(hand) / ACCOUNT)
    return len(walk) / duration


# What it takes


async def test_one_page_is_one_request() -> None:
    """What the first page shows is shared out without asking further."""
    bucket = KeysBucket(hashed(900))
    marks = Marks()
    found = await walked(bucket, marks, 8, 64)
    assert (bucket.asked, len(marks.bounds), len(found)) == (1, 7, 900)
    assert found[:8] != bucket.keys[:8]


async def test_a_handful_stays_as_it_is() -> None:
    """Few objects come in key order, and nothing is cut."""
    bucket = KeysBucket(sequential(100))
    marks = Marks()
    assert await walked(bucket, marks, 20, 64) == bucket.keys
    assert (bucket.asked, marks.bounds) == (1, ())


async def test_pages_are_bounded() -> None:
    """However many objects there are, so many are listed ahead at most."""
    bucket = KeysBucket(sequential(60_000))
    taken, most_ahead = 0, 0
    async with requests_ahead() as ahead:
        lister = Lister(cast("Bucket", bucket), "p/", 20)
        walk = RangeWalk(lister, [Span()], 20, ahead, lambda _: None)
        async for _ in walk.items():
            taken += 1
            held = sum(len(listed.items) for listed in walk._walked)
            most_ahead = max(most_ahead, held)
    assert taken == 60_000
    assert 0.9 * MOST_LISTED <= most_ahead <= 1.5 * MOST_LISTED


@pytest.mark.parametrize(("ranges", "most"), [(1, 1000), (20, 1000), (100, 200)])
async def test_pages_are_as_large_as_they_may_be(ranges: int, most: int) -> None:
    """Twenty ranges take no more requests for it than one."""
    bucket = KeysBucket(sequential(2_000))
    lister = Lister(cast("Bucket", bucket), "p/", ranges)
    page = await lister.page("p/")
    assert len(page.objects) == most


async def test_a_listing_that_fails() -> None:
    """The error comes out where the page would be needed, also from a cut."""

    class Failing(KeysBucket):
        async def list_page(
            self, prefix: str, token: str | None, *, start_after: str, keys: int = 1000
        ) -> Page:
            if self.asked == 3:
                raise RunFatalError("no more")
            return await super().list_page(
                prefix, token, start_after=start_after, keys=keys
            )

    with pytest.raises(RunFatalError, match="no more"):
        await walked(Failing(sequential(5000)), Marks(), 8)


async def test_a_bound_is_told_before_what_is_behind_it() -> None:
    """Also when a range is cut while others are walked."""
    bucket, told, seen = KeysBucket(giant(6000)), list[str](), list[str]()

    def note(bounds: Sequence[str]) -> None:
        for bound in bounds:
            end = min((other for other in told if other > bound), default="q")
            assert not [key for key in seen if bound < key <= end]
            told.append(bound)

    async with requests_ahead() as ahead:
        walk = walk_ranges(
            cast("Bucket", bucket), "p/", [Span()], 8, ahead=ahead, note=note
        )
        async for item in walk:
            seen.append(item.key)
            if len(seen) % 20 == 0:  # work takes its time, and listing goes on
                await asyncio.sleep(0)
    assert sorted(seen) == bucket.keys
    assert len(told) > 8


def test_far_apart() -> None:
    """Those opened first are not neighbours."""
    spans = [Span(str(n)) for n in range(7)]
    assert [span.after for span in far_apart(spans, 3)] == list("0361425")
    assert far_apart(spans, 9) == spans
