"""What people are told when a run stops."""

from __future__ import annotations

import pytest

from bulkmeta.engine.shutdown import StopRequest
from bulkmeta.runners.flow import stopping_words


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
