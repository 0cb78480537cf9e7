"""Which of the objects at a target a job is about, as far as a listing tells. Pure."""

from __future__ import annotations

import fnmatch
import hashlib
import re
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated

import msgspec

from bulkmeta.errors import RunFatalError
from bulkmeta.model.key_ranges import Span
from bulkmeta.model.shards import Part

if TYPE_CHECKING:
    from bulkmeta.model.metadata import ListedObject


class KeyRule(msgspec.Struct, frozen=True):
    """Whether keys that match a pattern are wanted.

    In `glob`, `*` stands for any text (slashes too), `?` for one character and `[…]`
    for one of several; it has to match the whole key.
    """

    glob: str
    wanted: bool

    def __str__(self) -> str:
        return f"{'include' if self.wanted else 'exclude'} {self.glob}"


class Shard(msgspec.Struct, frozen=True):
    """One of `of` parts of all keys, counted from 0; each key is in just one."""

    index: int
    of: int

    def holds(self, key: str) -> bool:
        """Whether `key` is in this part."""
        return self.place_of(key) == self.index

    def place_of(self, key: str) -> int:
        """The number of the part that `key` is in."""
        return int(share_of(key, "shard") * self.of)


class Selection(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an object has to be for the job to be about it: all that is given here.

    `keys` are rules in order: the last one that matches a key decides. Keys that none
    matches are wanted unless the first rule includes. One of the `regexes` has to be
    found in the key. Keys lie behind `start_after` and before `end_before`. Sizes are
    in bytes, both bounds included; times are ISO 8601 with a zone, the earlier bound
    included. `shard` is a part of all keys by their hash, `part` one by their order, of
    a cut that was kept. `sample` is a share of all keys, and ever the same keys;
    `limit` counts the objects that all else admits.
    """

    keys: tuple[KeyRule, ...] = ()
    regexes: tuple[str, ...] = ()
    start_after: str | None = None
    end_before: str | None = None
    shard: Shard | None = None
    part: Part | None = None
    sample: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1)] | None = None
    min_size: Annotated[int, msgspec.Meta(ge=0)] | None = None
    max_size: Annotated[int, msgspec.Meta(ge=0)] | None = None
    modified_after: str | None = None
    modified_before: str | None = None
    storage_classes: tuple[str, ...] = ()
    object_types: tuple[str, ...] = ()

    def admits(self, key: str) -> bool:
        """Whether the job is about an object of that key."""
        return (
            self._admits_by_rules(key)
            and (not self.regexes or any(_regex(r).search(key) for r in self.regexes))
            and (self.start_after is None or key > self.start_after)
            and (self.end_before is None or key < self.end_before)
            and (self.shard is None or self.shard.holds(key))
            and (self.part is None or self.part.holds(key))
            and (self.sample is None or share_of(key, "sample") < self.sample)
        )

    def admits_listed(self, listed: ListedObject) -> bool:
        """Whether the job is about a listed object.

        Raises:
            RunFatalError: a time is asked for, and the listing gives none.
        """
        return (
            _is_between(self.min_size, listed.size_bytes, self.max_size)
            and _is_one_of(self.storage_classes, listed.storage_class)
            and _is_one_of(self.object_types, listed.object_type)
            and self._admits_time(listed)
        )

    def looks_at_listing(self) -> bool:
        """Whether more than keys is asked for."""
        return self != msgspec.structs.replace(
            Selection(),
            keys=self.keys,
            regexes=self.regexes,
            start_after=self.start_after,
            end_before=self.end_before,
            shard=self.shard,
            part=self.part,
            sample=self.sample,
            limit=self.limit,
        )

    def within(self, span: Span) -> Span:
        """The part of a key range that may hold admitted keys."""
        if self.part:
            span = self.part.within(span)
        return span.within(Span(self.start_after or "", self.end_before))

    def _admits_by_rules(self, key: str) -> bool:
        for rule in reversed(self.keys):
            if _pattern(rule.glob).match(key):
                return rule.wanted
        return not (self.keys and self.keys[0].wanted)

    def _admits_time(self, listed: ListedObject) -> bool:
        if self.modified_after is None and self.modified_before is None:
            return True
        after, before = _moment(self.modified_after), _moment(self.modified_before)
        modified = _time_of(listed)
        return (after is None or modified >= after) and (
            before is None or modified < before
        )


def _time_of(listed: ListedObject) -> datetime:
    try:
        modified = datetime.fromisoformat(listed.last_modified)
    except ValueError:
        modified = None
    if modified is None or modified.tzinfo is None:
        raise RunFatalError(
            f"the listing gives {listed.last_modified!r} as the time of "
            f"{listed.key!r}, which is none"
        )
    return modified


def _is_between(least: int | None, value: int, most: int | None) -> bool:
    return (least is None or value >= least) and (most is None or value <= most)


def _is_one_of(wanted: tuple[str, ...], value: str) -> bool:
    return not wanted or value in wanted


def share_of(key: str, salt: str) -> float:
    """A number from 0 to below 1 that belongs to the key, evenly spread; with another
    salt it is another one, and neither tells of the other."""
    hashed = hashlib.blake2b(
        key.encode("utf-8", "surrogateescape"), digest_size=6, person=salt.encode()
    )
    return int.from_bytes(hashed.digest()) / 2**48


@lru_cache(maxsize=16)
def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


@lru_cache(maxsize=1024)
def _regex(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


@lru_cache(maxsize=1024)
def _pattern(glob: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(glob))
