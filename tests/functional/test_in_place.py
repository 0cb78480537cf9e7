"""Tags and access control lists: changed in place, with nothing else touched."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bulkmeta.emulator.faults import Fault
from bulkmeta.oss.bucket import Bucket

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS
    from bulkmeta.emulator.stored import StoredObject

Command = Callable[..., Any]
OLD_S = 1_790_000_000.0
LOOK, LOOK_AT_TAGS = "HeadObject", "GetObjectTagging"
TAGGED = [LOOK, LOOK_AT_TAGS, "PutObjectTagging", LOOK_AT_TAGS]


@pytest.fixture
def apply(bulkmeta: Command) -> Command:
    """`apply` on `p/`, without being asked, at any rate, into `run.jsonl`."""

    def run(*args: str, run_file: str = "run.jsonl") -> Any:
        order = ("apply", "oss://bucket/p/", "--yes", "--rate", "max")
        return bulkmeta(*order, "--run-file", run_file, *args)

    return run


def put(oss: EmbeddedOSS, key: str = "p/a", **given: Any) -> None:
    oss.store.put_object("bucket", key, last_modified=OLD_S, **given)


def stored(oss: EmbeddedOSS, key: str = "p/a") -> StoredObject:
    found = oss.store.find("bucket", key)
    assert found is not None
    return found


def about(oss: EmbeddedOSS, key: str = "p/a") -> list[str]:
    """The operations on one key, in their order."""
    return [name for name, named in oss.log.operations() if named == key]


def line_of(run_file: str = "run.jsonl") -> dict[str, Any]:
    """The one object's line."""
    lines = map(json.loads, Path(run_file).read_text().splitlines())
    (line,) = [line for line in lines if line["type"] == "object"]
    return dict(line)


def unmoved(found: StoredObject) -> tuple[Any, ...]:
    """What no change in place touches."""
    return (
        found.etag,
        found.last_modified,
        found.version_id,
        found.meta,
        found.headers,
        found.content_type,
        found.storage_class,
        found.sse,
    )


@pytest.mark.parametrize("versioning", [None, "Enabled"])
def test_tags(oss: EmbeddedOSS, apply: Command, versioning: str | None) -> None:
    """Merged, written by their own request, read back; nothing else moves."""
    oss.store.configure_bucket("bucket", versioning=versioning)
    put(oss, tags={"team": "x", "old": "1"}, meta={"a": "1"}, body=b"x", acl="private")
    before = stored(oss)

    assert apply("--tag", "env=prod", "--untag", "old", "--untag", "none").code == 0

    after, line = stored(oss), line_of()
    assert after.tags == {"team": "x", "env": "prod"}
    assert (unmoved(after), after.acl) == (unmoved(before), "private")
    assert len(oss.store.versions("bucket", "p/a")) == 1
    assert about(oss) == TAGGED
    assert (line["status"], line["confirmed"]) == ("updated", True)
    assert line["before"]["tags"] == {"team": "x", "old": "1"}
    assert line["after"]["tags"] == {"team": "x", "env": "prod"}
    assert line["before"]["meta"] == line["after"]["meta"] == {"a": "1"}


@pytest.mark.parametrize("versioning", [None, "Enabled"])
def test_acl(oss: EmbeddedOSS, apply: Command, versioning: str | None) -> None:
    """Read, and written by its own request."""
    oss.store.configure_bucket("bucket", versioning=versioning)
    put(oss, tags={"team": "x"}, body=b"x")
    before = stored(oss)

    assert apply("--acl", "private").code == 0

    after = stored(oss)
    assert (after.acl, after.tags, unmoved(after)) == (
        "private",
        {"team": "x"},
        unmoved(before),
    )
    assert len(oss.store.versions("bucket", "p/a")) == 1
    assert about(oss) == [LOOK, "GetObjectAcl", "PutObjectAcl"]
    assert (line_of()["before"]["acl"], line_of()["after"]["acl"]) == (
        "default",
        "private",
    )


def test_both(oss: EmbeddedOSS, apply: Command) -> None:
    """One request each, and the tags are read last."""
    put(oss, body=b"x")
    assert apply("--acl", "private", "--tag", "a=1").code == 0
    assert about(oss) == [
        LOOK,
        "GetObjectAcl",
        LOOK_AT_TAGS,
        "PutObjectTagging",
        "PutObjectAcl",
        LOOK_AT_TAGS,
    ]
    assert (stored(oss).acl, stored(oss).tags) == ("private", {"a": "1"})


def test_nothing_to_do(oss: EmbeddedOSS, apply: Command) -> None:
    """What is so already is not written."""
    put(oss, tags={"a": "1"}, acl="private")
    assert apply("--acl", "private", "--tag", "a=1", "--untag", "b").code == 0
    assert line_of()["status"] == "unchanged"
    assert about(oss) == [LOOK, "GetObjectAcl", LOOK_AT_TAGS]


def test_the_last_tag(oss: EmbeddedOSS, apply: Command) -> None:
    """No tags at all are a request of their own."""
    put(oss, tags={"a": "1"})
    assert apply("--untag", "a").code == 0
    assert stored(oss).tags == {}
    assert about(oss) == [LOOK, LOOK_AT_TAGS, "DeleteObjectTagging", LOOK_AT_TAGS]


def test_replaced_tags(oss: EmbeddedOSS, apply: Command) -> None:
    """Nothing of the former ones is left."""
    put(oss, tags={"a": "1", "b": "2"})
    assert apply("--replace-tags", "--tag", "c=3").code == 0
    assert stored(oss).tags == {"c": "3"}


def test_with_metadata(oss: EmbeddedOSS, apply: Command, bulkmeta: Command) -> None:
    """One guarded copy carries all; undo puts all of it back."""
    put(oss, tags={"a": "1", "b": "2"}, meta={"m": "1"}, acl="public-read")

    order = ("--set", "n=2", "--tag", "c=ü /:", "--untag", "a", "--acl", "default")
    assert apply(*order).code == 0

    found = stored(oss)
    assert (found.meta, found.acl) == ({"m": "1", "n": "2"}, "default")
    assert found.tags == {"b": "2", "c": "ü /:"}
    assert about(oss) == [
        LOOK,
        "GetObjectAcl",
        LOOK_AT_TAGS,
        "CopyObject",
        LOOK_AT_TAGS,
    ]

    oss.clock.offset_s += 5
    assert bulkmeta("undo", "run.jsonl", "--yes", "--run-file", "u.jsonl").code == 0
    found = stored(oss)
    assert (found.meta, found.acl) == ({"m": "1"}, "public-read")
    assert found.tags == {"a": "1", "b": "2"}


def test_all_tags_removed_with_metadata(oss: EmbeddedOSS, apply: Command) -> None:
    """A copy that carries no tags."""
    put(oss, tags={"a": "1"})
    assert apply("--set", "n=2", "--replace-tags").code == 0
    assert (stored(oss).tags, stored(oss).meta) == ({}, {"n": "2"})


def test_metadata_alone_leaves_tags_alone(oss: EmbeddedOSS, apply: Command) -> None:
    """Not even read."""
    put(oss, tags={"a": "1"})
    assert apply("--set", "n=2", "--acl-policy", "skip").code == 0
    assert (stored(oss).tags, about(oss)) == ({"a": "1"}, [LOOK, "CopyObject"])
    assert "tags" not in line_of()["before"]


@pytest.mark.parametrize(
    "given",
    [
        {"storage_class": "ColdArchive"},
        {"storage_class": "IA"},
        {"object_type": "Appendable"},
    ],
    ids=str,
)
def test_what_cannot_be_copied(
    oss: EmbeddedOSS, apply: Command, given: dict[str, Any]
) -> None:
    """Tags and ACL do not need a rewrite."""
    put(oss, **given)
    assert apply("--tag", "a=1", "--acl", "private").code == 0
    assert (stored(oss).tags, stored(oss).acl) == ({"a": "1"}, "private")


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


def test_verify(oss: EmbeddedOSS, apply: Command, bulkmeta: Command) -> None:
    """Tags and ACL are looked at where they are on record."""
    put(oss, tags={"a": "1"})
    assert apply("--tag", "b=2", "--acl", "private").code == 0
    assert bulkmeta("verify", "run.jsonl").code == 0

    oss.store.update_object(stored(oss), tags={"b": "2"})
    result = bulkmeta("verify", "run.jsonl")
    assert (result.code, "the tags are not" in result.out) == (1, True)

    oss.store.update_object(stored(oss), tags={"a": "1", "b": "2"}, acl="default")
    result = bulkmeta("verify", "run.jsonl")
    assert (result.code, "access control list" in result.out) == (1, True)


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


def test_templates(oss: EmbeddedOSS, apply: Command) -> None:
    """Tags from the object, and metadata from tags."""
    put(oss, tags={"Team": "x"}, meta={"owner": "me"})
    order = ("--tag", "owner={meta[owner]}", "--set", "team={tag[Team]}")
    assert apply(*order).code == 0
    assert stored(oss).tags == {"Team": "x", "owner": "me"}
    assert stored(oss).meta == {"owner": "me", "team": "x"}
    assert "PutObjectTagging" not in about(oss)


@pytest.mark.parametrize("missing", ["fail", "skip", "empty"])
def test_templates_without_tags(oss: EmbeddedOSS, apply: Command, missing: str) -> None:
    """A tag that is not there is a missing field."""
    put(oss)
    code = apply("--set", "team={tag[team]}", "--missing", missing).code
    status = {"fail": "failed", "skip": "skipped", "empty": "updated"}[missing]
    assert (code, line_of()["status"]) == (int(missing == "fail"), status)


@pytest.mark.parametrize(
    ("value", "reason"), [("a(b)", "invalid_value"), ("x" * 257, "invalid_value")]
)
def test_a_value_that_is_no_tags(
    oss: EmbeddedOSS, apply: Command, value: str, reason: str
) -> None:
    """Found before anything is sent."""
    put(oss, meta={"v": value})
    assert apply("--tag", "v={meta[v]}").code == 1
    assert (line_of()["reason"], about(oss)) == (reason, [LOOK, LOOK_AT_TAGS])


def test_too_many_tags(oss: EmbeddedOSS, apply: Command) -> None:
    """Ten are there already."""
    put(oss, tags={str(number): "" for number in range(10)})
    assert apply("--tag", "one-more=1").code == 1
    assert line_of()["reason"] == "too_many_tags"
    assert about(oss) == [LOOK, LOOK_AT_TAGS]


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (("--tag", "a"), "KEY=VALUE"),
        (("--tag", "=1"), "KEY=VALUE"),
        (("--tag", f"{'k' * 129}=1"), "1 to 128 characters"),
        (("--tag", "a(b)=1"), "letters, digits"),
        (("--tag", "a=<>"), "letters, digits"),
        (("--tag", f"a={'v' * 257}"), "at most 256"),
        (("--tag", "a={nonsense}"), "there is no field"),
        (("--tag", "a=1", "--tag", "a=2"), "2 times"),
        (("--tag", "a=1", "--untag", "a"), "name it once"),
        (("--untag", ""), "1 to 128 characters"),
        (("--replace-tags", "--untag", "a"), "cannot go with"),
        ([part for n in range(11) for part in ("--tag", f"{n}=1")], "at most 10"),
        (("--acl", "secret"), "public-read"),
        (("--storage-class", "Cheap"), "coldarchive"),
        (("--sse", "ROT13"), "aes256"),
        (("--sse-key-id", "k"), "--sse KMS"),
        (("--sse", "KMS", "--sse-key-id", "k\n"), "control"),
        (("--sse", "KMS", "--sse-key-id", ""), "empty"),
    ],
)
def test_bad_input(
    oss: EmbeddedOSS, apply: Command, order: tuple[str, ...], words: str
) -> None:
    """One clear line, and nothing sent."""
    put(oss)
    result = apply(*order)
    assert (result.code, words in result.err) == (2, True), result.err
    assert "Traceback" not in result.err
    assert oss.log.operations() == []


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
