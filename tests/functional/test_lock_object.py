"""A lock that two machines share: one run at a time, whoever dies, halts or is not
heard. Machines are processes with homes of their own."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bulkmeta.cli import specs
from bulkmeta.emulator.faults import Fault
from bulkmeta.runners import heartbeat

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS

Command = Callable[..., Any]

KEY = "locks/retag"
LOCK = f"oss://locks/{KEY}"
HELD = ("--lock-object", LOCK)
ORDER = ("apply", "oss://bucket/p/", "--set", "n=2", "--yes", "--rate", "max")
SLOW = ("apply", "oss://bucket/p/", "--set", "n=1", "--yes", "--concurrency", "4")
OBJECTS = 60
CONDITIONS = ("if-match", "if-unmodified-since")
PUT, COPY, HEAD, DELETE = "PutObject", "CopyObject", "HeadObject", "DeleteObject"

SHORT_LEASES = """
from bulkmeta.cli import specs
from bulkmeta.cli.main import main
specs.LEAST_LEASE_S = 1.0
main()
"""

# Has the lock time and again, for a moment, and says when; dies now and then.
RACER = """
import asyncio, json, os, random, signal, sys, time
from bulkmeta.engine.shutdown import StopRequest
from bulkmeta.model.job import JobSpec, LockObject, RunSpec, Target
from bulkmeta.runners.heartbeat import held_lock

rounds, seed, lease_s, deadly = map(float, sys.argv[1:])
draw = random.Random(seed)
lock = LockObject("locks", "race", lease_s=lease_s, wait_s=120.0)
spec = RunSpec(JobSpec(Target("bucket", "p/")), "apply", lock=lock)

async def race():
    for _ in range(int(rounds)):
        async with held_lock(spec, StopRequest(), lambda _: None) as held:
            since_s = time.monotonic()
            await asyncio.sleep(draw.uniform(0.0, 0.1))
            held.require()
            print(json.dumps([since_s, time.monotonic()]), flush=True)
            if draw.random() < deadly:
                os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(race())
"""
RACE_LEASE_S = 6.0


@pytest.fixture(autouse=True)
def _seeded(oss: EmbeddedOSS) -> None:
    oss.store.create_bucket("locks")
    oss.store.put_objects("bucket", ({"key": f"p/{n:03}"} for n in range(OBJECTS)))


@dataclass(frozen=True, slots=True)
class Machine:
    """Where commands run, far from all others but for the service."""

    oss: EmbeddedOSS
    home: Path

    def start(self, *args: str, script: str = SHORT_LEASES) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603 our own interpreter
            [sys.executable, "-c", script, *args],
            env={**os.environ, **self.oss.environment, "HOME": str(self.home)},
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @contextmanager
    def running(self, *args: str) -> Iterator[subprocess.Popen[str]]:
        """A slow run that holds the lock, and has begun."""
        with self.start(*SLOW, *HELD, "--run-file", "run.jsonl", *args) as process:
            until(lambda: bool(changed(self.oss, "1")))
            try:
                yield process
            finally:
                process.kill()


@pytest.fixture
def machine(oss: EmbeddedOSS, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """The other machine."""
    return Machine(oss, tmp_path_factory.mktemp("machine"))


def until(met: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 30
    while not met():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def changed(oss: EmbeddedOSS, value: str) -> list[str]:
    found = oss.store.objects("bucket")
    return [stored.key for stored in found if stored.meta.get("n") == value]


def sent(oss: EmbeddedOSS, bucket: str = "locks") -> list[tuple[str, int]]:
    """What was asked of a lock since the last look, and how it went."""
    found = [r for r in oss.log.requests() if r.bucket == bucket and r.key]
    oss.log.clear()
    return [(request.operation, request.status) for request in found]


def is_free(oss: EmbeddedOSS) -> bool:
    return [*oss.store.objects("locks")] == []


# One at a time


def test_a_run_under_a_lock(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """It is made, held and removed; what the run does is the same."""
    result = bulkmeta(*ORDER, *HELD)
    assert result.code == 0, result.err
    assert f"lock      {LOCK}, for 60 s at a time" in result.err
    assert sent(oss) == [
        (HEAD, 404),
        (PUT, 200),
        (HEAD, 200),
        (HEAD, 200),
        (DELETE, 204),
    ]
    assert len(changed(oss, "2")) == OBJECTS
    assert is_free(oss)


def test_two_machines(oss: EmbeddedOSS, bulkmeta: Command, machine: Machine) -> None:
    """The second one ends with exit code 5, and says who, since when and until when;
    or it waits. Another lock is none of its business."""
    with machine.running("--rate", "15") as process:
        result = bulkmeta(*ORDER, *HELD)
        assert result.code == 5
        words = f"the lock {LOCK} is held by process {process.pid} on "
        assert words in result.err
        assert "; its lease ends at 20" in result.err
        assert "unless it is renewed; wait for its end, or pass --wait-lock" in (
            result.err
        )
        assert changed(oss, "2") == []
        other = ("apply", "oss://bucket/q/", "--set", "n=3", "--yes")
        assert bulkmeta(*other, "--lock-object", f"{LOCK}-2").code == 0
        assert bulkmeta(*ORDER, *HELD, "--wait-lock", "1s").code == 5

        process.send_signal(signal.SIGTERM)
        result = bulkmeta(*ORDER, *HELD, "--wait-lock", "60s")
        assert result.code == 0, result.err
        assert process.wait(30) == 130
    assert "waiting   for the lock" in result.err
    assert "taken over" not in result.err  # it was given back
    assert len(changed(oss, "2")) == OBJECTS
    assert is_free(oss)


def test_interrupted_while_it_waits(
    oss: EmbeddedOSS, bulkmeta: Command, machine: Machine
) -> None:
    """At once, and the lock stays whose it is."""
    oss.faults.add(Fault("error", DELETE, key=KEY, status=400, code="Odd"))
    assert bulkmeta(*ORDER, *HELD).code == 0  # and cannot give it back
    sent(oss)
    with machine.start(*SLOW, *HELD, "--wait-lock", "1h") as process:
        until(lambda: len(sent(oss)) > 0)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 130
    assert {name for name, _ in sent(oss)} <= {HEAD}
    assert changed(oss, "1") == []
    assert not is_free(oss)


def test_a_killed_holder_is_taken_over(
    oss: EmbeddedOSS, bulkmeta: Command, machine: Machine
) -> None:
    """When its lease is over by the service's clock, and not before."""
    with machine.running("--rate", "15") as process:
        process.kill()
        process.wait(30)
    sent(oss)
    assert bulkmeta(*ORDER, *HELD).code == 5
    assert sent(oss) == [(HEAD, 200)]
    oss.clock.offset_s += 63
    result = bulkmeta(*ORDER, *HELD)
    assert result.code == 0, result.err
    assert f"lock      taken over from process {process.pid} on " in result.err
    assert ", whose lease ended at 20" in result.err
    assert (COPY, 200) in sent(oss)
    assert is_free(oss)


@pytest.mark.timeout(3600)
def test_a_race(machine: Machine, lock_rounds: int) -> None:
    """Two that take turns as fast as they can never have it both, and it is nobody's no
    longer than a lease, whoever dies. `--lock-rounds 200` is the long form, in which
    holders die."""
    deadly = 0.05 if lock_rounds > 20 else 0.0
    with ThreadPoolExecutor(2) as pool:
        share = partial(turns_of, machine, lock_rounds // 2, deadly)
        had = sorted(itertools.chain.from_iterable(pool.map(share, (1, 2))))
    assert len(had) == lock_rounds // 2 * 2
    for (_, ends_s), (begins_s, _) in itertools.pairwise(had):
        assert ends_s < begins_s
        assert begins_s - ends_s < RACE_LEASE_S + 5.0  # what both clocks leave open
    assert is_free(machine.oss)


def turns_of(
    machine: Machine, rounds: int, deadly: float, seed: int
) -> list[list[float]]:
    """From when to when one racer had the lock; it begins anew when it has died."""
    had: list[list[float]] = []
    while len(had) < rounds:
        order = map(str, (rounds - len(had), seed + len(had), RACE_LEASE_S, deadly))
        racer = machine.start(*order, script=RACER)
        out, err = racer.communicate()
        assert racer.returncode in {0, -signal.SIGKILL}, err
        had += map(json.loads, out.splitlines())
        deadly = deadly if len(had) < rounds - 5 else 0.0  # the lock is free at the end
    return had


# Lost


def test_taken_away_from_a_living_holder(
    oss: EmbeddedOSS, bulkmeta: Command, machine: Machine
) -> None:
    """As the service's clock has it, its lease was over: it learns that by its next
    renewal, and stops at once; objects under way have their line, and it can be gone on
    with."""
    with machine.running("--rate", "8", "--lease", "5s") as process:
        oss.clock.offset_s += 100
        result = bulkmeta(*ORDER, *HELD)
        assert result.code == 0, result.err
        _, err = process.communicate(timeout=30)
    assert process.returncode == 5
    who = r"(removed by somebody else|taken over by process \d+ on .+)"
    words = rf"bulkmeta: stopped: the lock {LOCK} was {who}; `bulkmeta resume` goes on"
    assert re.search(words, err), err
    lines = [*map(json.loads, (machine.home / "run.jsonl").read_text().splitlines())]
    assert {line["type"] for line in lines} == {"run", "object"}
    assert len(changed(oss, "1")) < OBJECTS

    sent(oss)
    with machine.start("resume", "run.jsonl", *HELD, "--rate", "max") as again:
        assert again.wait(30) == 0
    assert (PUT, 200) in sent(oss)
    assert len(changed(oss, "1")) + len(changed(oss, "2")) == OBJECTS
    assert is_free(oss)


def test_a_halted_holder(oss: EmbeddedOSS, bulkmeta: Command, machine: Machine) -> None:
    """It wakes up after its lease, and somebody else's run: nothing is written over,
    for all that it still sends is guarded."""
    with machine.running("--rate", "30", "--lease", "3s") as process:
        process.send_signal(signal.SIGSTOP)
        oss.clock.offset_s += 100
        assert bulkmeta(*ORDER, *HELD).code == 0
        assert len(changed(oss, "2")) == OBJECTS
        time.sleep(3)  # its own clock shall have seen its lease end
        oss.log.clear()
        process.send_signal(signal.SIGCONT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 5
    assert f"stopped: the lock {LOCK} could not be renewed before its lease " in err
    requests = oss.log.requests()
    copies = [request.headers for request in requests if request.operation == COPY]
    for headers in copies:
        assert all(f"x-oss-copy-source-{name}" in headers for name in CONDITIONS)
    assert len(copies) <= 4  # those that were under way
    assert len(changed(oss, "2")) == OBJECTS
    assert not [request for request in requests if request.bucket == "locks"]


def test_nobody_looks_after_the_lock(
    oss: EmbeddedOSS, bulkmeta: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No object is taken up after its lease, even if there is nothing to write."""

    async def forget(*_: object) -> None:
        """Renew nothing."""

    oss.store.put_objects(
        "bucket", ({"key": f"p/{n:03}", "meta": {"n": "2"}} for n in range(OBJECTS))
    )
    monkeypatch.setattr(heartbeat, "keep_renewing", forget)
    monkeypatch.setattr(specs, "LEAST_LEASE_S", 1.0)
    order = (*ORDER[:-1], "10", "--concurrency", "4", *HELD, "--lease", "3s")
    result = bulkmeta(*order)
    assert result.code == 5
    assert "could not be renewed before its lease was over; `bulk" in result.err
    assert len([1 for name, _ in oss.log.operations() if name == HEAD]) < OBJECTS


def test_the_service_is_not_to_be_reached(
    oss: EmbeddedOSS, bulkmeta: Command, machine: Machine
) -> None:
    """A holder that cannot renew stops before its lease is over; what it does to its
    objects works all the while."""
    with machine.running("--rate", "8", "--lease", "3s") as process:
        oss.faults.add(Fault("hang", key=KEY, seconds=60.0))
        _, err = process.communicate(timeout=30)
    assert process.returncode == 5
    assert f"stopped: the lock {LOCK} could not be renewed before its lease " in err
    assert 0 < len(changed(oss, "1")) < OBJECTS
    oss.faults.clear()
    assert not is_free(oss)  # which nobody could say of it
    oss.clock.offset_s += 5
    assert bulkmeta(*ORDER, *HELD).code == 0


# Answers that are lost


@pytest.mark.parametrize("kind", ["reset_before", "reset_after"])
@pytest.mark.parametrize("operation", [PUT, COPY, DELETE])
def test_lost_answers(
    oss: EmbeddedOSS, bulkmeta: Command, operation: str, kind: str
) -> None:
    """To making it, taking it over, or removing it: a head tells, and what is not sure
    is not done twice."""
    if operation == COPY:
        killed(oss, bulkmeta)
    oss.faults.add(Fault(kind, operation, key=KEY, times=1))
    result = bulkmeta(*ORDER, *HELD)
    assert result.code == 0, result.err
    left = operation == DELETE and kind == "reset_before"
    assert is_free(oss) is not left
    assert (f"warning   the lock {LOCK} was left: " in result.err) is left
    assert len(changed(oss, "2")) == OBJECTS
    if left:
        assert "nobody has it when its lease of 60 s is over" in result.err
        oss.clock.offset_s += 63
        assert bulkmeta(*ORDER, *HELD).code == 0
        assert is_free(oss)


def killed(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Leave the lock of a run that could not give it back, to be taken over."""
    oss.faults.add(Fault("error", DELETE, key=KEY, status=400, code="Odd"))
    assert bulkmeta(*SLOW, *HELD).code == 0
    oss.faults.clear()
    assert not is_free(oss)
    oss.clock.offset_s += 63


@pytest.mark.parametrize("kind", ["reset_before", "reset_after"])
def test_lost_answers_to_renewals(
    oss: EmbeddedOSS, machine: Machine, kind: str
) -> None:
    """Every other one, and the run goes on."""
    with machine.running("--rate", "30", "--lease", "5s") as process:
        oss.faults.add(Fault(kind, COPY, key=KEY, every=2))
        assert process.wait(30) == 0
    assert len(changed(oss, "1")) == OBJECTS
    assert len([1 for operation, _ in sent(oss) if operation == COPY]) >= 2
    assert is_free(oss)


@pytest.mark.parametrize(("wait", "code"), [((), 4), (("--wait-lock", "60s"), 0)])
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault("error", HEAD, key=KEY, times=5), "ServiceUnavailable: "),
        (Fault("reset_before", PUT, key=KEY, times=5), "connection lost: "),
    ],
)
def test_trouble_while_it_is_waited_for(
    oss: EmbeddedOSS,
    bulkmeta: Command,
    fault: Fault,
    words: str,
    wait: tuple[str, ...],
    code: int,
) -> None:
    """What passes is waited for, too, if there is time; else it is told."""
    oss.faults.add(fault)
    result = bulkmeta(*ORDER, *HELD, *wait)
    assert result.code == code, result.err
    assert (f"bulkmeta: lock {LOCK}: {words}" in result.err) is (code == 4)


# Not touched


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


# Refused


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


def test_nothing_to_wait_for(bulkmeta: Command) -> None:
    """Only `apply` has a lock without being told of one."""
    assert bulkmeta(*ORDER, "--run-file", "run.jsonl").code == 0
    result = bulkmeta("undo", "run.jsonl", "--yes", "--wait-lock", "1s")
    assert (result.code, "goes with --lock-object" in result.err) == (2, True)


# Wherever a run begins


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
