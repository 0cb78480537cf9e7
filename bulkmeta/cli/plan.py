"""`bulkmeta plan`: what a run would change, without changing anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bulkmeta.cli import change_options, commands, options, selection_options, specs
from bulkmeta.cli.help import LIMIT
from bulkmeta.cli.outside_options import OUTSIDE
from bulkmeta.cli.types import NewFile

_OUT = click.option(
    "--out",
    type=NewFile(),
    help="Also keep the plan as JSON lines; must not exist.",
)


_DETAILED = click.option(
    "--detailed-exitcode",
    is_flag=True,
    help="Exit with 10 if there is something to change.",
)


@click.command(
    cls=commands.JobCommand, exits=(0, 1, 2, 3, 4, 6, 10, 130), means={3: LIMIT}
)
@click.argument(
    "target", metavar="oss://BUCKET/PREFIX…|JOB.toml", nargs=-1, required=True
)
@options.add_options(
    change_options.CHANGES,
    selection_options.OBJECTS,
    selection_options.KEYS,
    options.RULES,
    (*options.PACE, *options.STAFF, options.SPREAD),
    options.UNTIL,
    (_OUT, options.FULL, _DETAILED, options.PROGRESS, options.AS_JSON),
    OUTSIDE,
    options.PRICES,
    options.CONNECTION,
)
def plan(target: tuple[str, ...], **values: Any) -> int:
    """Show each object's exact difference; reads only.

    `+` is added, `~` changed, `-` removed. Objects that already are as wanted are
    counted, not shown. Then what changes is summed up by name and value, with the
    requests that applying it takes (of the plan file, with --out; else of the same
    order) and what comes with it.

    \b
    Example:
      bulkmeta plan oss://photos/2026/ --set project=atlas --rename owner=team
    """
    from bulkmeta.cli.given import with_given
    from bulkmeta.cli.keys import with_keys
    from bulkmeta.cli.session import preview, refuse_existing
    from bulkmeta.cli.watching import telling_of

    spec = specs.run_spec(target, "plan", values)
    out = None if values["out"] is None else Path(values["out"])
    if out:
        refuse_existing(out, "--out")
    spec, host = with_given(with_keys(spec, values, out), values)
    return preview(
        spec,
        out,
        told=telling_of(values, prints=True),
        most=None if values["full"] else options.SHOWN,
        detailed=values["detailed_exitcode"],
        host=host,
    )
