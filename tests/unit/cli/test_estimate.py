"""What a run will take, in words and numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bulkmeta.cli.estimate import (
    Estimate,
    beforehand_lines,
    estimate_of,
    plan_estimate,
    plan_lines,
)
from bulkmeta.model.billing import Billed, Prices
from bulkmeta.model.changes import make_change
from bulkmeta.model.job import JobSpec, Pace, Parent, Rules, RunSpec, Target
from bulkmeta.model.probe import Probed
from bulkmeta.report.forecast import Forecast
from bulkmeta.report.stats import RunStats
from bulkmeta.runners.host import RunEnd
from bulkmeta.runners.preflight import Findings

META = make_change(set_meta=[("project", "atlas")])
TAGS = make_change(set_tags=[("a", "1")])
PROBED = Probed(
    version="1",
    bucket="bucket",
    endpoint="e",
    keeps_versions=False,
    at="2026-11-22T00:00:00Z",
    found={"acl": "kept"},
)


def spec(change: object = META, rules: Rules | None = None, **more: object) -> RunSpec:
    pace = more.pop("pace", Pace())
    job = JobSpec(Target("bucket", "p/"), change, rules or Rules(), **more)  # type: ignore[arg-type]  # as each test wants it
    return RunSpec(job, "apply", pace=pace)  # type: ignore[arg-type]  # the same


PER_OBJECT = "2 GET and 1 PUT per object (head, acl, update), 1 GET for one that "
LISTING = "; 1 PUT per 1,000 objects to list them"
PARENT = Parent("run.jsonl", "hash", "now", 1)


@pytest.mark.parametrize(
    ("run", "findings", "prices", "lines"),
    [
        (spec(), Findings(keeps_versions=False), Prices(1.0, 1.0), []),
        (
            spec(),
            Findings(False, 1000, more=True),
            Prices(0.1, 0.01),
            [
                "objects   at least 1,000 on the first page of the listing",
                f"billed    {PER_OBJECT}needs no change{LISTING}",
                "cost      12.0 at these prices, for each million changed",
                "time      at least 25 min at 2,000 requests/s, for each million "
                "changed",
            ],
        ),
        (
            spec(rules=Rules(acl="skip"), pace=Pace(rate=None)),
            Findings(False, 7),
            Prices(),
            [
                "objects   7",
                "billed    1 GET and 1 PUT per object (head, update), 1 GET for one "
                f"that needs no change{LISTING}",
                "in sum    7 GET and 8 PUT requests, if each is changed",
            ],
        ),
        (
            spec(parent=PARENT, takes="former"),
            Findings(False, 40_000),
            Prices(put=0.5),
            [
                "objects   40,000",
                f"billed    {PER_OBJECT}needs no change",
                "in sum    80,000 GET and 40,000 PUT requests, if each is changed",
                "cost      2.00 at this price (PUT only), if each is changed",
                "time      at least 1 min at 2,000 requests/s, if each is changed",
            ],
        ),
        (
            spec(TAGS, pace=Pace(rate=None)),
            Findings(False, 2),
            Prices(get=2.0),
            [
                "objects   2",
                "billed    3 GET and 1 PUT per object (head, tags, put tags, tags "
                f"again), 2 GET for one that needs no change{LISTING}",
                "in sum    6 GET and 3 PUT requests, if each is changed",
                "cost      0.00120 at this price (GET only), if each is changed",
            ],
        ),
        (
            spec(pace=Pace(rate=None)),
            Findings(False, 1, copies=PROBED),
            Prices(),
            [
                "objects   1",
                "billed    1 GET and 1 PUT per object (head, update), 1 GET for one "
                f"that needs no change{LISTING}",
                "in sum    1 GET and 2 PUT requests, if each is changed",
            ],
        ),
    ],
)
def test_beforehand(
    run: RunSpec, findings: Findings, prices: Prices, lines: list[str]
) -> None:
    """As far as the first page, or the lines of a file, tell."""
    assert list(beforehand_lines(run, findings, prices)) == lines


@pytest.mark.parametrize(
    ("more", "words"),
    [(False, "at most 7"), (True, "at most 7 on the first page of the listing")],
)
def test_what_a_condition_leaves_open(more: bool, words: str) -> None:
    """A count that only heads can settle is told as what it is."""
    found = Findings(False, 7, more=more, at_most=True)
    first, *_ = beforehand_lines(spec(), found, Prices())
    assert first == f"objects   {words}"


@pytest.mark.parametrize(
    ("objects", "words"),
    [
        (101, "0.2 s"),
        (40_000, "1 min"),
        (60_000, "1 min 30 s"),
        (4_799_000, "2 h"),
        (5_000_000, "2 h 5 min"),
        (1_000_000_000, "17 d 9 h"),
    ],
)
def test_times(objects: int, words: str) -> None:
    """In the two largest units."""
    run = spec(parent=PARENT, takes="former", rules=Rules(acl="preserve"))
    *_, last = beforehand_lines(run, Findings(False, objects), Prices())
    at = "at 2,000 requests/s"
    assert last == f"time      at least {words} {at}, if each is changed"
    assert len(last) <= 80


def ended(*, interrupted: bool = False, pace: Pace | None = None) -> RunEnd:
    """A plan of three updates that had one request refused."""
    stats = RunStats()
    stats.counts.update(planned=3, unchanged=4)
    requests = {"ListObjectsV2": 2, "HeadObject": 8}
    run = spec(pace=pace or Pace())
    return RunEnd(run, stats, 1.0, interrupted=interrupted, requests=requests)


def forecast() -> Forecast:
    made = Forecast(spec().job)
    made.updates, made.replay, made.unbilled = Billed(3, 3), Billed(6, 3), 1
    return made


def test_a_plan_by_the_same_order() -> None:
    """Listing and looking again, and the updates; what was refused does not count."""
    estimate = plan_estimate(ended(), forecast(), Prices(), None)
    assert estimate == Estimate(Billed(get=10, put=5), None, 15 / 2000, listings=2)
    (line,) = plan_lines(ended(), estimate, Prices(), None)
    assert line.endswith("10 GET and 5 PUT requests (2 of them list), for 3 updates")


def test_a_plan_by_its_file() -> None:
    """No listing, and a look at those only that are to be updated."""
    estimate = plan_estimate(ended(), forecast(), Prices(), Path("plan.jsonl"))
    assert estimate.requests == Billed(get=6, put=3)


def test_no_less_than_nothing() -> None:
    """However much of the plan was refused."""
    made = forecast()
    made.unbilled = 100
    assert plan_estimate(ended(), made, Prices(), None).requests.get == 3


@pytest.mark.parametrize(
    ("end", "prices", "out", "lines"),
    [
        (
            ended(),
            Prices(1.0, 1.0),
            None,
            [
                "applying it: about 60,000 GET and 30,000 PUT requests, for 3 updates",
                "cost: 9.00 at these prices",
                "at 2,000 requests/s: 45.0 s at least",
            ],
        ),
        (
            ended(pace=Pace(rate=None)),
            Prices(),
            Path("x/plan.jsonl"),
            [
                "applying plan.jsonl: about 60,000 GET and 30,000 PUT requests, "
                "for 3 updates",
            ],
        ),
        (
            ended(interrupted=True, pace=Pace(rate=None)),
            Prices(),
            Path("plan.jsonl"),
            [
                "applying what was looked at: about 60,000 GET and 30,000 PUT "
                "requests, for 3 updates",
            ],
        ),
    ],
)
def test_words_of_a_plan(
    end: RunEnd, prices: Prices, out: Path | None, lines: list[str]
) -> None:
    """What is applied, and what it takes."""
    estimate = estimate_of(Billed(60_000, 30_000), end.spec.pace, prices)
    assert list(plan_lines(end, estimate, prices, out)) == lines


UNDONE = replace(ended(), spec=spec(takes="former"))


@pytest.mark.parametrize(
    ("end", "others", "words"),
    [
        (ended(), {"failed": 1}, "nothing to update"),
        (ended(interrupted=True), {}, "nothing to update in what was looked at"),
        (UNDONE, {}, "nothing to put back"),
        (UNDONE, {"skipped: gone": 3}, "nothing to put back"),
        (
            UNDONE,
            {"skipped: early_rewrite": 3, "skipped: gone": 1, "failed": 2},
            "nothing can be put back: 5 objects left alone",
        ),
        (
            replace(UNDONE, interrupted=True),
            {"skipped: archived": 1},
            "nothing can be put back in what was looked at: 1 object left alone",
        ),
    ],
)
def test_words_of_no_update(end: RunEnd, others: dict[str, int], words: str) -> None:
    """Looking again is no work, and is told as none. What an undo leaves as it is, does
    not count as back."""
    end = replace(end, stats=RunStats({"failed": others.get("failed", 0)}, others))
    estimate = estimate_of(Billed(get=4, put=1), end.spec.pace, Prices(1.0, 1.0))
    assert list(plan_lines(end, estimate, Prices(1.0, 1.0), None)) == [words]


def test_words_of_one_update() -> None:
    """One is told as one, and what takes no time worth telling is not timed."""
    end = ended()
    end.stats.counts["planned"] = 1
    estimate = estimate_of(Billed(put=1), end.spec.pace, Prices())
    assert list(plan_lines(end, estimate, Prices(), None)) == [
        "applying it: about 1 PUT request, for 1 update"
    ]
    few = [*beforehand_lines(spec(), Findings(False, 1), Prices())]
    assert [line[:7] for line in few] == ["objects", "billed ", "in sum "]


def test_words_of_an_undo() -> None:
    """What a dry one looked at would be undone, not applied."""
    undo = replace(ended(), spec=spec(parent=PARENT, takes="former"))
    estimate = estimate_of(Billed(2, 1), undo.spec.pace, Prices())
    (line,) = plan_lines(undo, estimate, Prices(), None)
    assert line.startswith("undoing it: about 2 GET and 1 PUT requests")


@pytest.mark.parametrize(
    ("price", "told"),
    [
        (0.0, "0.00"),
        (0.000123456, "0.000123"),
        (1.5, "1.50"),
        (123456.0, "123,000"),
        (99.95, "100"),
        (1e15, "1,000,000,000,000,000"),
    ],
)
def test_a_cost_has_three_digits(price: float, told: str) -> None:
    """Whatever its size, without an exponent or a currency."""
    prices = Prices(put=price)
    estimate = estimate_of(Billed(put=10_000), Pace(rate=None), prices)
    *_, line = plan_lines(ended(), estimate, prices, None)
    assert line == f"cost: {told} at this price (PUT only)"


def test_for_programs() -> None:
    """Null where nobody can tell."""
    assert Estimate(Billed(5, 3), None, None).as_json() == {
        "requests": {"GET": 5, "PUT": 3},
        "cost": None,
        "seconds": None,
    }
    told = Estimate(Billed(5, 3), 1.234567, 2.34567).as_json()
    assert (told["cost"], told["seconds"]) == (1.235, 2.346)
