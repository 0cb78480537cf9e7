"""`bulkmeta schema`: the form of the files, for other programs."""

from __future__ import annotations

import click


@click.command()
@click.argument("what", type=click.Choice(["run"]))
def schema(what: str) -> None:
    """Print the JSON Schema of a line of a run file or plan file.

    \b
    Example:
      bulkmeta schema run > run-file.schema.json
    """
    import msgspec

    from bulkmeta.cli.output import print_result
    from bulkmeta.model.run_file import run_schema

    text = msgspec.json.format(msgspec.json.encode(run_schema()), indent=2)
    print_result(text.decode())
