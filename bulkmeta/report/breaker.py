"""Stops a run in which every object fails alike: the cause is not in the objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bulkmeta.errors import RunFatalError

if TYPE_CHECKING:
    from bulkmeta.model.outcome import Outcome

FAILURES: Final = 100
"""How many first objects must all fail with one error code of the service."""


class Breaker:
    """Watches the first outcomes; silent for good once one of them is different."""

    def __init__(self, failures: int = FAILURES) -> None:
        self._limit = failures
        self._failures = 0
        self._code: str | None = None
        self._watching = True

    def emit(self, result: Outcome) -> None:
        """Count one outcome.

        Raises:
            RunFatalError: the first objects all failed with the same code.
        """
        if not self._watching or result.status == "skipped":
            return
        code = result.error.code if result.error and result.error.http_status else None
        self._watching = code is not None and self._code in {None, code}
        self._code = code
        self._failures += 1
        if self._watching and self._failures >= self._limit and result.error:
            raise RunFatalError(
                f"the first {self._failures} objects all failed with {code}: "
                f"{result.error.message} [request {result.error.request_id}]"
            )

    def flush(self) -> None:
        """A breaker holds nothing back."""
