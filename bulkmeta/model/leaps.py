"""Where keys lie so evenly that some need not be listed to be counted. Pure.

A page of a listing shows a thousand keys and nothing of what is behind them. If several
pages in a row are alike, further ones are likely to be so, too. A leap passes over as
many as are likely and is proved by the page behind it: that one has to begin where it
is looked for, and be like those before. A leap never ends in the middle: it ends behind
the last letter of a part, where something else would lie if there were any.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bulkmeta.model.key_ranges import shared_length
from bulkmeta.model.limits import is_utf8, key_fault
from bulkmeta.model.scale import Scale

PAGES: Final = 6
"""So many pages in a row have to be alike."""

_ALIKE: Final = 1.25
"""How many times as dense as another one a page may be to be like it."""

_HOLE: Final = 0.3
"""How much of a page may be missing in front of the one behind a leap."""

_EVERY: Final = 10
"""Of how many keys one shows how they are counted."""

_BOUNDS: Final = 16
"""In how many parts a leap is counted."""


@dataclass(frozen=True, slots=True)
class Leap:
    """From key `last` to the text `to`, over about `keys` keys. Each takes `each` on
    the scale."""

    scale: Scale
    last: str
    to: str
    keys: float
    each: float

    def counted(self, page: Sequence[str]) -> float | None:
        """How many keys it passes over, now that the page behind it is known; None: it
        shows that they do not lie evenly."""
        if not page or not _is_on(self.scale, page):
            return None
        first = self.scale.number(page[0])
        each = _each(self.scale, page)
        hole = first - self.scale.number(self.to)
        if hole > _HOLE * len(page) * self.each:
            return None
        if not self.each / _ALIKE <= each <= self.each * _ALIKE:
            return None
        return self.keys * 2 * self.each / (self.each + each)

    def parts(self, keys: float) -> Iterator[tuple[str, int]]:
        """Texts up to its end, and how many of so many keys lie before each of them and
        behind the one before."""
        first, end = self.scale.number(self.last), self.scale.number(self.to)
        told = 0
        for part in range(1, _BOUNDS + 1):
            upto = round(keys * part / _BOUNDS)
            number = first + (end - first) * part // _BOUNDS
            text = self.scale.text(self.scale.places(number))
            if part == _BOUNDS:
                text = self.to
            if text and self.last < text <= self.to and is_utf8(text):
                yield text, upto - told
                told = upto


class Row:
    """Pages in a row, under the prefix `root`, in which keys lie evenly."""

    def __init__(self, pages: Sequence[Sequence[str]], root: str) -> None:
        self._pages = pages
        self._root = root
        self._shown = [key for page in pages for key in (*page[::_EVERY], page[-1])]
        first, self._last = pages[0][0], pages[-1][-1]
        self._scale = self._scale_of(first[: shared_length(first, self._last)])

    @property
    def is_even(self) -> bool:
        """Whether one page is like the other."""
        each = [_each(self._scale, page) for page in self._pages]
        named = all(is_utf8(page[-1]) for page in self._pages)
        return named and 0 < max(each) <= _ALIKE * min(each)

    def leap(self, keys: float) -> Leap | None:
        """One from its end over at most about so many keys, if it is even; None: there
        is none, for something would be passed by."""
        scale, each, places = self._aim(keys)
        to = _end_before(scale, self._last, places)
        if to is None or to <= self._last or key_fault(to):
            return None
        over = (scale.number(to) - scale.number(self._last)) / each
        return Leap(scale, self._last, to, over, each)

    def _scale_of(self, beginning: str) -> Scale:
        return Scale(beginning, self._shown, len(self._pages))

    def _aim(self, keys: float) -> tuple[Scale, float, list[int]]:
        """Where so many keys end: the scale that goes so far, what each key takes on
        it, and the letters there."""
        scale = self._scale
        while True:
            widths = [_each(scale, page) for page in self._pages]
            each = sum(widths) / len(widths)
            places = scale.places(scale.number(self._last) + int(each * keys))
            letters = scale.letters[0]
            if places[0] < letters.base or not letters.whole:
                return scale, each, places
            if len(scale.beginning) <= len(self._root):
                return scale, each, [letters.base, *places[1:]]
            scale = self._scale_of(scale.beginning[:-1])


def _end_before(scale: Scale, last: str, places: Sequence[int]) -> str | None:
    """The text behind the last letter of the part that ends before a number; None: the
    number is in the same one as `last`."""
    held = scale.places(scale.number(last))
    pairs = enumerate(zip(held, places, strict=True))
    differs = next((at for at, (one, other) in pairs if one != other), None)
    if differs is None or differs + 1 == len(scale.letters):
        return None
    deeper = scale.letters[differs + 1]
    part = places[differs] - 1 if deeper.whole else held[differs]
    beginning = scale.text([*held[:differs], part])
    behind = deeper.behind()
    return beginning + behind if beginning and behind else None


def _each(scale: Scale, page: Sequence[str]) -> float:
    """How much of the scale a key takes."""
    return (scale.number(page[-1]) - scale.number(page[0])) / max(len(page) - 1, 1)


def _is_on(scale: Scale, page: Sequence[str]) -> bool:
    return page[0].startswith(scale.beginning) and page[-1].startswith(scale.beginning)
