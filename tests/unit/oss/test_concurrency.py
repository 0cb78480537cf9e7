"""How many requests may be in flight, by the latency of what was answered."""

from __future__ import annotations

import math
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkmeta.oss.concurrency import SLACK_S, TOLERANCE, AdaptiveConcurrency

HEAD, COPY = "HeadObject", "CopyObject"
IN_FLIGHT: Final = 64


class Answers:
    """Answers as they come in, 500 a second, to a run of so many in flight."""

    def __init__(self) -> None:
        self.concurrency = AdaptiveConcurrency()
        self.now_s = 1000.0

    def come(self, latency_s: float, operation: str = HEAD) -> float:
        """A window of them; the limit after it."""
        opened_s = self.concurrency._opened_s
        while self.concurrency._opened_s == opened_s:
            self.now_s += 0.002
            others = int(min(IN_FLIGHT, self.concurrency.limit)) - 1
            sent_s = self.now_s - latency_s
            self.concurrency.answered(self.now_s, sent_s, operation, others)
        return self.concurrency.limit


@given(
    st.lists(
        st.tuples(
            st.floats(0.0, 5.0),
            st.floats(0.0, 70.0),
            st.sampled_from([HEAD, COPY]),
            st.integers(0, 500),
            st.integers(1, 200),
            st.booleans(),
        ),
        max_size=40,
    )
)
def test_one_is_always_possible(
    answers: list[tuple[float, float, str, int, int, bool]],
) -> None:
    """Whatever is answered, in whatever time, at least one may be in flight."""
    concurrency, now_s = AdaptiveConcurrency(), 0.0
    for elapsed_s, latency_s, operation, in_flight, times, wanted in answers:
        concurrency.wanted = wanted
        for _ in range(times):
            now_s += elapsed_s / 100
            sent_s = now_s - latency_s
            concurrency.answered(now_s, sent_s, operation, in_flight)
        assert concurrency.limit >= 1.0


def test_steady_latency_limits_nothing() -> None:
    """Answers that take as long as ever, or a little longer, are no reason."""
    answers = Answers()
    answers.come(0.02)
    slower_s = TOLERANCE * 0.02 + 0.9 * SLACK_S

    assert [answers.come(slower_s) for _ in range(9)] == [math.inf] * 9


def cut_limit(answers: Answers) -> float:
    """The limit once quick answers have become slow ones."""
    limits = [answers.come(latency_s) for latency_s in (0.02, 0.08, 0.08, 0.08)]
    assert limits[:-1] == [math.inf] * 3
    return limits[-1]


def test_a_line_of_our_own_is_cut_and_comes_back_slowly() -> None:
    """With fewer in flight answers are quick again; then it rises step by step."""
    answers = Answers()
    cut = cut_limit(answers)
    limits = [answers.come(0.02) for _ in range(2)]
    answers.concurrency.wanted = True
    limits.append(answers.come(0.02))

    assert limits == [cut, cut, cut + math.sqrt(cut)]
    assert cut == 0.6 * IN_FLIGHT


def test_a_long_line_is_cut_again() -> None:
    """One trial need not be enough; and nothing is raised meanwhile."""
    answers = Answers()
    limits = [cut_limit(answers)]
    for latency_s in (0.048, 0.048, 0.048):
        answers.concurrency.wanted = True
        limits.append(answers.come(latency_s))

    assert limits == [limits[0]] * 3 + [pytest.approx(0.6 * int(limits[0]))]


def test_no_use_in_standing_back() -> None:
    """If answers stay slow with fewer in flight, it is not our doing: the limit is
    lifted, and after a few trials slow answers are usual."""
    answers = Answers()
    cut = cut_limit(answers)
    limits = [answers.come(0.08) for _ in range(40)]

    assert (limits[0], limits[3]) == (math.inf, cut)
    assert limits[17:] == [math.inf] * 23


def test_passing_slowness_is_nothing() -> None:
    """A machine that is busy with something else for half a second."""
    answers = Answers()
    answers.come(0.02)

    limits = [answers.come(latency_s) for latency_s in (0.08, 0.08, 0.02) * 5]
    assert limits == [math.inf] * 15


def test_some_slow_answers_are_nothing() -> None:
    """Where there is a line, nobody is quick."""
    answers = Answers()
    answers.come(0.02)
    for _ in range(10):
        now_s = answers.now_s
        answers.concurrency.answered(now_s, now_s - 0.02, HEAD, IN_FLIGHT)
        assert answers.come(0.3) == math.inf


def test_operations_have_their_own_latency() -> None:
    """A slow operation among quick ones is not held against them."""
    answers = Answers()
    limits = [answers.come(0.01, HEAD)]
    limits += [answers.come(0.2, COPY) for _ in range(5)]

    assert limits == [math.inf] * 6


def test_what_was_sent_before_says_nothing() -> None:
    """Answers that come late, sent before the limit, do not lower it again."""
    answers = Answers()
    cut = cut_limit(answers)
    for _ in range(1000):
        answers.now_s += 0.002
        answers.concurrency.answered(answers.now_s, answers.now_s - 5.0, HEAD, 60)

    assert answers.concurrency.limit == cut
