"""How alike shards are, and how many requests it takes to cut them.

Eight kinds of keys are cut as the commands do: by hash (`--shard I/N`), which takes no
request; by a survey of the listing (`bulkmeta shards`), from memory here; by counting
all of it (`--exact`), in one key range or in several; and as a file or an inventory
names them, in any order, which takes no request either.

    python -m benchmarks.shards [--keys 1000000] [--kinds dates,uuids]
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import random
import uuid
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from functools import partial
from itertools import islice, pairwise
from statistics import median
from typing import TYPE_CHECKING, cast

from bulkmeta.model.key_ranges import Marks, Span
from bulkmeta.model.metadata import ListedObject
from bulkmeta.model.selection import Shard
from bulkmeta.model.shards import Draw, Tally, cut
from bulkmeta.oss.page import Page
from bulkmeta.runners.flow import requests_ahead
from bulkmeta.sources.listed_range import Lister
from bulkmeta.sources.prefix import list_prefix
from bulkmeta.sources.ranges import walk_ranges
from bulkmeta.sources.survey import Survey

if TYPE_CHECKING:
    from bulkmeta.oss.bucket import Bucket

INTO = (16, 64, 256)
SPREADS = (1, 20)


def sequential(count: int) -> Iterator[str]:
    return (f"{number:012}.jpg" for number in range(count))


def one_giant_prefix(count: int) -> Iterator[str]:
    """Nineteen of twenty under one prefix, the rest all over the alphabet."""
    for number in range(count):
        small = hashlib.sha256(b"%d" % number).hexdigest()[:6]
        giant = f"events/production/{number:09}.gz"
        yield giant if number % 20 else f"{small}/{number}"


def hashed(count: int) -> Iterator[str]:
    return (hashlib.sha256(b"%d" % number).hexdigest() for number in range(count))


def uuids(count: int) -> Iterator[str]:
    draw = random.Random(7)  # noqa: S311 repeatable, no secret
    return (str(uuid.UUID(int=draw.getrandbits(128))) for _ in range(count))


def dates(count: int) -> Iterator[str]:
    for number, name in enumerate(uuids(count)):
        day = date(2024, 1, 1) + timedelta(days=number % 900)
        yield f"{day:%Y/%m/%d}/{name}"


def names(count: int) -> Iterator[str]:
    draw = random.Random(7)  # noqa: S311 repeatable, no secret
    families = "王李張劉陳楊趙黄周吳徐孫胡朱高林何郭馬羅佐藤鈴木高橋田中伊渡辺山本小林"
    given = [chr(code) for code in range(0x4E00, 0x9FA0, 7)]
    weights = [1 / (rank + 1) for rank in range(len(families))]
    chosen = draw.choices(families, weights, k=count)
    for number, family in enumerate(chosen):
        yield f"人物/{family}{draw.choice(given)}/写真 {number:07}.jpg"


def folders_by_zipf(count: int) -> Iterator[str]:
    """The largest of 5,000 folders holds a ninth of all, the tenth a ninetieth."""
    draw = random.Random(7)  # noqa: S311 repeatable, no secret
    folders = draw.sample(range(5000), 5000)
    weights = [1 / (rank + 1) for rank in range(5000)]
    for number, folder in enumerate(draw.choices(folders, weights, k=count)):
        yield f"d{folder:05}/file{number:08}.bin"


def mixed_lengths(count: int) -> Iterator[str]:
    for number in range(count):
        yield f"{'very-long-shared-beginning/' * (number % 13)}{number}"


KINDS: dict[str, Callable[[int], Iterator[str]]] = {
    "sequential": sequential,
    "giant": one_giant_prefix,
    "hashed": hashed,
    "dates": dates,
    "uuids": uuids,
    "names": names,
    "zipf": folders_by_zipf,
    "mixed": mixed_lengths,
}


class KeysBucket:
    """Lists keys from memory, and counts the requests."""

    def __init__(self, keys: list[str]) -> None:
        self.keys = keys
        self.asked = 0

    async def list_page(
        self, _: str, token: str | None, *, start_after: str = "", keys: int = 1000
    ) -> Page:
        self.asked += 1
        await asyncio.sleep(0)
        first = bisect_right(self.keys, token or start_after)
        found = [ListedObject(key) for key in islice(self.keys, first, first + keys)]
        more = first + len(found) < len(self.keys)
        return Page(found, found[-1].key if more else None)


async def listed(keys: list[str], spread: int) -> tuple[Tally, int]:
    """All keys, counted by a walk of so many ranges, and the requests it took."""
    bucket, marks = KeysBucket(keys), Marks()
    tally = Tally(marks.start_of)
    async with requests_ahead() as ahead:
        lists = cast("Bucket", bucket)
        if spread == 1:
            source = list_prefix(lists, "", ahead, Span())
        else:
            source = walk_ranges(
                lists, "", marks.left(), spread, ahead=ahead, note=marks.cut
            )
        async for item in source:
            tally.note(item.key)
    return tally, bucket.asked


def drawn(keys: list[str]) -> Draw:
    """All keys, in an order that says nothing."""
    draw = Draw()
    for key in random.Random(7).sample(keys, len(keys)):  # noqa: S311 repeatable
        draw.note(key)
    return draw


def by_order(keys: list[str], known: list[tuple[str, int]], parts: int) -> float:
    """How many times the median range the largest one is."""
    bounds, _ = cut(known, parts)
    ends = [0, *(bisect_right(keys, bound) for bound in bounds), len(keys)]
    sizes = [after - before for before, after in pairwise(ends)]
    return max(sizes) / median(sizes)


def by_hash(keys: list[str], parts: int) -> float:
    """How many times the median shard the largest one is."""
    sizes = Counter(Shard(0, parts).place_of(key) for key in keys)
    return max(sizes.values()) / median(sizes.values())


async def surveyed(keys: list[str], parts: int) -> tuple[Tally, int]:
    """Where the keys lie, by a survey for so many parts, and the requests it took."""
    bucket, tally = KeysBucket(keys), Tally(Marks().start_of)
    lister = Lister(cast("Bucket", bucket), "", 1)
    await Survey(lister, tally, parts, lambda: None).count()
    return tally, bucket.asked


Way = Callable[[int], tuple[int, float]]
"""The requests of a cut into so many parts, and how uneven it is."""


def cuts(keys: list[str]) -> Iterator[tuple[str, Way]]:
    """Each way to cut."""
    yield "hash", lambda parts: (0, by_hash(keys, parts))

    def survey(parts: int) -> tuple[int, float]:
        tally, asked = asyncio.run(surveyed(keys, parts))
        return asked, by_order(keys, tally.known(), parts)

    yield "survey", survey
    for spread in SPREADS:
        tally, asked = asyncio.run(listed(keys, spread))
        yield f"exact {spread}", partial(_of_known, asked, keys, tally.known())
    yield "named", partial(_of_known, 0, keys, drawn(keys).known())


def _of_known(
    asked: int, keys: list[str], known: list[tuple[str, int]], parts: int
) -> tuple[int, float]:
    return asked, by_order(keys, known, parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--kinds", default=",".join(KINDS))
    given = parser.parse_args()
    heads = " ".join(f"{f'{parts} shards':>14}" for parts in INTO)
    print(f"{'keys':<12}{'cut by':<9} {heads}   (requests, largest/median)")
    for kind in given.kinds.split(","):
        keys = sorted(set(KINDS[kind](given.keys)))
        for name, way in cuts(keys):
            found = [way(parts) for parts in INTO]
            words = " ".join(f"{asked:>6} {uneven:>7.4f}" for asked, uneven in found)
            print(f"{kind:<12}{name:<9} {words}", flush=True)


if __name__ == "__main__":
    main()
