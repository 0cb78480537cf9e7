"""The library: what the commands do, for programs.

Everything that changes objects is an async iterator of their outcomes. Leaving it early
lets objects under way come to their end; what was done stands in the run file, from
which `resume` goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from bulkmeta.api.bucket import OpenBucket, valid
from bulkmeta.api.given import Source, items_of
from bulkmeta.api.streaming import Outcomes, streamed
from bulkmeta.errors import UsageError
from bulkmeta.journal.files import held_for_reading
from bulkmeta.journal.run_reader import read_header
from bulkmeta.model.changes import Change, checked
from bulkmeta.model.conditions import Condition
from bulkmeta.model.job import SCHEME, Command, JobSpec, Rules, RunSpec, parse_target
from bulkmeta.model.selection import Selection
from bulkmeta.model.values import refuse_both
from bulkmeta.runners.host import Host
from bulkmeta.runners.ledger import default_run_file
from bulkmeta.runners.local import resume_job, run_job
from bulkmeta.runners.preflight import refuse_unwanted
from bulkmeta.runners.reading import sampled, verify_objects
from bulkmeta.runners.rerun import Rerun, plan_job, refuse_plan, rerun_job
from bulkmeta.runners.restart import find_restart, refuse_altered
from bulkmeta.runners.transforms import reference_of, refuse_other_transform
from bulkmeta.runners.work import refuse_changed
from bulkmeta.sources.values import load_values

if TYPE_CHECKING:
    from bulkmeta.model.outcome import Outcome
    from bulkmeta.model.transforms import Transform
    from bulkmeta.report.drain import Sink
    from bulkmeta.runners.preflight import Findings


def apply(  # noqa: PLR0913 one argument per part of a job, all but two by name
    bucket: OpenBucket,
    change: Change | Transform | None = None,
    *,
    values: str | Path | None = None,
    objects: Source | None = None,
    select: Selection = Selection(),  # noqa: B008 immutable
    where: str | Sequence[str] = (),
    rules: Rules = Rules(),  # noqa: B008 immutable
    run_file: str | Path | None = None,
    sinks: Sequence[Sink[Outcome]] = (),
) -> Outcomes:
    """Change the objects at the bucket's prefix, or those that `objects` gives.

    `change` is one for all, whose values are templates, or a function that makes one
    for each; `values` is a file of rows (CSV, JSON lines, Parquet) by key. `select` and
    `where` leave objects out. Every outcome is on record in `run_file` (by default a
    new one in the current folder) before it is yielded.

    Raises:
        UsageError: the job is not a possible one; nothing was sent.
        RunFatalError: the run cannot go on; the run file can be resumed.
    """
    name = run_file or default_run_file(bucket.name)
    job, host = _job(
        bucket,
        change,
        values=values,
        objects=objects,
        select=select,
        where=where,
        rules=rules,
    )
    return _run(bucket, job, "apply", Path(name), replace(host, sinks=sinks))


def plan(  # noqa: PLR0913 one argument per part of a job, all but two by name
    bucket: OpenBucket,
    change: Change | Transform | None = None,
    *,
    values: str | Path | None = None,
    objects: Source | None = None,
    select: Selection = Selection(),  # noqa: B008 immutable
    where: str | Sequence[str] = (),
    rules: Rules = Rules(),  # noqa: B008 immutable
    out: str | Path | None = None,
    sinks: Sequence[Sink[Outcome]] = (),
) -> Outcomes:
    """What `apply` would do, without doing it; `out` keeps it for `apply_plan`.

    Raises:
        UsageError: the job is not a possible one.
        RunFatalError: the bucket cannot be read.
    """
    job, host = _job(
        bucket,
        change,
        values=values,
        objects=objects,
        select=select,
        where=where,
        rules=rules,
    )
    file = None if out is None else Path(out)
    return _run(bucket, job, "plan", file, replace(host, sinks=sinks))


def apply_plan(
    bucket: OpenBucket,
    plan_file: str | Path,
    *,
    replan: bool = False,
    run_file: str | Path | None = None,
) -> Outcomes:
    """Do what a plan holds, where objects still are as they were then; with `replan`
    those that have changed are planned anew.

    Raises:
        UsageError: it is no complete plan of that bucket.
        RunFatalError: the run cannot go on; the run file can be resumed.
    """
    _, job = plan_job(Path(plan_file), replan=replan)
    name = run_file or default_run_file(bucket.name)
    return _run(bucket, job, "apply", Path(name), Host())


def retry(
    bucket: OpenBucket,
    parent: str | Path,
    *,
    rules: Rules | None = None,
    run_file: str | Path | None = None,
    sinks: Sequence[Sink[Outcome]] = (),
) -> Outcomes:
    """Run again what failed in a run; under its own `rules`, unless others are given.

    Raises:
        UsageError: `parent` is no such run file.
        LockedError: the run is still under way.
    """
    return _rerun(bucket, parent, "failed", rules, run_file, sinks)


def undo(
    bucket: OpenBucket,
    parent: str | Path,
    *,
    only_drifted: bool = False,
    rules: Rules | None = None,
    run_file: str | Path | None = None,
    sinks: Sequence[Sink[Outcome]] = (),
) -> Outcomes:
    """Put back what a run changed, where objects still are as it left them; with
    `only_drifted` only where the update itself did not leave what it should. It goes by
    the run's own `rules`, unless others are given.

    Raises:
        UsageError: `parent` is no such run file.
        LockedError: the run is still under way.
    """
    takes: Rerun = "drifted" if only_drifted else "former"
    return _rerun(bucket, parent, takes, rules, run_file, sinks)


def _rerun(
    bucket: OpenBucket,
    parent: str | Path,
    takes: Rerun,
    rules: Rules | None,
    run_file: str | Path | None,
    sinks: Sequence[Sink[Outcome]],
) -> Outcomes:
    _, job = rerun_job(Path(parent), takes)
    if rules is not None:
        job = msgspec.structs.replace(job, rules=valid(rules))
    command: Command = "retry" if takes == "failed" else "undo"
    name = run_file or default_run_file(bucket.name, command)
    return _run(bucket, job, command, Path(name), Host(sinks=sinks))


def resume(
    bucket: OpenBucket,
    run_file: str | Path,
    *,
    change: Transform | None = None,
    objects: Source | None = None,
) -> Outcomes:
    """Go on with an interrupted run. What a program gave to it has to be given again:
    the function that makes changes, and the same `objects` in the same order.

    Raises:
        UsageError: it is complete, a plan, no run file, or of another job than it
            says; or a file that it goes by is not as it was.
        LockedError: another process is still at it.
    """
    path = Path(run_file)
    found = find_restart(path)
    header = found.header
    _refuse_other_bucket(bucket, header.job)
    if change is not None:
        refuse_other_transform(header.job.transform, change)
    refuse_changed(header.job, change)
    spec = RunSpec(
        header.job,
        header.command,
        bucket.connection,
        bucket.pace,
        recent=header.recent,
    )
    host = Host(transform=change, objects=items_of(objects, bucket.prefix))
    return streamed(bucket, lambda host: resume_job(spec, path, found, host=host), host)


def verify(
    bucket: OpenBucket, run_file: str | Path, *, sample: float | int | None = None
) -> Outcomes:
    """Read objects again and compare them with what a run says: `unchanged`, or
    `failed` for the reason `drift`. `sample` is a share (float) or a number (int).

    Raises:
        UsageError: it is no run file, or tells of another job than it was written for.
    """
    path = Path(run_file)
    header = read_header(path)
    refuse_altered(path, header)
    refuse_plan(path, header)
    _refuse_other_bucket(bucket, header.job)
    spec = RunSpec(header.job, "plan", bucket.connection, bucket.pace)

    async def look(host: Host) -> object:
        with held_for_reading(path):
            return await verify_objects(spec, path, sampled(path, sample), host=host)

    return streamed(bucket, look, Host())


def _job(  # noqa: PLR0913 what `apply` and `plan` have in common
    bucket: OpenBucket,
    change: Change | Transform | None,
    *,
    values: str | Path | None,
    objects: Source | None,
    select: Selection,
    where: str | Sequence[str],
    rules: Rules,
) -> tuple[JobSpec, Host]:
    """The job that was asked for, and what it is given by the program."""
    if objects is not None and select.looks_at_listing():
        raise UsageError("of given objects only keys can be selected")
    where = (where,) if isinstance(where, str) else tuple(where)
    target = parse_target(f"{SCHEME}{bucket.name}/{bucket.prefix}", allow_all=True)
    takes: Final = "listing" if objects is None else "given"
    job = valid(JobSpec(target, rules=rules, takes=takes, select=select, where=where))
    Condition(job.where)
    host = Host(objects=items_of(objects, bucket.prefix))
    if change is not None and not isinstance(change, Change):
        if values is not None:
            raise UsageError("a function makes the whole change; give it no values")
        job = msgspec.structs.replace(job, transform=reference_of(change))
        return job, replace(host, transform=change)
    wanted = checked(valid(change or Change()), literal=False)
    if wanted.is_empty() and values is None:
        raise UsageError("no change given")
    job = msgspec.structs.replace(job, change=wanted)
    if values is None:
        return job, host
    file, table = load_values(Path(values).resolve(), target.prefixes)
    table.close()  # the run reads it once more: nobody may ever begin it
    refuse_both(wanted, file.sets)
    return msgspec.structs.replace(job, values=file), host


def _run(
    bucket: OpenBucket, job: JobSpec, command: Command, file: Path | None, host: Host
) -> Outcomes:
    _refuse_other_bucket(bucket, job)
    if file and file.exists():
        raise UsageError(f"{str(file)!r} exists; name another run file")
    spec = RunSpec(job, command, bucket.connection, bucket.pace)

    def inspect(findings: Findings) -> None:
        if command != "plan":
            refuse_unwanted(job, findings)

    return streamed(
        bucket,
        lambda host: run_job(spec, run_file=file, host=host, inspect=inspect),
        host,
    )


def _refuse_other_bucket(bucket: OpenBucket, job: JobSpec) -> None:
    if bucket.name != job.target.bucket:
        raise UsageError(
            f"the run was on bucket {job.target.bucket!r}, not on {bucket.name!r}"
        )
