"""How many failures a run puts up with before it stops. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import msgspec

from bulkmeta.errors import UsageError
from bulkmeta.model.quantity import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkmeta.model.outcome import Outcome

CONSECUTIVE: Final = "consecutive"
LEAST: Final = 100
"""A share of failures is looked at from so many objects on."""

_DIGITS: Final = 19
"""Fewer make any number of objects."""

REASONS: Final = frozenset({
    "access_denied", "appendable", "archived", "as_run_left_it", "bad_request",
    "changed_since_plan", "changed_since_run", "conflict", "connection",
    "directory", "drift", "early_rewrite", "encryption", "forced_download", "gone",
    "immutable", "interrupted", "invalid_argument", "invalid_key", "invalid_tag",
    "invalid_value", "kms", "metadata_too_large", "missing_field", "no_row",
    "not_selected", "not_utf8", "other_version", "overwrite_forbidden",
    "rename_target_exists", "repeated_header", "rewritten", "server_error",
    "service_error", "signature", "symlink", "throttled", "timeout", "too_large",
    "too_many_tags", "transform_failed", "truncated", "unauthorized",
    "unguardable", "unknown_header", "unreadable_answer", "unrecorded",
    "unsendable_key", "unsendable_value", "unsettled", "unsupported",
    "where_failed", "worker_died",
})  # fmt: skip
"""Why an object may be left as it was (docs/reasons.md); for some only at times a
failure."""

_WRITE: Final = "write it as 100, 5%, access_denied=1 or consecutive=50"


class Tolerance(msgspec.Struct, frozen=True):
    """A run goes on with so many failures at most: in all, as a share of all objects
    (0 to 1), by reason, and one right after another. None: however many."""

    failures: int | None = None
    share: float | None = None
    reasons: dict[str, int] = {}
    consecutive: int | None = None


ANY_NUMBER: Final = Tolerance()
"""However many fail, the run goes on."""


def parse_tolerance(texts: Sequence[str]) -> Tolerance:
    """What several of `--max-failures` say together; of one kind the last counts.

    Raises:
        UsageError: one of them is no number, share or number of a kind.
    """
    tolerance = ANY_NUMBER
    for text in texts:
        tolerance = _with(tolerance, text)
    return tolerance


def _with(given: Tolerance, text: str) -> Tolerance:
    kind, named, number = text.rpartition("=")
    if named and kind == CONSECUTIVE:
        return msgspec.structs.replace(given, consecutive=_count(number, text))
    if named:
        reasons = {**given.reasons, _reason(kind, text): _count(number, text)}
        return msgspec.structs.replace(given, reasons=reasons)
    if text.endswith("%"):
        return msgspec.structs.replace(given, share=_share(text))
    return msgspec.structs.replace(given, failures=_count(text, text))


def _reason(kind: str, text: str) -> str:
    if not kind.replace("_", "").isalnum():
        raise UsageError(f"--max-failures {text!r}: {_WRITE}")
    if kind not in REASONS:
        raise UsageError(
            f"--max-failures {text!r}: nothing fails as {kind!r}; reasons are those of "
            "run files (docs/reasons.md)"
        )
    return kind


def _count(number: str, text: str) -> int:
    if not (number.isascii() and number.isdecimal() and len(number) < _DIGITS):
        raise UsageError(f"--max-failures {text!r}: {_WRITE}")
    return int(number)


def _share(text: str) -> float:
    try:
        percent = float(text[:-1])
    except ValueError:
        percent = -1.0
    if not 0 <= percent <= 100:
        raise UsageError(f"--max-failures {text!r}: {_WRITE}")
    return percent / 100


def small_share_words(tolerance: Tolerance, objects: int, failed: int) -> str | None:
    """That a run of so many objects was too small for its share of failures to end it,
    if more of them failed."""
    share = tolerance.share
    if share is None or objects >= LEAST or failed <= share * objects:
        return None
    percent = f"{100 * share:g}%"
    return (
        f"more than {percent} failed; --max-failures {percent} ends a run from {LEAST} "
        "objects on (a number, such as 5, ends it sooner)"
    )


class Failures:
    """The failures of a run so far, held against what it puts up with."""

    def __init__(self, tolerance: Tolerance) -> None:
        self._tolerance = tolerance
        self._objects = 0
        self._failed = 0
        self._reasons: Counter[str] = Counter()
        self._in_a_row = 0

    def count(self, outcome: Outcome) -> str | None:
        """Count one outcome; in words, what was one too many."""
        self._objects += 1
        if outcome.status != "failed":
            self._in_a_row = 0
            return None
        reason = outcome.reason or ""
        self._failed += 1
        self._in_a_row += 1
        self._reasons[reason] += 1
        return self._too_many(reason)

    def _too_many(self, reason: str) -> str | None:
        most = self._tolerance
        if most.failures is not None and self._failed > most.failures:
            return _more_than(most.failures, "failed", f"{most.failures}")
        if most.share is not None and self._is_share_exceeded(most.share):
            percent = f"{100 * most.share:g}%"
            return f"more than {percent} failed (--max-failures {percent})"
        by_reason = most.reasons.get(reason)
        if by_reason is not None and self._reasons[reason] > by_reason:
            return _more_than(by_reason, f"failed as {reason}", f"{reason}={by_reason}")
        row = most.consecutive
        if row is not None and self._in_a_row > row:
            return _more_than(row, "failed one after another", f"{CONSECUTIVE}={row}")
        return None

    def _is_share_exceeded(self, share: float) -> bool:
        return self._objects >= LEAST and self._failed > share * self._objects


def _more_than(number: int, how: str, limit: str) -> str:
    """Which limit was passed: how far is told at the end, for what is under way may
    fail as well."""
    return f"more than {counted(number)} {how} (--max-failures {limit})"
