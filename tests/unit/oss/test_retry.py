"""Which failures are tried again, how often and how long after; in virtual time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkmeta.errors import (
    AmbiguousWriteError,
    BulkmetaError,
    ErrorDetail,
    ObjectError,
    RunFatalError,
    ServiceError,
    TransportError,
    Verdict,
)
from bulkmeta.oss.effort import Effort
from bulkmeta.oss.retry import (
    RetryPolicy,
    backoff_s,
    is_retriable,
    is_throttled,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.unit.conftest import VirtualTime


def service(verdict: Verdict, *, after_s: float = 0.0) -> ServiceError:
    error = ServiceError(verdict, "reason", ErrorDetail("Code", 500, "message"))
    error.retry_after_s = after_s
    return error


def lost(reason: str = "timeout") -> TransportError:
    return TransportError(reason, "message", sent=True)


class Flaky:
    """Raises the errors in turn, then answers."""

    def __init__(self, errors: Iterable[BulkmetaError], answer: str = "answer") -> None:
        self._errors = iter(errors)
        self._answer = answer
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        await asyncio.sleep(0)
        for error in self._errors:
            raise error
        return self._answer


async def outcome(policy: RetryPolicy, flaky: Flaky, effort: Effort) -> object:
    """The answer, or the error that came out."""
    try:
        answer: object = await flaky()
    except ObjectError as first:
        return await _outcome_after(policy, flaky, effort, first)
    except BulkmetaError as error:
        return error
    return answer


async def _outcome_after(
    policy: RetryPolicy, flaky: Flaky, effort: Effort, first: ObjectError
) -> object:
    try:
        answer: object = await policy.after(first, effort, "it")(flaky)
    except BulkmetaError as error:
        return error
    return answer


@pytest.mark.parametrize(
    ("error", "retriable"),
    [
        (lost("timeout"), True),
        (lost("connection"), True),
        (lost("truncated"), True),
        (lost("unsendable_value"), False),
        (lost("unsendable_key"), False),
        *(
            (
                service(verdict),
                verdict.value in ["retry", "throttled", "skewed", "expired"],
            )
            for verdict in Verdict
        ),
        (AmbiguousWriteError(lost()), False),
        (ObjectError("unknown_header", "m"), False),
        (RunFatalError("m"), False),
        (ValueError("m"), False),
        (asyncio.CancelledError(), False),
    ],
)
def test_what_is_tried_again(error: BaseException, retriable: bool) -> None:
    """Only what may help and cannot harm; a write of unknown fate never."""
    assert is_retriable(error) is retriable


def test_throttling_told_apart() -> None:
    """Only the service's wish for fewer requests is throttling."""
    found = [verdict for verdict in Verdict if is_throttled(service(verdict))]
    assert (found, is_throttled(None), is_throttled(lost())) == (
        [Verdict.THROTTLED],
        False,
        False,
    )


@pytest.mark.parametrize("retries", [0, 1, 10])
async def test_number_of_tries(virtual_time: VirtualTime, retries: int) -> None:
    """One try and as many more as allowed; then the last error itself comes out."""
    errors = [lost() for _ in range(20)]
    flaky, effort = Flaky(errors), Effort()
    policy = RetryPolicy(retries, sleep=virtual_time.sleep)
    end = await outcome(policy, flaky, effort)
    assert (end, flaky.calls, effort.attempts) == (
        errors[retries],
        retries + 1,
        retries + 1,
    )


def test_default_policy() -> None:
    """Patience, and no end in sight."""
    policy = RetryPolicy(10)
    assert (policy.patient, policy.stopping()) == (True, False)


@pytest.mark.parametrize("verdict", [Verdict.THROTTLED, Verdict.RETRY])
async def test_nothing_is_waited_out_once_stopping(
    virtual_time: VirtualTime, verdict: Verdict
) -> None:
    """A run that is to end asks once more for nothing: the error comes out."""
    errors = [service(verdict) for _ in range(9)]
    policy = RetryPolicy(
        100, stopping=lambda: len(virtual_time.slept) >= 2, sleep=virtual_time.sleep
    )
    assert await outcome(policy, Flaky(errors), Effort()) is errors[2]
    assert len(virtual_time.slept) == 2


async def test_throttling_does_not_count(virtual_time: VirtualTime) -> None:
    """However often the service asks for patience, it gets it (promise 9)."""
    flaky = Flaky([service(Verdict.THROTTLED)] * 200 + [lost()])
    policy = RetryPolicy(1, sleep=virtual_time.sleep)
    effort = Effort()
    end = await outcome(policy, flaky, effort)
    assert (end, flaky.calls, effort.attempts) == ("answer", 202, 202)


async def test_impatient_counts_throttling(virtual_time: VirtualTime) -> None:
    """Where somebody waits for an answer, throttling ends like any failure."""
    errors = [service(Verdict.THROTTLED) for _ in range(9)]
    policy = RetryPolicy(2, patient=False, sleep=virtual_time.sleep)
    assert await outcome(policy, Flaky(errors), Effort()) is errors[2]


async def test_refused_credentials_are_bounded(virtual_time: VirtualTime) -> None:
    """Credentials are fetched again twice, not as often as connections are."""
    errors = [service(Verdict.EXPIRED) for _ in range(9)]
    flaky = Flaky(errors)
    policy = RetryPolicy(100, sleep=virtual_time.sleep)
    end = await outcome(policy, flaky, Effort())
    assert (end, flaky.calls) == (errors[2], 3)


async def test_permanent_errors_come_out_at_once(virtual_time: VirtualTime) -> None:
    """A refusal is not tried again, and nobody waits."""
    error = service(Verdict.REFUSED)
    end = await outcome(
        RetryPolicy(10, sleep=virtual_time.sleep), Flaky([error]), Effort()
    )
    assert (end, virtual_time.slept) == (error, [])


@given(st.integers(1, 10_000))
def test_jitter_bounds(attempt: int) -> None:
    """Full jitter below a span that doubles from 0.4 s up to 20 s."""
    assert 0.0 <= backoff_s(attempt) <= min(20.0, 0.2 * 2 ** min(attempt - 1, 60))


def test_jitter_uses_its_whole_span() -> None:
    """Workers that were refused together do not come back together."""
    waits = [backoff_s(20) for _ in range(2000)]
    assert (min(waits) < 1.0, max(waits) > 19.0) == (True, True)


@pytest.mark.parametrize(
    ("asked_s", "least_s", "most_s"),
    [(5.0, 5.0, 5.0), (3600.0, 20.0, 20.0), (0.0, 0.0, 0.4)],
)
async def test_retry_after(
    virtual_time: VirtualTime, asked_s: float, least_s: float, most_s: float
) -> None:
    """What the service asks for is waited out, within reason."""
    flaky = Flaky([service(Verdict.THROTTLED, after_s=asked_s)])
    await outcome(RetryPolicy(10, sleep=virtual_time.sleep), flaky, Effort())
    assert [least_s <= s <= most_s for s in virtual_time.slept] == [True]


async def test_concurrent_operations_share_nothing(virtual_time: VirtualTime) -> None:
    """50 operations with failures of their own each get their own end."""
    policy = RetryPolicy(10, sleep=virtual_time.sleep)
    ends: dict[int, tuple[object, int, int]] = {}
    last = {number: lost() for number in range(50)}

    async def one(number: int) -> None:
        failures = number % 14
        errors = [lost() for _ in range(failures)]
        if failures > 10:
            errors[10] = last[number]
        flaky, effort = Flaky(errors, f"answer {number}"), Effort()
        end = await outcome(policy, flaky, effort)
        ends[number] = (end, flaky.calls, effort.attempts)

    async with asyncio.TaskGroup() as group:
        for number in range(50):
            group.create_task(one(number))
    assert ends == {
        number: (f"answer {number}", number % 14 + 1, number % 14 + 1)
        if number % 14 <= 10
        else (last[number], 11, 11)
        for number in range(50)
    }


async def test_cancelled_while_waiting() -> None:
    """A cancelled operation stops waiting and does not try again."""
    waiting = asyncio.Event()

    async def sleep(_seconds: float) -> None:
        waiting.set()
        await asyncio.Event().wait()

    flaky = Flaky([lost()] * 3)
    task = asyncio.create_task(outcome(RetryPolicy(10, sleep=sleep), flaky, Effort()))
    await waiting.wait()
    task.cancel()
    await asyncio.wait([task])
    assert (task.cancelled(), flaky.calls) == (True, 1)
