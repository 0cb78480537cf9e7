"""Runs in words."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from bulkmeta.cli.describe import (
    ADVICE,
    advice,
    change_words,
    end_lines,
    job_words,
    order_lines,
    pace_words,
    selection_words,
    sum_lines,
)
from bulkmeta.model.changes import make_change
from bulkmeta.model.job import (
    JobSpec,
    LockObject,
    Pace,
    Parent,
    Recent,
    RunSpec,
    Target,
)
from bulkmeta.model.outcome import Outcome
from bulkmeta.model.selection import Selection
from bulkmeta.model.tolerance import REASONS
from bulkmeta.report.stats import RunStats
from bulkmeta.runners.host import RunEnd

CHANGE = make_change(
    set_meta=[("project", "atlas")],
    default_meta=[("owner", "")],
    unset_meta=["old"],
    rename_meta=[("a", "b")],
    set_headers=[("expires", "never")],
    unset_headers=["cache-control"],
)


def spec() -> RunSpec:
    return RunSpec(JobSpec(Target("bucket", "p/"), CHANGE), "apply")


def test_order() -> None:
    """What, where, how fast, and what to mind, a line each."""
    lines = [*order_lines(spec())]
    assert lines == [
        "target    oss://bucket/p/",
        'change    rename a to b; unset old; set project = "atlas"; '
        'set owner = "" where absent; header expires = "never"; '
        "unset header cache-control",
        "pace      64 workers, at most 2,000 requests/s (--concurrency, --rate)",
    ]
    assert len(lines[-1]) <= 80


def test_sizes() -> None:
    """One byte is told as one."""
    select = Selection(min_size=1, max_size=2000)
    assert list(selection_words(select)) == ["1 byte or more", "2,000 bytes or less"]


def test_times() -> None:
    """All are told with a Z, however they are recorded."""
    midnight = "2026-11-22T00:00:00+00:00"
    job = JobSpec(Target("b"), select=Selection(modified_after=midnight))
    recent = Recent("2026-11-23T01:00:00+00:00", since=midnight)
    told = "\n".join(order_lines(RunSpec(job, "apply", recent=recent)))
    assert told.count("modified at 2026-11-22T00:00:00Z or later") == 2


def test_name_of_a_lock() -> None:
    """It may come from the file of others; a terminal obeys none of it."""
    lock = LockObject("b", "a\x1b[2J")
    told = [*order_lines(msgspec.structs.replace(spec(), lock=lock))]
    assert 'lock      "oss://b/a\\u001b[2J", for 60 s at a time' in told


def test_words_of_an_undo() -> None:
    """Of all that a run changed, or only where that went wrong."""
    parent = Parent("run.jsonl", "hash", "2026-11-22T00:00:00Z", 1)
    job = JobSpec(Target("b"), parent=parent, takes="drifted")
    assert [*job_words(job)] == [
        "put back what run.jsonl changed, only where an object is not as that run "
        "left it"
    ]


def test_words_of_a_plan_that_is_applied() -> None:
    """What it changes, with no value for what its rows set, and when it was made."""
    parent = Parent("plan.jsonl", "hash", "2026-11-28T22:10:59.123Z", 1)
    change = make_change(set_meta=[("reviewed", "yes"), ("by-row", "")])
    job = JobSpec(Target("b"), change, parent=parent, takes="planned")
    when = "as planned in plan.jsonl on 2026-11-28T22:10Z"
    assert [*job_words(job)] == [f'set reviewed = "yes"; set by-row, {when}']
    job = JobSpec(Target("b"), parent=parent, takes="replanned")
    assert [*job_words(job)] == [when]


def test_words_of_a_replacement() -> None:
    """A replacement says so first, for it is what takes things away."""
    change = make_change(replace=True, set_meta=[("a", "1")])
    assert list(change_words(change)) == ["replace all user metadata", 'set a = "1"']


def test_pace_without_cap() -> None:
    """No cap is said as what it is."""
    assert pace_words(Pace(8, None)) == "8 workers, no cap on the request rate"


def test_pace_in_ranges() -> None:
    """Key ranges are named where there are several, and something is listed."""
    pace = Pace(8, 9000.0, spread=20)
    assert pace_words(pace) == (
        "8 workers, at most 9,000 requests/s, up to 20 key ranges in turn "
        "(--concurrency, --rate, --spread)"
    )
    assert "ranges" not in pace_words(pace, listing=False)


@pytest.mark.parametrize(
    ("prefix", "more", "takes", "hint"),
    [
        ("", (), "listing", False),
        ("2026/", ("2027/",), "listing", False),
        ("2026", (), "listing", True),
        ("2026/", ("2027",), "listing", True),
        ("2026", (), "failed", False),
    ],
)
def test_a_target_that_is_no_folder(
    prefix: str, more: tuple[str, ...], takes: str, hint: bool
) -> None:
    """That it takes its neighbours, too, is said where keys are listed."""
    job = JobSpec(Target("bucket", prefix, more), CHANGE, takes=takes)  # type: ignore[arg-type] # as each case has it
    told = next(iter(order_lines(RunSpec(job, "apply"))))
    assert told.endswith("(all keys that begin so)") is hint


def test_pace_of_several_processes() -> None:
    """How many there are, and where, if not on this machine."""
    pace = Pace(8, 9000.0, processes=3)
    assert pace_words(pace) == (
        "3 processes of 8 workers, at most 9,000 requests/s "
        "(--processes, --concurrency, --rate)"
    )
    pace = Pace(8, None, processes=2, cluster="ray")
    assert pace_words(pace).startswith("2 processes on ray of 8 workers, no cap")


HERE = Target("bucket", "p/")


def ended(elapsed_s: float) -> RunEnd:
    stats = RunStats()
    stats.emit(Outcome(seq=1, key="a", status="updated"))
    stats.emit(Outcome(seq=2, key="b", status="skipped", reason="archived"))
    stats.emit(Outcome(seq=3, key="c", status="failed", reason="conflict"))
    return RunEnd(spec(), stats, elapsed_s, interrupted=False, requests={})


def test_end() -> None:
    """The counters, and each reason with what can be done about it."""
    assert list(end_lines(ended(2.0))) == [
        "3 objects in 2.0 s (2/s): 1 updated, 1 skipped, 1 failed",
        "  failed: conflict             1  (others keep writing; run again at a "
        "quieter time)",
        "  skipped: archived            1  (restore them first)",
    ]


def test_end_of_what_was_resumed() -> None:
    """The speed is that of what this time was for."""
    stats = RunStats({"updated": 4912})
    for seq in range(1087):
        stats.emit(Outcome(seq=seq, key="a", status="updated"))
    assert next(sum_lines(stats, 2.0, HERE)) == (
        "5,999 objects, 1,087 of them now, in 2.0 s (544/s): 5,999 updated"
    )


def test_end_in_no_time() -> None:
    """A run without a measurable length has no rate, and no error."""
    assert next(iter(end_lines(ended(0.0)))).startswith("3 objects in 0.0 s (0/s)")


def test_end_of_nothing() -> None:
    """That there was no object is said once."""
    assert list(sum_lines(RunStats(), 0.0, HERE)) == ["0 objects in 0.0 s"]


def test_advice_for_what_failed_only() -> None:
    """What skips them is told of those that failed, not of those that it skipped."""
    assert (
        advice("failed: missing_field", HERE) == "  (--missing skip leaves them alone)"
    )
    assert advice("skipped: missing_field", HERE) == ""


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (HERE, "oss://bucket/p/"),
        (Target("bucket", "p/", ("q/",)), "oss://bucket/p/"),
        (Target("bucket", "a b/"), "'oss://bucket/a b/'"),
    ],
)
def test_advice_where_a_permission_is_missing(target: Target, words: str) -> None:
    """Who finds out which one it is, as a command."""
    assert advice("failed: access_denied", target) == (
        f"  (bulkmeta doctor {words} names the permission)"
    )


def test_advice_that_comes_often_fits_on_a_line() -> None:
    """Also for a million objects, at a run's end as in its report."""
    stats = RunStats(reasons=Counter({"skipped: early_rewrite": 1_000_000}))
    (_, line) = sum_lines(stats, 1.0, HERE)
    assert line.endswith("1,000,000  (IA or colder; --allow-early-rewrite)")
    assert len(line) <= 80


@pytest.mark.parametrize(
    "reason",
    ["rename_target_exists", "changed_since_run", "changed_since_plan", "gone",
     "no_row", "drift", "conflict", "unsettled", "where_failed", "transform_failed",
     "invalid_value", "worker_died", "unguardable", "unknown_header", "other_version",
     "not_selected", "rewritten"],
)  # fmt: skip
def test_advice_for_what_people_can_mend(reason: str) -> None:
    """Each has words, and is a reason."""
    assert reason in REASONS
    assert advice(f"failed: {reason}", HERE).startswith("  (")


def test_advice_is_for_words_of_one_kind() -> None:
    """Advice is looked up by reason: lower-case words joined by underscores."""
    assert [r for r in ADVICE if not r.replace("_", "").islower()] == []
