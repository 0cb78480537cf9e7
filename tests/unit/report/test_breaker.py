"""Stopping a run whose objects all fail alike."""

from __future__ import annotations

import pytest

from bulkmeta.errors import ErrorDetail, RunFatalError
from bulkmeta.model.outcome import Outcome
from bulkmeta.report.breaker import FAILURES, Breaker


def failed(code: str, status: int | None = 403) -> Outcome:
    error = ErrorDetail(code, status, "words", "req")
    return Outcome(seq=1, key="k", status="failed", error=error)


DENIED = failed("AccessDenied")
SKIPPED = Outcome(seq=1, key="k", status="skipped", reason="symlink")


def test_all_alike() -> None:
    """A hundred first objects with one error code are enough."""
    breaker = Breaker()
    for _ in range(FAILURES - 1):
        breaker.emit(DENIED)
    with pytest.raises(RunFatalError) as caught:
        breaker.emit(DENIED)
    assert (FAILURES, str(caught.value)) == (
        100,
        "the first 100 objects all failed with AccessDenied: words [request req]",
    )


@pytest.mark.parametrize(
    "different",
    [
        failed("Other"),
        failed("AccessDenied", None),
        Outcome(seq=1, key="k", status="updated"),
        Outcome(seq=1, key="k", status="unchanged"),
    ],
)
@pytest.mark.parametrize("at", [0, 1, 2])
def test_one_that_is_different(different: Outcome, at: int) -> None:
    """One other end among the first shows that the objects differ: silent for good."""
    breaker = Breaker(3)
    outcomes = [DENIED] * 2
    outcomes.insert(at, different)
    for outcome in [*outcomes, *[DENIED] * 10]:
        breaker.emit(outcome)
    breaker.flush()
    assert breaker._watching is False


def test_skipped_objects_say_nothing() -> None:
    """Objects that were left alone are no evidence either way."""
    breaker = Breaker(2)
    for outcome in (SKIPPED, DENIED, SKIPPED):
        breaker.emit(outcome)
    with pytest.raises(RunFatalError, match="the first 2 objects"):
        breaker.emit(DENIED)
