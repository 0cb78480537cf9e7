"""Stops a run with too many failures, or in which every object fails alike: the cause
then is not in the objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bulkmeta.errors import BulkmetaError, RunFatalError, ThresholdError
from bulkmeta.model.tolerance import ANY_NUMBER, Failures, Tolerance

if TYPE_CHECKING:
    from bulkmeta.model.outcome import Outcome

FAILURES: Final = 100
"""How many first objects must all fail with one error code of the service."""

UNREACHED: Final = 64
"""How many objects in a row must get no answer at all, each after all its retries."""

_NO_ANSWER: Final = {"connection", "timeout"}


class Breaker:
    """Watches outcomes for causes that are not in the objects, and for more failures
    than are put up with."""

    def __init__(
        self,
        failures: int = FAILURES,
        unreached: int = UNREACHED,
        tolerance: Tolerance = ANY_NUMBER,
    ) -> None:
        self._failures = _Alike(failures)
        self._unreached = _Row(unreached)
        self._tolerated = Failures(tolerance)

    def judge(self, outcome: Outcome) -> BulkmetaError | None:
        """Count one outcome; the error that ends the run if it was one too many."""
        too_many = self._tolerated.count(outcome)
        fatal = self._cause_elsewhere(outcome)
        if too_many and not fatal:
            return ThresholdError(too_many)
        return fatal

    def _cause_elsewhere(self, outcome: Outcome) -> RunFatalError | None:
        error = outcome.error
        if outcome.status == "skipped" or outcome.reason == "gone":
            return None
        if error is None:
            self._failures.end()
            self._unreached.end()
            return None
        refused = self._failures.reached(error.code if error.http_status else None)
        gone = self._unreached.reached(error.code in _NO_ANSWER)
        if refused:
            return RunFatalError(
                f"the first objects all failed with {error.code}: {error.message} "
                f"[request {error.request_id}]"
            )
        if gone:
            return RunFatalError(f"the service no longer answers: {error.message}")
        return None


class _Alike:
    """Counts one and the same code from the start on; anything else ends the watch."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._code: str | None = None
        self._count = 0

    def reached(self, code: str | None) -> bool:
        if code is None or self._code not in {None, code}:
            self.end()
        self._code = code
        self._count += 1
        return self._count == self._limit

    def end(self) -> None:
        self._limit = 0


class _Row:
    """Counts how often in a row."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._count = 0

    def reached(self, so: bool) -> bool:  # noqa: FBT001 what is counted
        self._count = self._count + 1 if so else 0
        return self._count == self._limit

    def end(self) -> None:
        self._count = 0
