"""The command `emulator`: serve the embedded OSS until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import os
import shlex
import signal
import sqlite3
import threading
from collections.abc import Callable

import click

from .options import EmulatorOptions

_POSITIVE = click.FloatRange(0, min_open=True)


@click.command("emulator")
@click.option(
    "--host",
    metavar="ADDRESS",
    default="127.0.0.1",
    show_default=True,
    help="Where to listen.",
)
@click.option(
    "--port",
    metavar="N",
    type=click.IntRange(0, 65535),
    default=9000,
    show_default=True,
    help="0 takes a free one.",
)
@click.option(
    "--database",
    metavar="FILE",
    default=":memory:",
    help="An SQLite file to keep all in.",
)
@click.option(
    "--bucket",
    metavar="NAME",
    default="demo",
    show_default=True,
    help="Made at the start.",
)
@click.option(
    "--versioning",
    type=click.Choice(["Enabled", "Suspended"]),
    help="Of the bucket, when it is made.",
)
@click.option(
    "--region",
    metavar="ID",
    default="cn-hangzhou",
    show_default=True,
    help="That signatures are made for.",
)
@click.option(
    "--account-qps",
    metavar="N",
    type=_POSITIVE,
    help="Requests per second of the account.",
)
@click.option(
    "--range-qps",
    metavar="N",
    type=_POSITIVE,
    help="Requests per second of a key range.",
)
@click.option(
    "--ranges",
    metavar="N",
    type=click.IntRange(1),
    default=16,
    show_default=True,
    help="Key ranges of a bucket.",
)
@click.option(
    "--latency",
    metavar="SECONDS",
    type=click.FloatRange(0, 60),
    default=0.0,
    help="Added to each request.",
)
@click.option(
    "--acl-on-copy",
    type=click.Choice(["reset", "keep"]),
    default="reset",
    show_default=True,
    help="What a copy that names no ACL makes of it.",
)
@click.option(
    "--class-on-copy",
    type=click.Choice(["reset", "keep"]),
    default="reset",
    show_default=True,
    help="The same of a storage class.",
)
@click.option(
    "--sse-on-copy",
    type=click.Choice(["drop", "keep"]),
    default="drop",
    show_default=True,
    help="The same of an encryption.",
)
@click.option("--short-pages", is_flag=True, help="List fewer keys than asked for.")
@click.option("--log-file", metavar="FILE", help="Append each request as a JSON line.")
@click.option("--until-eof", is_flag=True, help="End with standard input, for scripts.")
def emulator(
    bucket: str,
    versioning: str | None,
    latency: float,
    *,
    until_eof: bool,
    **chosen: object,
) -> None:
    """Serve an embedded OSS on this machine.

    Prints lines to paste into a shell, then serves until interrupted. The keys are
    made up and nothing leaves the machine.
    """
    _refuse_impossible(bucket)
    options = EmulatorOptions(latency_s=latency, **chosen)  # type: ignore[arg-type] # click has checked the types
    if not _is_local(options.host):
        click.echo(f"warning: {options.host} can be reached from elsewhere", err=True)
    try:
        asyncio.run(_serve(options, bucket, versioning, until_eof=until_eof))
    except (OSError, sqlite3.Error) as error:
        raise click.exceptions.Exit(_complain(options, error)) from None


def _refuse_impossible(bucket: str) -> None:
    from .errors import ServiceError
    from .rules import check_bucket_name

    try:
        check_bucket_name(bucket)
    except ServiceError:
        words = "a bucket name has 3 to 63 lower-case letters, digits and hyphens"
        click.echo(f"bulkmeta: --bucket {bucket!r}: {words}", err=True)
        raise click.exceptions.Exit(2) from None


def _complain(options: EmulatorOptions, error: Exception) -> int:
    told = f"database {options.database}: {error}"
    if isinstance(error, OSError):
        what = "log file" if error.filename else f"{options.host}:{options.port}"
        told = f"{what}: {error}"
        if error.errno == errno.EADDRINUSE:
            told = f"port {options.port} is in use; --port 0 takes a free one"
    click.echo(f"bulkmeta: {told}", err=True)
    return 2


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _serve(
    options: EmulatorOptions, bucket: str, versioning: str | None, *, until_eof: bool
) -> None:
    from .server import run_forever

    serving = asyncio.ensure_future(
        run_forever(
            options,
            lambda endpoint: _announce(options, endpoint, bucket),
            lambda store: store.create_bucket(bucket, versioning=versioning),
        )
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows knows Ctrl-C alone
            asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    if until_eof:
        threading.Thread(
            target=_wait_for_eof,
            args=(asyncio.get_running_loop(), serving.cancel),
            daemon=True,
        ).start()
    with contextlib.suppress(asyncio.CancelledError):
        await serving


def _wait_for_eof(loop: asyncio.AbstractEventLoop, then: Callable[[], object]) -> None:
    while os.read(0, 4096):
        pass
    with contextlib.suppress(RuntimeError):  # it has ended in another way meanwhile
        loop.call_soon_threadsafe(then)


def _announce(options: EmulatorOptions, endpoint: str, bucket: str) -> None:
    from .server import environment

    for name, value in environment(options, endpoint).items():
        click.echo(f"export {name}={shlex.quote(value)}")
    click.echo(f"export OSS_BUCKET={shlex.quote(bucket)}")
