"""`bulkmeta shards`: parts of a key space, for hosts that work side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bulkmeta.cli import options, selection_options, specs
from bulkmeta.cli.help import HelpfulCommand
from bulkmeta.cli.types import NewFile

MOST_SHARDS = 10_000


@click.command(cls=HelpfulCommand, exits=(0, 2, 4, 130))
@options.TARGET
@options.add_options(
    (
        click.option(
            "--into",
            type=click.IntRange(1, MOST_SHARDS),
            metavar="N",
            required=True,
            help="How many shards.",
        ),
        click.option("--out", type=NewFile(), required=True, help="The file to write."),
    ),
    (selection_options.ALL, *options.RATES, options.SPREAD),
    options.CONNECTION,
)
def shards(target: tuple[str, ...], **values: Any) -> int:
    """Cut the keys under a prefix into N ranges with about as many objects each.

    The keys are counted, which takes one request for each thousand (about two if
    --spread is more than one), and the ranges are written to a file. Hosts that share
    it each take their part by `--shard I/FILE`, and list no more than that. Each key is
    in just one range, whatever is added later.

    \b
    Example:
      bulkmeta shards oss://photos/ --all --into 16 --out shards.json
      bulkmeta apply oss://photos/ --all --set project=atlas --yes \\
          --shard 0/shards.json
    """
    from bulkmeta.cli.sharding import write_shards

    spec = specs.listing_spec(target, values)
    return write_shards(spec, values["into"], Path(values["out"]))
