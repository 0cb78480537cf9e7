"""Runs of several processes, and ways to kill them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.functional.test_crash import MOST_S, Machine

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS
    from tests.conftest import RunLines


OLD_S = 1_790_000_000.0
COUNT = 300
NAMED = ("--run-file", "run.jsonl")
APPLY = ("apply", "oss://bucket/p/", "--yes", "--set", "project={stem}")
Read = Callable[[Path | str], "RunLines"]


def put(oss: EmbeddedOSS, count: int = COUNT) -> None:
    """Objects that have something to lose."""
    oss.store.put_objects(
        "bucket",
        (
            {
                "key": f"p/{number:04}",
                "meta": {"owner": f"摄影 {number % 7}", "n": str(number)},
                "acl": "private" if number % 3 else "default",
                "tags": {"t": "1"} if number % 5 else {},
                "last_modified": OLD_S,
            }
            for number in range(count)
        ),
    )


def state(oss: EmbeddedOSS) -> dict[str, tuple[Any, ...]]:
    """What an update could change."""
    return {
        stored.key: (stored.meta, stored.headers, stored.acl, stored.tags, stored.etag)
        for stored in oss.store.objects("bucket")
    }


def few_at_once(run_objects: int) -> tuple[str, str]:
    """So few requests at once that a run takes some seconds."""
    return ("--concurrency", str(max(4, run_objects // 1000)))


@contextmanager
def running(machine: Machine, *args: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command whose processes are at work; killed at the end."""
    machine.oss.log.clear()
    process = machine._start(*args)
    try:
        deadline_s = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline_s:
            if "HeadObject" in dict(machine.oss.log.operations()):
                break
            time.sleep(0.01)
        yield process
    finally:
        process.kill()
        process.wait(10)


def is_there(pid: int) -> bool:
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        )
    except OSError:
        return False


def await_gone(pids: list[int]) -> None:
    deadline_s = time.monotonic() + 10
    while any(map(is_there, pids)):
        assert time.monotonic() < deadline_s, "they outlive their driver"
        time.sleep(0.02)


def check(machine: Machine, before: dict[str, tuple[Any, ...]], read_run: Read) -> None:
    """Each object has one line with its former state; undone, all is as before."""
    lines = read_run(machine.folder / "run.jsonl").by_key()
    assert sorted(lines) == sorted(before)
    assert {line["status"] for line in lines.values()} == {"updated"}
    for key, old in before.items():
        assert lines[key]["before"]["meta"] == old[0]
    assert machine.run("undo", "run.jsonl", "--yes", "--run-file", "undo.jsonl") == 0
    assert state(machine.oss) == before
    for path in machine.folder.glob("*.jsonl*"):
        path.unlink()


def kill_some(
    machine: Machine,
    process: subprocess.Popen[bytes],
    find: Callable[[int], list[int]],
    most: int,
) -> int:
    """Kill processes of a run until it ends; how many."""
    kills = 0
    while process.poll() is None and kills < most:
        if found := find(process.pid):
            with suppress(ProcessLookupError):
                os.kill(machine.draw.choice(found), signal.SIGKILL)
            kills += 1
        time.sleep(machine.draw.uniform(0.2, 1.5))
    assert process.wait(MOST_S) == 0
    assert kills
    return kills


def kill_driver(
    machine: Machine,
    order: tuple[str, ...],
    ways: tuple[tuple[str, ...], tuple[str, ...]],
    find: Callable[[int], list[int]],
    most: int,
) -> int:
    """Kill the driver of a run, resume the run in one of these ways, kill again, until
    the run ends; how often."""
    kills = 0
    while kills < most:
        with running(machine, *order) as process:
            time.sleep(machine.draw.uniform(0.1, 0.5))
            mine = find(process.pid)
        await_gone(mine)
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL
        assert copied(machine) <= on_record(machine)
        kills += 1
        order = ("resume", "run.jsonl", *ways[kills % 2])
    assert kills
    if b'{"type":"summary"' not in (machine.folder / "run.jsonl").read_bytes():
        assert machine.run(*order) == 0
    return kills


def copied(machine: Machine) -> set[str]:
    """The keys of all updates that the service has been sent."""
    return {key for name, key in machine.oss.log.operations() if name == "CopyObject"}


def on_record(machine: Machine) -> set[str]:
    """The keys of all updates that the run knows of."""
    return {
        key.decode()
        for path in machine.folder.glob("run.jsonl*")
        for key in re.findall(rb'"(p/\d+)"', path.read_bytes())
    }
