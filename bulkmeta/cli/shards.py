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
    (selection_options.ALL, *selection_options.KEYS),
    (*options.RATES, options.SPREAD),
    options.CONNECTION,
)
def shards(target: tuple[str, ...], **values: Any) -> int:
    """Cut the keys under a prefix into N ranges with about as many objects each.

    The keys are counted. A listing takes one request for each thousand; if an inventory
    names them (or --keys-from), nothing is listed. The ranges are written to a file.
    Hosts that share it each take their part by `--shard I/FILE`, and list no more than
    that. Each key is in just one range, whatever is added later.

    \b
    Examples:
      bulkmeta shards oss://photos/ --all --into 16 --out shards.json
      bulkmeta shards oss://photos/ --into 16 --out shards.json \\
          --inventory oss://reports/photos/daily/2026-11-22T01-00Z/manifest.json
      bulkmeta apply oss://photos/ --all --set project=atlas --yes \\
          --shard 0/shards.json
    """
    from bulkmeta.cli.keys import with_keys
    from bulkmeta.cli.sharding import write_shards

    spec = with_keys(specs.listing_spec(target, values), values, None)
    return write_shards(spec, values["into"], Path(values["out"]))
