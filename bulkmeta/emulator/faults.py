"""Rules that make the embedded OSS misbehave on purpose."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS = frozenset(
    {
        "error",
        "html",
        "reset_before",
        "reset_after",
        "hang",
        "hang_after",
        "latency",
        "truncate",
        "foreign_write",
        "delete",
        "extra_header",
    }
)

REFUSALS = frozenset({"error", "html", "reset_before"})


@dataclass(frozen=True, slots=True)
class Fault:
    """One rule: which requests it meets, how often, and what then happens.

    Kinds: `error` (status, code), `html` (a proxy's page with `status`, 502 unless
    set otherwise), `reset_before` (connection reset, nothing committed),
    `reset_after` (committed, then reset without a reply), `hang` (silent for
    `seconds`, then handled unless the client left), `hang_after` (handled, then
    silent), `latency`, `truncate` (declared longer than sent, then closed),
    `foreign_write` (another writer sets `meta`, `headers`, `tags`, `acl` just before),
    `delete` (the object is deleted just before), `extra_header` (adds `headers` to
    the reply).
    """

    kind: str
    operation: str = "*"
    key: str | None = None
    """A glob, or the very key when `exact`; None meets every key."""
    exact: bool = False
    times: int | None = None
    """Fire at most so often."""
    every: int = 1
    """Fire on each n-th request that the rule meets."""
    skip: int = 0
    """Let the first n requests that the rule meets pass."""
    probability: float = 1.0
    connection: str = "any"
    """`fresh` or `reused`: only on a connection's first, or later, requests."""
    status: int = 503
    code: str = "ServiceUnavailable"
    message: str = "Please try again later."
    seconds: float = 1.0
    meta: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] | None = None
    acl: str | None = None

    def __post_init__(self) -> None:
        """Refuse a kind or a connection state that does not exist."""
        if self.kind not in KINDS:
            raise ValueError(f"unknown fault kind: {self.kind!r}")
        if self.connection not in {"any", "fresh", "reused"}:
            raise ValueError("connection must be any, fresh or reused")

    def meets(self, operation: str, key: str, *, reused: bool) -> bool:
        """Whether this rule is about such a request."""
        if self.operation not in {"*", operation}:
            return False
        if self.connection != "any" and (self.connection == "reused") != reused:
            return False
        if self.key is None:
            return True
        return key == self.key if self.exact else fnmatchcase(key, self.key)


@dataclass(slots=True)
class _Rule:
    fault: Fault
    met: int = 0
    fired: int = 0


class Faults:
    """The rules in force, with their counters."""

    def __init__(self, seed: int = 0) -> None:
        """Draw probabilities from a generator with this seed."""
        self._random = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Put a rule in force, behind those already there."""
        with self._lock:
            self._rules.append(_Rule(fault))

    def clear(self) -> None:
        """Behave again."""
        with self._lock:
            self._rules.clear()

    def rules(self) -> list[tuple[Fault, int]]:
        """Each rule and how often it has fired."""
        with self._lock:
            return [(rule.fault, rule.fired) for rule in self._rules]

    def fire(self, operation: str, key: str, *, reused: bool) -> tuple[Fault, ...]:
        """The faults that happen to this request, in the order of the rules.

        One that ends the request keeps the rules behind it for the next ones.
        """
        fired: list[Fault] = []
        with self._lock:
            for rule in self._rules:
                if not rule.fault.meets(operation, key, reused=reused):
                    continue
                if self._due(rule):
                    fired.append(rule.fault)
                    if rule.fault.kind in REFUSALS:
                        break
        return tuple(fired)

    def _due(self, rule: _Rule) -> bool:
        fault = rule.fault
        rule.met += 1
        due = (
            rule.met > fault.skip
            and (rule.met - fault.skip) % fault.every == 0
            and (fault.times is None or rule.fired < fault.times)
            and (fault.probability >= 1 or self._random.random() < fault.probability)
        )
        rule.fired += due
        return due
