"""What a first page tells beforehand of the objects that a job is about."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bulkmeta.model.job import JobSpec, Recent, RunSpec, Target
from bulkmeta.model.metadata import ListedObject
from bulkmeta.model.selection import KeyRule, Selection
from bulkmeta.oss.page import Page
from bulkmeta.runners.preflight import Admitted, admitted_of

KEYS = ["p/a.jpg", "p/b.txt", "p/c.jpg"]


def page(next_token: str | None = None) -> Page:
    return Page([listed(key) for key in KEYS], next_token)


def listed(key: str) -> ListedObject:
    return ListedObject(
        key=key,
        size_bytes=len(key),
        etag="E",
        last_modified="2026-01-01T00:00:00.000Z",
        storage_class="Standard",
        object_type="Normal",
    )


def run(**job: Any) -> RunSpec:
    return RunSpec(JobSpec(Target("bucket", "p/"), **job), "apply")


@pytest.mark.parametrize(
    ("select", "token", "found"),
    [
        (Selection(), None, (3, False)),
        (Selection(), "more", (3, True)),
        (Selection(keys=(KeyRule("*.jpg", wanted=True),)), "more", (2, True)),
        (Selection(limit=2), "more", (2, False)),
        (Selection(limit=9), "more", (3, True)),
        (Selection(end_before="p/b"), "more", (1, False)),
        (Selection(min_size=99), None, (0, False)),
    ],
)
async def test_only_what_is_selected_counts(
    select: Selection, token: str | None, found: tuple[int, bool]
) -> None:
    """Rules, sizes and limits count; a range that ends on the page has no more."""
    listed, more = found
    assert await admitted_of(page(token), run(select=select)) == Admitted(
        listed, more=more
    )


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("size > 5", Admitted(3)),
        ('key.endsWith(".txt")', Admitted(1)),
        ('key.endsWith(".txt") && !has(meta.a)', Admitted(1, at_most=True)),
        ("has(meta.a)", Admitted(3, at_most=True)),
        ('key.endsWith(".txt") || has(meta.a)', Admitted(3, at_most=True)),
        ("size > 99 && has(meta.a)", Admitted(0)),
    ],
)
async def test_conditions_that_a_listing_settles(where: str, found: Admitted) -> None:
    """Leave objects out beforehand; of the others the count is the most it can be."""
    assert await admitted_of(page(), run(where=(where,))) == found
    some = Admitted(found.listed, found.at_most, more=True)
    assert await admitted_of(page("more"), run(where=(where,))) == some


async def test_only_what_is_new() -> None:
    """As for a run since the last one, and what failed in that."""
    for since, again, count in (
        ("2026", (), 0),
        ("2026", ("p/b.txt",), 1),
        ("", (), 3),
    ):
        moment = f"{since}-11-22T01:00:00Z" if since else None
        recent = Recent("2026-11-23T01:00:00Z", moment, again)
        spec = msgspec.structs.replace(run(), recent=recent)
        assert await admitted_of(page(), spec) == Admitted(count)


async def test_further_targets_may_hold_more() -> None:
    """Only the first one is looked at."""
    spec = RunSpec(JobSpec(Target("bucket", "p/", ("q/",))), "apply")
    assert await admitted_of(page(), spec) == Admitted(3, more=True)
