"""`bulkmeta apply`: the change itself."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from bulkmeta.cli import options

_LAST = (
    click.option("--yes", "-y", is_flag=True, help="Do not ask; needed in scripts."),
)


@click.command()
@options.TARGET
@options.add_options(
    options.CHANGES,
    options.SELECTION,
    options.RULES,
    options.PACE,
    (options.RUN_FILE, options.PROGRESS),
    _LAST,
    options.CONNECTION,
)
def apply(target: str, **values: Any) -> int:
    """Change the metadata of every object under a prefix.

    Each object is read, merged with the change, and written back only if it still is as
    it was read. What happened to it becomes one line of the run file.

    \b
    Example:
      bulkmeta apply oss://photos/2026/ --set project=atlas \\
          --header cache-control=max-age=86400
    """
    from bulkmeta.cli.session import agree, carry_out, refuse_existing

    spec = options.run_spec(target, "apply", values)
    name = values["run_file"]
    run_file = Path(default_run_file(spec.job.target.bucket) if name is None else name)
    refuse_existing(run_file, "--run-file")
    agree(spec, yes=values["yes"])
    return carry_out(spec, run_file, progress=values["progress"] != "none")


def default_run_file(bucket: str) -> str:
    """A name in the current folder that no other run has."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"bulkmeta-{bucket}-{stamp}-{secrets.token_hex(2)}.jsonl"
