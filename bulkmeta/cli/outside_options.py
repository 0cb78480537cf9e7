"""The options by which a run is seen from outside."""

from __future__ import annotations

from typing import Final

import click

from bulkmeta.cli.log import LEVELS
from bulkmeta.cli.types import NewFile

OUTSIDE: Final = (
    click.option(
        "--log-file",
        type=NewFile(stream=True),
        metavar="FILE|-",
        help="Append what happens to FILE, as lines of JSON; -: to stderr, instead "
        "of all else that is told there.",
    ),
    click.option(
        "--log-level",
        type=click.Choice(LEVELS),
        default="info",
        show_default=True,
        help="The least grave that --log-file takes; debug: each request, too.",
    ),
    click.option(
        "--metrics-file",
        type=NewFile(),
        help="Write how it ended to FILE for Prometheus, whatever the end.",
    ),
    click.option(
        "--on-finish",
        metavar="COMMAND",
        help="Run COMMAND (without a shell) when it has ended, however it did, with "
        "what --json prints on its stdin; 5 minutes at most.",
    ),
)
