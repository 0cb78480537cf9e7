"""`bulkmeta resume`: finish a run that was interrupted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bulkmeta.cli import commands, options
from bulkmeta.cli.help import LIMIT
from bulkmeta.cli.keeping_options import LOCK
from bulkmeta.cli.outside_options import OUTSIDE


@click.command(
    cls=commands.RunCommand, exits=(0, 1, 2, 3, 4, 5, 6, 130), means={3: LIMIT}
)
@options.RUN
@options.add_options(
    (*options.PACE, *options.STAFF),
    (*options.UNTIL, *LOCK),
    (options.SPREAD, options.PROGRESS, options.AS_JSON),
    OUTSIDE,
    options.CONNECTION,
)
def resume(run: Path, **values: Any) -> int:
    """Go on with an interrupted run, exactly where its run file ends.

    Nothing is asked: what was agreed to goes on, with the run's --rate, --concurrency,
    --retries, --max-failures, --canary, --window and --lock-object where these are not
    given anew. Objects whose update was under way are looked at first, so that each
    ends with exactly one line.

    \b
    Example:
      bulkmeta resume bulkmeta-photos-20261122T101500Z-1f2e.jsonl
    """
    from bulkmeta.cli.reruns import resume_run

    return resume_run(run, values)
