"""Line charts as SVG: a path over equal spans of time. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 720
HEIGHT: Final = 172
LEFT: Final = 64
RIGHT: Final = WIDTH - 64
"""Where lines begin and end, in every chart, so that times stand below one another."""

_BOTTOM: Final = 28
_TOP: Final = 16


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart; None is a gap. Those `on_right` go by a second scale."""

    name: str
    style: str
    values: Sequence[float | None]
    on_right: bool = False


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis: its place, and what stands there."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawn chart: each line as an SVG path, and the marks of its axes; `right` has
    those of a second scale, if some of the lines go by one."""

    title: str
    unit: str
    paths: list[tuple[Line, str]]
    across: list[Tick]
    up: list[Tick]
    right: list[Tick]


def draw(
    title: str, unit: str, lines: Sequence[Line], *, first: str, last: str
) -> Chart:
    """A chart of lines over time, from `first` to `last`."""
    right = [line for line in lines if line.on_right]
    tops = {
        False: _top([line for line in lines if not line.on_right]),
        True: _top(right),
    }
    return Chart(
        title,
        unit,
        [(line, _path(line.values, tops[line.on_right])) for line in lines],
        [Tick(LEFT, first), Tick(RIGHT, last)],
        _ticks(tops[False]),
        _ticks(tops[True]) if right else [],
    )


def _top(lines: Sequence[Line]) -> float:
    known = [value for line in lines for value in line.values if value is not None]
    return _ceiling(max(known, default=0.0))


def _ticks(top: float) -> list[Tick]:
    return [Tick(_y(top * part / 2, top), _number(top * part / 2)) for part in range(3)]


def _path(values: Sequence[float | None], top: float) -> str:
    """Moves to a point behind a gap, which alone is a dot, and draws to all others."""
    words, is_drawn = [], False
    for number, value in enumerate(values):
        if value is not None:
            x = LEFT + (RIGHT - LEFT) * number / max(len(values) - 1, 1)
            point = f"{x:.1f} {_y(value, top):.1f}"
            words.append(f"L{point}" if is_drawn else f"M{point}h0")
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
    """Short enough for the margin: 2,500, 25k, 2.5M."""
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if value >= max(unit, 1e4):
            return f"{value / unit:g}{letter}"
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:,.2g}"
