"""The lock as an object of a bucket, and as an option."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bulkmeta.emulator.faults import Fault
from tests.functional.lock_object.conftest import (
    COPY,
    DELETE,
    HEAD,
    HELD,
    KEY,
    LOCK,
    OBJECTS,
    ORDER,
    PUT,
    Command,
    Machine,
    changed,
    is_free,
    sent,
)

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS


def test_the_lock_lies_under_the_prefix(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """It is left out of the listing: no line, no update, no part of any limit."""
    mine = ("--lock-object", "oss://bucket/p/000-lock", "--run-file", "run.jsonl")
    result = bulkmeta(*ORDER, *mine, "--limit", "3")
    assert result.code == 0, result.err
    lines = [*map(json.loads, Path("run.jsonl").read_text().splitlines())]
    keys = [line["key"] for line in lines if line["type"] == "object"]
    assert sorted(keys) == ["p/000", "p/001", "p/002"]
    asked = [o for o, key in oss.log.operations() if key == "p/000-lock"]
    assert asked == [HEAD, PUT, HEAD, HEAD, DELETE]


def test_the_lock_is_among_named_keys(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Nor if a file names it."""
    Path("keys").write_text("p/lock\np/001\n")
    order = (*ORDER, "--keys-from", "keys", "--lock-object", "oss://bucket/p/lock")
    assert bulkmeta(*order).code == 0
    assert changed(oss, "2") == ["p/001"]
    copies = [key for name, key in oss.log.operations() if name == COPY]
    assert copies == ["p/001"]


def test_a_lock_of_the_same_name_elsewhere(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Is another object."""
    assert bulkmeta(*ORDER, "--lock-object", "oss://locks/p/001").code == 0
    assert len(changed(oss, "2")) == OBJECTS


def test_another_job_changes_the_lock(oss: EmbeddedOSS, machine: Machine) -> None:
    """Its metadata stays, and so does its holder."""
    with machine.running("--rate", "30", "--lease", "5s") as process:
        stored = oss.store.find("locks", KEY)
        assert stored
        changed_s = int(oss.clock.time()) + 1
        meta = {**stored.meta, "project": "atlas"}
        body = oss.store.body(stored)
        oss.store.save(replace(stored, meta=meta, last_modified=changed_s), body)
        oss.log.clear()
        assert process.wait(30) == 0
    asked = sent(oss)
    assert asked[asked.index((COPY, 412)) + 1] == (HEAD, 200)
    assert len(changed(oss, "1")) == OBJECTS
    assert is_free(oss)


@pytest.mark.parametrize("status", ["Enabled", "Suspended"])
def test_a_bucket_that_keeps_versions(
    oss: EmbeddedOSS, bulkmeta: Command, status: str
) -> None:
    """There an object can be made twice."""
    oss.store.create_bucket("versions", versioning=status)
    result = bulkmeta(*ORDER, "--lock-object", "oss://versions/retag")
    assert result.code == 2
    assert result.err.splitlines()[-1] == (
        "bulkmeta: --lock-object 'oss://versions/retag': its bucket keeps versions "
        f"({status}), where OSS lets an object be made twice; name one in a bucket "
        "without versions"
    )
    assert changed(oss, "2") == []


@pytest.mark.parametrize(
    ("operation", "key", "permission"),
    [
        ("GetBucketVersioning", "", "oss:GetBucketVersioning"),
        (HEAD, KEY, "oss:GetObject"),
        (PUT, KEY, "oss:PutObject"),
    ],
)
def test_no_permission(
    oss: EmbeddedOSS, bulkmeta: Command, operation: str, key: str, permission: str
) -> None:
    """Is named; nothing is done without the lock."""
    oss.faults.add(Fault("error", operation, key=key, status=403, code="AccessDenied"))
    result = bulkmeta(*ORDER, *HELD)
    assert result.code == 4
    last = result.err.splitlines()[-1]
    assert last.startswith(f"bulkmeta: lock {LOCK}: AccessDenied: ")
    assert f"(grant {permission} on it, or use other credentials)" in last
    assert changed(oss, "2") == []


def test_no_permission_to_remove_it(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """The run is done all the same; its lease ends by itself."""
    oss.faults.add(Fault("error", DELETE, key=KEY, status=403, code="AccessDenied"))
    result = bulkmeta(*ORDER, *HELD)
    assert result.code == 0
    assert f"warning   the lock {LOCK} was left: AccessDenied: " in result.err
    assert "(grant oss:DeleteObject on it" in result.err


def test_an_object_that_is_no_lock(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Somebody's file is neither taken for a lock nor removed."""
    before = oss.store.put_object("locks", KEY, body=b"mine", last_modified=1.0)
    result = bulkmeta(*ORDER, *HELD)
    assert result.code == 2
    assert f"--lock-object '{LOCK}': the object that is there is no lock" in result.err
    assert oss.store.get_object("locks", KEY) == before


def test_no_such_bucket(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    result = bulkmeta(*ORDER, "--lock-object", "oss://nowhere/retag")
    assert result.code == 4
    assert "lock oss://nowhere/retag: NoSuchBucket: " in result.err


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--lock-object", "locks/retag"), "write it as oss://BUCKET/KEY"),
        (("--lock-object", "oss://locks"), "write it as oss://BUCKET/KEY"),
        (("--lock-object", "oss://locks/"), "write it as oss://BUCKET/KEY"),
        (("--lock-object", "oss://locks/a/"), "write it as oss://BUCKET/KEY"),
        (("--lock-object", "oss://L/a"), "a bucket name has 3 to 63"),
        (("--lock-object", "oss://locks//a"), "a key cannot begin with a slash"),
        ((*HELD, "--lease", "9s"), "--lease takes 10s at least"),
        ((*HELD, "--lease", "25h"), "24h at most"),
        ((*HELD, "--lease", "soon"), "is no time span"),
    ],
)
def test_bad_names(
    oss: EmbeddedOSS, bulkmeta: Command, args: tuple[str, ...], words: str
) -> None:
    """One line, and nothing is sent."""
    result = bulkmeta(*ORDER, *args)
    assert (result.code, words in result.err) == (2, True), result.err
    assert len(result.err.splitlines()) == 1
    assert oss.log.requests() == []


def test_a_lease_of_nothing(bulkmeta: Command) -> None:
    """An option that would do nothing is refused, on the command line and in a job
    file."""
    Path("job.toml").write_text(
        '[source]\ntarget = "oss://bucket/p/"\n[change]\nset = { a = "1" }\n'
        '[report]\nlease = "30s"\n'
    )
    apply = ("apply", "oss://bucket/p/", "--set", "a=1", "--yes")
    for order in ((*apply, "--lease", "30s"), ("apply", "job.toml", "--yes")):
        refused = bulkmeta(*order)
        assert refused.code == 2
        assert refused.err.splitlines()[-1].endswith("--lease goes with --lock-object")


def test_nothing_to_wait_for(bulkmeta: Command) -> None:
    """Only `apply` has a lock without being told of one."""
    assert bulkmeta(*ORDER, "--run-file", "run.jsonl").code == 0
    result = bulkmeta("undo", "run.jsonl", "--yes", "--wait-lock", "1s")
    assert (result.code, "goes with --lock-object" in result.err) == (2, True)


def test_a_job_file(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Names it, and a mistake in it is told with its line."""
    text = (
        '[source]\ntarget = "oss://bucket/p/"\n[change]\nset = {{ n = "2" }}\n'
        '[report]\nlock-object = "{}"\nlease = "20s"\n'
    )
    Path("job.toml").write_text(text.format(LOCK))
    result = bulkmeta("apply", "job.toml", "--yes")
    assert result.code == 0, result.err
    assert f"lock      {LOCK}, for 20 s at a time" in result.err
    assert (PUT, 200) in sent(oss)
    assert bulkmeta("plan", "job.toml").code == 0
    assert sent(oss) == []  # which only reads

    Path("job.toml").write_text(text.format("locks"))
    result = bulkmeta("apply", "job.toml", "--yes")
    assert result.code == 2
    assert "job.toml, line 6: --lock-object 'locks': write it as" in result.err


@pytest.mark.usefixtures("time_jumps")
def test_reruns_hold_it_too(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Plan files, retry and undo; not a look at what undo would do."""
    assert bulkmeta("plan", *ORDER[1:4], "--out", "plan.jsonl").code == 0
    oss.faults.add(Fault("error", COPY, key="p/003", status=403, code="AccessDenied"))
    assert bulkmeta(*ORDER, "--run-file", "run.jsonl").code == 1
    oss.faults.clear()
    for order, held in (
        (("retry", "run.jsonl", "--yes", "--run-file", "retry.jsonl"), True),
        (("apply", "plan.jsonl", "--yes", "--run-file", "planned.jsonl"), True),
        (("undo", "run.jsonl", "--dry-run"), False),
        (("undo", "run.jsonl", "--yes", "--run-file", "undo.jsonl"), True),
    ):
        oss.log.clear()
        assert bulkmeta(*order, *HELD).code in {0, 1}
        assert ((DELETE, 204) in sent(oss)) is held
    assert changed(oss, "2") == ["p/003"]
