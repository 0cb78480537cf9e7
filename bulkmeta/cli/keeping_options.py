"""The options about what a job keeps between its runs, and who may be at it."""

from __future__ import annotations

import click

from bulkmeta.cli.types import Duration

LOCK = (
    click.option(
        "--wait-lock",
        type=Duration(),
        metavar="TIME",
        help="Wait so long for whoever holds the lock: another process that runs the "
        "same job, or that has the --lock-object.",
    ),
    click.option(
        "--lock-object",
        metavar="oss://BUCKET/KEY",
        help="Run only while no other machine holds this object, which is made, "
        "renewed and removed; in a bucket without versions.",
    ),
    click.option(
        "--lease",
        type=Duration(),
        metavar="TIME",
        default="60s",
        show_default=True,
        help="With --lock-object: a holder that was not heard of for so long has lost "
        "it; 10s at least, 24h at most.",
    ),
)

KEEPING = (
    click.option(
        "--since-last-run",
        is_flag=True,
        help="Look only at objects modified since the last run of this job began, "
        "besides those that failed in it.",
    ),
    click.option(
        "--full-every",
        type=Duration(),
        metavar="TIME",
        default="7d",
        show_default=True,
        help="With --since-last-run: look at all objects when the last time is so long "
        "ago.",
    ),
    click.option(
        "--state",
        metavar="FOLDER",
        help="Where the job keeps what it needs for its next run  [default: one of its "
        "own in ~/.bulkmeta/jobs]",
    ),
)
