"""What people are told when a run stops."""

from __future__ import annotations

import pytest

from bulkmeta.engine.shutdown import StopRequest
from bulkmeta.errors import ThresholdError
from bulkmeta.runners.flow import stopping_words


def test_what_stops_it() -> None:
    """The one limit that was passed is named; by what comes at the end."""
    stop = StopRequest()
    stop.error = ThresholdError("it is over (--limit)", "'a' failed as gone: words")
    assert stopping_words(stop) == (
        "stopping: it is over (--limit); objects under way come to their end; "
        "Ctrl-C ends at once"
    )
    assert str(stop.error) == "stopped: it is over (--limit): 'a' failed as gone: words"


@pytest.mark.parametrize(
    ("error", "why", "ending"),
    [
        (None, None, "Ctrl-C (again) ends at once"),
        (ValueError(), None, "their end; Ctrl-C ends at once"),
        (None, "the window has closed", "their end; Ctrl-C ends at once"),
    ],
)
def test_who_is_told_to_press_again(
    error: Exception | None, why: str | None, ending: str
) -> None:
    """Only who may have pressed it before."""
    stop = StopRequest()
    stop.error, stop.why = error, why
    assert stopping_words(stop).endswith(ending)
