"""What a journal holds: one intent per update, written before the update is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from bulkmeta.model.metadata import Metadata
from bulkmeta.model.plan import UpdatePlan

SCHEMA: Final = 1
SUFFIX: Final = ".journal"
DRAFT_SUFFIX: Final = ".new"
LONGEST_SUFFIX: Final = SUFFIX + DRAFT_SUFFIX
"""What a run file's name must leave room for."""


class JournalHeader(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="journal"
):
    """The first line: which run the journal belongs to."""

    schema: int = SCHEMA
    job_hash: str
    run_started: str


class Intent(msgspec.Struct, frozen=True, tag_field="type", tag="intent"):
    """An update about to be sent, and the state that it replaces."""

    seq: int
    key: str
    before: Metadata
    after: Metadata
    etag: str
    last_modified: str

    def plan(self) -> UpdatePlan:
        """The update as it was decided."""
        return UpdatePlan(
            self.key, self.before, self.after, self.etag, self.last_modified
        )


def intent_of(seq: int, plan: UpdatePlan) -> Intent:
    """The intent to carry out `plan` for the object number `seq`."""
    return Intent(seq, plan.key, plan.before, plan.after, plan.etag, plan.last_modified)


def journal_path(run_file: Path) -> Path:
    """Where a run file's journal lies: beside it."""
    return run_file.with_name(run_file.name + SUFFIX)
