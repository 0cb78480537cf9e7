"""What comes with a run: each thing once, and only where it applies."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bulkmeta.cli.cautions import (
    cautions,
    likely_reach,
    standing_cautions,
    unasked_cautions,
)
from bulkmeta.model.changes import Change, make_change
from bulkmeta.model.job import JobSpec, Rules, Target
from bulkmeta.model.selection import Selection
from bulkmeta.model.transforms import TransformRef
from bulkmeta.model.values import Row, ValuesFile
from bulkmeta.report.forecast import Reach
from bulkmeta.runners.preflight import Findings

QUIET = Findings(keeps_versions=False)
META = make_change(set_meta=[("a", "1")])
REWRITTEN = ["last_modified", "fan_out"]


def job(change: Change = META, **more: object) -> JobSpec:
    return JobSpec(Target("bucket", "p/"), change, **more)  # type: ignore[arg-type]  # as each test wants it


@pytest.mark.parametrize(
    ("order", "codes"),
    [
        (job(), REWRITTEN),
        (job(make_change(set_tags=[("a", "1")])), ["tags"]),
        (job(make_change(unset_tags=["a"])), ["tags"]),
        (job(make_change(unset_tags=["a=1", "b"])), ["untag", "tags"]),
        (job(make_change(acl="private")), []),
        (job(make_change(set_meta=[("a", "1")], acl="private")), REWRITTEN),
        (job(make_change(set_headers=[("expires", "0")])), [*REWRITTEN, "headers"]),
        (job(make_change(unset_headers=["expires"])), [*REWRITTEN, "headers"]),
        (job(make_change(content_type_auto=True)), [*REWRITTEN, "headers"]),
        (
            job(make_change(storage_class="Archive")),
            [*REWRITTEN, "early_undo", "needs_restore"],
        ),
        (job(make_change(storage_class="IA")), [*REWRITTEN, "early_undo"]),
        (job(make_change(storage_class="Standard")), REWRITTEN),
        (job(make_change(storage_class="Archive"), takes="former"), REWRITTEN),
        (job(rules=Rules(allow_early_rewrite=True)), [*REWRITTEN, "minimum_duration"]),
        (job(rules=Rules(acl="inventory")), ["acl_from_inventory", *REWRITTEN]),
        (job(Change(), transform=TransformRef("m:f")), REWRITTEN),
        (
            job(Change(), values=ValuesFile("f", 1, "x", Row(headers={"expires": ""}))),
            [*REWRITTEN, "headers"],
        ),
        (
            job(make_change(acl="private"), rules=Rules(allow_early_rewrite=True)),
            [],
        ),
    ],
)
def test_by_the_words_of_a_job(order: JobSpec, codes: list[str]) -> None:
    """What it may touch is known before any object is looked at."""
    found = [each.code for each in cautions(order, QUIET, likely_reach(order))]
    assert found == [code.replace("headers", "cached_headers") for code in codes]


@pytest.mark.parametrize(
    ("keeps_versions", "rewrites", "words"),
    [
        (None, None, "the bucket does not tell whether it keeps versions"),
        (True, None, "the bucket keeps versions: each update adds one"),
        (True, 1200, "versions: each of 1,200 updates adds one, billed as a full "),
        (False, None, ""),
        (True, 0, ""),
        (None, 0, ""),
    ],
)
def test_versions(
    keeps_versions: bool | None, rewrites: int | None, words: str
) -> None:
    """What the bucket says of versions, or does not say, if anything is rewritten."""
    found = standing_cautions(job(), Findings(keeps_versions), Reach(rewrites))
    lines = [each.message for each in found]
    assert words in "".join(lines)
    assert len(lines) == bool(words)


@pytest.mark.parametrize("allowed", [False, True])
def test_versions_that_are_not_allowed(allowed: bool) -> None:
    """A plan goes on where a run would be refused, and says so."""
    order = job(rules=Rules(allow_new_versions=allowed))
    (found,) = standing_cautions(order, Findings(True), Reach(1))
    refused = "object; without --allow-new-versions that is refused"
    assert found.message.endswith("object" if allowed else refused)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("jpg", "content type 'jpg' is no type/subtype; 'image/jpeg' may be meant"),
        (".HTML", "content type '.HTML' is no type/subtype; 'text/html' may be meant"),
        ("nonsense", "content type 'nonsense' is no type/subtype"),
        ("image/", "content type 'image/' is no type/subtype"),
        ("image/jpeg", ""),
        ('text/html; charset="utf-8"', ""),
        ("{meta[kind]}", ""),
    ],
)
def test_content_types(kind: str, words: str) -> None:
    """One that is none is told, whoever is asked; the service takes any."""
    order = job(make_change(set_headers=[("Content-Type", kind)]))
    found = standing_cautions(order, QUIET, likely_reach(order))
    assert "".join(each.message for each in found) == words
    undone = msgspec.structs.replace(order, takes="former")
    assert list(standing_cautions(undone, QUIET, likely_reach(undone))) == []


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("tomorrow", "expires 'tomorrow' is no HTTP date, such as 'Tue, 01 Dec"),
        ("2026-12-01", "expires '2026-12-01' is no HTTP date, such as "),
        ("Tue, 01 Dec 2026 16:00:00 GMT", ""),
        ("0", ""),
        ("-1", ""),
        ("{meta[until]}", ""),
    ],
)
def test_times_of_expiry(value: str, words: str) -> None:
    """One that is none is told, whoever is asked."""
    order = job(make_change(set_headers=[("Expires", value)]))
    found = standing_cautions(order, QUIET, likely_reach(order))
    assert [each.message[: len(words)] for each in found] == [words] * bool(words)
    undone = msgspec.structs.replace(order, takes="former")
    assert list(standing_cautions(undone, QUIET, likely_reach(undone))) == []


SEEN = {"set_meta": [("seen", "{last_modified}")]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (SEEN, ["'seen' is made from {last_modified}", "--default sets it once"]),
        (
            {"set_meta": [("a", "{last_modified:%Y}"), ("b", "x{last_modified:%%%m}")]},
            ["'a' and 'b' are made from {last_modified}", "--default"],
        ),
        (
            {"set_headers": [("Expires", "{last_modified}")]},
            ["'expires' is made from {last_modified}", "--where can leave out what"],
        ),
        (
            {"set_meta": [("n", "{meta[N]}x")]},
            ["'n' is made from the value that it replaces", "--where can leave"],
        ),
        (
            {"set_headers": [("content-type", "{header[Content-Type]}; charset=a")]},
            ["'content-type' is made from the value that it replaces"],
        ),
        ({"set_tags": [("t", "{tag[t]}{tag[t]}")]}, ["'t' is made from the value"]),
        ({"set_meta": [("n", "{meta[n]}")]}, []),
        ({"set_meta": [("n", "{meta[m]}x")]}, []),
        ({"set_meta": [("n", "{header[n]}{tag[n]}x")]}, []),
        ({"set_meta": [("n", "{last_modified:at %%}{{last_modified}}")]}, []),
        ({"set_tags": [("t", "{last_modified}")]}, []),
        ({"set_tags": [("t", "{tag[T]}x")]}, []),
        ({"default_meta": [("n", "{last_modified}"), ("m", "{meta[m]}x")]}, []),
    ],
)
def test_what_never_settles(change: dict[str, Any], words: list[str]) -> None:
    """Values that each update makes others of, as the next run will; and no others."""
    order = job(make_change(**change))
    found = [*standing_cautions(order, QUIET, likely_reach(order))]
    assert [each.code for each in found] == ["never_settles"] * bool(words)
    assert all(word in found[0].message for word in words)
    undone = msgspec.structs.replace(order, takes="former")
    assert list(standing_cautions(undone, QUIET, likely_reach(undone))) == []


@pytest.mark.parametrize(
    ("beside", "told"),
    [
        ({"set_meta": [("a", "1")]}, ["settles_late"]),
        ({"storage_class": "IA"}, ["settles_late"]),
        ({"set_meta": [("n", "{meta[n]}x")]}, ["settles_late", "never_settles"]),
        ({"acl": "private"}, []),
        ({}, []),
    ],
)
def test_tags_that_settle_late(beside: dict[str, Any], told: list[str]) -> None:
    """Only what rewrites the object renews the time that a tag is made from."""
    change = make_change(set_tags=[("t", "at {last_modified}")], **beside)
    order = job(change)
    found = [*standing_cautions(order, QUIET, likely_reach(order))]
    assert [each.code for each in found] == told
    assert all("'t' is made from {last_mod" in found[0].message for _ in told)
    spoken = job(change, where=('!("t" in tags)', '!("n" in meta)'))
    assert [*standing_cautions(spoken, QUIET, likely_reach(spoken))] == []


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"where": ('!("seen" in meta)', "!has(meta.n)")}, []),
        ({"where": ('last_modified < timestamp("2026-01-01T00:00:00Z")',)}, []),
        ({"select": Selection(modified_before="2026-01-01T00:00:00Z")}, []),
        ({"where": ('size > 5 && "n-m" in meta',)}, ["never_settles"] * 2),
        ({"where": ("has(meta.seen)",)}, ["never_settles"]),
    ],
)
def test_what_a_condition_may_settle(more: dict[str, Any], told: list[str]) -> None:
    """What it speaks of may be left out once it was written."""
    both = [*SEEN["set_meta"], ("n", "{meta[n]}x")]
    order = job(make_change(set_meta=both), **more)
    found = standing_cautions(order, QUIET, likely_reach(order))
    assert [each.code for each in found] == told


@pytest.mark.parametrize(
    ("order", "codes"),
    [
        (job(), []),
        (job(make_change(set_headers=[("expires", "0")], set_tags=[("a", "1")])), []),
        (job(make_change(storage_class="Standard")), []),
        (job(make_change(storage_class="Archive")), ["early_undo", "needs_restore"]),
        (job(rules=Rules(allow_early_rewrite=True)), ["minimum_duration"]),
        (
            job(rules=Rules(allow_early_rewrite=True), takes="former"),
            ["minimum_duration"],
        ),
        (
            job(make_change(storage_class="IA", unset_tags=["a=1"])),
            ["untag", "early_undo"],
        ),
    ],
)
def test_what_is_told_unasked(order: JobSpec, codes: list[str]) -> None:
    """Slips, and what may be charged; nothing of a change that costs its requests."""
    found = unasked_cautions(order, QUIET, likely_reach(order))
    assert [each.code for each in found] == codes


def test_a_plan_that_changes_nothing() -> None:
    """There is nothing to know about it."""
    rules = Rules(acl="inventory", allow_early_rewrite=True)
    assert list(cautions(job(rules=rules), Findings(True), Reach())) == []


def test_numbers_of_a_plan() -> None:
    """Those that it counted are told."""
    reach = Reach(rewrites=5, early=3, bound=2, headers=1, archived=1, tags=1)
    found = {each.code: each for each in cautions(job(), QUIET, reach)}
    assert list(found) == [
        *REWRITTEN,
        "minimum_duration",
        "cached_headers",
        "early_undo",
        "needs_restore",
        "tags",
    ]
    assert "of 3 objects of class IA or colder" in found["minimum_duration"].message
    assert "rewrites 2 objects of class IA or colder" in found["early_undo"].message


@pytest.mark.parametrize("allowed", [False, True])
def test_what_an_undo_takes(allowed: bool) -> None:
    """The option that it needs, unless it has that from the run; what is charged."""
    rules = Rules(allow_early_rewrite=allowed)
    order = job(make_change(storage_class="IA"), rules=rules)
    found = dict(cautions(order, QUIET, likely_reach(order)))
    option = "" if allowed else "takes --allow-early-rewrite: it "
    assert found["early_undo"] == (
        f"undoing it {option}rewrites objects of class IA or colder, which OSS charges "
        "before the minimum storage duration is over"
    )
