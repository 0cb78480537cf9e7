"""What a run looked for in vain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from bulkmeta.model.key_ranges import Span
from bulkmeta.model.selection import Selection

if TYPE_CHECKING:
    from bulkmeta.model.job import JobSpec
    from bulkmeta.runners.restart import Start


class Missing(NamedTuple):
    """What a run looked for in vain: the prefixes under which no key is; whether there
    are keys, but none is as its patterns say; and whether none meets its conditions.
    `told` is the number of keys that were listed or named, where it is known."""

    barren: tuple[str, ...] = ()
    unmatched: bool = False
    unmet: bool = False
    told: int | None = None


def missing(
    job: JobSpec, start: Start, listed: Mapping[str, int], *, seen: bool
) -> Missing:
    """By the number of keys that were `listed` of each prefix, and whether an object
    was `seen`. Where only a part was to be listed, nobody knows."""
    prefixes = job.target.prefixes
    spans = [job.select.within(span) for span in start.left]
    barren = tuple(prefix for prefix in prefixes if listed.get(prefix) == 0)
    told = _told_number(job, listed)
    none = not seen and told != 0 and [*start.left] == [Span()]
    unmatched = none and _goes_by_patterns(job)
    unmet = none and not unmatched and _has_conditions(job)
    return Missing(barren if spans == [Span()] else (), unmatched, unmet, told)


def _told_number(job: JobSpec, listed: Mapping[str, int]) -> int | None:
    """How many keys were listed or named; of an inventory nobody counts them."""
    if job.keys:
        return job.keys.keys
    return None if job.takes == "inventory" else sum(listed.values())


def _goes_by_patterns(job: JobSpec) -> bool:
    """Whether the patterns alone can have left objects out."""
    select = job.select
    patterns = Selection(keys=select.keys, regexes=select.regexes)
    alone = patterns == select != Selection() and not job.where
    return alone and job.takes == "listing"


def _has_conditions(job: JobSpec) -> bool:
    """Whether it says what objects have to be like: more than a part of all of them. In
    a part that goes by the keys' hash there may be none."""
    select = job.select
    if select.shard or select.sample:
        return False
    demands = msgspec.structs.replace(select, part=None, limit=None)
    named = job.takes in {"listing", "keys", "inventory"}
    return named and (demands != Selection() or bool(job.where))
