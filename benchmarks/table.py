"""Medians of runs, as a table to read and as a file to compare with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from benchmarks.runs import Run


class Figures(NamedTuple):
    """Medians of a contestant's runs in one scenario."""

    name: str
    objects_per_s: float
    steady_per_s: float
    cpu_per_1000_s: float
    ratio: float
    requests: float
    peak_mib: float
    connections: float


def figures(runs: Mapping[str, Sequence[Run]], yardstick: str) -> list[Figures]:
    """Medians by contestant. Ratios are those of CPU per object to the yardstick's, of
    each round by itself."""
    return [
        Figures(
            name,
            median(run.objects_per_s for run in mine),
            median(run.steady_objects_per_s for run in mine),
            median(run.cpu_per_1000_s for run in mine),
            median(
                run.cpu_per_1000_s / other.cpu_per_1000_s
                for run, other in zip(mine, runs[yardstick], strict=True)
            ),
            median(run.requests_per_object for run in mine),
            max(run.peak_mib for run in mine),
            max(run.connections for run in mine),
        )
        for name, mine in runs.items()
    ]


HEAD = (
    f"{'':26}{'objects/s':>10}{'steady':>9}{'CPU-s/1000':>12}{'ratio':>7}"
    f"{'req/obj':>9}{'peak MiB':>10}{'conns':>7}"
)


def table(rows: Sequence[Figures]) -> str:
    """The figures as lines of text."""
    lines = [
        f"{row.name[:25]:26}{row.objects_per_s:10,.0f}{row.steady_per_s:9,.0f}"
        f"{row.cpu_per_1000_s:12.3f}{row.ratio:7.2f}{row.requests:9.2f}"
        f"{row.peak_mib:10.1f}{row.connections:7,.0f}"
        for row in rows
    ]
    return "\n".join([HEAD, *lines])
