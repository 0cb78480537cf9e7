"""Keys as numbers, by the letters that they are made of. Pure.

Between two keys lie as many further ones as there are ways to count on from one to the
other. How keys are counted on is seen from some of them: by digits, by the letters of a
field (hexadecimal ids, say), or, where nothing is known, by code points.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from string import digits
from typing import Final, NamedTuple

from bulkmeta.model.key_ranges import next_letter

_CODES: Final = 0x110000

PLACES: Final = 14
"""Characters behind the beginning that count."""


class _Column(NamedTuple):
    """The letters that a place has; and whether it is seen behind so many beginnings
    that hardly one can have others: each stretch of a listing cuts off two of them."""

    letters: set[str]
    is_certain: bool


@dataclass(frozen=True, slots=True)
class Letters:
    """What one place of a key can be: one of `known`, or else a code point from `low`
    up to and with `high`. `whole`: there are no others, as far as can be seen."""

    known: str
    low: int
    high: int
    whole: bool

    @property
    def base(self) -> int:
        return len(self.known) or self.high - self.low + 1

    def place(self, letter: str) -> int:
        """Which one it is, from 0; `base` if it is behind them."""
        if self.known:
            return bisect_left(self.known, letter)
        return min(max(ord(letter) - self.low, 0), self.base)

    def letter(self, place: int) -> str:
        return self.known[place] if self.known else chr(self.low + place)

    def behind(self) -> str | None:
        """The first letter behind all of them; None: there is none."""
        return next_letter("", ord(self.known[-1]) if self.known else self.high)


class Scale:
    """Numbers for keys that begin with `beginning`, as `keys` show how to count them,
    out of so many `stretches` of a listing.
    The first place behind it has no end: what follows the last letter is counted by
    code points if its letters are not known."""

    def __init__(self, beginning: str, keys: Sequence[str], stretches: int) -> None:
        self.beginning = beginning
        first = len(beginning)
        places = [key[first : first + PLACES] for key in keys]
        self.letters = tuple(
            _letters_of(
                _columns(places, 2 * stretches), within=beginning[-1:].isalnum()
            )
        )

    def number(self, key: str) -> int:
        """How far on the scale a key is that begins as it does."""
        rest = key[len(self.beginning) :]
        number = 0
        for place, letters in enumerate(self.letters):
            number *= letters.base
            if place < len(rest):
                number += self._count(letters, rest[place], first=place == 0)
        return number

    def _count(self, letters: Letters, letter: str, *, first: bool) -> int:
        if first and not letters.known:
            return max(ord(letter) - letters.low, 0)
        return letters.place(letter)

    def places(self, number: int) -> list[int]:
        """Which letter each place of a number is."""
        found = []
        for letters in reversed(self.letters[1:]):
            number, place = divmod(number, letters.base)
            found.append(place)
        return [number, *reversed(found)]

    def text(self, places: Sequence[int]) -> str | None:
        """The text with these letters; None: the first one is none."""
        first = self.letters[0]
        if places[0] >= (first.base if first.known else _CODES - first.low):
            return None
        pairs = zip(self.letters, places, strict=False)
        return self.beginning + "".join(x.letter(place) for x, place in pairs)


def _columns(texts: Sequence[str], cut: int) -> Iterator[_Column]:
    """The letters of each place, as far as any text goes; so many beginnings may be
    `cut` off."""
    for place in range(PLACES):
        long = [text for text in texts if place < len(text)]
        if not long:
            return
        beginnings = {text[:place] for text in long}
        yield _Column({text[place] for text in long}, len(beginnings) > cut)


def _letters_of(columns: Iterable[_Column], *, within: bool) -> Iterator[Letters]:
    """What each place can be, where the first is `within` a field that began before it,
    or is not. Those of a field are counted alike; one that may not show all its letters
    is counted like another one that shows them."""
    parts = [(named, [*part]) for named, part in groupby(columns, _is_of_field)]
    shown = [_shown(part) for named, part in parts if named]
    for place, (named, part) in enumerate(parts):
        alone = len(part) == 1 and not (within and place == 0)
        used = _used(part)
        shared = _shared(used, shown, alone=alone) if named else set[str]()
        for letters, _ in part:
            yield _known(shared) if letters <= shared else _range(letters)


def _is_of_field(column: _Column) -> bool:
    """Whether a place is part of a field, and no sign between two of them."""
    if len(column.letters) == 1:
        return next(iter(column.letters)).isalnum()
    return all(letter.isalnum() or letter in "-_" for letter in column.letters)


def _shared(used: set[str], shown: Sequence[set[str]], *, alone: bool) -> set[str]:
    """The letters of a field that uses some; none: they are not known. Where digits are
    alone, other fields come first: folders may be the first letters of ids in them."""
    decimal = {*digits} if used <= {*digits} else set[str]()
    if decimal and not alone:
        return decimal
    fit = [letters for letters in shown if used <= letters]
    return max(fit, key=len, default=decimal)


def _shown(field: Sequence[_Column]) -> set[str]:
    """All letters of a field; none if that is not certain."""
    used = _used(field)
    certain = any(x.letters == used and x.is_certain for x in field)
    return used if certain else set()


def _used(field: Sequence[_Column]) -> set[str]:
    varied = [letters for letters, _ in field if len(letters) > 1]
    return set[str]().union(*varied)


def _known(letters: set[str]) -> Letters:
    return Letters("".join(sorted(letters)), 0, 0, whole=True)


def _range(column: set[str]) -> Letters:
    low, high = ord(min(column)), ord(max(column))
    return Letters("", low, high, whole=low == high)
