"""Counting keys without listing them all: fewer requests, and parts that are alike."""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_right
from hashlib import sha256
from itertools import pairwise
from statistics import median
from string import ascii_letters, digits
from typing import TYPE_CHECKING, cast
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.shards import KINDS
from benchmarks.shards import KeysBucket as ManyKeys
from bulkmeta.model.key_ranges import Marks
from bulkmeta.model.shards import Tally, cut
from bulkmeta.sources import survey
from bulkmeta.sources.listed_range import Lister
from bulkmeta.sources.survey import Survey
from tests.unit.sources.conftest import KeysBucket

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

    from bulkmeta.oss.bucket import Bucket

COUNT = 200_000
PAGES = COUNT // 1000


def pages_of_four() -> AbstractContextManager[object]:
    """Few keys are then many pages."""
    return patch.multiple(survey, PAGE_KEYS=4, _NEAR=3, _SHORT=16)


class Surveyed:
    """What a survey of keys found, and what it took."""

    def __init__(
        self,
        keys: Iterable[str],
        parts: int,
        bucket: ManyKeys | KeysBucket | None = None,
    ) -> None:
        self.keys = sorted(keys)
        self.parts = parts
        bucket = bucket or ManyKeys(self.keys)
        tally = Tally(Marks().start_of)
        lister = Lister(cast("Bucket", bucket), "", 1)
        self.told = 0
        self.survey = Survey(lister, tally, parts, self._tell)
        asyncio.run(self.survey.count())
        self.requests = bucket.asked
        self.total = tally.total
        self.known = tally.known()

    def _tell(self) -> None:
        self.told += 1

    def unevenness(self) -> float:
        """How many times the median part the largest one is."""
        bounds, _ = cut(self.known, self.parts)
        ends = [0, *(bisect_right(self.keys, x) for x in bounds), len(self.keys)]
        sizes = [after - before for before, after in pairwise(ends)]
        return max(sizes) / median(sizes)


@pytest.mark.parametrize("kind", KINDS)
def test_parts_are_alike(kind: str) -> None:
    """Whatever the keys are; and it takes hardly more requests than counting does."""
    found = Surveyed(KINDS[kind](COUNT), 16)
    assert found.unevenness() < 1.2
    assert found.total == pytest.approx(COUNT, rel=0.06)
    assert found.requests <= PAGES + 8


@pytest.mark.parametrize("kind", ["sequential", "giant", "hashed", "uuids"])
def test_few_requests_where_keys_lie_evenly(kind: str) -> None:
    """A fraction of what counting takes, the more so the more keys there are."""
    found = Surveyed(KINDS[kind](COUNT), 16)
    assert found.requests < PAGES / 2
    assert found.survey.leaps > 10
    assert found.told > 10


def test_all_is_counted_where_they_do_not() -> None:
    """Folders of which one in a thousand holds most: none is passed over unseen."""
    draw = random.Random(3)  # noqa: S311 repeatable
    sizes = [int(50 / draw.random()) for _ in range(1000)]
    keys = [f"{at:04}/{n:06}" for at, size in enumerate(sizes) for n in range(size)]
    found = Surveyed(keys, 64)
    assert found.unevenness() < 1.5


def test_what_leaps_may_cost() -> None:
    """Folders of a page each, and nothing where the next one is looked for: after a few
    leaps in vain there are no more."""
    keys = [f"{at:06}/{n:05}" for at in range(150) for n in range(1000)]
    found = Surveyed(keys, 4)
    assert (found.survey.leaps, found.total) == (0, len(keys))
    assert found.requests == 150 + 8


def test_what_leaps_spare_pays_for_others() -> None:
    """Such folders amid keys that lie evenly do not end the leaping."""
    folders = [f"b{at:06}/{n:05}" for at in range(40) for n in range(1000)]
    first, last = ([f"{x}{n:06}" for n in range(100_000)] for x in "ac")
    found = Surveyed([*first, *folders, *last], 4)
    assert found.requests < 97


@pytest.mark.parametrize("more", ["e/", "events/production/", "ez", "zz", "A"])
def test_what_lies_behind_the_last_letter_is_found(more: str) -> None:
    """Hexadecimal keys, and many others in a place where no such key can be."""
    even = (sha256(b"%d" % number).hexdigest() for number in range(COUNT // 2))
    found = Surveyed([*even, *(f"{more}{n:06}" for n in range(COUNT // 2))], 16)
    assert found.total == pytest.approx(COUNT, rel=0.06)
    assert found.unevenness() < 1.5


@pytest.mark.parametrize("letters", ["0123456789ABCDEF", "abcdefghijklmnopqrstuvwxyz"])
def test_letters_of_any_field(letters: str) -> None:
    """How keys are counted on is seen from them."""
    draw = random.Random(3)  # noqa: S311 repeatable
    keys = ("a-" + "".join(draw.choices(letters, k=12)) for _ in range(COUNT))
    found = Surveyed(keys, 16)
    assert (found.requests < PAGES / 2, found.unevenness() < 1.2) == (True, True)


@pytest.mark.parametrize(
    "form", ["{0:.2}/{1}", "{0:.2}/{0[2]}{0[3]}/{0}.jpg", "u/{0[0]}/{0[1]}/{0[2]}/{0}"]
)
@pytest.mark.parametrize("letters", ["0123456789abcdef", ascii_letters + digits + "-_"])
def test_folders_by_the_first_letters(form: str, letters: str) -> None:
    """A stretch of them shows but a few of the letters that there are; the others are
    not taken for none."""
    draw = random.Random(3)  # noqa: S311 repeatable
    ids = ("".join(draw.choices(letters, k=12)) for _ in range(COUNT))
    found = Surveyed((form.format(x, n) for n, x in enumerate(ids)), 16)
    assert found.total == pytest.approx(COUNT, rel=0.06)
    assert found.unevenness() < 1.2


@given(
    st.sets(st.text("01/é", max_size=9) | st.text("0", max_size=40), max_size=400),
    st.integers(1, 9),
)
def test_in_order_whatever_they_are(keys: set[str], parts: int) -> None:
    """It comes to an end, the known keys are in order, and each is counted that was not
    passed over."""
    with pages_of_four():
        found = Surveyed(keys - {""}, parts, KeysBucket(keys - {""}, 4))
    assert found.known == sorted(found.known)
    assert sum(count for _, count in found.known) == found.total
    assert found.survey.leaps or found.total == len(found.keys)


def test_keys_that_no_request_can_name() -> None:
    """They are counted like others, and nothing is looked for behind them."""
    keys = [f"{number:03}\udcff" for number in range(200)]
    with pages_of_four():
        found = Surveyed(keys, 4, KeysBucket(keys, 4))
    assert (found.total, found.survey.leaps) == (200, 0)
