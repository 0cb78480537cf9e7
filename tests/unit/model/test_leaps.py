"""Where a listing may be leapt over: from how it lies to what is behind it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise, product

import pytest

from bulkmeta.model.leaps import PAGES, Row
from bulkmeta.model.scale import Scale

NUMBERS = [f"p/{number:06}.gz" for number in range(20_000)]


def row(keys: Sequence[str], first: int = 0, page: int = 100) -> Row:
    shown = keys[first : first + PAGES * page]
    return Row([shown[at : at + page] for at in range(0, len(shown), page)], "p/")


@pytest.mark.parametrize("first", [0, 350, 1250])
@pytest.mark.parametrize("wanted", [150, 1000, 4000])
def test_as_many_keys_as_it_says(first: int, wanted: int) -> None:
    """It passes over at most about as many as are wanted, and knows how many."""
    leap = row(NUMBERS, first).leap(wanted)
    assert leap is not None
    last = first + PAGES * 100 - 1
    over = sum(NUMBERS[last] < key <= leap.to for key in NUMBERS)
    assert over == pytest.approx(leap.keys, abs=2)
    assert 0 < over <= wanted + 1


def test_it_ends_behind_the_last_letter_of_a_part() -> None:
    """So that a key that is no number would be the next one."""
    leap = row(NUMBERS, 1000).leap(2500)
    assert leap is not None
    assert leap.to == "p/003:"
    assert NUMBERS[3999] < leap.to < "p/003x" < NUMBERS[4000]


def test_it_ends_in_the_same_part_if_letters_are_not_known() -> None:
    """There may be more of them than were seen, and more keys."""
    keys = [f"p/{n // 150}{chr(0x4E00 + n % 150 // 3)}{n % 3}" for n in range(1500)]
    leap = row(keys, 30).leap(500)
    assert leap is not None
    assert leap.last < leap.to < "p/5"


def test_it_ends_under_the_prefix() -> None:
    """However many are wanted: nothing else is of interest."""
    leap = row(NUMBERS, 19_000).leap(10.0**9)
    assert leap is not None
    assert leap.to == "p/9:"


def test_the_page_behind_has_to_be_like_those_before() -> None:
    """As dense, where it is looked for, and with the same beginning."""
    leap = row(NUMBERS, 1000).leap(2500)
    assert leap is not None
    assert leap.counted(NUMBERS[4000:4100]) == pytest.approx(2400, rel=0.02)
    assert leap.counted(NUMBERS[4025:4125]) is not None
    assert leap.counted(NUMBERS[4050:4150]) is None, "a hole"
    assert leap.counted(NUMBERS[4000:4200:2]) is None, "half as dense"
    dense = [f"{key[:-3]}{more}" for key in NUMBERS[4000:4050] for more in "ab"]
    assert leap.counted(dense) is None, "twice as dense"
    assert leap.counted([f"q/{number:06}" for number in range(100)]) is None
    assert leap.counted([]) is None


def test_its_parts_are_in_order_and_make_it_up() -> None:
    """Between its beginning and its end, of about as many keys each."""
    leap = row(NUMBERS).leap(5000)
    assert leap is not None
    parts = list(leap.parts(4800))
    texts = [text for text, _ in parts]
    assert [leap.last, *texts] == sorted({leap.last, *texts})
    assert (texts[-1], sum(count for _, count in parts)) == (leap.to, 4800)
    ends = [sum(key <= text for key in NUMBERS) for text in (leap.last, *texts)]
    sizes = [after - before for before, after in pairwise(ends)]
    assert max(sizes) < 1.3 * min(sizes)


def test_keys_that_lie_unevenly() -> None:
    """One page that is denser than the others is enough."""
    draw = random.Random(1)  # noqa: S311 repeatable
    even = sorted(f"p/{draw.randrange(10**6):06}" for _ in range(600))
    assert row(NUMBERS).is_even
    assert not row(sorted(NUMBERS[:150:3] + NUMBERS[150:800])).is_even
    assert row(even).is_even


def test_behind_a_key_that_no_request_can_name() -> None:
    """Nothing can be asked for."""
    assert not row([f"p/{number:06}\udcff" for number in range(600)]).is_even


def test_there_is_nothing_between() -> None:
    """A leap over no key is none."""
    assert row(NUMBERS, 1050).leap(0.5) is None


ABC = ["".join(letters) for letters in product("abc", repeat=5)]


@pytest.mark.parametrize(
    ("keys", "one", "other"),
    [
        (["p/08.gz", "p/12.gz"], "p/09.gz", "p/10.gz"),
        ([f"p/{x}" for x in ABC], "p/aaccc", "p/abaaa"),
        ([f"p/{x[0]}/{x}" for x in ABC if x < "b"], "p/a/ccccc", "p/b/aaaaa"),
        ([f"p/{n % 9}/{n:x}" for n in range(4096, 9999)], "p/a/ffff", "p/b/0000"),
        (
            [f"p/{8 + n % 4:02}/{n:x}" for n in range(4096, 9999)],
            "p/09/ffff",
            "p/10/0000",
        ),
        ([f"p/{x}".replace("b", "/") for x in ABC], "p/aaaa0", "p/aaaa1"),
        (["p/人", "p/仄"], "p/从", "p/\u4ecf"),
        (["p/ad", "p/bb", "p/da", "p/ba"], "p/ac", "p/ad"),
    ],
)
def test_counted_on(keys: list[str], one: str, other: str) -> None:
    """By digits, by the letters that fields show, or by code points if not enough are
    seen."""
    scale = Scale("p/", keys, 6)
    assert scale.number(other) == scale.number(one) + 1
    assert scale.text(scale.places(scale.number(one))) == one


@pytest.mark.parametrize(("beginning", "letters"), [("d1", 10), ("d/", 16)])
def test_what_is_behind_a_digit_is_one(beginning: str, letters: int) -> None:
    """One place of digits is decimal as a part of a number; else it may be the first
    letter of an id, of which there are others."""
    scale = Scale(
        beginning, [f"{beginning}{n % 9}/{n:x}" for n in range(4096, 9999)], 6
    )
    assert scale.letters[0].base == letters
