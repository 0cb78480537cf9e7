"""The two files of one run: what was done, and before that, what was about to be."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bulkmeta.errors import UsageError
from bulkmeta.journal.files import sync_folder
from bulkmeta.journal.records import JournalHeader, intent_of, journal_path
from bulkmeta.journal.writer import Journal, open_journal
from bulkmeta.report.run_file import RunFile, continue_run_file, create_run_file
from bulkmeta.runners.flow import ungrouped

if TYPE_CHECKING:
    from bulkmeta.model.job import Command
    from bulkmeta.model.plan import UpdatePlan
    from bulkmeta.model.run_file import Resumed, RunHeader, Summary
    from bulkmeta.runners.restart import Interrupted


@dataclass(frozen=True, slots=True)
class Ledger:
    """A run file and, if the run writes to the bucket, its journal. As sinks, in this
    order, they take outcomes."""

    run_file: RunFile
    journal: Journal | None
    path: Path

    async def record(self, seq: int, plan: UpdatePlan) -> None:
        """Return once the update is on record; only then may it be sent."""
        if self.journal:
            await self.journal.record_intent(intent_of(seq, plan))

    def finish(self, summary: Summary) -> None:
        """The run came to its end: nothing is in doubt any more."""
        self.run_file.finish(summary)
        if self.journal:
            journal_path(self.path).unlink(missing_ok=True)
            sync_folder(self.path)


def default_run_file(bucket: str, command: Command = "apply") -> str:
    """A name in the current folder that no other run has, and that says of which kind
    the run is, unless it applies a change."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    kind = "" if command == "apply" else f"-{command}"
    return f"bulkmeta-{bucket}-{stamp}{kind}-{secrets.token_hex(2)}.jsonl"


@asynccontextmanager
async def new_ledger(
    path: Path, header: RunHeader, *, writes: bool
) -> AsyncIterator[Ledger]:
    """The files of a new run.

    Raises:
        UsageError: one of them exists, or cannot be created.
    """
    if journal_path(path).exists():
        raise UsageError(
            f"{str(journal_path(path))!r} is the journal of another run; "
            "name another run file"
        )
    with create_run_file(path, header) as run_file:
        async with _ledger(path, run_file, header, {}, writes=writes) as ledger:
            yield ledger


@asynccontextmanager
async def continued_ledger(
    path: Path, found: Interrupted, resumed: Resumed
) -> AsyncIterator[Ledger]:
    """The files of an interrupted run, to be continued.

    Raises:
        LockedError: another process is writing them.
    """
    with continue_run_file(
        path, resumed, keep_bytes=found.size_bytes, found_bytes=found.found_bytes
    ) as run_file:
        async with _ledger(
            path, run_file, found.header, found.start.doubts, writes=True
        ) as ledger:
            yield ledger


@asynccontextmanager
async def _ledger(
    path: Path,
    run_file: RunFile,
    header: RunHeader,
    doubts: dict[str, UpdatePlan],
    *,
    writes: bool,
) -> AsyncIterator[Ledger]:
    if not writes:
        yield Ledger(run_file, None, path)
        return
    journal_header = JournalHeader(job_hash=header.job_hash, run_started=header.started)
    with ungrouped():
        async with open_journal(
            journal_path(path),
            journal_header,
            unsettled=[intent_of(0, plan) for plan in doubts.values()],
            outcomes=run_file,
        ) as journal:
            yield Ledger(run_file, journal, path)
