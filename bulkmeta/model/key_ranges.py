"""Key ranges: how a key space is cut, and how far each part is done. Pure.

Keys are compared as Python compares text, by code point, which is the order of their
UTF-8 bytes and so the service's. Of keys that are not UTF-8 only `in_order` knows it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from bulkmeta.model.limits import key_fault

_DIGITS: Final = 24
"""Characters behind the first difference that count in interpolation."""

_FINER: Final = 2
"""How many characters a cut has beyond those that it needs."""

_SURROGATES: Final = range(0xD800, 0xE000)
_LAST_CODE: Final = 0x10FFFF


def in_order(key: str) -> bytes:
    """What puts any key in the service's order, which goes by bytes: as text, bytes
    that are not UTF-8 (surrogates here) would come behind most letters."""
    try:
        return key.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # no service lists it; a program made it up
        return key.encode("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True)
class Span:
    """All keys behind `after`, up to and with `up_to` (None: to the end)."""

    after: str = ""
    up_to: str | None = None

    def reaches(self, key: str) -> bool:
        """Whether `key` is not beyond the span's end."""
        return self.up_to is None or in_order(key) <= in_order(self.up_to)

    def within(self, other: Span) -> Span:
        """What of it lies in another one."""
        ends = [end for end in (self.up_to, other.up_to) if end is not None]
        return Span(max(self.after, other.after), min(ends, default=None))

    def meets(self, prefix: str) -> bool:
        """Whether a key that begins so may lie in it."""
        end = behind(prefix)
        within = end is None or self.after < end
        if self.up_to is None:
            return within
        return within and self.after < self.up_to and prefix <= self.up_to


class Marks:
    """How far each range of a key space is done. The ranges end at `bounds`, and the
    last one where the keys do; without bounds there is one."""

    def __init__(self, bounds: Iterable[str] = ()) -> None:
        self._bounds: list[str] = []
        self._reached: list[str | None] = [None]
        self.cut(bounds)

    def cut(self, bounds: Iterable[str]) -> None:
        """Cut further; what was done stays with the range that it lies in."""
        for bound in bounds:
            place = bisect_left(self._bounds, bound)
            if self._bounds[place : place + 1] != [bound]:
                self._bounds.insert(place, bound)
                self._reached.insert(place + 1, None)

    def reach(self, key: str) -> None:
        """The range of `key` is done up to and with it."""
        self._reached[bisect_left(self._bounds, key)] = key

    def is_passed(self, key: str) -> bool:
        """Whether `key` lies where its range is done."""
        reached = self._reached[bisect_left(self._bounds, key)]
        return reached is not None and key <= reached

    def start_of(self, key: str) -> str:
        """Behind which key the range of `key` begins."""
        place = bisect_left(self._bounds, key)
        return self._bounds[place - 1] if place else ""

    @property
    def first(self) -> str | None:
        """Up to which key the first range is done; None if nothing of it is."""
        return self._reached[0]

    @property
    def bounds(self) -> tuple[str, ...]:
        return tuple(self._bounds)

    def ranges(self) -> tuple[Span, ...]:
        """Each range, whole."""
        starts, ends = ["", *self._bounds], [*self._bounds, None]
        return tuple(map(Span, starts, ends))

    def left(self) -> tuple[Span, ...]:
        """What is left of each range."""
        return tuple(
            Span(reached or span.after, span.up_to)
            for span, reached in zip(self.ranges(), self._reached, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Sample:
    """A stretch of a listing: its first and last key, how many keys it has, and which
    characters they are made of where they differ, in order."""

    first: str
    last: str
    count: int
    alphabet: str


def sample_of(keys: Sequence[str]) -> Sample:
    """What a page of keys (at least one, in order) tells about those behind it."""
    shared = shared_length(keys[0], keys[-1])
    letters = set[str]().union(*(key[shared:] for key in keys))
    return Sample(keys[0], keys[-1], len(keys), "".join(sorted(letters)))


def keys_beyond(sample: Sample, end: str) -> float:
    """About how many keys lie between the sample's last one and `end`, if they lie as
    densely as in the sample."""
    scale = _Scale(sample.first, end, sample.alphabet)
    first, last = scale.number(sample.first), scale.number(sample.last)
    return sample.count * (scale.number(end) - last) / max(last - first, 1)


def between(sample: Sample, end: str, share: float) -> str | None:
    """A text between the sample's last key and `end`, behind about `share` of the keys
    there if they are spread evenly; None: they lie too close."""
    scale = _Scale(sample.last, end, sample.alphabet)
    last, beyond = scale.number(sample.last), scale.number(end)
    text = scale.text(last + int((beyond - last) * share))
    enough = shared_length(sample.last, text) + 1 + _FINER
    text = text[:enough]
    fits = sample.last < text < end and key_fault(text) is None
    return text if fits else None


def behind(beginning: str) -> str | None:
    """The first text that is behind all those with this beginning; None: there is
    none."""
    return next_letter(beginning[:-1], ord(beginning[-1])) if beginning else None


def next_letter(beginning: str, code: int, step: int = 1) -> str | None:
    """`beginning`, and the character `step` places behind `code`; None: beyond all."""
    code += step
    if code in _SURROGATES:
        code = _SURROGATES.stop
    return beginning + chr(code) if code <= _LAST_CODE else None


def shared_length(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginning."""
    for place, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return place
    return min(len(one), len(other))


class _Scale:
    """Texts as numbers, in their order, to interpolate between `low` and `high`. Where
    these two differ a character counts by its code; behind that by its place in the
    alphabet, since code points that never occur would lead astray."""

    def __init__(self, low: str, high: str, alphabet: str) -> None:
        self._shared = shared_length(low, high)
        self._beginning = high[: self._shared]
        self._alphabet = sorted({*alphabet, *low[self._shared :]}) or ["0"]
        self._base = len(self._alphabet)

    def number(self, text: str) -> int:
        number = ord(text[self._shared]) if len(text) > self._shared else 0
        rest = text[self._shared + 1 :][:_DIGITS]
        for letter in rest:
            place = min(bisect_left(self._alphabet, letter), self._base - 1)
            number = number * self._base + place
        scale: int = self._base ** (_DIGITS - len(rest))
        return number * scale

    def text(self, number: int) -> str:
        letters = ""
        for _ in range(_DIGITS):
            number, place = divmod(number, self._base)
            letters = self._alphabet[place] + letters
        code = _SURROGATES.stop if number in _SURROGATES else number
        return self._beginning + chr(code) + letters
