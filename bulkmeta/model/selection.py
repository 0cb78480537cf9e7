"""Which of the objects at a target a job is about, as far as their keys tell. Pure."""

from __future__ import annotations

import fnmatch
import re
from functools import lru_cache

import msgspec


class KeyRule(msgspec.Struct, frozen=True):
    """Whether keys that match a pattern are wanted.

    In `glob`, `*` stands for any text (slashes too), `?` for one character and `[…]`
    for one of several; it has to match the whole key.
    """

    glob: str
    wanted: bool

    def __str__(self) -> str:
        return f"{'include' if self.wanted else 'exclude'} {self.glob}"


class Selection(msgspec.Struct, frozen=True, omit_defaults=True):
    """Rules in order: the last one that matches a key decides. Keys that none matches
    are wanted unless the first rule includes."""

    keys: tuple[KeyRule, ...] = ()

    def admits(self, key: str) -> bool:
        """Whether the job is about the object."""
        for rule in reversed(self.keys):
            if _pattern(rule.glob).match(key):
                return rule.wanted
        return not (self.keys and self.keys[0].wanted)


@lru_cache(maxsize=1024)
def _pattern(glob: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(glob))
