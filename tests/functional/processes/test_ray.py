"""`--on ray`: worker processes on a Ray cluster, one that runs on this machine.

`--crashes N`: so many kills of its processes, and a sixth of them of the driver.
`--objects N`: of so large a run.
"""

from __future__ import annotations

import importlib
import io
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bulkmeta.emulator.options import EmulatorOptions
from bulkmeta.emulator.server import EmbeddedOSS
from tests.functional.processes.conftest import (
    APPLY,
    NAMED,
    Read,
    check,
    few_at_once,
    kill_driver,
    kill_some,
    put,
    running,
    state,
)
from tests.functional.test_crash import Machine

if TYPE_CHECKING:
    from tests.conftest import Command

pytest.importorskip("ray", reason="without the extra `ray`", exc_type=ImportError)
ON_RAY = ("--on", "ray", "--processes", "2", "--progress", "none")


@pytest.fixture
def machine(tmp_path: Path, run_objects: int, log_size: int) -> Iterator[Machine]:
    """A slow service with some objects."""
    options = EmulatorOptions(latency_s=0.02, seed=7, log_size=log_size)
    with EmbeddedOSS(options) as oss:
        if not Path("/proc/self/stat").exists():
            pytest.skip("processes are looked for in /proc")
        oss.store.create_bucket("bucket")
        put(oss, run_objects)
        yield Machine(oss, tmp_path, random.Random(20261129))  # noqa: S311 repeatable


@pytest.fixture
def slow(run_objects: int) -> tuple[str, ...]:
    """Two processes that do a few requests at once."""
    return (*ON_RAY, *few_at_once(run_objects))


def actors(driver: int) -> list[int]:
    """The worker processes of a command's own cluster, by their names: another test may
    have one at the same time."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if path.read_bytes().startswith(b"ray::ClusterMember"):
                found.append(int(path.parent.name))
    return [pid for pid in found if driver in _forebears(pid)]


def _forebears(pid: int) -> Iterator[int]:
    """Who started a process, who started that, and so on; as far as they are there."""
    with suppress(OSError):
        while pid > 1:
            stat = Path(f"/proc/{pid}/stat").read_text()
            pid = int(stat.rpartition(")")[2].split()[1])
            yield pid


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_as_on_one_machine(machine: Machine, read_run: Read, run_objects: int) -> None:
    """The same states, lines and requests as by one process; and back again."""
    before = state(machine.oss)
    assert machine.run(*APPLY, *NAMED, *ON_RAY) == 0
    on_ray, sent = state(machine.oss), _sent(machine)
    lines = read_run(machine.folder / "run.jsonl").objects
    assert sorted(line["seq"] for line in lines) == list(range(1, run_objects + 1))
    check(machine, before, read_run)
    put(machine.oss, run_objects)
    machine.oss.log.clear()
    assert machine.run(*APPLY, "--run-file", "alone.jsonl") == 0
    assert (state(machine.oss), _sent(machine)) == (on_ray, sent)


def _sent(machine: Machine) -> Counter[str]:
    return Counter(name for name, key in machine.oss.log.operations() if key)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_workers_are_killed(
    machine: Machine, read_run: Read, crashes: int, slow: tuple[str, ...]
) -> None:
    """Others take over what they had in hand; the run comes to its end."""
    before = state(machine.oss)
    kills = 0
    while kills < crashes:
        with running(machine, *APPLY, *NAMED, *slow) as process:
            kills += kill_some(machine, process, actors, crashes - kills)
        check(machine, before, read_run)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_driver_is_killed(
    machine: Machine,
    read_run: Read,
    crashes: int,
    run_objects: int,
    slow: tuple[str, ...],
) -> None:
    """Its actors end with it; what was sent is on record. The run is resumed on a
    cluster, or in processes of one machine."""
    before = state(machine.oss)
    ways = (slow, ("--processes", "2", *few_at_once(run_objects)))
    kills, wanted = 0, -(-crashes // 6)
    while kills < wanted:
        order = (*APPLY, *NAMED, *slow)
        kills += kill_driver(machine, order, ways, actors, wanted - kills)
        check(machine, before, read_run)


def test_what_keeps_stdout_clean() -> None:
    """Ray still looks there before it prints what became of a node."""
    worker = importlib.import_module("ray._private.worker")
    said = io.StringIO()
    data = {"lines": ["a node is gone"], "pid": "raylet", "is_err": False}
    for enabled in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(worker, "_worker_logs_enabled", enabled)
            worker.print_worker_logs(data, said)
    assert said.getvalue().count("a node is gone") == 1


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_results_only_on_stdout(machine: Machine) -> None:
    """Neither Ray's words nor a stray print stand where programs read."""
    done = subprocess.run(  # noqa: S603 our own command
        [sys.executable, "-m", "bulkmeta", *APPLY, *ON_RAY, "--json"],
        env={**os.environ, **machine.oss.environment},
        cwd=machine.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.count("\n"), done.stdout[0]) == (0, 1, "{")
    assert "Traceback" not in done.stderr


def test_without_ray(
    oss: EmbeddedOSS, bulkmeta: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line says how to get it, and nothing was changed."""
    put(oss, 3)
    monkeypatch.setitem(sys.modules, "ray", None)
    done = bulkmeta(*APPLY, *ON_RAY)
    assert done.code == 2
    assert "pip install '.[ray]'" in done.err.splitlines()[-1]
    assert "CopyObject" not in dict(oss.log.operations())


@pytest.mark.parametrize("address", ["rays", "ray://", "ray://host", "http://h:1"])
def test_addresses_that_are_none(bulkmeta: Command, address: str) -> None:
    """They are told what to write."""
    done = bulkmeta(*APPLY, "--on", address)
    assert done.code == 2
    assert "write it as ray, or ray://HOST:PORT" in done.err


def test_ray_is_not_imported_without_need() -> None:
    """Neither for help nor for a run on this machine."""
    code = "import sys, bulkmeta.runners.staff, bulkmeta.cli.apply; print(*sys.modules)"
    done = subprocess.run(  # noqa: S603 our own interpreter
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "ray" not in done.stdout.split()
