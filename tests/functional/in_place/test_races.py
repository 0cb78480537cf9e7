"""Other writers and lost answers in the middle of a change in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bulkmeta.emulator.faults import Fault
from bulkmeta.oss.bucket import Bucket
from tests.functional.in_place.conftest import (
    LOOK,
    LOOK_AT_TAGS,
    Command,
    about,
    line_of,
    put,
    stored,
)

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS


def test_a_foreign_write_behind_ours(oss: EmbeddedOSS, apply: Command) -> None:
    """The read-back shows another writer's tags: merged again, both are there."""
    put(oss, tags={"a": "1"})
    foreign = Fault(
        "foreign_write", operation=LOOK_AT_TAGS, skip=1, times=1, tags={"z": "9"}
    )
    oss.faults.add(foreign)

    assert apply("--tag", "b=2").code == 0

    line = line_of()
    assert stored(oss).tags == {"z": "9", "b": "2"}
    assert (line["conflicts"], line["confirmed"]) == (1, True)
    assert (line["before"]["tags"], line["after"]["tags"]) == (
        {"z": "9"},
        {"z": "9", "b": "2"},
    )


def test_others_never_stop(oss: EmbeddedOSS, apply: Command) -> None:
    """Given up after a while, with the last state on record."""
    put(oss)
    for number in range(1, 30):
        foreign = Fault(
            "foreign_write",
            operation=LOOK_AT_TAGS,
            skip=2 * number - 1,
            times=1,
            tags={"z": str(number)},
        )
        oss.faults.add(foreign)
    assert apply("--tag", "b=2").code == 1
    assert (line_of()["reason"], line_of()["conflicts"]) == ("conflict", 6)


@pytest.mark.parametrize("kind", ["reset_after", "reset_before", "error", "hang_after"])
@pytest.mark.parametrize("operation", ["PutObjectTagging", "PutObjectAcl"])
def test_lost_answers(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command, kind: str, operation: str
) -> None:
    """Whatever landed, the line holds what was there before, and undo restores it."""
    if kind == "hang_after":
        kind = "truncate"
    put(oss, tags={"a": "1"}, acl="private")
    oss.faults.add(Fault(kind, operation=operation, times=1, status=500))

    assert apply("--tag", "b=2", "--acl", "public-read").code == 0

    line = line_of()
    assert (stored(oss).tags, stored(oss).acl) == ({"a": "1", "b": "2"}, "public-read")
    assert (line["before"]["tags"], line["before"]["acl"]) == ({"a": "1"}, "private")
    assert line["status"] == "updated"
    assert bulkmeta("undo", "run.jsonl", "--yes", "--run-file", "u.jsonl").code == 0
    assert (stored(oss).tags, stored(oss).acl) == ({"a": "1"}, "private")


def test_half_of_it_is_refused(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command
) -> None:
    """Tags landed, the ACL was refused: the line says both, and undo and retry work."""
    put(oss, tags={"a": "1"}, acl="private")
    oss.store.configure_bucket("bucket", block_public_access=True)

    assert apply("--tag", "b=2", "--acl", "public-read").code == 1

    line = line_of()
    assert (line["status"], line["reason"]) == ("failed", "access_denied")
    assert (line["before"]["tags"], line["after"]["tags"]) == (
        {"a": "1"},
        {"a": "1", "b": "2"},
    )
    assert (line["before"]["acl"], line["after"]["acl"]) == ("private", "public-read")

    assert bulkmeta("undo", "run.jsonl", "--yes", "--run-file", "u.jsonl").code == 0
    assert (stored(oss).tags, stored(oss).acl) == ({"a": "1"}, "private")


def test_refused_at_once(oss: EmbeddedOSS, apply: Command) -> None:
    """Nothing landed, and the line holds no states."""
    put(oss)
    oss.store.configure_bucket("bucket", block_public_access=True)
    assert apply("--acl", "public-read").code == 1
    assert (line_of()["before"], line_of()["reason"]) == (None, "access_denied")


def test_a_foreign_write_behind_a_copy(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command
) -> None:
    """The copy stands, and is not made again; what it replaced stays on record, though
    the second look shows it no more."""
    put(oss, meta={"owner": "ada"}, tags={"t": "0"})
    theirs = Fault(
        "foreign_write", operation=LOOK_AT_TAGS, skip=1, times=1, tags={"other": "1"}
    )
    oss.faults.add(theirs)
    assert apply("--set", "owner=X", "--tag", "env=prod").code == 0

    line = line_of()
    assert line["before"]["meta"] == {"owner": "ada"}
    assert line["after"]["meta"] == {"owner": "X"}
    assert line["before"]["tags"] == {"other": "1"}
    assert about(oss).count("CopyObject") == 1
    assert stored(oss).tags == {"other": "1", "env": "prod"}

    oss.clock.offset_s += 5
    assert bulkmeta("undo", "run.jsonl", "--yes", "--run-file", "undo.jsonl").code == 0
    assert (dict(stored(oss).meta), stored(oss).tags) == (
        {"owner": "ada"},
        {"other": "1"},
    )


def test_a_foreign_write_behind_a_lost_answer(
    oss: EmbeddedOSS, apply: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same where nobody answered: the copy had landed."""
    monkeypatch.setattr("bulkmeta.engine.worker.backoff_s", lambda _: 0.0)
    put(oss, meta={"n": "abc"}, acl="private")
    oss.faults.add(Fault("reset_after", operation="CopyObject", times=1))
    theirs = Fault(
        "foreign_write", operation=LOOK, skip=1, times=1, acl="public-read-write"
    )
    oss.faults.add(theirs)
    assert apply("--set", "n=new", "--acl", "public-read").code == 0
    line = line_of()
    assert line["before"]["meta"] == {"n": "abc"}
    assert line["before"]["acl"] == "public-read-write"
    assert line["after"]["acl"] == "public-read" == stored(oss).acl
    assert about(oss).count("CopyObject") == 1


@pytest.mark.parametrize("order", [("--tag", "env=prod"), ("--acl", "private")])
def test_a_new_version_in_between(
    oss: EmbeddedOSS,
    apply: Command,
    monkeypatch: pytest.MonkeyPatch,
    order: tuple[str, ...],
) -> None:
    """It does not get what was meant for the one that was read."""
    oss.store.configure_bucket("bucket", versioning="Enabled")
    put(oss, body=b"old", tags={"secret": "yes"})
    read = stored(oss)
    name = "put_tags" if "--tag" in order else "put_acl"
    write = getattr(Bucket, name)

    async def behind_an_upload(bucket: Bucket, plan: Any, effort: Any) -> Any:
        oss.store.put_object("bucket", "p/a", body=b"new", tags={"fresh": "1"})
        return await write(bucket, plan, effort)

    monkeypatch.setattr(Bucket, name, behind_an_upload)
    assert apply(*order).code == 0

    now, then = stored(oss), oss.store.get_object("bucket", "p/a", read.version_id)
    assert now.acl != "private"
    assert now.tags == {"fresh": "1"}
    changed = {"secret": "yes"} | ({"env": "prod"} if name == "put_tags" else {})
    assert then.tags == changed
    assert line_of()["version_id"] == read.version_id
