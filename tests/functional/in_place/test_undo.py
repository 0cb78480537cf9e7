"""They are put back, unless somebody else changed them since."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.functional.in_place.conftest import Command, about, line_of, put, stored

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS


@pytest.mark.parametrize(
    "order",
    [
        ("--tag", "env=prod", "--untag", "old"),
        ("--acl", "private"),
        ("--replace-tags", "--acl", "public-read"),
        ("--tag", "env=prod", "--acl", "private", "--set", "m=2"),
    ],
    ids=" ".join,
)
def test_undo(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command, order: tuple[str, ...]
) -> None:
    """Back as it was, by the same requests; and an undo can be undone."""
    put(oss, tags={"team": "x", "old": "1"}, acl="public-read-write", meta={"m": "1"})
    put(oss, "p/none")
    first = stored(oss), stored(oss, "p/none")
    assert apply(*order).code == 0
    changed = stored(oss), stored(oss, "p/none")
    oss.clock.offset_s += 5
    copies = about(oss).count("CopyObject")

    undone = bulkmeta("undo", "run.jsonl", "--yes", "--run-file", "undo.jsonl")

    assert undone.code == 0
    for key, was in zip(("p/a", "p/none"), first, strict=True):
        found = stored(oss, key)
        assert (found.tags, found.acl, found.meta) == (was.tags, was.acl, was.meta)
    assert about(oss).count("CopyObject") == 2 * copies

    oss.clock.offset_s += 5
    assert bulkmeta("undo", "undo.jsonl", "--yes", "--run-file", "u2.jsonl").code == 0
    for key, was in zip(("p/a", "p/none"), changed, strict=True):
        found = stored(oss, key)
        assert (found.tags, found.acl, found.meta) == (was.tags, was.acl, was.meta)


def test_undo_leaves_others_tags_alone(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command
) -> None:
    """Tags that somebody changed since are a conflict."""
    put(oss, tags={"a": "1"})
    assert apply("--tag", "b=2").code == 0
    oss.store.update_object(stored(oss), tags={"z": "9"})

    assert bulkmeta("undo", "run.jsonl", "--yes", "--run-file", "u.jsonl").code == 1
    assert line_of("u.jsonl")["reason"] == "changed_since_run"
    assert stored(oss).tags == {"z": "9"}


def test_undo_leaves_others_metadata_alone(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command
) -> None:
    """Tags are put back under metadata that somebody wrote since."""
    put(oss, tags={"a": "1"})
    assert apply("--tag", "b=2").code == 0
    oss.store.update_object(stored(oss), meta={"new": "1"})

    assert bulkmeta("undo", "run.jsonl", "--yes", "--run-file", "u.jsonl").code == 0
    assert (stored(oss).tags, stored(oss).meta) == ({"a": "1"}, {"new": "1"})


def test_undo_of_other_content(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command
) -> None:
    """Another object under the same key is not touched, even with the same tags."""
    put(oss, tags={"a": "1"})
    assert apply("--tag", "b=2").code == 0
    put(oss, tags=dict(stored(oss).tags), body=b"new")
    assert bulkmeta("undo", "run.jsonl", "--yes", "--run-file", "u.jsonl").code == 1
    assert line_of("u.jsonl")["reason"] == "changed_since_run"


def test_verify(oss: EmbeddedOSS, apply: Command, bulkmeta: Command) -> None:
    """Tags and ACL are looked at where they are on record."""
    put(oss, tags={"a": "1"})
    assert apply("--tag", "b=2", "--acl", "private").code == 0
    assert bulkmeta("verify", "run.jsonl").code == 0

    oss.store.update_object(stored(oss), tags={"b": "2"})
    result = bulkmeta("verify", "run.jsonl")
    assert (result.code, '- tag a = "1"' in result.out) == (1, True)

    oss.store.update_object(stored(oss), tags={"a": "1", "b": "2"}, acl="default")
    result = bulkmeta("verify", "run.jsonl")
    assert (result.code, 'acl: "private" -> "default"' in result.out) == (1, True)


def test_plan_and_plan_file(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command
) -> None:
    """Shown part by part; carried out as planned, and left where it has changed."""
    put(oss, tags={"a": "1", "b": "2"})
    put(oss, "p/other")
    changes = ("--tag", "a=9", "--untag", "b", "--acl", "private")
    plan = bulkmeta("plan", "oss://bucket/p/", *changes, "--out", "plan.jsonl")
    assert plan.out.splitlines()[:4] == [
        "p/a",
        '  ~ tag a: "1" -> "9"',
        '  - tag b = "2"',
        '  ~ acl: "default" -> "private"',
    ]
    oss.store.update_object(stored(oss, "p/other"), tags={"z": "9"})

    result = bulkmeta("apply", "plan.jsonl", "--yes", "--run-file", "run.jsonl")

    assert (result.code, stored(oss).tags) == (0, {"a": "9"})
    assert stored(oss).acl == "private"
    assert stored(oss, "p/other").tags == {"z": "9"}
    assert "changed_since_plan" in result.err + result.out
