"""Other writers at work on the same objects: nobody's change is ever lost.

The embedded OSS's clock moves where the worker waits, so nothing sleeps.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bulkmeta.emulator.faults import Fault
from bulkmeta.engine.shutdown import StopRequest
from bulkmeta.engine.worker import MAX_CONFLICTS
from bulkmeta.oss.bucket import Bucket

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS
    from bulkmeta.oss.effort import Effort

HEAD, ACL, COPY = "HeadObject", "GetObjectAcl", "CopyObject"
OURS = {"project": "atlas"}
THEIRS = {"theirs": "1"}

Apply = Callable[..., Any]


@pytest.fixture
def slept(oss: EmbeddedOSS, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the worker waited for objects to settle; the service's clock moves by it."""
    waits: list[float] = []

    async def jump(_stop: StopRequest, seconds: float) -> None:
        waits.append(seconds)
        oss.clock.offset_s += seconds
        await asyncio.sleep(0)

    monkeypatch.setattr(StopRequest, "sleep", jump)
    return waits


@pytest.fixture
def apply(bulkmeta: Callable[..., Any], slept: list[float]) -> Apply:
    """The main job, without questions and progress."""
    return partial(
        bulkmeta, "apply", "oss://bucket/p/", "--set", "project=atlas", "--yes",
        "--run-file", "run.jsonl", "--progress", "none",
    )  # fmt: skip


def seed(oss: EmbeddedOSS, count: int, **fields: Any) -> list[str]:
    """Objects `p/0000`, … with metadata of their own each."""
    keys = [f"p/{number:04}" for number in range(count)]
    oss.store.put_objects(
        "bucket", ({"key": k, "meta": {"is": k}, **fields} for k in keys)
    )
    return keys


def count(oss: EmbeddedOSS, operation: str, key: str) -> int:
    return oss.log.operations().count((operation, key))


def conflicts_by_key(oss: EmbeddedOSS) -> Counter[str]:
    """How often an update of each key was refused with 412."""
    return Counter(logged.key for logged in oss.log.requests() if logged.status == 412)


def disturbed_keys(oss: EmbeddedOSS) -> set[str]:
    """The keys that another writer changed under way."""
    return {
        logged.key for logged in oss.log.requests() if logged.fault == "foreign_write"
    }


def write_as_other(oss: EmbeddedOSS, key: str, **changes: Any) -> None:
    """Another writer's change of metadata, now, by the service's clock."""
    found = oss.store.get_object("bucket", key)
    changes.setdefault("meta", {**found.meta, **THEIRS})
    changes.setdefault("last_modified", int(oss.clock.time()))
    oss.store.save(replace(found, **changes), oss.store.body(found))


@pytest.mark.parametrize("operation", [ACL, COPY])
def test_no_change_of_another_writer_is_lost(
    oss: EmbeddedOSS, apply: Apply, read_run: Any, operation: str
) -> None:
    """Another writer changes 5 % of 400 objects between their head and their update:
    every one carries both changes, and every conflict is counted."""
    keys = seed(oss, 400)
    oss.faults.add(
        Fault(
            "foreign_write",
            operation,
            every=20,
            times=20,
            meta=THEIRS,
            headers={"cache-control": "theirs", "content-type": "text/theirs"},
            tags={"theirs": "1"},
            acl="public-read",
        )
    )

    result = apply()

    assert result.code == 0, result.err
    lines = read_run("run.jsonl").by_key()
    disturbed = disturbed_keys(oss)
    refused = conflicts_by_key(oss)
    assert (set(refused), refused.total()) == (disturbed, 20)
    for key in keys:
        stored, line = oss.store.get_object("bucket", key), lines[key]
        assert (line["status"], line["conflicts"]) == ("updated", refused[key])
        if key in disturbed:
            assert stored.meta == {"is": key, **THEIRS, **OURS}
            assert line["before"]["meta"] == {"is": key, **THEIRS}
            assert stored.headers == {"cache-control": "theirs"}
            assert (stored.content_type, stored.acl) == ("text/theirs", "public-read")
            assert stored.tags == {"theirs": "1"}
        else:
            assert stored.meta == {"is": key, **OURS}


def test_the_same_value_by_another_writer_is_no_conflict_in_the_end(
    oss: EmbeddedOSS, apply: Apply, read_run: Any
) -> None:
    """Somebody else makes our very change first: nothing is left to write."""
    seed(oss, 1)
    oss.faults.add(Fault("foreign_write", COPY, times=1, meta=OURS))

    result = apply()

    assert result.code == 0, result.err
    line = read_run("run.jsonl").by_key()["p/0000"]
    assert (line["status"], line["conflicts"]) == ("updated", 1)
    assert line["confirmed"] is True
    assert count(oss, COPY, "p/0000") == 1
    assert oss.store.get_object("bucket", "p/0000").meta == {"is": "p/0000", **OURS}


def _freeze(oss: EmbeddedOSS) -> None:
    """The service's time stands still, but for what the worker waits."""
    now_s = time.time()
    oss.clock._now = lambda: now_s


def test_a_just_written_object_is_waited_for_and_looked_at_again(
    oss: EmbeddedOSS, apply: Apply, read_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer follows within the second of our head, which no condition can tell; it
    is found by the second head."""
    _freeze(oss)
    seed(oss, 1, last_modified=oss.clock.time())

    waits: list[float] = []

    async def jump(_stop: StopRequest, seconds: float) -> None:
        write_as_other(oss, "p/0000")
        waits.append(seconds)
        oss.clock.offset_s += seconds

    monkeypatch.setattr(StopRequest, "sleep", jump)

    result = apply()

    assert result.code == 0, result.err
    assert waits == [2.0]
    assert oss.store.get_object("bucket", "p/0000").meta == {
        "is": "p/0000",
        **THEIRS,
        **OURS,
    }
    line = read_run("run.jsonl").by_key()["p/0000"]
    assert (line["status"], line["conflicts"]) == ("updated", 0)
    assert line["before"]["meta"] == {"is": "p/0000", **THEIRS}
    assert count(oss, HEAD, "p/0000") == 2
    assert count(oss, COPY, "p/0000") == 1


@pytest.mark.parametrize("settle_s", [2.0, 0.0])
def test_it_is_the_wait_that_protects(
    oss: EmbeddedOSS,
    apply: Apply,
    monkeypatch: pytest.MonkeyPatch,
    slept: list[float],
    settle_s: float,
) -> None:
    """A writer within the second of a just-written object's Last-Modified: kept with
    the wait, and lost without it, for the guards cannot see it."""
    _freeze(oss)
    seed(oss, 1, last_modified=oss.clock.time())
    oss.faults.add(Fault("foreign_write", ACL, meta=THEIRS, times=1))
    monkeypatch.setattr("bulkmeta.model.metadata.SETTLE_S", settle_s)

    result = apply()

    assert result.code == 0, result.err
    kept = oss.store.get_object("bucket", "p/0000").meta
    expected = {"is": "p/0000", **OURS}
    assert kept == ({**expected, **THEIRS} if settle_s else expected)
    assert bool(slept) is bool(settle_s)


@pytest.mark.parametrize(("age_s", "waits"), [(0, [2.0]), (1, [1.0]), (2, []), (3, [])])
def test_only_what_is_not_settled_yet_is_waited_for(
    oss: EmbeddedOSS, apply: Apply, slept: list[float], age_s: int, waits: list[float]
) -> None:
    """Two seconds after a write its Last-Modified can guard; earlier, the rest of them
    is waited, and a second head asked."""
    _freeze(oss)
    seed(oss, 1, last_modified=oss.clock.time() - age_s)

    result = apply()

    assert result.code == 0, result.err
    assert slept == waits
    assert count(oss, HEAD, "p/0000") == 1 + len(waits)


def test_an_object_that_never_settles_is_left_alone(
    oss: EmbeddedOSS, apply: Apply, read_run: Any
) -> None:
    """Written before each of our heads: `failed: unsettled`, and never overwritten."""
    seed(oss, 1)
    oss.faults.add(Fault("foreign_write", HEAD, meta=THEIRS))

    result = apply()

    assert result.code == 1
    line = read_run("run.jsonl").by_key()["p/0000"]
    assert (line["status"], line["reason"]) == ("failed", "unsettled")
    assert count(oss, COPY, "p/0000") == 0
    assert oss.store.get_object("bucket", "p/0000").meta == {"is": "p/0000", **THEIRS}


def test_new_content_of_the_same_date_is_noticed(
    oss: EmbeddedOSS,
    apply: Apply,
    read_run: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Content overwritten with its date kept back: the ETag tells, and both survive."""
    seed(oss, 1, body=b"old")
    modified = oss.store.get_object("bucket", "p/0000").last_modified
    former = Bucket.acl
    calls: list[str] = []

    async def overwritten(
        bucket: Bucket, key: str, effort: Effort, version: str | None = None
    ) -> str:
        if not calls:
            oss.store.put_object(
                "bucket", key, body=b"new", meta=THEIRS, last_modified=modified
            )
        calls.append(key)
        return await former(bucket, key, effort, version)

    monkeypatch.setattr(Bucket, "acl", overwritten)

    result = apply()

    assert result.code == 0, result.err
    stored = oss.store.get_object("bucket", "p/0000")
    assert stored.meta == {**THEIRS, **OURS}
    assert oss.store.body(stored) == b"new"
    line = read_run("run.jsonl").by_key()["p/0000"]
    assert (line["conflicts"], line["before"]["meta"]) == (1, THEIRS)
    assert line["etag"] == stored.etag


def test_a_writer_who_always_comes_first_wins(
    oss: EmbeddedOSS, apply: Apply, read_run: Any
) -> None:
    """Another write before each of our updates: `failed: conflict` after the bound,
    and the other writer's state is what stays."""
    seed(oss, 3)
    oss.faults.add(Fault("foreign_write", COPY, key="p/0001", meta=THEIRS))

    result = apply()

    assert result.code == 1
    lines = read_run("run.jsonl")
    line = lines.by_key()["p/0001"]
    assert (line["status"], line["reason"]) == ("failed", "conflict")
    assert line["conflicts"] == MAX_CONFLICTS + 1
    assert line["error"]["http_status"] == 412
    assert line["error"]["ec"] == "0016-00000701"
    assert (line["before"], line["after"]) == (None, None)
    assert count(oss, COPY, "p/0001") == MAX_CONFLICTS + 1
    assert oss.store.get_object("bucket", "p/0001").meta == {"is": "p/0001", **THEIRS}
    counted = lines.summary["counts"]
    assert (counted["updated"], counted["failed"]) == (2, 1)


@pytest.mark.parametrize("operation", [HEAD, ACL, COPY])
def test_objects_deleted_in_mid_run_stay_deleted(
    oss: EmbeddedOSS, apply: Apply, read_run: Any, operation: str
) -> None:
    """Every tenth object goes away before one of its requests: skipped, exit 0."""
    keys = seed(oss, 100)
    oss.faults.add(Fault("delete", operation, every=10))

    result = apply()

    assert result.code == 0, result.err
    lines = read_run("run.jsonl")
    gone = {key for key, line in lines.by_key().items() if line["reason"] == "gone"}
    assert len(gone) == 10
    assert {lines.by_key()[key]["status"] for key in gone} == {"skipped"}
    left = [stored.key for stored in oss.store.objects("bucket")]
    assert left == [key for key in keys if key not in gone]
    assert lines.summary["reasons"] == {"skipped: gone": 10}


def _race(oss: EmbeddedOSS, folder: Path, *changes: str) -> list[dict[str, Any]]:
    """Whole runs in processes of their own, at the same time; what each exited with.

    Whichever begins first is held up at its first updates until the other is there.
    """
    oss.faults.add(Fault("latency", COPY, seconds=2.0, times=16))
    command = "from bulkmeta.cli.main import main; main()"
    running = [
        subprocess.Popen(  # noqa: S603 our own command line
            [
                sys.executable, "-c", command, "apply", "oss://bucket/p/",
                "--set", change, "--yes", "--run-file", folder / f"run{number}.jsonl",
                "--concurrency", "16", "--progress", "none",
                "--state", folder / f"host{number}",
            ],
            env={**os.environ, **oss.environment},
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number, change in enumerate(changes)
    ]  # fmt: skip
    ends = []
    for process in running:
        out, err = process.communicate(timeout=40)
        ends.append({"code": process.returncode, "out": out, "err": err})
    return ends


@pytest.mark.no_cover
def test_two_runs_of_different_jobs_at_once_both_come_through(
    oss: EmbeddedOSS, read_run: Any, tmp_path: Path
) -> None:
    """Two processes change the same 200 objects: each object ends with both changes,
    and each run claims only what is so."""
    keys = seed(oss, 200)

    ends = _race(oss, tmp_path, "a=1", "b=2")

    assert [end["code"] for end in ends] == [0, 0], ends
    first, second = (read_run(tmp_path / f"run{n}.jsonl").by_key() for n in (0, 1))
    for key in keys:
        stored = oss.store.get_object("bucket", key)
        assert stored.meta == {"is": key, "a": "1", "b": "2"}
        assert first[key]["status"] == second[key]["status"] == "updated"
    assert conflicts_by_key(oss).total() > 0


@pytest.mark.no_cover
def test_two_runs_of_one_job_at_once_write_each_object_once(
    oss: EmbeddedOSS, read_run: Any, tmp_path: Path
) -> None:
    """The same job twice at the same time: the change is there, one write each."""
    keys = seed(oss, 200)

    ends = _race(oss, tmp_path, "a=1", "a=1")

    assert [end["code"] for end in ends] == [0, 0], ends
    runs = [read_run(tmp_path / f"run{n}.jsonl").by_key() for n in (0, 1)]
    writes = Counter(
        logged.key
        for logged in oss.log.requests()
        if (logged.operation, logged.status) == (COPY, 200)
    )
    for key in keys:
        assert oss.store.get_object("bucket", key).meta == {"is": key, "a": "1"}
        assert writes[key] == 1
        assert {run[key]["status"] for run in runs} <= {"updated", "unchanged"}
