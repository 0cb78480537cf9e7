"""`bulkmeta apply`: the change itself."""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from bulkmeta.cli import (
    change_options,
    commands,
    keeping_options,
    options,
    selection_options,
    specs,
)
from bulkmeta.cli.outside_options import OUTSIDE
from bulkmeta.errors import UsageError
from bulkmeta.model.job import SCHEME

if TYPE_CHECKING:
    from bulkmeta.cli.keeping import Kept
    from bulkmeta.model.job import RunSpec

PLAN_SUFFIXES: Final = (".jsonl", ".jsonl.gz", ".jsonl.zst")
_REPLAN = click.option(
    "--replan",
    is_flag=True,
    help="With a plan file: plan anew where an object has changed since.",
)


@click.command(cls=commands.JobCommand, exits=(0, 1, 2, 3, 4, 5, 6, 130))
@click.argument(
    "target",
    metavar="oss://BUCKET/PREFIX…|JOB.toml|PLAN.jsonl",
    nargs=-1,
    required=True,
)
@options.add_options(
    change_options.CHANGES,
    selection_options.OBJECTS,
    selection_options.KEYS,
    options.RULES,
    (*options.PACE, *options.STAFF, options.SPREAD),
    (*options.UNTIL, options.CANARY),
    (*keeping_options.KEEPING, *keeping_options.LOCK),
    (options.RUN_FILE, options.PROGRESS, options.AS_JSON, options.YES, _REPLAN),
    OUTSIDE,
    options.PRICES,
    options.CONNECTION,
)
def apply(target: tuple[str, ...], **values: Any) -> int:
    """Change the metadata of every object under a prefix, or as a file says.

    Each object is read, merged with the change, and written back only if it still is as
    it was read. What happened to it becomes one line of the run file.

    A job file says what options say (`bulkmeta init` writes one); options that are
    given as well go before it. On a plan file (`plan --out`) just what was planned is
    done, and only where the object still is as it was then.

    \b
    Example:
      bulkmeta apply oss://photos/2026/ --set project=atlas \\
          --header cache-control=max-age=86400
    """
    from bulkmeta.cli.keeping import kept_job
    from bulkmeta.cli.outside import outside

    spec = _spec_of(target, values)
    outside().learn(spec)
    with kept_job(spec, values) as kept:
        stopped = kept.stopped() if kept else None
        if kept and stopped:
            return _go_on(kept, stopped, values)
        return _begin(kept, spec, values)


def _spec_of(target: tuple[str, ...], values: dict[str, Any]) -> RunSpec:
    """What the command line, its job file or plan file orders."""
    if len(target) == 1 and _names_plan(target[0]):
        from bulkmeta.cli.reruns import plan_spec

        plan = specs.file_named(target[0])
        _refuse_foreign(plan)
        return plan_spec(plan, values)
    for name in target:
        if not name.startswith(SCHEME) and name.endswith(PLAN_SUFFIXES):
            raise UsageError(f"{name!r}: a plan file names its objects; give it alone")
    if values["replan"]:
        raise UsageError("--replan goes with a plan file")
    return specs.run_spec(target, "apply", values)


def _refuse_foreign(path: Path) -> None:
    """Stop at a file that no run wrote.

    Raises:
        UsageError: it is such a one, or cannot be read.
    """
    from bulkmeta.journal.run_reader import begins_run

    if path.is_file() and not begins_run(path):
        raise UsageError(
            f"{str(path)!r} is no plan; apply takes oss://BUCKET/PREFIX, a job file "
            "(named .toml) or a plan file (of plan --out)"
        )


def _begin(kept: Kept | None, spec: RunSpec, values: dict[str, Any]) -> int:
    """A new run."""
    from bulkmeta.cli.given import with_given
    from bulkmeta.cli.keys import with_keys
    from bulkmeta.cli.session import agree, carry_out, refuse_existing
    from bulkmeta.cli.watching import telling_of
    from bulkmeta.journal.files import refuse_windows
    from bulkmeta.runners.host import NOBODY
    from bulkmeta.runners.ledger import default_run_file

    name, host = values["run_file"], NOBODY
    run_file = Path(default_run_file(spec.job.target.bucket) if name is None else name)
    refuse_existing(run_file, "--run-file")
    refuse_windows("run file")
    if spec.job.parent is None:
        spec, host = with_given(with_keys(spec, values, run_file), values)
    if kept:
        spec = msgspec.structs.replace(spec, recent=kept.recent(spec.job))
    told = telling_of(values)
    host = replace(host, total=agree(spec, told, yes=values["yes"]))
    with kept.begun(run_file) if kept else nullcontext():
        code = carry_out(spec, run_file, told=told, yes=values["yes"], host=host)
    if kept:
        kept.end(code, run_file)
    return code


def _go_on(kept: Kept, run_file: Path, values: dict[str, Any]) -> int:
    """The same job's run that was stopped in time, from there on, in its own file."""
    from bulkmeta.cli.exit_codes import OK, SOME_FAILED
    from bulkmeta.cli.output import tell, warn
    from bulkmeta.cli.reruns import resume_run

    tell(f"going on  in {run_file}, as that run of this job was stopped in time")
    other = values["run_file"]
    if other is not None and Path(other).resolve() != run_file.resolve():
        warn(f"--run-file {other} is not written: the run goes on in its own file")
    code = resume_run(run_file, values)
    if code in {OK, SOME_FAILED}:  # else it was named as what to resume
        tell(f"run file  {run_file}")
    kept.end(code, run_file)
    return code


def _names_plan(target: str) -> bool:
    """Whether it is a file, which no `oss://…` is."""
    if target.startswith(SCHEME):
        return False
    return target.endswith(PLAN_SUFFIXES) or os.path.isfile(target)  # noqa: PTH113 never raises
