"""`bulkmeta shards`: parts of a key space, for hosts that work side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bulkmeta.cli import options, selection_options, specs
from bulkmeta.cli.help import HelpfulCommand
from bulkmeta.cli.types import NewFile
from bulkmeta.errors import UsageError

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
        click.option("--exact", is_flag=True, help="Count each key of the listing."),
    ),
    (selection_options.ALL, *selection_options.KEYS),
    (*options.RATES, options.SPREAD),
    options.CONNECTION,
)
def shards(target: tuple[str, ...], **values: Any) -> int:
    """Cut the keys under a prefix into N ranges with about as many objects each.

    Pages of the listing show where keys lie. Where they lie evenly most are passed
    over: a million takes 80 to 850 requests, and sizes are about right, unless there is
    a crowd amid keys that are alike. --exact counts them all, 1,000 per request; in
    several ranges at once if --rate or --spread says so. If an inventory names the keys
    (or --keys-from does), nothing is listed.

    The ranges are written to a file. Each key is in just one, whatever is added later.
    Hosts that share it each take their part by `--shard I/FILE`, and list no more than
    that.

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

    _check(values)
    spec = with_keys(specs.listing_spec(target, values), values, None)
    return write_shards(
        spec, values["into"], Path(values["out"]), exact=values["exact"]
    )


def _check(values: dict[str, Any]) -> None:
    """Refuse options that say nothing to each other.

    Raises:
        UsageError: there are such.
    """
    exact, spread = values["exact"], values["spread"]
    named = values["keys_from"] or values["inventory"]
    if exact and named:
        raise UsageError(
            "--exact counts a listing, and here none is made; leave it out"
        )
    if not exact and spread and spread > 1:
        raise UsageError(
            f"--spread {spread} goes with --exact; else pages are asked for one by one"
        )
