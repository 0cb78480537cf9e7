"""`bulkmeta show`: objects' metadata as it is."""

from __future__ import annotations

from typing import Any

import click

from bulkmeta.cli import commands, options, selection_options, specs
from bulkmeta.cli.help import ASKS

_FORMAT = click.option(
    "--format",
    "form",
    type=click.Choice(["table", "jsonl", "csv"]),
    default="table",
    show_default=True,
    help="For people, or for programs.",
)
_FIELDS = click.option(
    "--fields",
    metavar="NAME,NAME…",
    help="What to show: key, size_bytes, last_modified, etag, type, storage_class "
    "(these cost no request where listing or inventory tells them); headers, meta, "
    "sse, version_id, error, or one entry as meta.NAME, header.NAME; tags or tag.KEY, "
    "acl (a request more each).",
)


_MEANS = ASKS | {
    1: "Some objects could not be read.",
    130: "Interrupted, or nobody reads objects any more (| head).",
}


@click.command(cls=commands.SelectingCommand, exits=(0, 1, 2, 4, 130), means=_MEANS)
@options.TARGET
@options.add_options(
    (_FORMAT, _FIELDS),
    selection_options.OBJECTS,
    selection_options.KEYS,
    options.PACE,
    options.CONNECTION,
)
def show(target: tuple[str, ...], **values: Any) -> int:
    """Print the metadata of objects, in the order of the listing; reads only.

    The table is for people: on a terminal, values are cut so that each object has its
    line. CSV and JSON lines hold all of it, and nothing or null where an object lacks
    a field.

    \b
    Examples:
      bulkmeta show oss://photos/2026/
      bulkmeta show oss://photos/2026/ --fields key,meta.project,tag.team \\
          --where '!has(meta.project)'
      bulkmeta show oss://photos/2026/ --format jsonl | jq .meta.project
    """
    from bulkmeta.cli.keys import with_keys
    from bulkmeta.cli.viewing import fields_of, print_objects

    fields = fields_of(values["fields"], values["form"])
    spec = with_keys(specs.viewing_spec(target, values), values, None)
    return print_objects(spec, values["form"], fields)
