"""`bulkmeta retry`: run again what failed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bulkmeta.cli import commands, options, selection_options
from bulkmeta.cli.keeping_options import LOCK
from bulkmeta.cli.outside_options import OUTSIDE


@click.command(cls=commands.SelectingCommand, exits=(0, 1, 2, 3, 4, 5, 6, 130))
@options.RUN
@options.add_options(
    selection_options.RUN_SELECTION,
    options.RULES,
    (*options.PACE, *options.STAFF),
    (*options.UNTIL, options.CANARY, *LOCK),
    (options.RUN_FILE, options.PROGRESS, options.AS_JSON, options.YES),
    OUTSIDE,
    options.CONNECTION,
)
def retry(run: Path, **values: Any) -> int:
    """Run a job again on the objects that failed in it, as a run of its own.

    What it changes stands in its own run file: to take all back, undo both files.

    \b
    Example:
      bulkmeta retry bulkmeta-photos-20261122T101500Z-1f2e.jsonl
    """
    from bulkmeta.cli.reruns import rerun

    return rerun(run, "retry", values)
