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
@click.option(
    "--json", "as_json", is_flag=True, help="Print the sums as JSON on one line."
)
def report(run: Path, html: str | None, *, as_json: bool) -> None:
    """Sum up a run file or plan file: outcomes, what changed, errors with examples.

    Nothing is asked of the service. A run that is under way, or was interrupted, is
    summed up as far as it is; the `state` of --json tells: complete, running or
    interrupted. All there is of each object is a line of JSON in the file itself.

    \b
    Examples:
      bulkmeta report bulkmeta-photos-20261122T101500Z-1f2e.jsonl
      bulkmeta report bulkmeta-photos-20261122T101500Z-1f2e.jsonl --html run.html
    """
    from bulkmeta.cli.reporting import print_json, print_report, write_page

    if html is not None:
        write_page(run, Path(html))
    if as_json:
        print_json(run)
    elif html is None:
        print_report(run)
