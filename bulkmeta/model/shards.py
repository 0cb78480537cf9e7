"""A key space cut into parts of about equal size, by keys that were counted. Pure.

A cut is made once and kept: a bucket that lives would be cut elsewhere by whoever looks
next, and keys in between would be missed, or done twice.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Annotated, Final

import msgspec

from bulkmeta.errors import UsageError
from bulkmeta.model.key_ranges import Span, in_order
from bulkmeta.model.limits import is_utf8

SCHEMA: Final = 1
MOST_REMEMBERED: Final = 100_000
"""How many keys a count remembers; a bound is off by one part in so many at most."""

MOST_DRAWN: Final = 400_000
"""How many keys a draw remembers: at least twenty for each of the most shards."""


MOST_BYTES: Final = 64 * 1024 * 1024
"""No file of shards is as long."""


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """Part `index`, from 0, of `of`: all keys behind `after`, up to and with `up_to`
    (None: to the end)."""

    index: int
    of: int
    after: str = ""
    up_to: str | None = None

    def holds(self, key: str) -> bool:
        """Whether `key` is in this part."""
        behind = in_order(key) > in_order(self.after)
        return behind and Span(self.after, self.up_to).reaches(key)

    def within(self, span: Span) -> Span:
        """What of a span is in this part."""
        return span.within(Span(self.after, self.up_to))


class Shards(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="shards"):
    """The file of a cut: the targets it is about, where each part but the last ends,
    and how many objects each had when it was made."""

    schema: int = SCHEMA
    version: str
    made: str
    bucket: str
    prefixes: tuple[str, ...]
    bounds: tuple[str, ...]
    objects: tuple[Annotated[int, msgspec.Meta(ge=0)], ...]

    def part(self, index: int) -> Part:
        """One part.

        Raises:
            UsageError: there is none of that number.
        """
        of = len(self.bounds) + 1
        if not 0 <= index < of:
            raise UsageError(f"there are shards 0 to {of - 1}, no {index}")
        after = self.bounds[index - 1] if index else ""
        return Part(index, of, after, (*self.bounds, None)[index])

    def check(self) -> None:
        """Refuse what no cut can be.

        Raises:
            UsageError: bounds out of order, or another number of parts than of counts.
        """
        counts_fit = len(self.objects) == len(self.bounds) + 1
        if not counts_fit or list(self.bounds) != sorted(self.bounds):
            raise UsageError("it has been altered: its bounds are none")


class _Form(msgspec.Struct, tag_field="type", tag="shards"):
    """As much of the file as every version writes."""

    schema: int
    version: str


def parse_shards(data: bytes) -> Shards:
    """The cut that a file holds.

    Raises:
        UsageError: it is none, or of a newer form, or no cut can be as it says.
    """
    if len(data) > MOST_BYTES:
        raise UsageError("it is no file of shards: too long")
    try:
        form = msgspec.json.decode(data, type=_Form)
        if form.schema > SCHEMA:
            raise UsageError(f"it was written by a newer bulkmeta ({form.version})")
        shards = msgspec.json.decode(data, type=Shards)
    except (ValueError, RecursionError) as error:
        raise UsageError("it is no file of shards, or a damaged one") from error
    shards.check()
    return shards


class Tally:
    """Counts keys that come in order inside of each key range, and remembers how many
    lie before some of them; the fewer of them, the more keys there are."""

    def __init__(
        self, start_of: Callable[[str], str], most: int = MOST_REMEMBERED
    ) -> None:
        self._start_of = start_of
        self._most = most
        self._stride = 1
        self._remembered: list[tuple[str, int]] = []
        self._since: Counter[str] = Counter()
        self._last: dict[str, str] = {}
        self.total = 0

    def note(self, key: str, keys: int = 1) -> None:
        """Count a key, or so many up to it; `start_of` it is where its range begins."""
        start = self._start_of(key)
        self.total += keys
        self._since[start] += keys
        self._last[start] = key
        if self._since[start] >= self._stride and is_utf8(key):
            self._remembered.append((key, self._since.pop(start)))
            if len(self._remembered) >= self._most:
                self._thin()

    def _thin(self) -> None:
        self._stride *= 2
        self._remembered = list(_merged(sorted(self._remembered), self._stride))

    def known(self) -> list[tuple[str, int]]:
        """Keys in order, and how many lie behind the one before, up to and with it."""
        rest = [(self._last[start], count) for start, count in self._since.items()]
        return sorted([*self._remembered, *rest])


class Draw:
    """Counts keys that come in any order, and remembers a share of them, drawn by lot:
    the smaller a share, the more keys there are."""

    def __init__(self, most: int = MOST_DRAWN) -> None:
        self._most = most
        self._lot = random.Random(0)  # noqa: S311 the same file, the same cut
        self._share = 1.0
        self._drawn: list[str] = []
        self.total = 0

    @property
    def is_share(self) -> bool:
        """Whether it does not remember all."""
        return self._share < 1

    def note(self, key: str) -> None:
        """Count a key."""
        self.total += 1
        if self._lot.random() < self._share:
            self._drawn.append(key)
            if len(self._drawn) >= self._most:
                self._share /= 2
                self._drawn = sorted(self._drawn)[::2]

    def known(self) -> list[tuple[str, int]]:
        """Keys in order, and about how many lie behind the one before."""
        drawn = sorted(self._drawn)
        each = self.total / max(len(drawn), 1)
        passed = [round(each * place) for place in range(len(drawn) + 1)]
        counts = (after - before for before, after in pairwise(passed))
        return list(zip(drawn, counts, strict=True))


def cut(
    known: Sequence[tuple[str, int]], parts: int
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Where each of so many parts but the last ends, by counted keys in order, and how
    many keys each has; some have none if there are not enough keys."""
    total = sum(count for _, count in known)
    bounds: list[str] = []
    sizes: list[int] = []
    passed = size = 0
    bound = ""
    for key, count in known:
        passed, size = passed + count, size + count
        bound = key if is_utf8(key) else bound
        while len(bounds) < parts - 1 and passed * parts >= total * (len(bounds) + 1):
            bounds.append(bound)
            sizes.append(size)
            size = 0
    missing = parts - 1 - len(bounds)
    return (*bounds, *[bound] * missing), (*sizes, size, *[0] * missing)


def _merged(counted: Sequence[tuple[str, int]], most: int) -> Iterator[tuple[str, int]]:
    """Keys with the counts of those before them, up to `most` together."""
    held: tuple[str, int] | None = None
    for key, count in counted:
        if held and held[1] + count > most:
            yield held
            held = None
        held = (key, count + (held[1] if held else 0))
    if held:
        yield held
