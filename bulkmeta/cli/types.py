"""What the values of options may be, beyond what click knows."""

from __future__ import annotations

from typing import Any

import click

from bulkmeta.model.changes import Pair
from bulkmeta.model.job import MOST_RANGES


class Rate(click.ParamType[float | str]):
    """Requests a second, or `max` for no cap."""

    name = "REQUESTS_PER_S|max"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | str:
        if value == "max":
            return "max"
        try:
            rate = float(value)
        except ValueError:
            rate = 0.0
        if not 0.0 < rate < float("inf"):
            self.fail(
                f"{value!r} is no rate; give requests per second, or max", param, ctx
            )
        return rate


class Spread(click.ParamType[int | None]):
    """A number of key ranges, `off` for one, or `auto` (None)."""

    name = "auto|N|off"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | None:
        if value in {"auto", "off"}:
            return None if value == "auto" else 1
        try:
            ranges = int(value)
        except ValueError:
            ranges = 0
        if not 1 <= ranges <= MOST_RANGES:
            self.fail(f"{value!r}: give 1 to {MOST_RANGES}, auto or off", param, ctx)
        return ranges


class Assignment(click.ParamType[Pair]):
    """NAME=VALUE; the value may hold further equal signs, or nothing."""

    def __init__(self, name: str = "NAME=VALUE") -> None:
        self.name = name

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Pair:
        name, equals, rest = value.partition("=")
        if not equals or not name.strip():
            self.fail(f"{value!r}: write it as {self.name}", param, ctx)
        return name.strip(), rest


class Sample(click.ParamType[float | int]):
    """A count of objects, or a share of them as `P%`."""

    name = "N|P%"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | int:
        try:
            if value.endswith("%"):
                share = float(value[:-1]) / 100
                if 0 < share <= 1:
                    return share
            elif int(value) > 0:
                return int(value)
        except ValueError:
            pass
        return self.fail(f"{value!r}: give a number, or a percentage", param, ctx)
