"""Counters of a run."""

from __future__ import annotations

from bulkmeta.model.outcome import Outcome
from bulkmeta.report.stats import RunStats


def test_counts_and_reasons() -> None:
    """Ends are counted by status, and by reason where there is one."""
    stats = RunStats()
    stats.emit(Outcome(seq=1, key="a", status="updated"))
    for seq in (2, 3):
        stats.emit(Outcome(seq=seq, key="b", status="skipped", reason="symlink"))
    stats.emit(Outcome(seq=4, key="c", status="failed", reason="conflict"))
    stats.flush()
    assert (stats.objects, stats.counts, stats.reasons) == (
        4,
        {"updated": 1, "skipped": 2, "failed": 1},
        {"skipped: symlink": 2, "failed: conflict": 1},
    )


def test_line() -> None:
    """What is not zero, in the order of the statuses."""
    stats = RunStats()
    stats.emit(Outcome(seq=1, key="a", status="failed"))
    stats.counts["updated"] = 1234
    assert (stats.line(), RunStats().line()) == (
        "1,234 updated, 1 failed",
        "no objects",
    )


def test_counts_go_on() -> None:
    """A run that is taken up again counts on from what it had."""
    stats = RunStats({"failed": 2, "updated": 1}, {"failed: conflict": 2})
    stats.emit(Outcome(seq=4, key="c", status="failed", reason="conflict"))
    assert (stats.objects, stats.counts, stats.reasons) == (
        4,
        {"failed": 3, "updated": 1},
        {"failed: conflict": 3},
    )
