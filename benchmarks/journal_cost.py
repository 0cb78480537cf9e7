"""What the write-ahead journal costs: objects/s of `apply` with it against without.

"Without" is no option of bulkmeta: in that child process alone the ledger's `record`
does nothing. All else is equal: the journal is opened, and follows the outcomes. Runs
with and without take turns, and a pair that other processes disturbed is run again.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final
from unittest.mock import patch

import msgspec

from benchmarks.stub import BUCKET, PREFIX, Serving, serving
from bulkmeta.model.changes import make_change
from bulkmeta.model.job import AclPolicy, JobSpec, Pace, Rules, RunSpec, Target
from bulkmeta.runners.ledger import Ledger
from bulkmeta.runners.local import run_job
from bulkmeta.runners.loop import run_loop

if TYPE_CHECKING:
    from bulkmeta.model.plan import UpdatePlan


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One run of `apply`, to be measured in a process of its own."""

    journal: bool
    objects: int
    concurrency: int
    acl: AclPolicy
    sync_ms: float
    run_file: str


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What a trial took. Seconds; `syncs` counts fdatasync calls."""

    objects: int
    elapsed_s: float
    cpu_s: float
    syncs: int
    in_sync_s: float

    others: float = 0.0
    """How many cores other processes kept busy meanwhile."""

    def per_s(self) -> float:
        return self.objects / self.elapsed_s

    def cpu_s_per_1000(self) -> float:
        return 1000 * self.cpu_s / self.objects

    def sync_ms(self) -> float:
        return 1000 * self.in_sync_s / max(self.syncs, 1)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A service and a number of workers; `least_ratio` is the target."""

    name: str
    latency_ms: float
    concurrency: int
    least_ratio: float

    def title(self) -> str:
        return f"({self.name}) {self.latency_ms:g} ms, {self.concurrency} workers"


SCENARIOS: Final = (
    Scenario("a", latency_ms=20, concurrency=200, least_ratio=0.95),
    Scenario("b", latency_ms=0, concurrency=64, least_ratio=0.85),
)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two runs, one after the other."""

    off: Cost
    on: Cost

    def others(self) -> float:
        return max(self.off.others, self.on.others)

    def line(self) -> str:
        return (
            f"{self.off.per_s():,.0f}/s off, {self.on.per_s():,.0f}/s on; "
            f"others {self.others():.2f} cores"
        )


@dataclass(frozen=True, slots=True)
class CpuClock:
    """CPU seconds used up to a moment: by the whole machine, and by this benchmark."""

    at_s: float
    machine_s: float
    own_s: float

    def others_since(self, then: CpuClock) -> float:
        """How many cores other processes kept busy since `then`."""
        others_s = (self.machine_s - then.machine_s) - (self.own_s - then.own_s)
        return others_s / (self.at_s - then.at_s)


class SyncClock:
    """Stands in for `os.fdatasync`: counts, measures, and takes `extra_s` longer."""

    def __init__(self, extra_s: float) -> None:
        self.calls = 0
        self.seconds = 0.0
        self._extra_s = extra_s
        self._sync = os.fdatasync

    def __call__(self, fd: int) -> None:
        started_s = time.perf_counter()
        self._sync(fd)
        if self._extra_s:
            time.sleep(self._extra_s)
        self.seconds += time.perf_counter() - started_s
        self.calls += 1


async def _record_nothing(ledger: Ledger, seq: int, plan: UpdatePlan) -> None:
    """Stands in for `Ledger.record`."""


def run_trial(trial: Trial) -> Cost:
    """Run the trial in this process."""
    clock = SyncClock(trial.sync_ms / 1000)
    with ExitStack() as stack:
        stack.enter_context(patch("os.fdatasync", clock))
        if not trial.journal:
            stack.enter_context(patch.object(Ledger, "record", _record_nothing))
        started_cpu_s = time.process_time()
        end = run_loop(run_job(_spec(trial), run_file=Path(trial.run_file)))
        cpu_s = time.process_time() - started_cpu_s
    if end.stats.counts["updated"] != trial.objects:
        raise SystemExit(f"not every object was updated: {end.stats.line()}")
    return Cost(
        objects=trial.objects,
        elapsed_s=end.elapsed_s,
        cpu_s=cpu_s,
        syncs=clock.calls,
        in_sync_s=clock.seconds,
    )


def _spec(trial: Trial) -> RunSpec:
    change = make_change(
        set_meta=[("project", "atlas")],
        set_headers=[("cache-control", "public, max-age=604800")],
    )
    job = JobSpec(Target(BUCKET, PREFIX), change, Rules(acl=trial.acl))
    return RunSpec(job, "apply", pace=Pace(trial.concurrency, rate=None))


def read_clock(stub: Serving) -> CpuClock:
    """What the system says now; in ticks of mostly 10 ms."""
    machine = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    used = [
        int(ticks) for ticks in (*machine[:3], *machine[5:])
    ]  # not idle, not iowait
    served = Path(f"/proc/{stub.pid}/stat").read_text().rpartition(")")[2].split()
    own_s = sum(os.times()[:4])
    ticks_per_s = os.sysconf("SC_CLK_TCK")
    served_s = (int(served[11]) + int(served[12])) / ticks_per_s
    return CpuClock(time.monotonic(), sum(used) / ticks_per_s, own_s + served_s)


def measure(trial: Trial, stub: Serving) -> Cost:
    """Run the trial in a fresh process; its files are removed."""
    before = read_clock(stub)
    done = subprocess.run(  # noqa: S603 our own code
        [sys.executable, __file__, "--trial", msgspec.json.encode(trial).decode()],
        env=stub.environment,
        stdout=subprocess.PIPE,
        check=True,
    )
    others = read_clock(stub).others_since(before)
    Path(trial.run_file).unlink()
    cost = msgspec.json.decode(done.stdout, type=Cost)
    return msgspec.structs.replace(cost, others=others)


def measure_pairs(trial: Trial, stub: Serving) -> Iterator[Pair]:
    """Pairs of runs, off and on in turn, without end; the first is only to warm up."""
    journaled = msgspec.structs.replace(trial, journal=True)
    while True:
        yield Pair(measure(trial, stub), measure(journaled, stub))


def quiet_pairs(
    pairs: Iterator[Pair], wanted: int, others: float
) -> tuple[list[Pair], int]:
    """So many of `pairs` during which other processes used no more than `others` cores,
    and how many were not like that; gives up after five times as many."""
    quiet: list[Pair] = []
    disturbed = 0
    for pair in islice(pairs, 1, 5 * wanted + 1):
        print(pair.line(), file=sys.stderr)
        if pair.others() > others:
            disturbed += 1
            continue
        quiet.append(pair)
        if len(quiet) == wanted:
            break
    if not quiet:
        raise SystemExit("other processes keep this machine busy; see --others")
    return quiet, disturbed


def ratio_lines(scenario: Scenario, pairs: list[Pair]) -> Iterator[str]:
    """The journal's price as ratios, 1 being none."""
    ratio = _ratio(pairs, Cost.per_s)
    paired = sorted(pair.on.per_s() / pair.off.per_s() for pair in pairs)
    met = "met" if ratio >= scenario.least_ratio else "MISSED"
    yield (
        f"  objects/s, on / off         {ratio:6.3f}   of medians; target "
        f">= {scenario.least_ratio}: {met}"
    )
    yield (
        f"  the same, pair by pair      {paired[0]:6.3f}   to {paired[-1]:.3f}, "
        f"median {median(paired):.3f}"
    )
    cpu = 1 / _ratio(pairs, Cost.cpu_s_per_1000)
    yield f"  CPU per object, off / on    {cpu:6.3f}   of medians"


def _ratio(pairs: list[Pair], figure: Callable[[Cost], float]) -> float:
    on, off = ([figure(cost) for cost in costs] for costs in _sides(pairs))
    return median(on) / median(off)


def _sides(pairs: list[Pair]) -> tuple[list[Cost], list[Cost]]:
    return [pair.on for pair in pairs], [pair.off for pair in pairs]


FIGURES: Final[tuple[tuple[str, str, Callable[[Cost], float]], ...]] = (
    ("objects/s", ",.0f", Cost.per_s),
    ("CPU s per 1,000 objects", ".3f", Cost.cpu_s_per_1000),
    ("syncs", ",.0f", lambda cost: cost.syncs),
    ("one sync, ms (mean)", ".2f", Cost.sync_ms),
    ("others, cores", ".2f", lambda cost: cost.others),
)


def figure_lines(pairs: list[Pair]) -> Iterator[str]:
    """Medians and ranges with the journal off and on, a figure per line."""
    yield f"  {'median (min to max)':<25}{'journal off':>26}{'journal on':>26}"
    on, off = _sides(pairs)
    for name, form, figure in FIGURES:
        shown = [_spread(map(figure, costs), form) for costs in (off, on)]
        yield f"  {name:<25}{shown[0]:>26}{shown[1]:>26}"


def _spread(values: Iterator[float], form: str) -> str:
    known = sorted(values)
    return f"{median(known):{form}} ({known[0]:{form}} to {known[-1]:{form}})"


def stub_line(stub: Serving, pair: Pair) -> str:
    """How busy the stub was: it must not be what is measured."""
    assert stub.report  # noqa: S101 it has ended
    per_object_s = stub.report.cpu_s / stub.report.requests["CopyObject"]
    return (
        f"  the stub: {1000 * per_object_s:.3f} CPU s per 1,000 objects, "
        f"{per_object_s * pair.off.per_s():.0%} of one core"
    )


def run_scenario(scenario: Scenario, options: argparse.Namespace, folder: Path) -> None:
    """Measure one scenario and print its table."""
    trial = Trial(
        journal=False,
        objects=options.objects,
        concurrency=scenario.concurrency,
        acl=options.acl_policy,
        sync_ms=options.sync_ms,
        run_file=str(folder / "run.jsonl"),
    )
    with serving(objects=options.objects, latency_ms=scenario.latency_ms) as stub:
        pairs, disturbed = quiet_pairs(
            measure_pairs(trial, stub), options.pairs, options.others
        )
    print(
        f"\n{scenario.title()}: {len(pairs)} pairs of {options.objects:,} objects "
        f"({disturbed} more were disturbed), ACL policy {options.acl_policy}, "
        f"{options.sync_ms:g} ms added to each sync"
    )
    for line in (*ratio_lines(scenario, pairs), *figure_lines(pairs)):
        print(line)
    print(stub_line(stub, pairs[0]), flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=10_000, help="in each run")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--scenario", choices=["a", "b"], help="default: both")
    parser.add_argument(
        "--acl-policy",
        choices=["preserve", "skip"],
        default="preserve",
        help="three requests per object, or two",
    )
    parser.add_argument(
        "--sync-ms",
        type=float,
        default=0.0,
        help="make each sync so much slower, as on a disk without a cache",
    )
    parser.add_argument(
        "--others",
        type=float,
        default=0.15,
        metavar="CORES",
        help="repeat a pair of runs while other processes used more than this",
    )
    parser.add_argument(
        "--folder", help="on a real disk; default: a temporary one in the current one"
    )
    parser.add_argument("--trial", help=argparse.SUPPRESS)
    return parser


def main() -> None:
    """Measure as the options say."""
    options = _parser().parse_args()
    if options.trial:
        trial = msgspec.json.decode(options.trial, type=Trial)
        print(msgspec.json.encode(run_trial(trial)).decode())
        return
    with TemporaryDirectory(prefix="bench-", dir=options.folder or ".") as name:
        for scenario in SCENARIOS:
            if options.scenario in {None, scenario.name}:
                run_scenario(scenario, options, Path(name))


if __name__ == "__main__":
    main()
