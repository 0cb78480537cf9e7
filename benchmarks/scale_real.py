"""The driver's own work for real, on millions of objects, with answers from memory.

Listing, numbering, window, journal with its syncs, run file, counters: all as in a run.
Requests alone are not sent: the driver has outcomes at once, or real worker processes
have answers from memory (`canned`), so that messages are part of what is measured.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final
from unittest.mock import patch

import msgspec

from benchmarks.canned import CHANGE, CannedService, canned_bucket, canned_staff
from benchmarks.stub import BUCKET, PREFIX
from bulkmeta.journal.records import journal_path
from bulkmeta.model.job import JobSpec, Pace, RunSpec, Target
from bulkmeta.runners.host import Host
from bulkmeta.runners.local import run_job
from bulkmeta.runners.loop import run_loop
from bulkmeta.runners.restart import find_restart

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from bulkmeta.model.outcome import Outcome

MIB: Final = 1024 * 1024
IN_HAND: Final = 256
"""Objects under way at once, of all processes: as many as four processes have."""

POINTS: Final = 20
"""How often a run tells what it takes."""

LATENCY_MS: Final = 20
"""How late answers are to worker processes."""

_MEMBER: Final = (sys.executable, "-P", "-m", "benchmarks.canned", str(LATENCY_MS))


class Trial(msgspec.Struct, frozen=True):
    """One run, or the reading of what one left, to be measured in a process of its own,
    which is killed when it told of `kill_at` objects."""

    objects: int
    run_file: str
    processes: int = 1
    kill_at: int | None = None
    reads: bool = False


class Point(msgspec.Struct, frozen=True):
    """What a process has taken up to a moment, its worker processes apart, which count
    when they have ended; memory and files in bytes."""

    objects: int
    elapsed_s: float
    cpu_s: float
    rss: int
    run_file: int
    journal_peak: int
    others_cpu_s: float = 0.0


class Reading(msgspec.Struct, frozen=True):
    """What finding the place took where a run goes on; and what it found."""

    lines: int
    doubts: int
    elapsed_s: float
    cpu_s: float
    peak: int
    run_file: int
    journal: int


class Curve:
    """A sink behind the files: tells what the run has taken, twenty times."""

    def __init__(self, trial: Trial, tell: Callable[[Point], object]) -> None:
        self._path = Path(trial.run_file)
        self._tell = tell
        self._step = self._due = max(trial.objects // POINTS, 1)
        self._done = 0
        self._journal_peak = 0
        self._started_s = time.monotonic()
        self._started_cpu_s = time.process_time()

    def emit(self, result: Outcome) -> None:
        self._done += 1

    def flush(self) -> None:
        size = journal_path(self._path).stat().st_size
        self._journal_peak = max(self._journal_peak, size)
        if self._done >= self._due:
            self._due += self._step
            self._tell(self.point())

    def point(self) -> Point:
        """The present moment."""
        return Point(
            self._done,
            time.monotonic() - self._started_s,
            time.process_time() - self._started_cpu_s,
            _memory("VmRSS"),
            self._path.stat().st_size,
            self._journal_peak,
            sum(os.times()[2:4]),
        )


def _memory(name: str) -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{name}:")[2].split()[0]) * 1024


def work(trial: Trial) -> None:
    """Do in this process what the trial says; prints what it takes."""
    if trial.reads:
        _print(_read(Path(trial.run_file)))
        return
    curve = Curve(trial, _print)
    pace = Pace(IN_HAND // trial.processes, rate=None, processes=trial.processes)
    spec = RunSpec(JobSpec(Target(BUCKET, PREFIX), CHANGE), "apply", pace=pace)
    bucket = canned_bucket(CannedService(trial.objects))
    host = Host(sinks=[curve], bucket=bucket)
    with _canned(trial):
        end = run_loop(run_job(spec, run_file=Path(trial.run_file), host=host))
    if end.stats.counts["updated"] != trial.objects:
        raise SystemExit(f"not every object was updated: {end.stats.line()}")
    _print(curve.point())


def _canned(trial: Trial) -> AbstractContextManager[object]:
    """Answers come from memory: here, or in worker processes."""
    if trial.processes == 1:
        return patch("bulkmeta.runners.local.changing_staff", canned_staff)
    return patch("bulkmeta.runners.processes._COMMAND", _MEMBER)


def _print(found: Point | Reading) -> None:
    print(msgspec.json.encode(found).decode(), flush=True)


def _read(path: Path) -> Reading:
    """Find the place where the run goes on, as `resume` does before anything else."""
    sizes = path.stat().st_size, journal_path(path).stat().st_size
    started_s, started_cpu_s = time.monotonic(), time.process_time()
    start = find_restart(path).start
    return Reading(
        start.counts.total(),
        len(start.doubts),
        time.monotonic() - started_s,
        time.process_time() - started_cpu_s,
        _memory("VmHWM"),
        *sizes,
    )


@contextmanager
def working(trial: Trial) -> Iterator[subprocess.Popen[bytes]]:
    """A process that does what the trial says, and prints it."""
    code = "import sys; from benchmarks.scale_real import main; main(sys.argv[1])"
    told = msgspec.json.encode(trial).decode()
    with subprocess.Popen(  # noqa: S603 our own code
        [sys.executable, "-c", code, told], stdout=subprocess.PIPE
    ) as process:
        yield process
    wanted = -signal.SIGKILL if trial.kill_at else 0
    if process.returncode != wanted:
        raise SystemExit(f"the run ended with {process.returncode}")


def main(trial: str) -> None:
    """Be the process of a trial."""
    work(msgspec.json.decode(trial, type=Trial))


def report_run(trial: Trial) -> Point:
    """Do a run and print how it went on."""
    print("    objects     objects/s  CPU-s/1000   RSS MiB  run file MiB  journal MiB")
    last = Point(0, 0.0, 0.0, 0, 0, 0)
    with working(trial) as process:
        for line in process.stdout or ():
            point = msgspec.json.decode(line, type=Point)
            if point.objects > last.objects:
                print(_row(last, point), flush=True)
            last = point
            if trial.kill_at and point.objects >= trial.kill_at:
                process.kill()
    return last


def _row(last: Point, point: Point) -> str:
    """What happened between two moments; the journal as large as it was up to then."""
    objects = point.objects - last.objects
    per_s = objects / (point.elapsed_s - last.elapsed_s)
    cpu_s = 1000 * (point.cpu_s - last.cpu_s) / objects
    return (
        f"{point.objects:>11,}{per_s:>14,.0f}{cpu_s:>12.4f}{point.rss / MIB:>10.1f}"
        f"{point.run_file / MIB:>14,.1f}{point.journal_peak / MIB:>13.1f}"
    )


def sum_lines(point: Point) -> Iterator[str]:
    """A whole run in some figures."""
    per_s = point.objects / point.elapsed_s
    yield f"  objects/s             {per_s:10,.0f}"
    yield f"  CPU-s per 1,000       {1000 * point.cpu_s / point.objects:10.4f}"
    if point.others_cpu_s:
        others = 1000 * point.others_cpu_s / point.objects
        yield f"  of worker processes   {others:10.4f}"
    yield f"  run file, B/object    {point.run_file / point.objects:10.1f}"
    yield f"  journal, largest      {point.journal_peak / MIB:10.1f} MiB"


def reading_lines(reading: Reading) -> Iterator[str]:
    """What `resume` has to read, and what that takes."""
    yield (
        f"killed at {reading.lines:,} lines ({reading.run_file / MIB:,.0f} MiB), a "
        f"journal of {reading.journal / MIB:.1f} MiB, {reading.doubts} in doubt"
    )
    yield f"  resume reads for      {reading.elapsed_s:10.1f} s"
    yield f"  CPU us per line       {1e6 * reading.cpu_s / reading.lines:10.2f}"
    yield f"  peak                  {reading.peak / MIB:10.1f} MiB"


def report_real(objects: int, processes: int, folder: str | None) -> None:
    """A whole run; another that is killed half-way, and read as `resume` does."""
    print(
        f"{objects:,} objects, {processes} process(es); load {os.getloadavg()[0]:.1f}"
    )
    with TemporaryDirectory(prefix="bench-", dir=folder or ".") as name:
        run_file = Path(name, "run.jsonl")
        trial = Trial(objects, str(run_file), processes)
        for line in sum_lines(report_run(trial)):
            print(line, flush=True)
        run_file.unlink()
        killed = msgspec.structs.replace(trial, kill_at=objects // 2)
        report_run(killed)
        with working(msgspec.structs.replace(trial, reads=True)) as process:
            found = process.communicate()[0]
        for line in reading_lines(msgspec.json.decode(found, type=Reading)):
            print(line)
    print(f"load {os.getloadavg()[0]:.1f}")
