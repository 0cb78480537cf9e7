"""`bulkmeta doctor`: what stands in the way of a run."""

from __future__ import annotations

from typing import Any

import click

from bulkmeta.cli import options, specs
from bulkmeta.cli.help import ASKS, HelpfulCommand
from bulkmeta.model.job import parse_target

_OBJECT = click.option(
    "--object",
    "key",
    metavar="KEY",
    help="Try reading on this object, not on the first that is listed.",
)


_MEANS = ASKS | {
    0: "Nothing stands in the way.",
    1: "A permission is missing, objects cannot be changed, or a temporary object is "
    "left.",
    4: "The bucket cannot be reached at all.",
}


@click.command(cls=HelpfulCommand, exits=(0, 1, 2, 4, 130), means=_MEANS)
@click.argument("target", metavar="oss://BUCKET[/PREFIX]")
@options.add_options((_OBJECT, options.YES, options.AS_JSON), options.CONNECTION)
def doctor(target: str, **values: Any) -> int:
    """Look for what would stand in the way of a run, and say what to do about it.

    Which credentials are found, and where (never what they are); address, name server,
    encryption, clock; the bucket, its versions and retention policy; and whether an
    object may be listed and read. Then, if that is agreed to (--yes without a
    terminal), whether one may be changed: on a temporary object under the prefix, which
    is removed again.

    Exit code 0 if nothing stands in the way, 1 if a permission is missing or objects
    cannot be changed, 4 if the bucket cannot be reached at all.

    \b
    Examples:
      bulkmeta doctor oss://photos
      bulkmeta doctor oss://photos/2026/ --profile backup --yes
    """
    from bulkmeta.cli.checkup import print_checkup

    where = parse_target(target, allow_all=True)
    connection = specs.connection_of(values)
    return print_checkup(
        where,
        connection,
        key=values["key"],
        yes=values["yes"],
        as_json=values["as_json"],
    )
