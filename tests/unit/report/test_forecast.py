"""What a plan's updates take and touch, counted as they are planned."""

from __future__ import annotations

from typing import Any

import pytest

from bulkmeta.errors import ErrorDetail
from bulkmeta.model.billing import Billed
from bulkmeta.model.job import Inventory, JobSpec, Rules, Target
from bulkmeta.model.metadata import Metadata
from bulkmeta.model.outcome import Outcome
from bulkmeta.model.probe import Probed
from bulkmeta.report.forecast import Forecast, Reach

JOB = JobSpec(Target("bucket", "p/"))
OLD = Metadata({}, {"content-type": "x"})
ETAG = '"D41D8CD98F00B204E9800998ECF8427E"'


def with_rules(acl: Any, **more: Any) -> JobSpec:
    return JobSpec(Target("bucket", "p/"), rules=Rules(acl=acl), **more)


def planned(before: Metadata, after: Metadata, **more: Any) -> Outcome:
    return Outcome(
        seq=1, key="p/a", status="planned", before=before, after=after, **more
    )


def counted(job: JobSpec, *outcomes: Outcome, probed: Probed | None = None) -> Forecast:
    forecast = Forecast(job)
    forecast.copies = probed
    for outcome in outcomes:
        forecast.emit(outcome)
    return forecast


def meta(**more: Any) -> Metadata:
    return Metadata({"a": "1"}, {"content-type": "x"}, **more)


TAGGED, UNTAGGED = {"t": "1"}, dict[str, str]()


@pytest.mark.parametrize(
    ("job", "before", "after", "updates", "replay"),
    [
        (JOB, OLD, meta(), Billed(1, 1), Billed(2, 1)),
        (with_rules("preserve"), OLD, meta(), Billed(1, 1), Billed(2, 1)),
        (with_rules("skip"), OLD, meta(), Billed(0, 1), Billed(1, 1)),
        (JOB, meta(tags={}), meta(tags=TAGGED), Billed(1, 1), Billed(3, 1)),
        (JOB, meta(tags=TAGGED), meta(tags=UNTAGGED), Billed(1, 1), Billed(3, 1)),
        (JOB, meta(acl="default"), meta(acl="private"), Billed(0, 1), Billed(2, 1)),
        (
            JOB,
            meta(acl="default", tags={}),
            meta(acl="private", tags=TAGGED),
            Billed(1, 2),
            Billed(4, 2),
        ),
        (
            JOB,
            Metadata({}, {}, acl="default", tags={}),
            meta(acl="private", tags=TAGGED),
            Billed(1, 1),
            Billed(4, 1),
        ),
        (
            JOB,
            Metadata({}, {}, tags={}),
            meta(tags=TAGGED),
            Billed(2, 1),
            Billed(4, 1),
        ),
        (
            JOB,
            Metadata({}, {}, acl="private"),
            meta(acl="private"),
            Billed(0, 1),
            Billed(2, 1),
        ),
    ],
)
def test_requests(
    job: JobSpec, before: Metadata, after: Metadata, updates: Billed, replay: Billed
) -> None:
    """By the parts in which both states differ, and what a copy has to carry."""
    forecast = counted(job, planned(before, after))
    assert (forecast.updates, forecast.replay) == (updates, replay)


def test_acl_of_an_inventory() -> None:
    """It spares the request if it has the column."""
    for columns, gets in ((("Key", "ObjectAcl"), 0), (("Key",), 1)):
        inventory = Inventory("m", "x", "bucket", columns)
        job = with_rules("inventory", inventory=inventory)
        assert counted(job, planned(OLD, meta())).updates == Billed(gets, 1)


@pytest.mark.parametrize(
    ("job", "etag", "after", "gets"),
    [
        (JOB, ETAG, meta(), 0),
        (JOB, '"D41D8CD98F00B204E9800998ECF8427E-3"', meta(), 1),
        (JOB, ETAG, meta(storage_class="IA"), 1),
        (with_rules("preserve"), ETAG, meta(), 1),
    ],
)
def test_acl_where_a_probe_saw_it_kept(
    job: JobSpec, etag: str, after: Metadata, gets: int
) -> None:
    """As an update decides it: not of uploads in parts, nor of what is rewritten."""
    probed = Probed(
        version="1",
        bucket="bucket",
        endpoint="e",
        keeps_versions=False,
        at="2026-11-22T00:00:00Z",
        found={"acl": "kept"},
    )
    relied = probed if job.rules.acl == "auto" else None  # as preflight hands it on
    forecast = counted(job, planned(OLD, after, etag=etag), probed=relied)
    assert forecast.updates == Billed(gets, 1)


def test_reach() -> None:
    """How many objects, and in what."""
    cold = Metadata({}, {}, storage_class="IA")
    forecast = counted(
        JOB,
        planned(OLD, meta()),
        planned(OLD, Metadata({}, {})),
        planned(cold, Metadata({"a": "1"}, {}, storage_class="IA")),
        planned(cold, Metadata({}, {}, storage_class="Archive")),
        planned(Metadata({}, {}), cold),
        planned(
            Metadata({}, {}, tags={}, storage_class="Archive"),
            Metadata({}, {}, tags=TAGGED, storage_class="Archive"),
        ),
        Outcome(seq=2, key="b", status="unchanged", before=OLD, after=OLD),
        Outcome(seq=3, key="c", status="skipped", reason="symlink"),
    )
    assert forecast.reach() == Reach(
        rewrites=5, early=2, bound=2, headers=1, archived=1, tags=1
    )


def test_nothing_planned() -> None:
    """Nothing is touched."""
    assert counted(JOB).reach() == Reach()


def test_what_is_not_billed() -> None:
    """Tries before the last, and refusals; not objects that nothing was asked about."""
    refused = ErrorDetail("AccessDenied", 403, "no")
    forecast = counted(
        JOB,
        planned(OLD, meta(), attempts=3),
        Outcome(seq=2, key="b", status="failed", error=refused, attempts=2),
        Outcome(
            seq=3,
            key="c",
            status="failed",
            error=ErrorDetail("invalid_key", None, "no"),
        ),
    )
    assert forecast.unbilled == 4
