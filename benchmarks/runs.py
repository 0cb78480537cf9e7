"""One command, run and measured from outside."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from benchmarks.server import Counts, Server

POLL_S: Final = 0.1
STEADY: Final = (0.3, 0.9)
"""Which part of all requests the steady rate is taken from: start and end are left out,
where a client starts up, finds its pace and waits for its last answers."""

_INSTRUCTIONS: Final = re.compile(r"I\s+refs:\s+([\d,]+)")
VALGRIND: Final = (
    *("valgrind", "--tool=cachegrind", "--cache-sim=no"),
    "--cachegrind-out-file=/dev/null",
)


class FailedRunError(Exception):
    """A client that did not do its work; its last words."""


@dataclass(slots=True)
class Run:
    """What a run of a client took. CPU and memory are those of its process, the peak
    as the system knows it (`VmHWM`)."""

    objects: int
    elapsed_s: float = 0.0
    cpu_s: float = 0.0
    peak_mib: float = 0.0
    connections: int = 0
    requests: int = 0
    samples: list[tuple[float, int]] = field(default_factory=list)

    @property
    def objects_per_s(self) -> float:
        """Of the whole command, from start to end."""
        return self.objects / self.elapsed_s

    @property
    def steady_objects_per_s(self) -> float:
        """Once it is under way."""
        first, last = (self.requests * share for share in STEADY)
        inside = [(at, n) for at, n in self.samples if first <= n <= last]
        if len(inside) < 5:
            return self.objects_per_s
        (from_s, from_n), (to_s, to_n) = inside[0], inside[-1]
        return (to_n - from_n) / (to_s - from_s) / self.requests_per_object

    @property
    def cpu_per_1000_s(self) -> float:
        return self.cpu_s / self.objects * 1000

    @property
    def requests_per_object(self) -> float:
        return self.requests / self.objects


def measure(
    command: Sequence[str], objects: int, environment: dict[str, str], server: Server
) -> Run:
    """Run `command`, which is to change so many objects.

    Raises:
        FailedRunError: it did not end well, or sent less than a request per object.
    """
    run = Run(objects)
    before = server.counts()
    polls = 1
    started_s = time.perf_counter()
    with (
        TemporaryFile("w+") as said,  # a pipe that nobody reads would fill up
        subprocess.Popen(  # noqa: S603 our own clients, or the user's words
            command, env=environment, stdout=subprocess.DEVNULL, stderr=said
        ) as process,
    ):
        while (
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            is None
        ):
            run.peak_mib = _peak_mib(process.pid) or run.peak_mib
            counts = server.counts()
            run.samples.append(
                (time.perf_counter() - started_s, counts.requests - before.requests)
            )
            polls += 1
            time.sleep(POLL_S)
        run.elapsed_s = time.perf_counter() - started_s
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        words = said.read()
    run.cpu_s = usage.ru_utime + usage.ru_stime
    _count(run, before, server.counts(), polls)
    if process.returncode or run.requests < objects:
        raise FailedRunError(f"exit code {process.returncode}: {words[-500:]}")
    return run


def _count(run: Run, before: Counts, after: Counts, polls: int) -> None:
    """Each look at the counters is a connection and a request, too."""
    run.connections = after.connections - before.connections - polls
    run.requests = after.requests - before.requests - polls


def _peak_mib(pid: int) -> float | None:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else None


def count_instructions(command: Sequence[str], environment: dict[str, str]) -> int:
    """User instructions of `command`, counted by valgrind: the same on any machine,
    whatever else it does.

    Raises:
        FailedRunError: it did not end well.
    """
    known = {"PYTHONHASHSEED": "0", "UV_USE_IO_URING": "0"}
    done = subprocess.run(  # noqa: S603 our own clients
        [*VALGRIND, *command],
        env=environment | known,
        capture_output=True,
        text=True,
        check=False,
    )
    found = _INSTRUCTIONS.search(done.stderr)
    if done.returncode or not found:
        raise FailedRunError(f"exit code {done.returncode}: {done.stderr[-500:]}")
    return int(found[1].replace(",", ""))
