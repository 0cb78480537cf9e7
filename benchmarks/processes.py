"""One process against several, and against several on a Ray cluster of this machine.

The same run against the same stub, in turns; the stub answers at once, and takes part
of the machine, which is told. Each run is checked: one line per object, and as many
requests of each kind as the first one sent.

    python -m benchmarks.processes [--objects 20000] [--rounds 3] [--rate 2000] [--ray]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import msgspec

from benchmarks.stub import BUCKET, PREFIX, Report, serving

ALONE: Final = "1 process"
KINDS: Final = {
    ALONE: ("--processes", "1"),
    "2 processes": ("--processes", "2"),
    "2 on Ray": ("--processes", "2", "--on", "ray"),
}


class Line(msgspec.Struct):
    """What a line of a run file is about."""

    type: str
    key: str | None = None
    status: str | None = None
    at: str | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: `steady` are the objects per second of its middle 80 %."""

    elapsed_s: float
    steady: float
    cpu_s: float
    stub: Report

    @property
    def stub_share(self) -> float:
        """The stub's part of all CPU time that this run took."""
        return self.stub.cpu_s / (self.stub.cpu_s + self.cpu_s)


def measure(kind: str, objects: int, rate: str) -> Measured:
    """One run, checked.

    Raises:
        SystemExit: it did not do what it should.
    """
    before = os.times()
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(objects=objects) as stub,
    ):
        started_s = time.monotonic()
        done = subprocess.run(  # noqa: S603 our own command
            [
                sys.executable, "-m", "bulkmeta", "apply", f"oss://{BUCKET}/{PREFIX}",
                "--set", "project=atlas", "--yes", "--acl-policy", "skip",
                "--rate", rate, "--progress", "none", "--run-file", "run.jsonl",
                *KINDS[kind],
            ],
            env=stub.environment | {"PYTHONPATH": str(Path.cwd())},
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        elapsed_s = time.monotonic() - started_s
        if done.returncode:
            sys.exit(f"{kind}: {done.stderr}")
        steady = checked(Path(folder, "run.jsonl"), objects)
    after = os.times()
    assert stub.report  # noqa: S101 it has ended
    cpu_s = sum(after[2:4]) - sum(before[2:4]) - stub.report.cpu_s
    return Measured(elapsed_s, steady, cpu_s, stub.report)


def checked(run_file: Path, objects: int) -> float:
    """How many objects a second came to their end in the middle of the run.

    Raises:
        SystemExit: not each object has just one line, and is updated.
    """
    lines = map(msgspec.json.Decoder(Line).decode, run_file.read_bytes().splitlines())
    ends = [line for line in lines if line.type == "object"]
    keys = {line.key for line in ends}
    if not len(ends) == len(keys) == objects or {x.status for x in ends} != {"updated"}:
        sys.exit(f"{len(ends)} lines of {len(keys)} keys, wanted {objects}")
    times = sorted(line.at or "" for line in ends)[objects // 10 : -objects // 10]
    return len(times) / (seconds(times[-1]) - seconds(times[0]))


def seconds(stamp: str) -> float:
    """The second of the day."""
    hours, minutes, rest = stamp[11:-1].split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


def row(kind: str, runs: Sequence[Measured], alone: Sequence[Measured]) -> str:
    """The medians of some runs."""
    ratio = median(a.steady / b.steady for a, b in zip(runs, alone, strict=True))
    return (
        f"{kind:<14}{median(run.steady for run in runs):>10,.0f}{ratio:>8.2f}"
        f"{median(run.elapsed_s for run in runs):>8.1f}"
        f"{median(run.cpu_s for run in runs):>8.1f}"
        f"{median(run.stub_share for run in runs):>8.0%}"
        f"{max(run.stub.busiest_second for run in runs):>10,}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", default="max")
    parser.add_argument("--ray", action="store_true", help="on a Ray cluster, too")
    given = parser.parse_args()
    kinds = [kind for kind in KINDS if given.ray or "--on" not in KINDS[kind]]
    runs: dict[str, list[Measured]] = {kind: [] for kind in kinds}
    for _ in range(given.rounds):
        for kind in kinds:
            runs[kind].append(measure(kind, given.objects, given.rate))
            found, first = runs[kind][-1].stub, runs[ALONE][0].stub
            changes = {"HeadObject", "CopyObject"}
            if any(found.requests[x] != first.requests[x] for x in changes):
                sys.exit(f"{kind}: {found.requests}, alone: {first.requests}")
    print(f"{given.objects:,} objects, --rate {given.rate}, {given.rounds} rounds;")
    print("CPU of Ray's own processes is in no column")
    print("              objects/s   ratio       s   CPU s    stub  busiest s")
    for kind in kinds:
        print(row(kind, runs[kind], runs[ALONE]))


if __name__ == "__main__":
    main()
