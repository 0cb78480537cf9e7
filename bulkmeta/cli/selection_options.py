"""The options that say which objects are meant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from bulkmeta.cli.types import Moment, Regex, ShardOf, Share, Size
from bulkmeta.errors import UsageError
from bulkmeta.model.conditions import FIELDS as CONDITION_FIELDS
from bulkmeta.model.metadata import CLASSES, TYPES
from bulkmeta.model.outcome import STATUSES

ALL = click.option(
    "--all",
    "allow_all",
    is_flag=True,
    help="Allow an empty prefix; where --keys-from or --inventory names the objects, "
    "it is allowed anyway.",
)

_Body = Callable[..., Any]


def _limit(words: str) -> Callable[[_Body], _Body]:
    return click.option("--limit", type=click.IntRange(min=1), metavar="N", help=words)


_BY_KEY = (
    click.option(
        "--include",
        metavar="GLOB",
        multiple=True,
        help="Only keys that match (the whole key; * stands for slashes too).",
    ),
    click.option(
        "--exclude",
        metavar="GLOB",
        multiple=True,
        help="No keys that match. The last --include or --exclude that matches a key "
        "decides.",
    ),
    click.option(
        "--regex",
        "regexes",
        type=Regex(),
        multiple=True,
        help="Only keys in which REGEX (or one of several) is found.",
    ),
    click.option("--start-after", metavar="KEY", help="Only keys behind KEY."),
    click.option("--end-before", metavar="KEY", help="Only keys before KEY."),
    click.option(
        "--shard",
        type=ShardOf(),
        metavar="I/N|I/FILE",
        help="Only part I (from 0; N is 0 again) of N: each key is in just one, by its "
        "hash; or of a file that `bulkmeta shards` wrote: a range of keys.",
    ),
    click.option(
        "--sample",
        type=Share(),
        metavar="P%",
        help="Only a share of all keys, each time the same ones, by their hash.",
    ),
)

SELECTION = (
    *_BY_KEY,
    _limit(
        "Only the first N objects that keys and the listing admit; those count as well "
        "that turn out later not to be meant."
    ),
)

RUN_SELECTION = (
    *_BY_KEY,
    _limit(
        "Only the first N objects of the run that failed (of undo: that it changed) "
        "and whose keys are admitted."
    ),
)

KEYS = (
    click.option(
        "--keys-from",
        metavar="FILE|-",
        help="Only the objects that FILE (or standard input) names, without a listing: "
        "a key a line, or, by the file's name, JSON lines (.jsonl) or the column 'key' "
        "of .csv or .parquet.",
    ),
    click.option(
        "--null", "-0", is_flag=True, help="With --keys-from: a NUL behind each key."
    ),
    click.option(
        "--status",
        "statuses",
        type=click.Choice(STATUSES),
        multiple=True,
        help="With --keys-from RUN.jsonl: only the objects that ended so in that run.",
    ),
    click.option(
        "--inventory",
        metavar="MANIFEST",
        help="Only the objects that an OSS inventory names, without a listing: its "
        "manifest.json, as a path or oss://BUCKET/KEY.",
    ),
)

LISTED_SELECTION = (
    click.option("--min-size", type=Size(), help="Only objects of SIZE or more."),
    click.option(
        "--max-size",
        type=Size(),
        help="Only objects of SIZE or less: bytes, or as 512K, 10M, 5G (of 1,024).",
    ),
    click.option(
        "--modified-after",
        type=Moment(),
        help="Only objects modified at TIME or later.",
    ),
    click.option(
        "--modified-before",
        type=Moment(),
        help="Only objects modified before TIME: a date or time (UTC), or an age such "
        "as 30d or 12h.",
    ),
    click.option(
        "--in-class",
        "storage_classes",
        type=click.Choice(CLASSES, case_sensitive=False),
        metavar="CLASS",
        multiple=True,
        help=f"Only objects of that storage class (or one of several): "
        f"{', '.join(CLASSES)}.",
    ),
    click.option(
        "--object-type",
        "object_types",
        type=click.Choice(TYPES, case_sensitive=False),
        metavar="TYPE",
        multiple=True,
        help=f"Only objects of that type (or one of several): {', '.join(TYPES)}.",
    ),
)

WHERE = click.option(
    "--where",
    multiple=True,
    metavar="EXPRESSION",
    help="Only objects for which it holds (CEL), such as: size > 1000 && "
    '(!has(meta.team) || headers["content-type"].startsWith("image/")). '
    "It may speak of "
    + ", ".join(CONDITION_FIELDS)
    + "; what the listing can settle is decided without reading the object.",
)

OBJECTS = (ALL, *SELECTION, *LISTED_SELECTION, WHERE)


def refuse_alone(values: dict[str, Any]) -> None:
    """Stop at options that say how a file of keys is read, where there is none.

    Raises:
        UsageError: there are such options.
    """
    given = {"--null": values["null"], "--status": values["statuses"]}
    alone = [flag for flag, value in given.items() if value]
    if alone and values["keys_from"] is None:
        go = "goes" if len(alone) == 1 else "go"
        raise UsageError(f"{' and '.join(alone)} {go} with --keys-from")
