"""Why nothing was done, in words."""

from __future__ import annotations

import pytest

from bulkmeta.cli.nothing import nothing_words
from bulkmeta.model.changes import make_change
from bulkmeta.model.job import JobSpec, RunSpec, Target
from bulkmeta.model.outcome import Outcome
from bulkmeta.report.stats import RunStats
from bulkmeta.runners.host import RunEnd

CHANGE = make_change(set_meta=[("a", "1")])


@pytest.mark.parametrize(
    ("interrupted", "words"),
    [(False, ["1 object is gone; nothing could be put back"]), (True, [])],
)
def test_nothing_put_back(interrupted: bool, words: list[str]) -> None:
    """All objects of an undo are gone, which is not known if it was interrupted."""
    job, stats = JobSpec(Target("bucket", "p/"), CHANGE, takes="former"), RunStats()
    stats.emit(Outcome(seq=1, key="a", status="skipped", reason="gone"))
    end = RunEnd(RunSpec(job, "undo"), stats, 1.0, interrupted=interrupted, requests={})
    assert list(nothing_words(end)) == words
