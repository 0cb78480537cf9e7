"""`bulkmeta schema`: the form of the files, for other programs."""

from __future__ import annotations

from typing import Any

import click

from bulkmeta.cli.help import HelpfulCommand


@click.command(cls=HelpfulCommand)
@click.argument("what", type=click.Choice(["job", "run"]))
def schema(what: str) -> None:
    """Print the JSON Schema of a job file, or of a line of a run file or plan file.

    \b
    Examples:
      bulkmeta schema job > job.schema.json
      bulkmeta schema run > run-file.schema.json
    """
    import msgspec

    from bulkmeta.cli.output import print_result
    from bulkmeta.model.run_file import run_schema

    found = job_schema() if what == "job" else run_schema()
    print_result(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())


def job_schema() -> dict[str, Any]:
    """What job files may hold, with the words and choices of the flags."""
    import msgspec

    from bulkmeta.cli.apply import apply
    from bulkmeta.cli.job_tables import TABLES, Job
    from bulkmeta.cli.plan import plan

    found = msgspec.json.schema(Job)
    params = [*plan.params, *apply.params]
    options = {
        flag: p for p in params for flag in p.opts if isinstance(p, click.Option)
    }
    for table in TABLES.values():
        for key, described in found["$defs"][table.__name__]["properties"].items():
            if f"--{key}" in options:
                described.update(_words_of(options[f"--{key}"]))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


def _words_of(option: click.Option) -> dict[str, Any]:
    words: dict[str, Any] = {"description": option.help}
    if isinstance(option.type, click.Choice) and not option.multiple:
        words["enum"] = [None, *option.type.choices]
    return words
