"""Tags and access control lists: changed in place, with nothing else touched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

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
    from bulkmeta.emulator.stored import StoredObject

TAGGED = [LOOK, LOOK_AT_TAGS, "PutObjectTagging", LOOK_AT_TAGS]


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
