"""One run at a time, whoever dies, halts or is not heard."""

from __future__ import annotations

import itertools
import json
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import pytest

from bulkmeta.cli import specs
from bulkmeta.emulator.faults import Fault
from bulkmeta.runners import heartbeat
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
    SLOW,
    Command,
    Machine,
    changed,
    is_free,
    sent,
    until,
)

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS

CONDITIONS = ("if-match", "if-unmodified-since")


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
        result = bulkmeta(*ORDER, *HELD, "--wait-lock", "1s")
        assert (result.code, "pass a longer --wait-lock" in result.err) == (5, True)

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


def test_taken_away_from_a_living_holder(
    oss: EmbeddedOSS, bulkmeta: Command, machine: Machine
) -> None:
    """As the service's clock has it, its lease was over: it learns that by its next
    renewal, and stops at once; objects under way have their line, and it can be gone on
    with."""
    with machine.running("--rate", "8", "--lease", "5s", "--json") as process:
        oss.clock.offset_s += 100
        result = bulkmeta(*ORDER, *HELD)
        assert result.code == 0, result.err
        out, err = process.communicate(timeout=30)
    assert process.returncode == 5
    told = json.loads(out)
    assert (told["interrupted"], told["why"][:9]) == (True, "the lock ")
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
