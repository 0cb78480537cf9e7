"""Cutting a key range in two by looking for keys, since the service counts none.

A page of the listing tells how densely keys lie there. From that follows where about
half of the rest lies, and the page listed from there on is the first one of the new
range: a look that finds something costs nothing.
"""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import TYPE_CHECKING, Final

from bulkmeta.model.key_ranges import (
    Span,
    behind,
    between,
    in_order,
    next_letter,
    shared_length,
)
from bulkmeta.model.limits import is_utf8

if TYPE_CHECKING:
    from bulkmeta.sources.listed_range import ListedRange, Lister

LOOKS: Final = 4
"""Pages asked for until a cut is given up."""


async def cut(victim: ListedRange, lister: Lister) -> ListedRange | None:
    """Leave about half of what is left of a range to a new one; None: it cannot be cut,
    or was listed past that place meanwhile.

    It takes one request as a rule. Where the range's end is not known, or turns out to
    be wide off, it takes up to about 20 small ones more to find it.

    Raises:
        RunFatalError: the service does not answer, after all retries.
    """
    for look in range(LOOKS):
        await _settle(victim)
        if victim.listed_all or victim.sample is None:
            break
        if not is_utf8(victim.sample.last):  # no request can name that place
            return None
        at = _cut_place(victim)
        if at is None or look == 1:
            await _find_end(victim, lister)
            at = _cut_place(victim) or victim.sample.last
        if not is_utf8(at):  # a page that came meanwhile ends so
            return None
        page = await lister.page(at)
        if lister.shows_many(page, victim.span):
            if in_order(victim.passed) > in_order(at):
                return None
            made = victim.give_up(at)
            made.add(page)
            return made
        if not victim.continues(at, page):
            victim.see_end(at)
    return _halve(victim)


async def _settle(victim: ListedRange) -> None:
    """Have the page that it already asked for, so that the cut lies behind it."""
    if victim.coming is not None:
        await asyncio.wait([victim.coming])
        victim.receive()


def _halve(victim: ListedRange) -> ListedRange | None:
    """All that is left is at hand: no need to guess."""
    half = len(victim.items) // 2
    if not (victim.listed_all and half):
        return None
    kept = len(victim.items) - half
    while kept and not is_utf8(victim.items[kept - 1].key):
        kept -= 1  # such a key can be no bound
    if not kept:
        return None
    given = list(islice(victim.items, kept, None))
    made = victim.give_up(victim.items[kept - 1].key)
    made.hold(given)
    return made


def _cut_place(victim: ListedRange) -> str | None:
    """A text with about as many objects left before as behind it; None: the range's end
    has to be known better."""
    assert victim.sample is not None  # noqa: S101 looked at before
    at_hand, beyond = len(victim.items), victim.left() - len(victim.items)
    if beyond <= at_hand:
        return victim.sample.last
    if victim.end is None:
        return None
    return between(victim.sample, victim.end, (1 - at_hand / beyond) / 2)


async def _find_end(victim: ListedRange, lister: Lister) -> None:
    """Find about where all but few keys end: which beginning they share with the last
    listed one, and how far the first character goes that they do not share."""
    assert victim.sample is not None  # noqa: S101 looked at before
    last, limit = victim.sample.last, victim.end
    shared = shared_length(last, limit) if limit else len(lister.prefix)
    differs, found = len(last), ""
    while differs - shared > 1:
        length = (shared + differs) // 2
        key = await _many_behind(lister, behind(last[:length]), victim)
        if key is None:
            shared = length
        else:
            differs, found = length, key
    if shared < len(found) and found.startswith(last[:shared]):
        end = await _last_letter(lister, found[: shared + 1], victim)
    else:
        end = behind(last[:shared])
    victim.see_end(end)


async def _last_letter(lister: Lister, seen: str, victim: ListedRange) -> str | None:
    """A text behind all but few keys that are like `seen` but for its last character;
    in steps that double."""
    beginning, step = seen[:-1], 1
    while True:
        end = next_letter(beginning, ord(seen[-1]), step)
        key = await _many_behind(lister, end, victim)
        if key is None or not key.startswith(beginning):
            return end
        seen, step = key[: len(seen)], step * 2


async def _many_behind(
    lister: Lister, after: str | None, victim: ListedRange
) -> str | None:
    """The first key of the range behind `after`, if there are more than few."""
    if after is None or (victim.end is not None and after >= victim.end):
        return None
    return await lister.first_of_many(Span(after, victim.up_to))
