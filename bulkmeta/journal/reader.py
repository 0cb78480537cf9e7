"""What a journal says after a crash: which updates may have been sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from bulkmeta.errors import UsageError
from bulkmeta.journal.lines import read_lines, refuse_line
from bulkmeta.journal.records import Intent, JournalHeader

if TYPE_CHECKING:
    from bulkmeta.model.plan import UpdatePlan

_decoder: Final = msgspec.json.Decoder(JournalHeader | Intent)


def read_intents(path: Path, job_hash: str) -> Iterator[Intent]:
    """The intents of a journal, in the order in which they were recorded.

    There is none where there is no journal: it is made before the first update, and
    removed when all are settled.

    Raises:
        UsageError: it belongs to another run, or cannot be read.
    """
    if not path.exists():
        return
    for line in read_lines(path):
        try:
            record = _decoder.decode(line.text)
        except msgspec.MsgspecError as error:
            raise refuse_line(path, line.number, error) from error
        if isinstance(record, Intent):
            yield record
        elif record.job_hash != job_hash:
            raise UsageError(f"journal {str(path)!r} belongs to another job's run")


def intended_keys(path: Path, job_hash: str) -> set[str]:
    """The keys of all intents; bounded, since a journal is compacted as it grows."""
    return {intent.key for intent in read_intents(path, job_hash)}


def read_doubts(path: Path, job_hash: str, keys: set[str]) -> dict[str, UpdatePlan]:
    """The last intended update of each of `keys`."""
    return {
        intent.key: intent.plan()
        for intent in read_intents(path, job_hash)
        if intent.key in keys
    }
