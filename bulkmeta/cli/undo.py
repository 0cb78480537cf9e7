"""`bulkmeta undo`: put the former metadata back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bulkmeta.cli import commands, options, selection_options
from bulkmeta.cli.keeping_options import LOCK
from bulkmeta.cli.outside_options import OUTSIDE
from bulkmeta.errors import UsageError

_DRY_RUN = click.option(
    "--dry-run", is_flag=True, help="Show what would be put back; reads only."
)

_ALLOW_REWRITTEN = click.option(
    "--allow-rewritten",
    is_flag=True,
    help="Also objects that were written again since, if all there is of them is as "
    "the run left it, such as after a later run was undone.",
)

_ONLY_FAILED_VERIFY = click.option(
    "--only-failed-verify",
    is_flag=True,
    help="Only objects that the run itself left otherwise than its file says: verify "
    "reports them, though nobody has written them since.",
)


@click.command(cls=commands.SelectingCommand, exits=(0, 1, 2, 3, 4, 5, 6, 130))
@options.RUN
@options.add_options(
    selection_options.RUN_SELECTION,
    options.RULES,
    (_ALLOW_REWRITTEN, _ONLY_FAILED_VERIFY),
    (*options.PACE, *options.STAFF),
    (*options.UNTIL, options.CANARY, *LOCK),
    (options.RUN_FILE, options.PROGRESS, options.AS_JSON, options.YES),
    (_DRY_RUN, options.FULL),
    OUTSIDE,
    options.CONNECTION,
)
def undo(run: Path, **values: Any) -> int:
    """Put back what a run changed, where the object still is as the run left it.

    An object that somebody else changed since is left alone and fails as
    `changed_since_run`; one that was only written again, to the same, as `rewritten`.
    Undoing is a run of its own: it can be resumed, and undone.

    \b
    Example:
      bulkmeta undo bulkmeta-photos-20261122T101500Z-1f2e.jsonl
    """
    from bulkmeta.cli.reruns import rerun

    if values["dry_run"] and values["run_file"] is not None:
        raise UsageError("--dry-run keeps nothing; --run-file goes without it")
    if values["full"] and not values["dry_run"]:
        raise UsageError("--full goes with --dry-run")
    return rerun(run, "undo", values)
