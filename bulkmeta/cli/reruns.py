"""Commands on a run file. Heavy to import, so commands do it late."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from bulkmeta.cli import options
from bulkmeta.cli.apply import default_run_file
from bulkmeta.cli.describe import end_lines
from bulkmeta.cli.loop import run_loop
from bulkmeta.cli.output import print_result, print_summary, tell
from bulkmeta.cli.session import (
    agree,
    carry_out,
    exit_code,
    preview,
    refuse_existing,
)
from bulkmeta.errors import UsageError
from bulkmeta.journal.files import held_for_reading
from bulkmeta.journal.run_reader import scan_progress
from bulkmeta.model.job import Parent, RunSpec
from bulkmeta.model.limits import is_utf8
from bulkmeta.report.diff import DiffPrinter
from bulkmeta.runners.local import Host, resume_job, verify_objects
from bulkmeta.runners.restart import examine_run, find_restart
from bulkmeta.runners.transforms import load_transform
from bulkmeta.runners.work import sampled

if TYPE_CHECKING:
    from bulkmeta.model.job import Connection, Takes
    from bulkmeta.model.run_file import RunHeader
    from bulkmeta.model.transforms import TransformRef

_TAKES: Final[dict[str, Takes]] = {"retry": "failed", "undo": "former"}


def resume_run(run_file: Path, values: dict[str, Any]) -> int:
    """Go on with an interrupted run; the exit code."""
    found = find_restart(run_file)
    header = found.header
    if header.command == "plan":
        raise UsageError(f"{str(run_file)!r} is a plan; make it anew instead")
    spec = RunSpec(
        header.job,
        header.command,
        _connection(header, values),
        options.pace_of(values),
    )
    done = found.start.counts.total()
    tell(f"resuming  {run_file}: {done:,} objects have their line")
    tell(f"in doubt  {len(found.start.doubts):,}")
    progress = tell if values["progress"] != "none" else None
    end = run_loop(resume_job(spec, run_file, found, host=Host(progress=progress)))
    print_summary(end_lines(end))
    return exit_code(end)


def rerun(
    parent: Path, command: Literal["retry", "undo"], values: dict[str, Any]
) -> int:
    """Run again what failed, or put back what was changed; the exit code.

    Raises:
        LockedError: the run is still under way.
    """
    header = examine_run(parent)[0].header
    _refuse_plan(parent, header)
    if command == "retry":
        _refuse_retry(parent, header)
    job = msgspec.structs.replace(
        header.job,
        rules=options.rules_of(values, header.job.rules),
        parent=_parent(parent, header),
        keys=None,
        where=header.job.where if command == "retry" else (),
        values=header.job.values if command == "retry" else None,
        transform=_transform(header) if command == "retry" else None,
        takes="drifted" if values.get("only_failed_verify") else _TAKES[command],
        select=options.selection_of(values),
    )
    connection, pace = _connection(header, values), options.pace_of(values)
    progress = values["progress"] != "none"
    if values.get("dry_run"):
        spec = RunSpec(job, "plan", connection, pace)
        return preview(spec, None, progress=progress)
    spec = RunSpec(job, command, connection, pace)
    name = values["run_file"]
    run_file = Path(default_run_file(header.bucket) if name is None else name)
    refuse_existing(run_file, "--run-file")
    agree(spec, yes=values["yes"])
    return carry_out(spec, run_file, progress=progress, yes=values["yes"])


def _transform(header: RunHeader) -> TransformRef | None:
    """The job's transform as it is now: it may have been mended since."""
    ref = header.job.transform
    return load_transform(ref.name)[0] if ref else None


def _refuse_plan(path: Path, header: RunHeader) -> None:
    if header.command == "plan":
        raise UsageError(f"{str(path)!r} is a plan; nothing was done in it")


def _parent(path: Path, header: RunHeader) -> Parent:
    whole = str(path.resolve())
    if not is_utf8(whole):
        raise UsageError(f"{whole!r}: the path is not UTF-8; move the file")
    return Parent(whole, header.job_hash, header.started, path.stat().st_size)


def _refuse_retry(parent: Path, header: RunHeader) -> None:
    """Retrying applies the job's change, which is not what such a run was to do."""
    if header.job.parent and header.job.takes in {"former", "drifted"}:
        flag = ["--only-failed-verify"] if header.job.takes == "drifted" else []
        again = shlex.join(["undo", header.job.parent.path, *flag])
    elif header.job.parent and header.job.takes != "failed":
        flag = ["--replan"] if header.job.takes == "replanned" else []
        again = shlex.join(["apply", header.job.parent.path, *flag])
    else:
        return
    raise UsageError(
        f"{str(parent)!r} took its objects from another file; to try again what failed "
        f"in it, run: bulkmeta {again}"
    )


def plan_spec(plan: Path, values: dict[str, Any]) -> RunSpec:
    """The run that carries a plan file out.

    Raises:
        UsageError: it is no plan, or was not finished, or changes are given besides.
    """
    progress, _ = examine_run(plan)
    header = progress.header
    if header.command != "plan":
        raise UsageError(f"{str(plan)!r} is no plan; make one with plan --out")
    if not progress.complete:
        raise UsageError(f"{str(plan)!r} is not complete; make the plan anew")
    if values["keys_from"] is not None or values["null"]:
        raise UsageError(
            "a plan file names its objects; --keys-from goes with a target"
        )
    if values["where"] or values["values_file"] or values["transform"]:
        raise UsageError(
            "a plan file says what changes where; --where, --values and "
            "--transform go with a target"
        )
    if options.gives_change(values):
        raise UsageError("a plan file says what changes; give it no further ones")
    select = options.selection_of(values)
    if select.looks_at_listing():
        raise UsageError(
            "sizes, times, classes and types are those of a listing; of a plan file "
            "only keys can be selected"
        )
    job = msgspec.structs.replace(
        header.job,
        rules=options.rules_of(values, header.job.rules),
        parent=_parent(plan, header),
        keys=None,
        takes="replanned" if values["replan"] else "planned",
        values=header.job.values if values["replan"] else None,
        transform=header.job.transform if values["replan"] else None,
        select=select,
    )
    connection = _connection(header, values)
    return RunSpec(job, "apply", connection, options.pace_of(values))


def verify_run(run_file: Path, values: dict[str, Any]) -> int:
    """Report what is not as the run left it; the exit code."""
    progress = scan_progress(run_file, set())
    header = progress.header
    _refuse_plan(run_file, header)
    if not progress.complete:
        tell("warning   the run was interrupted; what was under way is not looked at")
    spec = RunSpec(
        header.job, "plan", _connection(header, values), options.pace_of(values)
    )
    with held_for_reading(run_file):
        end = run_loop(
            verify_objects(
                spec,
                run_file,
                sampled(run_file, values["sample"]),
                DiffPrinter(print_result),
                progress=tell if values["progress"] != "none" else None,
            )
        )
    print_summary(end_lines(end))
    return exit_code(end)


def _connection(header: RunHeader, values: dict[str, Any]) -> Connection:
    """As the run was connected, unless flags say otherwise."""
    given = options.connection_of(values)
    known = None if given.internal else header.endpoint
    return msgspec.structs.replace(
        given,
        endpoint=given.endpoint or known,
        region=given.region or header.region,
    )
