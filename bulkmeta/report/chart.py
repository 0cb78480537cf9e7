"""Line charts as SVG: a path over equal spans of time. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 720
HEIGHT: Final = 160
_LEFT: Final = 56
_BOTTOM: Final = 20
_TOP: Final = 8


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart; None is a gap."""

    name: str
    style: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis: its place, and what stands there."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawn chart: each line as an SVG path, and the marks of both axes."""

    title: str
    unit: str
    paths: list[tuple[Line, str]]
    across: list[Tick]
    up: list[Tick]


def draw(
    title: str, unit: str, lines: Sequence[Line], *, first: str, last: str
) -> Chart:
    """A chart of lines over time, from `first` to `last`."""
    known = [value for line in lines for value in line.values if value is not None]
    top = _ceiling(max(known, default=0.0))
    return Chart(
        title,
        unit,
        [(line, _path(line.values, top)) for line in lines],
        [Tick(_LEFT, first), Tick(WIDTH, last)],
        [Tick(_y(top * part / 2, top), _number(top * part / 2)) for part in range(3)],
    )


def _path(values: Sequence[float | None], top: float) -> str:
    """Moves to a point behind a gap, and draws to all others."""
    words, is_drawn = [], False
    for number, value in enumerate(values):
        if value is not None:
            x = _LEFT + (WIDTH - _LEFT) * number / max(len(values) - 1, 1)
            words.append(f"{'L' if is_drawn else 'M'}{x:.1f} {_y(value, top):.1f}")
        is_drawn = value is not None
    return "".join(words)


def _y(value: float, top: float) -> float:
    return HEIGHT - _BOTTOM - (HEIGHT - _BOTTOM - _TOP) * value / top


def _ceiling(most: float) -> float:
    """The next round number: 1, 2 or 5 times a power of ten."""
    if most <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(most))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= most)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:,.2g}"
