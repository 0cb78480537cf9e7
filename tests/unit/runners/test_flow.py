"""What people are told when a run stops."""

from __future__ import annotations

import pytest

from bulkmeta.engine.shutdown import StopRequest
from bulkmeta.errors import ThresholdError
from bulkmeta.runners.flow import stopping_words


def test_what_stops_it() -> None:
    """The one limit that was passed is named; by what comes at the end."""
    stop = StopRequest()
    stop.under_way = 64
    stop.error = ThresholdError("it is over (--limit)", "'a' failed as gone: words")
    assert stopping_words(stop) == (
        "stopping: it is over (--limit); 64 objects under way come to their end; "
        "Ctrl-C ends at once"
    )
    assert str(stop.error) == "stopped: it is over (--limit): 'a' failed as gone: words"


@pytest.mark.parametrize(
    ("error", "why", "ending"),
    [
        (None, None, "Ctrl-C (again) ends at once"),
        (ValueError(), None, "under way; Ctrl-C ends at once"),
        (None, "the window has closed", "under way; Ctrl-C ends at once"),
    ],
)
def test_who_is_told_to_press_again(
    error: Exception | None, why: str | None, ending: str
) -> None:
    """Only who may have pressed it before."""
    stop = StopRequest()
    stop.error, stop.why = error, why
    assert stopping_words(stop).endswith(ending)


@pytest.mark.parametrize(
    ("count", "alone", "words"),
    [
        (0, True, "no object is under way"),
        (0, False, "no object is under way"),
        (1, True, "1 object under way comes to its end"),
        (1200, True, "1,200 objects under way come to their end"),
        (1200, False, "at most 1,200 objects under way come to their end"),
    ],
)
def test_how_many_come_to_their_end(count: int, alone: bool, words: str) -> None:
    """Not all that other processes were handed may have been taken up there."""
    stop = StopRequest()
    stop.under_way, stop.why = count, "it is late"
    told = stopping_words(stop, alone=alone)
    assert told == f"stopping: it is late; {words}; Ctrl-C ends at once"
