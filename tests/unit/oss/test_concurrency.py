"""How many requests may be in flight, by the latency of what was answered."""

from __future__ import annotations

import math
from typing import Final

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


def test_a_line_of_our_own_is_cut_and_comes_back_slowly() -> None:
    """With fewer in flight answers are quick again; then it rises step by step."""
    answers = Answers()
    answers.come(0.02)
    limits = [answers.come(latency_s) for latency_s in (0.08, 0.02, 0.02)]
    answers.concurrency.wanted = True
    limits.append(answers.come(0.02))

    cut = 0.6 * IN_FLIGHT
    assert limits == [cut, cut, cut, cut + math.sqrt(cut)]


def test_no_use_in_standing_back() -> None:
    """If answers stay slow with fewer in flight, it is not our doing: the limit is
    lifted, and after a few trials slow answers are usual."""
    answers = Answers()
    answers.come(0.02)
    limits = [answers.come(0.08) for _ in range(20)]

    cut = 0.6 * IN_FLIGHT
    assert limits == [cut, math.inf] * 5 + [math.inf] * 10


def test_operations_have_their_own_latency() -> None:
    """A slow operation among quick ones is not held against them."""
    answers = Answers()
    limits = [
        answers.come(*latency)
        for latency in [(0.01, HEAD), (0.2, COPY), (0.01, HEAD), (0.2, COPY)]
    ]

    assert limits == [math.inf] * 4


def test_one_that_took_a_minute_changes_nothing() -> None:
    """An outlier counts for no more than a few."""
    answers = Answers()
    answers.come(0.02)
    answers.concurrency.answered(answers.now_s, answers.now_s - 60.0, HEAD, 63)

    assert answers.come(0.02) == math.inf


def test_what_was_sent_before_says_nothing() -> None:
    """Answers that come late, sent before the limit, do not lower it again."""
    answers = Answers()
    answers.come(0.02)
    cut = answers.come(0.08)
    for _ in range(200):
        answers.concurrency.answered(answers.now_s + 1, answers.now_s - 5.0, HEAD, 60)

    assert answers.concurrency.limit == cut
