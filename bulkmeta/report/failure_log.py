"""Objects that failed, for whoever listens to the logger of this module."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from bulkmeta.report.text import printable

if TYPE_CHECKING:
    from bulkmeta.model.outcome import Outcome

_LOG: Final = logging.getLogger(__name__)

MOST: Final = 1000
"""Objects of a run that are told of; a log is no run file."""


class FailureLog:
    """Tells of each object that failed, up to so many."""

    def __init__(self) -> None:
        self._failed = 0

    def emit(self, result: Outcome) -> None:
        if result.status != "failed":
            return
        self._failed += 1
        if self._failed <= MOST:
            _tell(result)
        elif self._failed == MOST + 1:
            _LOG.warning(
                "more than %d objects failed; no further one is told of here", MOST
            )

    def flush(self) -> None:
        """Nothing is held back."""


def _tell(outcome: Outcome) -> None:
    error = outcome.error
    fields = {
        "key": outcome.key,
        "status": outcome.status,
        "reason": outcome.reason,
        "code": error.code if error else None,
        "http_status": error.http_status if error else None,
        "request_id": error.request_id if error else outcome.request_id,
        "ec": error.ec if error else None,
    }
    _LOG.warning(
        "failed: %s: %s%s",
        printable(outcome.key),
        outcome.reason,
        f": {error.message}" if error else "",
        extra={"fields": fields},
    )
