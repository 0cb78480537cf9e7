"""Jobs that take their objects from a former run's file, or from a plan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from bulkmeta.errors import UsageError
from bulkmeta.model.job import JobSpec, Parent
from bulkmeta.model.values import with_row
from bulkmeta.runners.again import another_way
from bulkmeta.runners.restart import examine_run
from bulkmeta.runners.transforms import load_transform
from bulkmeta.sources.key_file import recordable

if TYPE_CHECKING:
    from bulkmeta.journal.run_reader import Progress
    from bulkmeta.model.job import Takes
    from bulkmeta.model.run_file import RunHeader
    from bulkmeta.model.transforms import TransformRef

Rerun = Literal["failed", "former", "drifted"]


def rerun_job(path: Path, takes: Rerun) -> tuple[Progress, JobSpec]:
    """The job that runs again what failed in a run, or puts back what it changed, and
    how far the run came.

    Raises:
        UsageError: the file is a plan, or cannot be taken up so.
        LockedError: the run is still under way.
    """
    progress, doubts = examine_run(path)
    header = progress.header
    refuse_plan(path, header)
    if takes == "failed" and (progress.counts["failed"] or doubts):
        _refuse_retry(path, header)
    return progress, _taken_up(path, header, takes, anew=takes == "failed")


def plan_job(path: Path, *, replan: bool) -> tuple[RunHeader, JobSpec]:
    """The job that carries a plan file out, and the plan's header.

    Raises:
        UsageError: it is no plan, or was not finished.
    """
    progress, _ = examine_run(path)
    header = progress.header
    if header.command != "plan":
        raise UsageError(
            f"{str(path)!r} is no plan; make one with plan --out (a run goes on by "
            "resume, and what failed in it again by retry)"
        )
    if not progress.complete:
        raise UsageError(f"{str(path)!r} is not complete; make the plan anew")
    takes: Final = "replanned" if replan else "planned"
    return header, _taken_up(path, header, takes, anew=replan)


def refuse_plan(path: Path, header: RunHeader) -> None:
    """Stop where a run is needed.

    Raises:
        UsageError: the file is a plan.
    """
    if header.command == "plan":
        raise UsageError(f"{str(path)!r} is a plan; nothing was done in it")


def _taken_up(path: Path, header: RunHeader, takes: Takes, *, anew: bool) -> JobSpec:
    """The parent's job on its own lines; what makes changes is kept where they are to
    be made `anew`."""
    job = header.job
    if job.values and not anew:  # what its rows set tells what is to be expected
        change = with_row(job.change, job.values.sets)
        job = msgspec.structs.replace(job, change=change)
    return msgspec.structs.replace(
        job,
        parent=_parent(path, header),
        keys=None,
        inventory=None,
        takes=takes,
        where=header.job.where if anew else (),
        values=header.job.values if anew else None,
        transform=_transform(header) if anew else None,
    )


def _parent(path: Path, header: RunHeader) -> Parent:
    whole = recordable(path.resolve())
    return Parent(whole, header.job_hash, header.started, path.stat().st_size)


def _transform(header: RunHeader) -> TransformRef | None:
    """The job's transform as it is now: it may have been mended since."""
    ref = header.job.transform
    return load_transform(ref.name)[0] if ref else None


def _refuse_retry(path: Path, header: RunHeader) -> None:
    """Retrying applies the job's change, which is not what such a run was to do."""
    if command := another_way(header.job):
        raise UsageError(
            f"{str(path)!r} took its objects from another file; to try again what "
            f"failed in it, run: {command}"
        )
