"""Stopping a run whose objects all fail alike."""

from __future__ import annotations

import pytest

from bulkmeta.engine.breaker import FAILURES, Breaker
from bulkmeta.errors import ErrorDetail, RunFatalError
from bulkmeta.model.outcome import Outcome


def failed(code: str, status: int | None = 403) -> Outcome:
    error = ErrorDetail(code, status, "words", "req")
    return Outcome(seq=1, key="k", status="failed", error=error)


DENIED = failed("AccessDenied")
SKIPPED = Outcome(seq=1, key="k", status="skipped", reason="symlink")
GONE = Outcome(
    seq=1,
    key="k",
    status="failed",
    reason="gone",
    error=ErrorDetail("NoSuchKey", 404, "words", "req"),
)


def test_all_alike() -> None:
    """A hundred first objects with one error code are enough."""
    breaker = Breaker()
    verdicts = [breaker.judge(DENIED) for _ in range(FAILURES)]
    assert verdicts[:-1] == [None] * 99
    assert isinstance(verdicts[-1], RunFatalError)
    assert (FAILURES, str(verdicts[-1])) == (
        100,
        "the first objects all failed with AccessDenied: words [request req]",
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
    verdicts = [breaker.judge(outcome) for outcome in [*outcomes, *[DENIED] * 10]]
    assert verdicts == [None] * len(verdicts)


def test_skipped_objects_say_nothing() -> None:
    """Objects that were left alone are no evidence either way; nor are those that
    verification does not find any more."""
    breaker = Breaker(2)
    outcomes = (SKIPPED, DENIED, GONE, GONE, SKIPPED, DENIED)
    verdicts = [breaker.judge(o) for o in outcomes]
    assert verdicts[:-1] == [None] * 5
    assert str(verdicts[-1]).startswith("the first objects")


UNANSWERED = failed("timeout", None)
UNCONNECTED = failed("connection", None)


@pytest.mark.parametrize("before", [[], [Outcome(seq=1, key="k", status="updated")]])
def test_no_answers_in_a_row(before: list[Outcome]) -> None:
    """A service that is gone ends the run, whatever was done before."""
    breaker = Breaker(unreached=3)
    row = [*before, UNANSWERED, SKIPPED, UNCONNECTED, UNANSWERED]
    verdicts = [breaker.judge(outcome) for outcome in row]
    assert verdicts[:-1] == [None] * (len(row) - 1)
    assert str(verdicts[-1]) == "the service no longer answers: words"


@pytest.mark.parametrize("answer", [DENIED, Outcome(seq=1, key="k", status="updated")])
def test_an_answer_ends_the_row(answer: Outcome) -> None:
    """Whoever answers now and then is there."""
    breaker = Breaker(unreached=3)
    row = [UNANSWERED, UNANSWERED, answer] * 5
    assert [breaker.judge(outcome) for outcome in row] == [None] * 15
