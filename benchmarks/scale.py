"""How a run grows: on paper, by simulation, and for real.

    python -m benchmarks.scale model         # requests, time, files by size and setup
    python -m benchmarks.scale simulate      # the same runs event by event, and ratios
    python -m benchmarks.scale pace          # how much of a quota the pace uses
    python -m benchmarks.scale real          # a driver's own work on 10,000,000 objects

Requests that `model` and `simulate` speak of are never sent; `real` answers them from
memory. docs/scale.md says what follows from the figures.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.scale_model import (
    CHANGES,
    METADATA,
    Change,
    Forecast,
    Service,
    Setup,
    forecast,
)
from benchmarks.scale_real import report_real
from benchmarks.scale_simulation import found_share, simulate
from bulkmeta.model.billing import Prices

SIZES: Final = (10**6, 10**8, 10**10)
EXAMPLE: Final = Prices(put=0.01, get=0.01)
QUOTAS: Final = (300.0, 2_000.0, 10_000.0)


@dataclass(frozen=True, slots=True)
class Case:
    """A service and a way to run on it."""

    name: str
    service: Service
    setup: Setup


USUAL: Final = Service()
CASES: Final = (
    Case("as it is", USUAL, Setup()),
    Case("--rate max", USUAL, Setup(rate=None)),
    Case("--rate max --processes 4", USUAL, Setup(rate=None, processes=4)),
    Case(
        "quota 50,000, --processes 10",
        Service(account=50_000, partitions=100, largest=0.01),
        Setup(rate=50_000, processes=10, concurrency=200),
    ),
    Case(
        "quota 200,000, 8 shards of 6",
        Service(account=200_000, partitions=400, largest=0.0025),
        Setup(rate=200_000, drivers=8, processes=6, concurrency=200),
    ),
)

TROUBLED: Final = (
    Case(
        "8 shards, the largest twice the mean",
        Service(account=200_000, partitions=400, largest=0.0025),
        Setup(rate=None, drivers=8, processes=6, concurrency=200, uneven=2.0),
    ),
    Case(
        "half of the keys in one partition",
        Service(largest=0.5),
        Setup(rate=None, processes=4),
    ),
    Case(
        "one object of 1,000,000 takes 90 s",
        Service(slow_every=1e6),
        Setup(rate=None, processes=4),
    ),
    Case(
        "one object of 100,000 takes 90 s",
        Service(slow_every=1e5),
        Setup(rate=None, processes=4),
    ),
    Case(
        "a process dies each minute",
        USUAL,
        Setup(rate=None, processes=4, deaths_per_hour=15),
    ),
    Case(
        "the same, where processes are what is short",
        Service(account=50_000, partitions=100, largest=0.01),
        Setup(rate=50_000, processes=4, concurrency=200, deaths_per_hour=15),
    ),
)


def change_lines() -> Iterator[str]:
    """What each kind of change takes, and how long at the two quotas."""
    yield (
        f"{'change':<31}{'GET':>4}{'PUT':>4}{'objects/s at 2,000':>20}{'at 10,000':>11}"
    )
    for change in CHANGES:
        slow, quick = (rate / change.total for rate in (2_000, 10_000))
        yield (
            f"{change.name:<31}{change.requests.get:>4}{change.requests.put:>4}"
            f"{slow:>20,.0f}{quick:>11,.0f}"
        )


def model_lines(sizes: Sequence[int], change: Change, prices: Prices) -> Iterator[str]:
    """What a run of each size takes in each case."""
    yield (
        f"{'objects':<9}{'case':<30}{'held up by':<20}{'objects/s':>10}{'time':>11}"
        f"{'requests':>10}{'cost':>9}"
    )
    for objects in sizes:
        for case in CASES:
            found = forecast(objects, change, case.service, case.setup)
            yield (
                f"{power(objects):<9}{case.name:<30}{found.bottleneck:<20}"
                f"{objects / found.seconds:>10,.0f}{span(found.seconds):>11}"
                f"{power(found.requests.total()):>10}"
                f"{found.cost(prices) or 0.0:>9,.0f}"
            )


def file_lines(sizes: Sequence[int], change: Change) -> Iterator[str]:
    """What the files of a run of each size come to, with one driver."""
    yield (
        f"{'objects':<9}{'run file':>10}{'journal, written':>18}{'largest':>10}"
        f"{'resume reads':>14}"
    )
    for objects in sizes:
        found = forecast(objects, change, USUAL, Setup())
        yield (
            f"{power(objects):<9}{volume(found.run_file_bytes):>10}"
            f"{volume(found.journal_bytes):>18}"
            f"{volume(found.largest_journal_bytes):>10}{span(found.reading_s):>14}"
        )


def simulation_lines(objects: int, change: Change) -> Iterator[str]:
    """Each case as simulated, beside what the model says of it."""
    yield (
        f"{'case':<44}{'model':>11}{'simulated':>11}{'ratio':>8}{'requests':>10}"
        f"{'deaths':>8}{'CPU':>8}"
    )
    for case in (*CASES, *TROUBLED):
        told = forecast(objects, change, case.service, case.setup)
        yield _beside(objects, change, case, told)


def _beside(objects: int, change: Change, case: Case, told: Forecast) -> str:
    started_s = time.process_time()
    found = simulate(objects, change, case.service, case.setup)
    took_s = time.process_time() - started_s
    return (
        f"{case.name:<44}{span(told.seconds):>11}{span(found.seconds):>11}"
        f"{found.seconds / told.seconds:>8.3f}"
        f"{found.requests / told.requests.total():>10.4f}{found.deaths:>8,}"
        f"{took_s:>6.1f} s"
    )


def pace_lines(quotas: Sequence[float]) -> Iterator[str]:
    """How much of a quota a run uses that has to find it."""
    for quota in quotas:
        first, later = (found_share(quota, 0.02, seconds) for seconds in (10.0, 60.0))
        yield (
            f"a quota of {quota:,.0f} requests/s: {first:.3f} of it in the first 10 s, "
            f"{later:.3f} in 60 s"
        )


def power(number: float) -> str:
    """A large number as people say it: 2.0e8, and 10^8 if it is a round one."""
    digits = f"{number:.1e}".replace("e+0", "e").replace("e+", "e")
    return f"10^{digits[4:]}" if digits.startswith("1.0e") else digits


def span(seconds: float) -> str:
    """A time in its unit."""
    for size, unit in ((86_400.0, "days"), (3_600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:.0f} s"


def volume(size_bytes: float) -> str:
    """A size in its unit, each a thousand of the one before."""
    for size, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if size_bytes >= size:
            return f"{size_bytes / size:,.1f} {unit}"
    return f"{size_bytes / 1e3:.0f} kB"


def parser() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    model = commands.add_parser("model", help="on paper")
    model.add_argument("--price-put", type=float, default=EXAMPLE.put)
    model.add_argument("--price-get", type=float, default=EXAMPLE.get)
    simulated = commands.add_parser("simulate", help="event by event")
    simulated.add_argument("--objects", type=int, default=1_000_000_000)
    commands.add_parser("pace", help="how much of a quota is used")
    real = commands.add_parser("real", help="a driver's own work")
    real.add_argument("--objects", type=int, default=10_000_000)
    real.add_argument(
        "--processes", type=int, default=1, help="real ones, with answers from memory"
    )
    real.add_argument("--folder", help="on a real disk; default: the current one")
    return parser


def lines(options: argparse.Namespace) -> Iterator[str]:
    """What there is to print of the model, a simulation or the pace."""
    if options.command == "model":
        yield from change_lines()
        yield ""
        prices = Prices(put=options.price_put, get=options.price_get)
        yield from model_lines(SIZES, METADATA, prices)
        yield ""
        yield from file_lines(SIZES, METADATA)
    elif options.command == "simulate":
        yield from simulation_lines(options.objects, METADATA)
    else:
        yield from pace_lines(QUOTAS)


def main() -> None:
    """Do as the options say."""
    options = parser().parse_args()
    if options.command == "real":
        report_real(options.objects, options.processes, options.folder)
        return
    for line in lines(options):
        print(line, flush=True)


if __name__ == "__main__":
    main()
