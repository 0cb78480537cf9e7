"""`bulkmeta report`: what a run came to."""

from __future__ import annotations

from pathlib import Path

import click

from bulkmeta.cli import options
from bulkmeta.cli.help import ASKS, HelpfulCommand
from bulkmeta.cli.types import NewFile

_MEANS = ASKS | {4: "What it tells cannot be written, such as to a full disk."}


@click.command(cls=HelpfulCommand, exits=(0, 2, 4), means=_MEANS)
@options.RUN
@click.option(
    "--html",
    type=NewFile(),
    help="Write a page that needs no network; must not exist.",
)
def report(run: Path, html: str | None) -> None:
    """Sum up a run file or plan file: outcomes, what changed, errors with examples.

    Nothing is asked of the service. A run that is under way, or was interrupted, is
    summed up as far as it is. For programs: the last line of a run file is its summary,
    and each other line but the first an object, as JSON.

    \b
    Examples:
      bulkmeta report bulkmeta-photos-20261122T101500Z-1f2e.jsonl
      bulkmeta report bulkmeta-photos-20261122T101500Z-1f2e.jsonl --html run.html
    """
    from bulkmeta.cli.reporting import print_report, write_page

    if html is None:
        print_report(run)
    else:
        write_page(run, Path(html))
