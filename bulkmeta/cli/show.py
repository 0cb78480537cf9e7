"""`bulkmeta show`: objects' metadata as it is."""

from __future__ import annotations

from typing import Any

import click

from bulkmeta.cli import options
from bulkmeta.model.job import parse_targets


@click.command(cls=options.SelectingCommand, exits=(0, 1, 2, 4, 130))
@options.TARGET
@options.add_options(
    (
        click.option(
            "--format",
            "form",
            type=click.Choice(["table", "jsonl", "csv"]),
            default="table",
            show_default=True,
            help="For people, or for programs.",
        ),
    ),
    (options.ALL, *options.SELECTION, *options.LISTED_SELECTION),
    options.PACE,
    options.CONNECTION,
)
def show(target: tuple[str, ...], **values: Any) -> int:
    """Print the metadata of every object under a prefix; reads only.

    \b
    Example:
      bulkmeta show oss://photos/2026/ --format jsonl | jq .meta.project
    """
    from bulkmeta.cli.viewing import print_objects

    return print_objects(
        parse_targets(target, allow_all=values["allow_all"]),
        options.selection_of(values),
        options.connection_of(values),
        options.pace_of(values),
        values["form"],
    )
