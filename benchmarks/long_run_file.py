"""What a run file of millions of lines costs `resume` and `undo`: memory and time.

A run file is made as an interrupted `apply` leaves it, with a journal beside it. It is
resumed, which completes it, and then undone. On the stub nearly every object looks as
it did before the run, so undoing takes one HEAD for each and finds nothing to do.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from benchmarks.stub import (
    BUCKET,
    ETAG,
    HEADERS,
    LAST_MODIFIED,
    META,
    PREFIX,
    REGION,
    REQUEST_ID,
    Serving,
    key_of,
    serving,
)
from bulkmeta import __version__
from bulkmeta.engine.window import WINDOW
from bulkmeta.journal.records import Intent, JournalHeader, journal_path
from bulkmeta.model.applying import apply_change
from bulkmeta.model.changes import make_change
from bulkmeta.model.job import JobSpec, Target
from bulkmeta.model.metadata import Metadata
from bulkmeta.model.outcome import Outcome
from bulkmeta.model.run_file import RunHeader, Summary

MIB: Final = 1024 * 1024
MOST_MIB: Final = 150
"""The target: a process needs less, however long the run file is."""

LEFT: Final = 5_000
"""Objects that the interrupted run had not come to."""

UNSETTLED: Final = 64
"""Objects that were under way when it was interrupted: an intent, but no line."""

UNDONE_EVERY: Final = 1_000
"""One object in so many looks as the run left it, so that undoing updates it."""

CHANGE: Final = make_change(
    set_meta=[("project", "atlas")],
    set_headers=[("cache-control", "public, max-age=604800")],
)
JOB: Final = JobSpec(Target(BUCKET, PREFIX), CHANGE)
STARTED: Final = "2026-11-22T10:15:00.000Z"

SHOWN: Final = Metadata(META, HEADERS, "default", None, "Standard")
"""The state of every object, as the stub's HEAD and ACL tell."""

CHANGED: Final = apply_change(SHOWN, CHANGE)
FORMER: Final = msgspec.structs.replace(SHOWN, meta=META | {"title": "Untitled"})

# The peak is the system's own for this very program, unlike `ru_maxrss`, which counts
# what the parent had before the program began.
_COMMAND: Final = """
import re, sys, time
from bulkmeta.cli.main import run
code = run(sys.argv[1:])
status = open("/proc/self/status").read()
print(code, re.search(r"VmHWM:\\s+(\\d+)", status)[1], time.process_time())
"""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """An interrupted run: so many lines, and objects under way in the last window."""

    lines: int
    intents: int

    def last_seq(self) -> int:
        return self.lines + UNSETTLED

    def objects(self) -> int:
        return self.last_seq() + LEFT

    def unsettled(self) -> range:
        """The sequence numbers without a line, as far apart as can be."""
        oldest = max(1, self.last_seq() - WINDOW + 1)
        step = (self.last_seq() - oldest) // UNSETTLED
        return range(oldest, oldest + step * UNSETTLED, step)

    def undone(self) -> int:
        """How many objects an undo finds as the run left them."""
        return sum(
            seq not in self.unsettled()
            for seq in range(UNDONE_EVERY, self.last_seq() + 1, UNDONE_EVERY)
        )


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command took, and the summary that it wrote."""

    started_at: float
    elapsed_s: float
    cpu_s: float
    peak_mib: float
    summary: Summary


def outcome_of(seq: int) -> Outcome:
    """The line of an updated object."""
    undoable = seq % UNDONE_EVERY == 0
    return Outcome(
        seq=seq,
        key=key_of(seq - 1),
        status="updated",
        before=FORMER if undoable else SHOWN,
        after=SHOWN if undoable else CHANGED,
        etag=ETAG,
        last_modified=LAST_MODIFIED,
        request_id=REQUEST_ID,
        elapsed_ms=61.5,
        at=STARTED,
    )


def intent_of(seq: int) -> Intent:
    """What the journal holds of the same object."""
    return Intent(seq, key_of(seq - 1), SHOWN, CHANGED, ETAG, LAST_MODIFIED)


def finished_order(run: Interrupted) -> Iterator[int]:
    """The sequence numbers that have a line, about in order, as workers finish them."""
    mixed = random.Random(run.lines)  # noqa: S311 no secret
    unsettled = set(run.unsettled())
    for first in range(1, run.last_seq() + 1, UNSETTLED):
        end = min(first + UNSETTLED, run.last_seq() + 1)
        block = [seq for seq in range(first, end) if seq not in unsettled]
        mixed.shuffle(block)
        yield from block


def write_lines(path: Path, first: object, following: Iterable[object]) -> None:
    """A file of JSON lines."""
    encode = msgspec.json.Encoder().encode
    with path.open("xb", buffering=MIB) as file:
        for line in chain([first], following):
            file.write(encode(line) + b"\n")


def write_run(path: Path, run: Interrupted, endpoint: str) -> None:
    """The two files of an interrupted run on the stub at `endpoint`."""
    header = RunHeader(
        version=__version__,
        command="apply",
        job=JOB,
        job_hash=JOB.hash(),
        bucket=BUCKET,
        endpoint=endpoint,
        region=REGION,
        started=STARTED,
    )
    write_lines(path, header, map(outcome_of, finished_order(run)))
    settled = range(max(1, run.last_seq() - run.intents + 1), run.last_seq() + 1)
    intended = sorted({*settled, *run.unsettled()})
    journal_header = JournalHeader(job_hash=JOB.hash(), run_started=STARTED)
    write_lines(journal_path(path), journal_header, map(intent_of, intended))


def measure(arguments: list[str], run_file: Path, stub: Serving) -> Cost:
    """Run a `bulkmeta` command, which has to complete `run_file`."""
    started_at, started_s = time.time(), time.monotonic()
    done = subprocess.run(  # noqa: S603 our own code
        [sys.executable, "-c", _COMMAND, *arguments],
        env=stub.environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    elapsed_s = time.monotonic() - started_s
    code, peak_kib, cpu_s = done.stdout.split()[-3:]
    if code != "0":
        raise SystemExit(f"{arguments[0]} ended with {code}")
    summary = _summary_of(run_file)
    return Cost(started_at, elapsed_s, float(cpu_s), int(peak_kib) / 1024, summary)


def _summary_of(run_file: Path) -> Summary:
    with run_file.open("rb") as file:
        file.seek(-min(run_file.stat().st_size, 64 * 1024), os.SEEK_END)
        last = file.read().splitlines()[-1]
    return msgspec.json.decode(last, type=Summary)


def resume(run: Interrupted, run_file: Path, stub: Serving) -> Cost:
    """Measure taking the run up again; each object must end with one line."""
    pace = ["--rate", "max", "--progress", "none"]
    cost = measure(["resume", str(run_file), *pace], run_file, stub)
    _expect(cost, {"updated": run.objects()})
    return cost


def undo(run: Interrupted, run_file: Path, stub: Serving) -> Cost:
    """Measure undoing the completed run."""
    undoing = run_file.with_name("undo.jsonl")
    pace = ["--rate", "max", "--progress", "none", "--run-file", str(undoing)]
    cost = measure(["undo", str(run_file), "--yes", *pace], undoing, stub)
    undone = run.undone()
    _expect(cost, {"updated": undone, "unchanged": run.objects() - undone})
    return cost


def _expect(cost: Cost, counts: dict[str, int]) -> None:
    found = {status: count for status, count in cost.summary.counts.items() if count}
    if found != {status: count for status, count in counts.items() if count}:
        raise SystemExit(f"not as expected: {found} instead of {counts}")


def cost_lines(cost: Cost) -> Iterator[str]:
    """The figures of one command, against the target."""
    met = "met" if cost.peak_mib < MOST_MIB else "MISSED"
    yield (
        f"  peak / target         {cost.peak_mib / MOST_MIB:8.2f}   "
        f"({cost.peak_mib:.0f} of {MOST_MIB} MiB: {met})"
    )
    yield f"  whole command         {cost.elapsed_s:8.1f} s ({cost.cpu_s:.1f} CPU s)"
    counts = {name: count for name, count in cost.summary.counts.items() if count}
    yield f"  objects               {counts}"
    yield f"  requests              {cost.summary.requests}"


def report_resume(run: Interrupted, run_file: Path) -> int:
    """Make the run, measure `resume` and print it. The port, which belongs to it."""
    with serving(objects=run.objects()) as stub:
        write_run(run_file, run, stub.endpoint)
        sizes = (run_file.stat().st_size, journal_path(run_file).stat().st_size)
        cost = resume(run, run_file, stub)
    assert stub.report  # noqa: S101 it has ended
    assert stub.report.first_request_at  # noqa: S101 it was asked for a listing
    print(
        f"resume: {run.lines:,} lines ({sizes[0] / MIB:,.0f} MiB), a journal of "
        f"{sizes[1] / MIB:.1f} MiB, {UNSETTLED} updates in doubt, {LEFT:,} objects left"
    )
    print(*cost_lines(cost), sep="\n")
    first_s = stub.report.first_request_at - cost.started_at
    print(f"  until first request   {first_s:8.1f} s", flush=True)
    return stub.port


def report_undo(run: Interrupted, run_file: Path, port: int) -> None:
    """Measure `undo` of the completed run and print it."""
    with serving(objects=run.objects(), port=port) as stub:
        cost = undo(run, run_file, stub)
    print(
        f"undo: {run.objects():,} lines ({run_file.stat().st_size / MIB:,.0f} MiB), "
        f"{run.undone():,} objects to put back"
    )
    print(*cost_lines(cost), sep="\n")
    print(f"  objects/s             {run.objects() / cost.elapsed_s:8,.0f}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=2_000_000)
    parser.add_argument(
        "--intents",
        type=int,
        default=100_000,
        help="settled ones that the journal still holds; the default makes it nearly "
        "as large as it gets before it is compacted",
    )
    parser.add_argument("--resume-only", action="store_true", help="leave undo out")
    parser.add_argument(
        "--folder", help="on a real disk; default: a temporary one in the current one"
    )
    return parser


def main() -> None:
    """Measure as the options say."""
    options = _parser().parse_args()
    run = Interrupted(options.lines, options.intents)
    with TemporaryDirectory(prefix="bench-", dir=options.folder or ".") as name:
        run_file = Path(name, "run.jsonl")
        port = report_resume(run, run_file)
        if not options.resume_only:
            report_undo(run, run_file, port)


if __name__ == "__main__":
    main()
