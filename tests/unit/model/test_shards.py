"""Cutting a key space by counted keys: parts that are alike, and miss nothing."""

from __future__ import annotations

import random
import uuid
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import pairwise, zip_longest
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkmeta.errors import UsageError
from bulkmeta.model.key_ranges import Marks, Span, in_order
from bulkmeta.model.selection import Shard
from bulkmeta.model.shards import (
    MOST_BYTES,
    Draw,
    Part,
    Shards,
    Tally,
    cut,
    parse_shards,
)

COUNT = 50_000
RAW = st.binary(min_size=1).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
Counted = Callable[[list[str], int, int], Shards]
keys_of_any_kind = st.lists(st.text(min_size=1), unique=True, max_size=60)


def kept(bounds: tuple[str, ...], objects: tuple[int, ...]) -> Shards:
    return Shards(
        version="1",
        made="now",
        bucket="bucket",
        prefixes=("p/",),
        bounds=bounds,
        objects=objects,
    )


def walked(keys: list[str], parts: int, most: int = 1000) -> Shards:
    """As the keys come by a walk of three ranges in turn."""
    marks = Marks()
    tally = Tally(marks.start_of, most)
    third = -(-len(keys) // 3) or 1
    ranges = [iter(keys[at : at + third]) for at in range(0, len(keys), third)]
    marks.cut(keys[at - 1] for at in range(third, len(keys), third))
    for turn in zip_longest(*ranges):
        for key in filter(None, turn):
            tally.note(key)
    return kept(*cut(tally.known(), parts))


def drawn(keys: list[str], parts: int, most: int) -> Shards:
    """As the keys come in any order."""
    draw = Draw(most)
    for key in random.Random(5).sample(keys, len(keys)):  # noqa: S311 repeatable
        draw.note(key)
    assert draw.total == len(keys)
    return kept(*cut(draw.known(), parts))


@pytest.mark.parametrize("counted", [walked, drawn])
@given(
    keys=keys_of_any_kind,
    parts=st.integers(1, 9),
    later=st.lists(st.text(), max_size=20),
)
def test_each_key_is_in_one_part(
    counted: Counted, keys: list[str], parts: int, later: list[str]
) -> None:
    """Also those that came after the cut; there are as many parts as asked for."""
    shards = counted(sorted(keys), parts, 8)
    shards.check()
    all_parts = [shards.part(index) for index in range(parts)]
    for key in (*keys, *filter(None, later)):
        assert sum(part.holds(key) for part in all_parts) == 1
    assert sum(shards.objects) == len(keys)


def sequential() -> Iterator[str]:
    return (f"p/{number:012}.jpg" for number in range(COUNT))


def one_giant_prefix() -> Iterator[str]:
    for number in range(COUNT):
        small = sha256(b"%d" % number).hexdigest()[:6]
        yield f"p/{small}/{number}" if number % 20 else f"p/events/log/{number:09}.gz"


def hashed() -> Iterator[str]:
    return (f"p/{sha256(b'%d' % number).hexdigest()}" for number in range(COUNT))


def dates() -> Iterator[str]:
    for number in range(COUNT):
        day = number * 900 // COUNT
        yield f"p/{2024 + day // 372}/{day // 31 % 12 + 1:02}/{day % 31:02}/{number}"


def uuids() -> Iterator[str]:
    draw = random.Random(7)  # noqa: S311 repeatable
    return (f"p/{uuid.UUID(int=draw.getrandbits(128))}" for _ in range(COUNT))


def names() -> Iterator[str]:
    people = "王李张刘陈杨黄赵佐藤鈴木高橋田中"
    return (
        f"人物/{people[n % 7 * n % 16]}{n % 977}/写真 {n}.jpg" for n in range(COUNT)
    )


def folders_by_zipf() -> Iterator[str]:
    for folder in range(1, 4000):
        for number in range(1 + COUNT // (9 * folder)):
            yield f"p/d{folder * 7919 % 4001:04}/file{number:06}.bin"


def mixed_lengths() -> Iterator[str]:
    for number in range(COUNT):
        shared = "very-long-shared-beginning/" * (number % 13)
        yield f"p/{shared}{number}{'x' * (number % 200)}"


KINDS = [
    sequential,
    one_giant_prefix,
    hashed,
    dates,
    uuids,
    names,
    folders_by_zipf,
    mixed_lengths,
]


def sizes_of(keys: list[str], shards: Shards) -> list[int]:
    ends = [bisect_right(keys, bound) for bound in shards.bounds]
    return [b - a for a, b in pairwise([0, *ends, len(keys)])]


@pytest.mark.parametrize("parts", [16, 64, 256])
@pytest.mark.parametrize("kind", KINDS)
def test_drawn_parts_are_alike(kind: Callable[[], Iterator[str]], parts: int) -> None:
    """Of keys in any order so many are remembered that none is twice as large as it
    should be; the file tells about what they have, and all together as it is."""
    keys = sorted(kind())
    shards = drawn(keys, parts, 20_000)
    sizes = sizes_of(keys, shards)
    assert max(sizes) / median(sizes) < 1.5
    assert sum(shards.objects) == len(keys)


@pytest.mark.parametrize("parts", [16, 64, 256])
@pytest.mark.parametrize("kind", KINDS)
def test_parts_are_alike(kind: Callable[[], Iterator[str]], parts: int) -> None:
    """However keys are spread: what is counted needs no guess. The file tells the
    sizes as they are."""
    keys = sorted(kind())
    shards = walked(keys, parts, 20_000)
    sizes = sizes_of(keys, shards)
    assert max(sizes) / median(sizes) < 1.1
    assert sum(shards.objects) == len(keys)
    told = zip(sizes, shards.objects, strict=True)
    assert all(abs(size - said) <= len(keys) / 2000 for size, said in told)


@pytest.mark.parametrize("kind", KINDS)
def test_parts_by_hash_are_alike(kind: Callable[[], Iterator[str]]) -> None:
    """However keys are spread, and without one request."""
    sizes = Counter(Shard(0, 64).place_of(key) for key in set(kind()))
    assert sorted(sizes) == list(range(64))
    assert max(sizes.values()) / median(sizes.values()) < 1.3


def test_keys_that_no_request_can_name() -> None:
    """They are counted, and are no bound."""
    tally = Tally(Marks().start_of)
    for key in ("p/a", "p/b\udcff", "p/c\udcff", "p/d"):
        tally.note(key)
    known = tally.known()
    assert cut(known, 2) == (("p/a",), (2, 2)) or cut(known, 2) == (("p/d",), (4, 0))
    assert all("\udcff" not in bound for bound in cut(known, 4)[0])


def test_order_is_that_of_bytes() -> None:
    """Keys that are no text lie where the service has them: behind all that is."""
    low, high = Part(0, 2, "", "p/\U0001f600"), Part(1, 2, "p/\U0001f600")
    key = "p/\udcff"
    assert (low.holds(key), high.holds(key)) == (False, True)


def test_a_part_narrows_a_span() -> None:
    """Its listing begins and ends where both do."""
    part = Part(1, 3, "c", "m")
    assert part.within(Span()) == Span("c", "m")
    assert part.within(Span("d", "z")) == Span("d", "m")
    assert Part(0, 1).within(Span("d", None)) == Span("d", None)


@pytest.mark.parametrize(
    ("shards", "words"),
    [
        (kept(("b", "a"), (1, 1, 1)), "altered"),
        (kept(("a",), (1,)), "altered"),
    ],
)
def test_altered_files_are_refused(shards: Shards, words: str) -> None:
    """Bounds out of order, or counts that do not belong to them."""
    with pytest.raises(UsageError, match=words):
        shards.check()


@given(st.text(min_size=1), st.lists(RAW, min_size=1))
def test_parts_follow_the_order_of_the_service(bound: str, keys: list[str]) -> None:
    """By bytes: what lies in the first part is listed before what does not."""
    parts, ordered = (
        (Part(0, 2, up_to=bound), Part(1, 2, bound)),
        sorted(keys, key=in_order),
    )
    first, second = ([part.holds(key) for key in ordered] for part in parts)
    assert first == sorted(first, reverse=True)
    assert second == [not held for held in first]


def test_a_key_that_a_program_made_up() -> None:
    """One that no service has is in a part as well, and no surprise."""
    assert [Part(0, 2, up_to="m").holds("\ud800"), Part(1, 2, "m").holds("\ud800")] == [
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("prefix", "meets"),
    [
        ("d", True), ("m", True), ("mm", False), ("c", True), ("b", False),
        ("ba", False), ("", True),
    ],
)  # fmt: skip
def test_where_a_part_has_nothing_to_list(prefix: str, meets: bool) -> None:
    """Prefixes outside of it, and all of them if it is empty."""
    assert Span("c", "m").meets(prefix) is meets
    assert not Span("c", "c").meets(prefix)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no file of shards"),
        (b"[]", "no file of shards, or a damaged one$"),
        (b'{"type":"run","schema":1,"version":"1"}', "no file of shards"),
        (b'{"type":"shards","schema":2,"version":"9.1"}', r"newer bulkmeta \(9.1\)"),
        (b" " * (MOST_BYTES + 1), "too long"),
        (
            b'{"type":"shards","schema":1,"version":"1","made":"x","bucket":"b",'
            b'"prefixes":["p/"],"bounds":["b"],"objects":[-5,1]}',
            "no file of shards",
        ),
    ],
)  # fmt: skip
def test_files_that_are_none(data: bytes, words: str) -> None:
    """Each is told apart in words."""
    with pytest.raises(UsageError, match=words):
        parse_shards(data)


def test_no_such_part() -> None:
    """The numbers that there are, are told."""
    with pytest.raises(UsageError, match="shards 0 to 1, no 2"):
        kept(("a",), (1, 1)).part(2)


def test_a_draw_of_keys_in_order() -> None:
    """The share that is drawn becomes smaller as keys come: late ones count no more
    than the first."""
    draw = Draw(1000)
    for number in range(COUNT):
        draw.note(f"p/{number:06}")
    (bound,), _ = cut(draw.known(), 2)
    assert int(bound.removeprefix("p/")) == pytest.approx(COUNT / 2, rel=0.1)
