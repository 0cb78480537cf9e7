"""Which failures are tried again, how often, and how long after: tenacity, as policy.

Throttling never counts against the number of retries: the service asked to come back
later, and later it shall be.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from bulkmeta.errors import ObjectError, ServiceError, TransportError, Verdict
from bulkmeta.oss.effort import try_number

if TYPE_CHECKING:
    from bulkmeta.oss.effort import Effort

_LOG: Final = logging.getLogger(__name__)
_FIRST_WAIT_S: Final = 0.2
_LONGEST_WAIT_S: Final = 20.0
_MENDABLE: Final = {Verdict.EXPIRED, Verdict.SKEWED}
"""Refusals whose cause is mended before the next try: token, clock."""

_MENDED_RETRIES: Final = 2

_UNHEARD_RETRIES: Final = 2
"""Of a service that has not answered anything yet: it may not be there at all."""

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[None]]
Retrying = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often one request is tried again; `sleep` waits in between.

    `patient`: throttling is waited out, however long. Once `stopping`, nothing is.
    Until the service was `heard` of, a few tries without an answer are enough.
    """

    retries: int
    patient: bool = True
    stopping: Callable[[], bool] = lambda: False
    heard: Callable[[], bool] = lambda: True
    sleep: Sleep = asyncio.sleep

    def after(self, error: ObjectError, effort: Effort, what: object) -> Retrying:
        """What calls a function that failed with `error` again, as the policy says.
        `what` it asks for, in words, is for the log.

        tenacity is entered only then: it would cost each request a quarter of all it
        takes, and nearly all succeed at once. Never shared: its state is not
        task-local, and concurrent tasks would get each other's results.

        Raises:
            ObjectError: `error`, at once, if it is none that passes.
        """
        if not is_retriable(error):
            raise error
        first = _Tries(error)

        def note(retry_state: RetryCallState) -> None:
            effort.count_retry()
            _tell(what, retry_state)

        retrying = AsyncRetrying(
            sleep=self.sleep,
            wait=_wait_s,
            stop=_StopAfterFailures(self),
            retry=retry_if_exception(is_retriable),
            before_sleep=note,
            reraise=True,
        )
        return partial(retrying, _after, first)


@dataclass(slots=True)
class _Tries:
    """How many there were, and the first one's error, as long as that is still to be
    raised."""

    error: ObjectError | None
    count: int = 1


async def _after(
    tries: _Tries, function: Callable[..., Awaitable[T]], *args: object
) -> T:
    """What `function` returns; but its first call was made already, and failed."""
    if tries.error:
        error, tries.error = tries.error, None
        raise error
    tries.count += 1
    token = try_number.set(tries.count)
    try:
        return await function(*args)
    finally:
        try_number.reset(token)


def _tell(what: object, retry_state: RetryCallState) -> None:
    """That, when and why a request is sent again."""
    error, action = _error_of(retry_state), retry_state.next_action
    _LOG.debug(
        "%s: again in %.2f s, since attempt %d came to %s",
        what,
        action.sleep if action else 0.0,
        retry_state.attempt_number,
        error.reason if isinstance(error, ObjectError) else type(error).__name__,
    )


def backoff_s(attempt: int) -> float:
    """Full jitter over a span that doubles with each attempt, counted from 1."""
    span_s = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0 ** min(attempt - 1, 32))
    return random.uniform(0.0, span_s)  # noqa: S311 jitter is no secret


def is_retriable(error: BaseException) -> bool:
    """Whether sending the same request again can help, and cannot do harm."""
    if isinstance(error, TransportError):
        return error.reason in {"timeout", "connection", "truncated"}
    return isinstance(error, ServiceError) and error.verdict in {
        Verdict.RETRY,
        Verdict.THROTTLED,
        Verdict.SKEWED,
        Verdict.EXPIRED,
    }


def is_throttled(error: BaseException | None) -> bool:
    """Whether the service asked for fewer requests."""
    return isinstance(error, ServiceError) and error.verdict is Verdict.THROTTLED


def _wait_s(retry_state: RetryCallState) -> float:
    """The back-off, or what the service asks for if that is longer."""
    error = _error_of(retry_state)
    asked_s = error.retry_after_s if isinstance(error, ServiceError) else 0.0
    return max(backoff_s(retry_state.attempt_number), min(asked_s, _LONGEST_WAIT_S))


class _StopAfterFailures:
    """Counts failures, not answers that only ask for patience. One per operation."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._failures = 0
        self._refusals = 0

    def __call__(self, retry_state: RetryCallState) -> bool:
        error = _error_of(retry_state)
        if isinstance(error, ServiceError) and error.verdict in _MENDABLE:
            self._refusals += 1
        elif not (self._policy.patient and is_throttled(error)):
            self._failures += 1
        most = self._policy.retries
        if isinstance(error, TransportError) and not self._policy.heard():
            most = min(most, _UNHEARD_RETRIES)
        return (
            self._failures > most
            or self._refusals > _MENDED_RETRIES
            or self._policy.stopping()
        )


def _error_of(retry_state: RetryCallState) -> BaseException | None:
    outcome = retry_state.outcome
    return outcome.exception() if outcome is not None else None
