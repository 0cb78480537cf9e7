"""What a journal says after a crash: which updates may have been sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from bulkmeta.errors import UsageError
from bulkmeta.journal.lines import UNREADABLE, damaged, read_lines
from bulkmeta.journal.records import SCHEMA, Intent, JournalHeader

if TYPE_CHECKING:
    from bulkmeta.model.plan import UpdatePlan
    from bulkmeta.model.run_file import RunHeader

_headers: Final = msgspec.json.Decoder(JournalHeader)
_intents: Final = msgspec.json.Decoder(Intent)


def read_intents(path: Path, run: RunHeader) -> Iterator[Intent]:
    """The intents of a run's journal, in the order in which they were recorded.

    There is none where there is no journal: it is made before the first update, and
    removed when all are settled.

    Raises:
        UsageError: it belongs to another run, or cannot be read.
    """
    if not path.exists():
        return
    for line in read_lines(path):
        try:
            if line.number == 1:
                _refuse_foreign(path, _headers.decode(line.text), run)
            else:
                yield _intents.decode(line.text)
        except UNREADABLE as error:
            raise damaged(path, line.number) from error


def _refuse_foreign(path: Path, header: JournalHeader, run: RunHeader) -> None:
    if header.schema > SCHEMA:
        raise UsageError(f"journal {str(path)!r} was written by a newer bulkmeta")
    if (header.job_hash, header.run_started) != (run.job_hash, run.started):
        raise UsageError(f"journal {str(path)!r} belongs to another run")


def intended_keys(path: Path, run: RunHeader) -> set[str]:
    """The keys of all intents; bounded, since a journal is compacted as it grows."""
    return {intent.key for intent in read_intents(path, run)}


def read_doubts(path: Path, run: RunHeader, keys: set[str]) -> dict[str, UpdatePlan]:
    """The last intended update of each of `keys`."""
    return {
        intent.key: intent.plan()
        for intent in read_intents(path, run)
        if intent.key in keys
    }
