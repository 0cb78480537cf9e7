"""What the values of options may be, beyond what click knows."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from bulkmeta.model.changes import Pair
from bulkmeta.model.job import MOST_RANGES
from bulkmeta.model.selection import Shard

_SIZE: Final = re.compile(
    r"(?P<number>\d+(\.\d+)?) ?(?P<unit>[KMGT]?)(i?B)?", re.IGNORECASE | re.ASCII
)
_UNITS: Final = ["", "K", "M", "G", "T"]
_AGO: Final = re.compile(r"(?P<number>\d+(\.\d+)?)(?P<unit>[smhdw])", re.ASCII)
_SPAN: Final = re.compile(
    r"(?:(?P<days>\d{1,6}(\.\d+)?)d)?(?:(?P<hours>\d{1,6}(\.\d+)?)h)?"
    r"(?:(?P<minutes>\d{1,6}(\.\d+)?)m)?(?:(?P<seconds>\d{1,9}(\.\d+)?)s)?",
    re.ASCII,
)
_SPANS: Final = {
    "s": "seconds",
    "m": "minutes",
    "h": "hours",
    "d": "days",
    "w": "weeks",
}


class Rate(click.ParamType[float | None]):
    """Requests a second, or `max` for no cap (None)."""

    name = "REQUESTS_PER_S|max"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | None:
        if value == "max":
            return None
        try:
            rate = float(value)
        except ValueError:
            rate = 0.0
        if not 0.0 < rate < float("inf"):
            self.fail(
                f"{value!r} is no rate; give requests per second, or max", param, ctx
            )
        return rate


class Price(click.ParamType[float]):
    """What 10,000 requests cost, in any currency."""

    name = "X"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        try:
            price = float(value)
        except ValueError:
            price = -1.0
        if not 0.0 <= price < float("inf"):
            self.fail(
                f"{value!r} is no price; give what 10,000 requests cost, such as 0.01",
                param,
                ctx,
            )
        return abs(price)


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


class Cluster(click.ParamType[str]):
    """Where a Ray cluster is."""

    name = "ray[://HOST:PORT]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        if value != "ray" and not re.fullmatch(r"ray://[^\s/@]+:\d+", value):
            self.fail(f"{value!r}: write it as ray, or ray://HOST:PORT", param, ctx)
        return str(value)


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


class Size(click.ParamType[int]):
    """A number of bytes; with K, M, G or T times 1,024 once or more."""

    name = "SIZE"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        found = _SIZE.fullmatch(str(value))
        if not found:
            self.fail(
                f"{value!r} is no size; give bytes, or as 512K, 10M, 5G", param, ctx
            )
        return int(float(found["number"]) * 1024 ** _UNITS.index(found["unit"].upper()))


class Moment(click.ParamType[str]):
    """A date, a time, or how long ago; as ISO 8601 in UTC."""

    name = "TIME"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        ago = _AGO.fullmatch(value)
        try:
            if ago:
                span = timedelta(**{_SPANS[ago["unit"]]: float(ago["number"])})
                return (datetime.now(UTC) - span).isoformat(timespec="seconds")
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=UTC)
            return moment.astimezone(UTC).isoformat()
        except (ValueError, OverflowError):
            return self.fail(
                f"{value!r} is no time; give 2026-11-22, 2026-11-22T18:00 (UTC), or "
                "an age such as 30d or 12h",
                param,
                ctx,
            )


class Duration(click.ParamType[float]):
    """A time span, in seconds."""

    name = "TIME"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        parts = _SPAN.fullmatch(value)
        given = parts.groupdict() if parts else {}
        seconds = sum(
            float(number) * timedelta(**{unit: 1}).total_seconds()
            for unit, number in given.items()
            if number
        )
        if not 0 < seconds < float("inf"):
            self.fail(
                f"{value!r} is no time span; give it as 90s, 30m, 4h, 1h30m or 7d",
                param,
                ctx,
            )
        return seconds


class Share(click.ParamType[float]):
    """A share of all, as `P%`."""

    name = "P%"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        try:
            share = float(value.removesuffix("%")) / 100
        except ValueError:
            share = 0.0
        if not value.endswith("%") or not 0 < share <= 1:
            self.fail(f"{value!r}: give a percentage, such as 1%", param, ctx)
        return share


class KeptShard(NamedTuple):
    """A part of a cut that was kept in a file."""

    number: int
    path: Path


class ShardOf(click.ParamType[Shard | KeptShard]):
    """Part I of N, or of a file."""

    name = "I/N|I/FILE"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Shard | KeptShard:
        index, _, of = value.partition("/")
        if index.isdecimal() and of and not of.isdecimal():
            return KeptShard(int(index), Path(of))
        if not (index.isdecimal() and of.isdecimal() and int(index) <= int(of) > 0):
            self.fail(
                f"{value!r}: write it as 0/8 to 7/8 (8/8 is 0/8), or I/FILE", param, ctx
            )
        return Shard(int(index) % int(of), int(of))


class Regex(click.ParamType[str]):
    """A regular expression of Python."""

    name = "REGEX"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        try:
            re.compile(value)
        except (re.error, OverflowError, RecursionError) as error:
            self.fail(f"{value!r} is no regular expression: {error}", param, ctx)
        return str(value)


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


class NewFile(click.ParamType[str]):
    """The name of a file to be written, or `-` where that may be a `stream`."""

    name = "FILE"

    def __init__(self, *, stream: bool = False) -> None:
        self.stream = stream

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        if "\0" in value:
            self.fail(f"{value!r}: a file's name holds no NUL", param, ctx)
        if value == "-" and not self.stream:
            self.fail("'-' is no file; ./- is one of that name", param, ctx)
        if os.path.isdir(value):  # noqa: PTH112 never raises
            self.fail(f"File {value!r} is a directory.", param, ctx)
        return str(value)
