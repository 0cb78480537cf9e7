"""Runs in words."""

from __future__ import annotations

import pytest

from bulkmeta.cli.describe import (
    ADVICE,
    change_words,
    cost_lines,
    end_lines,
    estimate_lines,
    order_lines,
    pace_words,
    warning_lines,
)
from bulkmeta.model.changes import make_change
from bulkmeta.model.job import JobSpec, Pace, Rules, RunSpec, Target
from bulkmeta.model.outcome import Outcome
from bulkmeta.report.stats import RunStats
from bulkmeta.runners.local import RunEnd
from bulkmeta.runners.preflight import Findings

CHANGE = make_change(
    set_meta=[("project", "atlas")],
    default_meta=[("owner", "")],
    unset_meta=["old"],
    rename_meta=[("a", "b")],
    set_headers=[("expires", "never")],
    unset_headers=["cache-control"],
)


def spec(rules: Rules | None = None, pace: Pace | None = None) -> RunSpec:
    job = JobSpec(Target("bucket", "p/"), CHANGE, rules or Rules())
    return RunSpec(job, "apply", pace=pace or Pace())


def test_order() -> None:
    """What, where, how fast, and what to mind, a line each."""
    lines = order_lines(spec())
    assert list(lines) == [
        "target    oss://bucket/p/",
        'change    rename a to b; unset old; set project = "atlas"; '
        'set owner = "" where absent; header expires = "never"; '
        "unset header cache-control",
        "pace      64 workers, at most 2,000 requests/s "
        "(change with --concurrency and --rate)",
    ]


@pytest.mark.parametrize(
    ("keeps_versions", "warning"),
    [
        (
            None,
            "warning   the bucket does not tell whether it keeps versions "
            "(oss:GetBucketVersioning); a run stops at the first object that shows one",
        ),
        (True, "warning   the bucket keeps versions: each update adds one"),
    ],
)
def test_warnings(keeps_versions: bool | None, warning: str) -> None:
    """What the bucket says of versions, or does not say."""
    assert list(warning_lines(spec().job, Findings(keeps_versions))) == [warning]


def test_no_warning() -> None:
    """A bucket without versions is not worth a word."""
    assert list(warning_lines(spec().job, Findings(keeps_versions=False))) == []


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
        "(change with --concurrency, --rate and --spread)"
    )
    assert "ranges" not in pace_words(pace, listing=False)


EFFECTS = (
    "effects   each update renews Last-Modified, which lifecycle rules count from, "
    "and is replicated and announced like an upload"
)


@pytest.mark.parametrize(
    ("run", "findings", "lines"),
    [
        (spec(), Findings(keeps_versions=False), []),
        (
            spec(),
            Findings(False, 1000, more=True),
            [
                "objects   more than 1,000",
                "requests  3 per object (head, acl, update), 1 for one that "
                "needs no change; 1 per 1,000 objects to list them",
                "time      at least 25 minutes per million changed objects",
                EFFECTS,
            ],
        ),
        (
            spec(Rules(acl="skip"), Pace(rate=None)),
            Findings(False, 7),
            [
                "objects   7",
                "requests  2 per object (head, update), 1 for one that "
                "needs no change; 1 per 1,000 objects to list them",
                EFFECTS,
            ],
        ),
    ],
)
def test_estimate(run: RunSpec, findings: Findings, lines: list[str]) -> None:
    """Requests, time and side effects, as far as the first page tells."""
    assert list(estimate_lines(run, findings)) == lines


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
        "  failed: conflict             1",
        "  skipped: archived            1  (restore them first)",
    ]


def test_end_in_no_time() -> None:
    """A run without a measurable length has no rate, and no error."""
    assert next(iter(end_lines(ended(0.0)))).startswith("3 objects in 0.0 s (0/s)")


@pytest.mark.parametrize(
    ("run", "lines"),
    [
        (
            spec(),
            [
                "applying it: about 3,604 requests (1,200 updates; head, acl, update "
                "each), besides listing",
                "at this rate: 0.0 minutes at least",
                EFFECTS,
            ],
        ),
        (
            spec(Rules(acl="skip"), Pace(rate=None)),
            [
                "applying it: about 2,404 requests (1,200 updates; head, update each), "
                "besides listing",
                EFFECTS,
            ],
        ),
    ],
)
def test_cost(run: RunSpec, lines: list[str]) -> None:
    """What a plan counted is what applying it costs: each update its requests, each
    unchanged object a head."""
    stats = RunStats()
    stats.counts.update(planned=1200, unchanged=4, skipped=9)
    assert (
        list(cost_lines(RunEnd(run, stats, 1.0, interrupted=False, requests={})))
        == lines
    )


def test_advice_is_for_words_of_one_kind() -> None:
    """Advice is looked up by reason: lower-case words joined by underscores."""
    assert [r for r in ADVICE if not r.replace("_", "").islower()] == []
