"""What can be done about a run that has ended, as commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING, Final

from bulkmeta.model.protection import HAS_MINIMUM
from bulkmeta.runners.rerun import another_way

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
        words = another_way(end.spec.job) or ["retry", str(run_file)]
        yield f"retry     {join(['bulkmeta', *words])}"
    yield from _undo_lines(end.spec.job, end.stats, run_file)


def broken_lines(job: JobSpec, stats: RunStats | None, run_file: Path) -> Iterator[str]:
    """The same of one that an error ended, by what is known of it."""
    yield resume_line(run_file)
    if stats:
        yield from _undo_lines(job, stats, run_file)


def _undo_lines(job: JobSpec, stats: RunStats, run_file: Path) -> Iterator[str]:
    """How to take it back, with the option without which that would be refused."""
    if stats.counts["updated"]:
        moved = not job.restores() and job.change.storage_class in HAS_MINIMUM
        option = moved and not job.rules.allow_early_rewrite
        flag = ["--allow-early-rewrite"] if option else []
        yield f"undo      {join(['bulkmeta', 'undo', str(run_file), *flag])}"


def resume_line(run_file: Path) -> str:
    """How a run that did not come to its end goes on."""
    return f"resume    {resume_command(run_file)}"


def resume_command(run_file: Path) -> str:
    """The same, ready for a shell."""
    return join(["bulkmeta", "resume", str(run_file)])
