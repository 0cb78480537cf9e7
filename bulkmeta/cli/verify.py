"""`bulkmeta verify`: is everything still as a run left it?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bulkmeta.cli import commands, options
from bulkmeta.cli.help import LIMIT
from bulkmeta.cli.outside_options import OUTSIDE
from bulkmeta.cli.types import Sample

_SAMPLE = click.option(
    "--sample",
    type=Sample(),
    metavar="N|P%",
    help="Look at N objects, or P percent of them, only.",
)


@click.command(
    cls=commands.RunCommand, exits=(0, 1, 2, 3, 4, 5, 6, 130), means={3: LIMIT}
)
@options.RUN
@options.add_options(
    (_SAMPLE,),
    (*options.PACE, *options.STAFF),
    options.UNTIL,
    (options.FULL, options.PROGRESS, options.AS_JSON),
    OUTSIDE,
    options.CONNECTION,
)
def verify(run: Path, **values: Any) -> int:
    """Read a run's objects again and report each that is not as the run left it.

    Of each it shows what differs, as `plan` does: `-` is what the run left, `+` what is
    there now, `~` both. Exit code 1 if there is one.

    \b
    Example:
      bulkmeta verify bulkmeta-photos-20261122T101500Z-1f2e.jsonl --sample 1%
    """
    from bulkmeta.cli.reruns import verify_run

    return verify_run(run, values)
