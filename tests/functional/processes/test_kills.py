"""Processes and their driver are killed, or interrupted, and nothing is lost.

`--crashes N`: so many kills of each. `--objects N`: of so large a run.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bulkmeta.emulator.faults import Fault
from bulkmeta.emulator.options import EmulatorOptions
from bulkmeta.emulator.server import EmbeddedOSS
from tests.functional.processes.conftest import (
    APPLY,
    NAMED,
    Read,
    await_gone,
    check,
    few_at_once,
    is_there,
    kill_driver,
    kill_some,
    put,
    running,
    state,
)
from tests.functional.test_crash import Machine


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(child) for child in listed.split()]


@pytest.fixture
def machine(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], run_objects: int, log_size: int
) -> Iterator[Machine]:
    """A slow service with some objects, and some lost answers. However its processes
    end, none says more than a line."""
    options = EmulatorOptions(latency_s=0.02, seed=7, log_size=log_size)
    with EmbeddedOSS(options) as oss:
        if not Path("/proc/self/stat").exists():
            pytest.skip("processes are looked for in /proc")
        oss.store.create_bucket("bucket")
        put(oss, run_objects)
        oss.faults.add(Fault("reset_after", operation="CopyObject", probability=0.02))
        yield Machine(oss, tmp_path, random.Random(20261129))  # noqa: S311 repeatable
    assert "Traceback" not in capfd.readouterr().err


@pytest.fixture
def slow(run_objects: int) -> tuple[str, ...]:
    """Two processes that do a few requests at once."""
    return ("--processes", "2", *few_at_once(run_objects))


@pytest.mark.no_cover
@pytest.mark.timeout(1800)
def test_processes_are_killed(
    machine: Machine, read_run: Read, crashes: int, slow: tuple[str, ...]
) -> None:
    """Again and again during a run: others take over, and the run comes to its end as
    if nothing had been."""
    before = state(machine.oss)
    kills = 0
    while kills < crashes:
        with running(machine, *APPLY, *NAMED, *slow) as process:
            kills += kill_some(machine, process, children, crashes - kills)
        check(machine, before, read_run)


@pytest.mark.timeout(1800)
def test_the_driver_is_killed(
    machine: Machine, read_run: Read, crashes: int, slow: tuple[str, ...]
) -> None:
    """Its processes end with it; nothing was sent that is not on record; resumed, in
    several processes or in one, the run comes to its end."""
    before = state(machine.oss)
    kills = 0
    while kills < crashes:
        order = (*APPLY, *NAMED, *slow)
        kills += kill_driver(
            machine, order, (slow[2:], slow), children, crashes - kills
        )
        check(machine, before, read_run)


@pytest.mark.no_cover
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(
    machine: Machine, read_run: Read, number: signal.Signals, slow: tuple[str, ...]
) -> None:
    """One signal to the driver: what is under way comes to its end everywhere, and has
    its line. A terminal's Ctrl-C does not reach the others."""
    before = state(machine.oss)
    with running(machine, *APPLY, *NAMED, *slow) as process:
        mine = children(process.pid)
        assert mine
        assert all(os.getsid(pid) != os.getsid(0) for pid in mine if is_there(pid))
        process.send_signal(number)
        assert process.wait(20) == 130
    await_gone(mine)
    done = {line["key"] for line in read_run(machine.folder / "run.jsonl").objects}
    changed = {key for key, now in state(machine.oss).items() if now != before[key]}
    assert done == changed
    assert 0 < len(done) < len(before)
    assert machine.run("resume", "run.jsonl", "--processes", "2") == 0
    check(machine, before, read_run)


@pytest.mark.no_cover
def test_interrupted_twice(
    machine: Machine, read_run: Read, slow: tuple[str, ...]
) -> None:
    """The second signal ends all at once; it can be resumed."""
    before = state(machine.oss)
    machine.oss.faults.add(Fault("hang", operation="CopyObject", probability=0.2))
    with running(machine, *APPLY, *NAMED, *slow) as process:
        mine = children(process.pid)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
    await_gone(mine)
    machine.oss.faults.clear()
    assert machine.run("resume", "run.jsonl", "--processes", "2") == 0
    check(machine, before, read_run)
