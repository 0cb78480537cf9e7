"""The options that commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from bulkmeta.cli.change_options import CHANGES
from bulkmeta.cli.debugging import switch_debugging
from bulkmeta.cli.keeping_options import KEEPING, LOCK
from bulkmeta.cli.outside_options import OUTSIDE
from bulkmeta.cli.selection_options import KEYS, OBJECTS
from bulkmeta.cli.specs import file_named
from bulkmeta.cli.types import (
    Cluster,
    Duration,
    NewFile,
    Price,
    Rate,
    Spread,
)
from bulkmeta.errors import UsageError
from bulkmeta.model.job import (
    CONCURRENCY,
    MOST_CONCURRENCY,
    MOST_PROCESSES,
    MOST_RETRIES,
    RANGE_RATE,
    RETRIES,
    SCHEME,
)

Body = Callable[..., Any]
Decorator = Callable[[Body], Body]


def _file(ctx: click.Context, param: click.Parameter, value: str) -> Path:
    if value.startswith(SCHEME):
        raise UsageError(f"{value!r} is a target; give the run file of a run on it")
    return file_named(value)


def _debug(ctx: click.Context, param: click.Parameter, value: bool) -> bool:  # noqa: FBT001 as click calls it
    if value and not ctx.resilient_parsing:
        switch_debugging(on=True)
    return value


RUN = click.argument("run", metavar="RUN.jsonl", callback=_file)
YES = click.option("--yes", "-y", is_flag=True, help="Do not ask; needed in scripts.")
TARGET = click.argument(
    "target", metavar="oss://BUCKET/PREFIX…", nargs=-1, required=True
)

RULES = (
    click.option(
        "--acl-policy",
        type=click.Choice(["auto", "preserve", "inventory", "skip"]),
        default="auto",
        show_default=True,
        help="preserve: read each changed object's ACL and send it back (one more "
        "request); auto: the same, but where `bulkmeta probe` saw the bucket keep it; "
        "inventory: send back what the inventory says, undoing changes made "
        "since then; skip: leave it to the service, which documents a reset.",
    ),
    click.option(
        "--allow-appendable",
        is_flag=True,
        help="Also change appendable objects; the service may refuse some.",
    ),
    click.option(
        "--allow-early-rewrite",
        is_flag=True,
        help="Also change objects of class IA and colder, whose minimum storage "
        "duration starts anew with each rewrite.",
    ),
    click.option(
        "--allow-new-versions",
        is_flag=True,
        help="Run on a bucket that keeps versions; each update adds one.",
    ),
)

RATES = (
    click.option(
        "--rate",
        type=Rate(),
        metavar="REQUESTS_PER_S|max",
        default=f"{RANGE_RATE:g}",
        show_default=True,
        help="Requests per second at most: OSS's documented quota of one key range.",
    ),
    click.option(
        "--retries",
        type=click.IntRange(0, MOST_RETRIES),
        metavar="N",
        default=RETRIES,
        show_default=True,
        help="Tries of one request beyond the first; throttling does not count.",
    ),
)
PACE = (
    click.option(
        "--concurrency",
        type=click.IntRange(1, MOST_CONCURRENCY),
        metavar="N",
        default=CONCURRENCY,
        show_default=True,
        help="Objects in hand at the same time, in each process.",
    ),
    *RATES,
)

STAFF = (
    click.option(
        "--processes",
        type=click.IntRange(1, MOST_PROCESSES),
        metavar="N",
        help="Processes that the objects are handed to; --rate is for all of them "
        "together, --concurrency for each.  [default: 1; with --on: 2]",
    ),
    click.option(
        "--on",
        "cluster",
        type=Cluster(),
        help="Have the processes on a Ray cluster (extra bulkmeta[ray]): ray://HOST:"
        "PORT, or ray for the one that RAY_ADDRESS names, else for one on this "
        "machine.",
    ),
)

UNTIL = (
    click.option(
        "--max-failures",
        multiple=True,
        metavar="N|P%|REASON=N",
        help="Stop with exit code 3 when more objects fail: in all, as a share of all "
        "(of 100 or more), for a reason (access_denied=0), or one after another "
        "(consecutive=50).",
    ),
    click.option(
        "--max-duration",
        type=Duration(),
        metavar="TIME",
        help="Stop after TIME (90s, 30m, 4h), when objects under way have come to "
        "their end: exit code 6.",
    ),
    click.option(
        "--window",
        metavar="HH:MM-HH:MM[@ZONE]",
        help="Only at this time of the day: outside of it nothing is begun, and what "
        "is under way stops so when it closes (00:00-24:00: always). ZONE such as "
        "Asia/Shanghai; else this machine's.",
    ),
)
CANARY = click.option(
    "--canary",
    type=click.IntRange(min=0),
    metavar="N",
    default=0,
    help="Change N objects first and read them again; stop with exit code 3 if one of "
    "them failed, or is not as it should be.",
)

SPREAD = click.option(
    "--spread",
    type=Spread(),
    metavar="auto|N|off",
    default="auto",
    show_default=True,
    help="Key ranges walked in turn, since OSS limits each. auto: one up to 2,000 "
    "requests/s, above that four per 2,000 (20 for --rate max).",
)

CONNECTION = (
    click.option(
        "--endpoint",
        metavar="URL",
        help="The service, or the bucket's own domain  [env: OSS_ENDPOINT]",
    ),
    click.option(
        "--region", metavar="ID", help="Such as cn-hangzhou  [env: OSS_REGION]"
    ),
    click.option(
        "--profile",
        metavar="NAME",
        help="Credentials, endpoint and region of that profile in ~/.ossutilconfig or "
        "~/.aliyun/config.json.",
    ),
    click.option(
        "--internal",
        is_flag=True,
        help="Use the region's internal endpoint (from inside its VPC).",
    ),
    click.option(
        "--accelerate",
        is_flag=True,
        help="Use the endpoint of transfer acceleration, which has to be switched on "
        "for the bucket, and costs extra.",
    ),
    click.option(
        "--dual-stack",
        is_flag=True,
        help="Use the region's endpoint that IPv6 reaches, too.",
    ),
    click.option(
        "--request-payer",
        is_flag=True,
        help="Pay for the requests to a bucket whose owner has them paid by the "
        "requester.",
    ),
    click.option(
        "--sign-version",
        type=click.Choice(["v4", "v1"]),
        default="v4",
        show_default=True,
        help="Signature version; v1 only for installations that know no other.",
    ),
    click.option(
        "--debug",
        is_flag=True,
        callback=_debug,
        help="Tell on stderr of each request, retry and fetch of credentials; never a "
        "secret. Progress comes in lines then.",
    ),
)

RUN_FILE = click.option(
    "--run-file",
    type=NewFile(),
    help="Where to record each object; must not exist. "
    "[default: bulkmeta-BUCKET-TIME[-undo|-retry].jsonl]",
)
PROGRESS = click.option(
    "--progress",
    type=click.Choice(["auto", "bar", "plain", "none"]),
    default="auto",
    show_default=True,
    help="On stderr: a screen that changes (bar), lines now and then (plain), or none; "
    "auto: bar on a terminal.",
)

SHOWN = 20
"""Objects whose differences are shown unless all are asked for."""

FULL = click.option(
    "--full",
    is_flag=True,
    help=f"Show each object's difference, not of the first {SHOWN} only.",
)

AS_JSON = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print on stdout nothing but how it ended, as JSON on one line (nothing with "
    "exit code 2); what is told meanwhile goes to stderr.",
)

PRICES = (
    click.option(
        "--price-put",
        type=Price(),
        help="What 10,000 PUT requests cost (updates, and pages of a listing), in your "
        "currency: the estimate then tells the cost.",
    ),
    click.option(
        "--price-get",
        type=Price(),
        help="What 10,000 GET requests cost (heads, and reading ACLs and tags).",
    ),
)


def add_options(*groups: tuple[Decorator, ...]) -> Decorator:
    """A decorator that adds groups of options, in the order given."""

    def decorate(command: Body) -> Body:
        for group in reversed(groups):
            for option in reversed(group):
                command = option(command)
        return command

    return decorate


def sections() -> Iterator[tuple[str, set[str]]]:
    """What `--help` tells together: titles, and the names of parameters."""
    for title, group in (
        ("What changes", CHANGES),
        ("Which objects", (*OBJECTS, *KEYS)),
        ("What an update may do", RULES),
        ("How fast", (*PACE, *STAFF, SPREAD)),
        ("When to stop", (*UNTIL, CANARY)),
        ("From run to run", (*KEEPING, *LOCK)),
        ("What is told and kept", (RUN_FILE, PROGRESS, AS_JSON, *OUTSIDE, *PRICES)),
        ("How the service is reached", CONNECTION),
    ):
        yield title, _names_in(group)


def job_options() -> set[str]:
    """The names of what makes one job another."""
    return _names_in((*CHANGES, *OBJECTS, *KEYS, *RULES)) | {"target"}


def _names_in(group: tuple[Decorator, ...]) -> set[str]:
    def body() -> None: ...

    for option in group:
        option(body)
    return {str(param.name) for param in body.__click_params__}  # type: ignore[attr-defined]
