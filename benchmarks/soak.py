"""Hours of work in one process on a service that misbehaves: what does it hold on to?

    python -m benchmarks.soak --minutes 30

An embedded OSS throttles, fails, resets, hangs and cuts answers short; a process of its
own changes its objects and puts them back, again and again. After each round, when the
bucket is closed, it tells how much memory, how many descriptors, sockets and tasks it
still has: none of that may grow. Exit code 1 if it does.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import bulkmeta
from bulkmeta.emulator.dataset import varied_objects
from bulkmeta.emulator.faults import Fault
from bulkmeta.emulator.options import EmulatorOptions
from bulkmeta.emulator.server import EmbeddedOSS

BUCKET: Final = "soak"
GROWTH_MB: Final = 8.0
"""Of memory, between the mean of the second quarter and that of the last one."""

_LINES: Final = 40
_FAULTS: Final = (
    Fault("error", every=1_499),
    Fault("error", every=1_999, status=429, code="TooManyRequests"),
    Fault("error", every=101, status=500, code="InternalError"),
    Fault("html", every=401),
    Fault("reset_before", every=131),
    Fault("reset_after", every=173),
    Fault("truncate", every=149),
    Fault("latency", every=97, seconds=0.2),
    Fault("hang", every=499, seconds=1.5),
    Fault("hang_after", every=751, seconds=1.5),
    Fault("foreign_write", operation="CopyObject", every=331, meta={"theirs": "1"}),
)
_LASTING: Final = Fault("hang", every=20_011, seconds=70.0)
"""Longer than an answer is waited for; rare, since a round waits for it."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What the process had at the end of a round, and what it had done by then."""

    elapsed_s: float
    rounds: int
    objects: int
    memory_mb: float
    descriptors: int
    sockets: int
    tasks: int


def main() -> int:
    """Run it for as long as the options say."""
    parser = argparse.ArgumentParser("benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--objects", type=int, default=400)
    parser.add_argument("--client", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        asyncio.run(_work(options.minutes * 60))
        return 0
    samples, fired = soak(options.minutes * 60, options.objects)
    for line in _curve(samples):
        print(line)
    print("faults:", ", ".join(f"{count:,} {kind}" for kind, count in fired.items()))
    grown = growth(samples)
    print("grown: " + ("; ".join(grown) or "nothing"))
    return 1 if grown else 0


def soak(seconds: float, objects: int) -> tuple[list[Sample], Counter[str]]:
    """What a client held after each round, and the faults that it met."""
    with EmbeddedOSS(EmulatorOptions(log_size=0)) as oss:
        oss.store.create_bucket(BUCKET)
        oss.store.put_objects(BUCKET, varied_objects(objects))
        for fault in _FAULTS if seconds < 120 else (*_FAULTS, _LASTING):
            oss.faults.add(fault)
        command = [
            sys.executable, "-m", "benchmarks.soak", "--client",
            "--minutes", str(seconds / 60),
        ]  # fmt: skip
        done = subprocess.run(  # noqa: S603 this very program
            command,
            env={**os.environ, **oss.environment},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        fired = Counter[str]()
        for fault, count in oss.faults.rules():
            fired[fault.kind] += count
    return [Sample(**json.loads(line)) for line in done.stdout.splitlines()], fired


def growth(samples: Sequence[Sample]) -> list[str]:
    """What grew, in words. The first quarter is left out: caches fill then."""
    quarter = max(len(samples) // 4, 1)
    early, late = samples[quarter : 2 * quarter] or samples[:1], samples[-quarter:]
    found = []
    for name, most in (
        ("memory_mb", GROWTH_MB),
        ("descriptors", 0.5),
        ("sockets", 0.5),
        ("tasks", 0.5),
    ):
        before, after = (
            sum(getattr(sample, name) for sample in part) / len(part)
            for part in (early, late)
        )
        if after - before > most:
            found.append(f"{name} {before:.1f} -> {after:.1f}")
    return found


def _curve(samples: Sequence[Sample]) -> Iterator[str]:
    yield "     s  rounds    objects  memory MB  descriptors  sockets  tasks"
    step = max(len(samples) // _LINES, 1)
    for sample in (*samples[::step], samples[-1]):
        yield (
            f"{sample.elapsed_s:6.0f}  {sample.rounds:6,}  {sample.objects:9,}  "
            f"{sample.memory_mb:9.1f}  {sample.descriptors:11}  {sample.sockets:7}  "
            f"{sample.tasks:5}"
        )


async def _work(seconds: float) -> None:
    """Change and put back, until the time is over; a line of JSON after each round."""
    began_s, rounds, objects = time.monotonic(), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() - began_s < seconds:
            rounds += 1
            objects += await _round(f"{folder}/{rounds}", rounds)
            gc.collect()
            elapsed_s = time.monotonic() - began_s
            print(json.dumps(asdict(_sample(elapsed_s, rounds, objects))), flush=True)


async def _round(folder: str, number: int) -> int:
    """One run and its undoing, over connections of their own; every third run is left
    half-way, and resumed. How many objects there were."""
    run, undone, seen = f"{folder}.jsonl", f"{folder}-undo.jsonl", 0
    change = bulkmeta.Change(set_meta={"soak": f"{number}"})
    async with bulkmeta.open_bucket(
        f"oss://{BUCKET}/", concurrency=32, rate=None, retries=20
    ) as bucket:
        outcomes = bulkmeta.apply(bucket, change, run_file=run)
        async for _ in outcomes:
            seen += 1
            if number % 3 == 0 and seen == 100:
                break
        await outcomes.aclose()
        with suppress(bulkmeta.UsageError):  # it had come to its end already
            async for _ in bulkmeta.resume(bucket, run):
                seen += 1
        async for _ in bulkmeta.undo(bucket, run, run_file=undone):
            seen += 1
    return seen


def _sample(elapsed_s: float, rounds: int, objects: int) -> Sample:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    names = []
    for file in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the one that lists them
            names.append(str(file.readlink()))
    return Sample(
        elapsed_s,
        rounds,
        objects,
        pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
        len(names),
        sum(name.startswith("socket:") for name in names),
        len(asyncio.all_tasks()),
    )


if __name__ == "__main__":
    sys.exit(main())
