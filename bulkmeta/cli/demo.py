"""`bulkmeta demo`: the main job, for real, on an embedded OSS."""

from __future__ import annotations

import click

from bulkmeta.cli.help import ASKS, HelpfulCommand

_MEANS = ASKS | {
    0: "Everything came out as it must.",
    4: "Something did not, or could not be started or written.",
}


@click.command(cls=HelpfulCommand, exits=(0, 2, 4, 130), means=_MEANS)
@click.option(
    "--objects",
    type=click.IntRange(10, 1_000_000),
    default=5000,
    show_default=True,
    help="How many objects to put there.",
)
def demo(objects: int) -> int:
    """Start an embedded OSS, put objects there, change them, show what happened.

    Nothing leaves this machine, and no account is needed.

    \b
    Example:
      bulkmeta demo
    """
    from bulkmeta.cli.demonstration import demonstrate

    return demonstrate(objects)
