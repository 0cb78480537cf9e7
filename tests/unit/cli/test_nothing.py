"""Why nothing was done, in words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from bulkmeta.cli.nothing import nothing_words
from bulkmeta.model.changes import Change, make_change
from bulkmeta.model.job import JobSpec, Recent, RunSpec, Target
from bulkmeta.model.outcome import Outcome
from bulkmeta.model.selection import Selection
from bulkmeta.model.values import Row, ValuesFile
from bulkmeta.report.stats import RunStats
from bulkmeta.runners.host import RunEnd

CHANGE = make_change(set_meta=[("a", "1")])
RENAME = {"rename_meta": [("ownr", "team")]}


def ended(change: Change, counts: dict[str, int], **more: Any) -> RunEnd:
    job = JobSpec(Target("bucket", "p/"), change, **more)
    stats = RunStats(counts)
    return RunEnd(RunSpec(job, "apply"), stats, 1.0, interrupted=False, requests={})


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (RENAME, "user metadata 'ownr'"),
        ({"unset_meta": ["b", "a"]}, "user metadata 'a' or 'b'"),
        (
            {"sub_meta": [("n", "/a/b/")]},
            "user metadata 'n' that --sub would change",
        ),
        ({"unset_headers": ["Expires"]}, "header 'expires'"),
        (
            {**RENAME, "unset_tags": ["T"], "missing": "skip"},
            "user metadata 'ownr' or tag 'T'",
        ),
    ],
)
def test_what_no_object_has(change: dict[str, Any], what: str) -> None:
    """It may be mistyped; of objects that were not looked at nobody knows."""
    end = ended(make_change(**change), {"unchanged": 3})
    words = f"has {what} (mistyped, or done before)"
    assert list(nothing_words(end)) == [f"no object {words}"]
    end = ended(make_change(**change), {"unchanged": 3, "skipped": 1})
    assert list(nothing_words(end)) == [f"no unchanged object {words}"]
    some = Selection(limit=3)
    end = ended(make_change(**change), {"unchanged": 3}, select=some)
    assert list(nothing_words(end)) == [f"no object that was looked at {words}"]


@pytest.mark.parametrize(
    ("change", "counts", "more"),
    [
        (RENAME, {"unchanged": 3, "updated": 1}, {}),
        (RENAME, {"unchanged": 3, "planned": 1}, {}),
        (RENAME, {"skipped": 3, "failed": 2}, {}),
        (RENAME, {"unchanged": 3}, {"takes": "former"}),
        (RENAME, {"unchanged": 3}, {"values": ValuesFile("f", 1, "x", Row())}),
        ({**RENAME, "set_meta": [("a", "1")]}, {"unchanged": 3}, {}),
        ({}, {"unchanged": 3}, {}),
    ],
)
def test_what_some_objects_may_have(
    change: dict[str, Any], counts: dict[str, int], more: dict[str, Any]
) -> None:
    """Nothing is told where one had it, none was looked at, or it was about more."""
    assert list(nothing_words(ended(make_change(**change), counts, **more))) == []


def test_what_no_new_object_has() -> None:
    """Where only those are looked at that are new since the last run, none need."""
    end = ended(make_change(unset_meta=["a"]), {"unchanged": 3})
    began = "2026-11-23T01:00:00Z"
    for since, told in ((None, 1), ("2026-11-22T01:00:00Z", 0)):
        spec = msgspec.structs.replace(end.spec, recent=Recent(began, since))
        assert len([*nothing_words(replace(end, spec=spec))]) == told


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
