"""`--where`: what the listing settles costs nothing, the rest a look."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS

Command = Callable[..., Any]
OLD_S = 1_790_000_000.0
ORDER = ("apply", "oss://bucket/p/", "--yes", "--rate", "max", "--acl-policy", "skip")


@pytest.fixture
def bucket(oss: EmbeddedOSS) -> EmbeddedOSS:
    """Four objects that differ in size, metadata and tags."""
    for key, given in {
        "p/a.jpg": {
            "body": b"x" * 2000,
            "meta": {"team": "x"},
            "tags": {"env": "prod"},
        },
        "p/b.jpg": {"body": b"x" * 2000, "meta": {"team": "y"}},
        "p/c.txt": {"body": b"x", "meta": {"team": "x"}},
        "p/d.jpg": {"body": b"x" * 2000},
    }.items():
        oss.store.put_object("bucket", key, last_modified=OLD_S, **given)  # type: ignore[arg-type]
    return oss


def lines(name: str = "run.jsonl") -> dict[str, dict[str, Any]]:
    """Lines of objects by key."""
    found = map(json.loads, Path(name).read_text().splitlines())
    return {line["key"]: line for line in found if line["type"] == "object"}


def heads(oss: EmbeddedOSS) -> list[str]:
    return sorted(key for name, key in oss.log.operations() if name == "HeadObject")


@pytest.mark.parametrize("spread", ["off", "3"])
def test_by_metadata(bucket: EmbeddedOSS, bulkmeta: Command, spread: str) -> None:
    """Each object that was looked at has its line."""
    text = 'size > 1000 && meta.team == "x"'
    order = (*ORDER, "--run-file", "run.jsonl", "--spread", spread)
    assert bulkmeta(*order, "--set", "n=1", "--where", text).code == 0

    status = {k: (v["status"], v["reason"]) for k, v in lines().items()}
    left_alone = ("skipped", "not_selected")
    assert status == {
        "p/a.jpg": ("updated", None),
        "p/b.jpg": left_alone,
        "p/d.jpg": left_alone,
    }
    assert heads(bucket) == ["p/a.jpg", "p/b.jpg", "p/d.jpg"]


def test_by_the_listing_alone(bucket: EmbeddedOSS, bulkmeta: Command) -> None:
    """Nothing is asked about the others."""
    order = (*ORDER, "--run-file", "run.jsonl")
    result = bulkmeta(*order, "--set", "n=1", "--where", 'key.endsWith(".txt")')
    assert (result.code, list(lines())) == (0, ["p/c.txt"])
    assert heads(bucket) == ["p/c.txt"]
    assert "select    where" in result.err


@pytest.mark.parametrize(
    "where",
    [
        "!has(meta.Team)",
        'meta["Team"] == "x"',
        "headers['Content-Type'] != 'x'",
        '!("Team" in meta)',
    ],
)
def test_names_in_capitals(bucket: EmbeddedOSS, bulkmeta: Command, where: str) -> None:
    """They would never match, or always."""
    result = bulkmeta(*ORDER, "--set", "n=1", "--where", where)
    assert (result.code, "are in lower case" in result.err) == (2, True), result.err
    assert bucket.log.operations() == []


def test_capitals_elsewhere(bucket: EmbeddedOSS, bulkmeta: Command) -> None:
    """In texts, and of tags, they are what they are."""
    where = 'key != "meta.X" && !("Env" in tags) && meta.team != "headers[A]"'
    result = bulkmeta("plan", "oss://bucket/p/", "--set", "n=1", "--where", where)
    assert result.code == 0, result.err


def test_by_tags(bucket: EmbeddedOSS, bulkmeta: Command) -> None:
    """They are read where the expression asks for them, and only there."""
    order = (*ORDER, "--run-file", "run.jsonl", "--set", "n=1")
    assert bulkmeta(*order, "--where", 'tags.env == "prod"').code == 0
    updated = [key for key, line in lines().items() if line["status"] == "updated"]
    assert updated == ["p/a.jpg"]
    assert "PutObjectTagging" not in dict(bucket.log.operations())
    found = bucket.store.find("bucket", "p/a.jpg")
    assert found is not None
    assert found.tags == {"env": "prod"}


def test_two_of_them_and_a_key_file(bucket: EmbeddedOSS, bulkmeta: Command) -> None:
    """Named objects have no listing: a look at each tells."""
    Path("keys").write_text("p/a.jpg\np/b.jpg\np/c.txt\n")
    target = ("apply", "oss://bucket/", "--yes", "--keys-from", "keys")
    where = ("--where", "size > 1000", "--where", 'meta.team == "x"')
    result = bulkmeta(*target, *where, "--run-file", "run.jsonl", "--set", "n=1")
    assert result.code == 0
    updated = [key for key, line in lines().items() if line["status"] == "updated"]
    assert updated == ["p/a.jpg"]


def test_retry_and_undo(bucket: EmbeddedOSS, bulkmeta: Command) -> None:
    """A second try asks again; an undo does not, for the state is another one."""
    order = (*ORDER, "--run-file", "run.jsonl", "--set", "team=z")
    assert bulkmeta(*order, "--where", "1 / int(meta.team) == 1").code == 1
    assert {line["reason"] for line in lines().values()} == {
        "where_failed",
        "not_selected",
    }
    found = bucket.store.find("bucket", "p/a.jpg")
    assert found is not None
    bucket.store.update_object(found, meta={"team": "1"})

    again = bulkmeta("retry", "run.jsonl", "--yes", "--run-file", "retry.jsonl")
    assert again.code == 1
    assert lines("retry.jsonl")["p/a.jpg"]["status"] == "updated"

    bucket.clock.offset_s += 5
    back = bulkmeta("undo", "retry.jsonl", "--yes", "--run-file", "undo.jsonl")
    assert (back.code, "where" in back.err) == (0, False)
    found = bucket.store.find("bucket", "p/a.jpg")
    assert found is not None
    assert found.meta == {"team": "1"}


def test_replan(bucket: EmbeddedOSS, bulkmeta: Command) -> None:
    """An object that has changed since the plan has to meet the condition anew."""
    plan = ("plan", "oss://bucket/p/", "--set", "n=1", "--out", "plan.jsonl")
    assert bulkmeta(*plan, "--where", 'meta.team == "x"').code == 0
    for key, team in {"p/a.jpg": "y", "p/c.txt": "x"}.items():
        found = bucket.store.find("bucket", key)
        assert found is not None
        bucket.store.update_object(found, meta={"team": team, "new": "1"})

    order = ("apply", "plan.jsonl", "--yes", "--replan", "--run-file", "run.jsonl")
    assert bulkmeta(*order).code == 0
    assert {key: line["status"] for key, line in lines().items()} == {
        "p/a.jpg": "skipped",
        "p/c.txt": "updated",
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("size >", "column 7"),
        ("meta.team", "of type STRING, not BOOL"),
        ("owner == 'x'", "there are key, size"),
    ],
)
def test_bad_expressions(
    bucket: EmbeddedOSS, bulkmeta: Command, text: str, words: str
) -> None:
    """Told before anything is sent."""
    result = bulkmeta(*ORDER, "--set", "n=1", "--where", text)
    assert (result.code, words in result.err) == (2, True), result.err
    assert bucket.log.operations() == []


def test_not_with_a_plan_file(bucket: EmbeddedOSS, bulkmeta: Command) -> None:
    """A plan names its objects."""
    assert (
        bulkmeta("plan", "oss://bucket/p/", "--set", "n=1", "--out", "p.jsonl").code
        == 0
    )
    result = bulkmeta("apply", "p.jsonl", "--yes", "--where", "size > 1")
    assert (result.code, "says what changes where" in result.err) == (2, True)
    assert bucket.store.find("bucket", "p/a.jpg")


@pytest.mark.parametrize("change", [("--tag", "env=dev"), ("--acl", "private")])
def test_what_is_not_meant_is_not_read(
    bucket: EmbeddedOSS, bulkmeta: Command, change: tuple[str, str]
) -> None:
    """Tags and access control lists are read of no object that its head leaves out."""
    order = (*ORDER[:-2], "--run-file", "run.jsonl")
    assert bulkmeta(*order, *change, "--where", 'meta.team == "x"').code == 0
    assert [key for key, line in lines().items() if line["status"] == "updated"] == [
        "p/a.jpg",
        "p/c.txt",
    ]
    read = {"GetObjectTagging", "GetObjectAcl"}
    looked = [key for name, key in bucket.log.operations() if name in read]
    assert set(looked) == {"p/a.jpg", "p/c.txt"}
    assert len(heads(bucket)) == 4
