"""Where an interrupted run is taken up again, found in its files. No network here."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bulkmeta.errors import UsageError
from bulkmeta.journal.files import held_for_reading
from bulkmeta.journal.reader import intended_keys, read_doubts
from bulkmeta.journal.records import journal_path
from bulkmeta.journal.run_reader import Progress, read_header, scan_progress
from bulkmeta.model.key_ranges import Span

if TYPE_CHECKING:
    from bulkmeta.model.plan import UpdatePlan
    from bulkmeta.model.run_file import RunHeader


@dataclass(frozen=True, slots=True)
class Start:
    """Where a run begins: at the beginning, unless it is taken up again.

    `after` is the last one done of a parent's lines, or of the first key range; `left`
    is what is left of each range, and `bounds` are where they end. In one go `longest`
    objects were looked at.
    """

    seq: int = 1
    after: str | None = None
    left: tuple[Span, ...] = (Span(),)
    bounds: tuple[str, ...] = ()
    done: set[str] = field(default_factory=set)
    doubts: dict[str, UpdatePlan] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    longest: int = 0


@dataclass(frozen=True, slots=True)
class Interrupted:
    """An interrupted run: its header, where it goes on, the size of its whole lines and
    that of the file as it was found."""

    header: RunHeader
    start: Start
    size_bytes: int
    found_bytes: int


def find_restart(run_file: Path) -> Interrupted:
    """Where the run in `run_file` goes on.

    Raises:
        UsageError: it is complete, a plan, no run file, or of another job than it
            says.
    """
    found_bytes = run_file.stat().st_size if run_file.exists() else 0
    progress, doubts = examine_run(run_file)
    header = progress.header
    is_plan = header.command == "plan"
    if is_plan and progress.complete:
        raise UsageError(f"{str(run_file)!r} is a plan; apply carries it out")
    if is_plan:
        raise UsageError(f"{str(run_file)!r} is a plan; make it anew instead")
    if progress.complete:
        raise UsageError(f"{str(run_file)!r} is complete; there is nothing to resume")
    marks, in_order = progress.low.marks, header.job.takes == "listing"
    done = {key for key in progress.done if not in_order or not marks.is_passed(key)}
    start = Start(
        progress.last_seq + 1,
        marks.first,
        marks.left(),
        marks.bounds,
        done,
        doubts,
        progress.counts,
        progress.reasons,
        progress.longest,
    )
    return Interrupted(header, start, progress.size_bytes, found_bytes)


def examine_run(run_file: Path) -> tuple[Progress, dict[str, UpdatePlan]]:
    """How far a run came, and its updates in doubt.

    Raises:
        UsageError: a file is missing, cannot be read, or has been altered.
        LockedError: the run is still under way.
    """
    journal = journal_path(run_file)
    if not run_file.exists() and journal.exists():
        raise UsageError(
            f"run file {str(run_file)!r} is missing, but its journal is there: "
            "put the run file back; the journal alone cannot be resumed"
        )
    with held_for_reading(run_file):
        header = read_header(run_file)
        refuse_altered(run_file, header)
        unsettled = intended_keys(journal, header)
        progress = scan_progress(run_file, unsettled)
        if not journal.exists():
            _refuse_without_journal(run_file, progress)
        doubts = read_doubts(journal, header, unsettled) if unsettled else {}
        return progress, doubts


def refuse_altered(run_file: Path, header: RunHeader) -> None:
    """Stop where the file tells of another job than it was written for.

    Raises:
        UsageError: it does.
    """
    if fault := alteration(run_file, header):
        raise UsageError(fault)


def alteration(run_file: Path, header: RunHeader) -> str | None:
    """What is wrong with a file whose job is not the one that it was written for."""
    if header.job.hash() == header.job_hash:
        return None
    return f"{str(run_file)!r} has been altered: its job is not the one it ran"


def _refuse_without_journal(run_file: Path, progress: Progress) -> None:
    """A run has its journal from before its first update to its end."""
    begun = progress.last_seq > 0 and progress.header.command != "plan"
    if begun and not progress.complete:
        journal = journal_path(run_file)
        raise UsageError(
            f"{str(run_file)!r} was interrupted, and its journal {journal.name!r} is "
            "missing: put it beside the run file (if it is lost for good, an empty "
            "file of that name goes on without it)"
        )
