"""What a first page tells beforehand of the objects that a job is about."""

from __future__ import annotations

import pytest

from bulkmeta.model.job import JobSpec, Target
from bulkmeta.model.metadata import ListedObject
from bulkmeta.model.selection import KeyRule, Selection
from bulkmeta.oss.page import Page
from bulkmeta.runners.preflight import admitted_of

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
def test_only_what_is_selected_counts(
    select: Selection, token: str | None, found: tuple[int, bool]
) -> None:
    """Rules, sizes and limits count; a range that ends on the page has no more."""
    job = JobSpec(Target("bucket", "p/"), select=select)
    assert admitted_of(page(token), job) == found


def test_further_targets_may_hold_more() -> None:
    """Only the first one is looked at."""
    job = JobSpec(Target("bucket", "p/", ("q/",)))
    assert admitted_of(page(), job) == (3, True)
