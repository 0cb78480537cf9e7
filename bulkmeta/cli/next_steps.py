"""What can be done about a run that has ended, as commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING, Final

from bulkmeta.model.protection import HAS_MINIMUM
from bulkmeta.runners.again import another_way

if TYPE_CHECKING:
    from bulkmeta.model.job import JobSpec
    from bulkmeta.report.stats import RunStats
    from bulkmeta.runners.host import RunEnd

FOR_GOOD: Final = frozenset({
    "changed_since_plan", "changed_since_run", "directory", "invalid_argument",
    "invalid_key", "invalid_tag", "invalid_value", "metadata_too_large",
    "missing_field", "not_utf8", "rename_target_exists", "repeated_header",
    "rewritten", "too_large", "too_many_tags", "unknown_header", "unrecorded",
    "unsendable_key", "unsendable_value", "where_failed",
})  # fmt: skip
"""Reasons that lie in the object and the job: what failed for one of these fails again
however often the same is tried."""


def next_lines(end: RunEnd, run_file: Path) -> Iterator[str]:
    """How to go on with it or try again what failed, and how to take it back."""
    lost = sum(end.stats.reasons[f"failed: {reason}"] for reason in FOR_GOOD)
    if end.why or end.interrupted:
        yield resume_line(run_file)
    elif end.stats.counts["failed"] > lost:
        yield f"retry     {another_way(end.spec.job) or _command('retry', run_file)}"
    yield from _undo_lines(end.spec.job, end.stats, run_file)


def broken_lines(job: JobSpec, stats: RunStats | None, run_file: Path) -> Iterator[str]:
    """The same of one that an error ended, by what is known of it."""
    yield resume_line(run_file)
    if stats:
        yield from _undo_lines(job, stats, run_file)


def _undo_lines(job: JobSpec, stats: RunStats, run_file: Path) -> Iterator[str]:
    """How to take it back, with the option without which that would be refused; of a
    retry also what that leaves."""
    if stats.counts["updated"]:
        moved = not job.restores() and job.change.storage_class in HAS_MINIMUM
        option = moved and not job.rules.allow_early_rewrite
        flag = ["--allow-early-rewrite"] if option else []
        yield f"undo      {_command('undo', run_file, *flag)}"
        if job.parent and job.takes == "failed":
            former = _command("undo", Path(job.parent.path), *flag)
            yield f"          (only what this retry changed; the run before: {former})"


def resume_line(run_file: Path) -> str:
    """How a run that did not come to its end goes on."""
    return f"resume    {resume_command(run_file)}"


def resume_command(run_file: Path) -> str:
    """The same, ready for a shell."""
    return _command("resume", run_file)


def apply_line(plan: Path) -> str:
    """How a plan is carried out."""
    return f"apply     {_command('apply', plan)}"


def _command(name: str, file: Path, *flags: str) -> str:
    """A command on a file, whose name is not to be taken for an option."""
    named = f"./{file}" if str(file).startswith("-") else str(file)
    return join(["bulkmeta", name, named, *flags])
