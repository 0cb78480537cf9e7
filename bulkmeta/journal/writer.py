"""The journal as written: no update leaves before its intent is on stable storage.

Group commit: while one sync is under way further intents gather, and the next one makes
all of them durable. A worker waits for one or two syncs, whatever the number of
workers, and the disk sees one at a time. There is no timer: a slow disk just makes
larger groups.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from bulkmeta.errors import OutputError
from bulkmeta.journal.files import AppendFile, create_file, sync_folder
from bulkmeta.journal.records import DRAFT_SUFFIX

if TYPE_CHECKING:
    from pathlib import Path

    from bulkmeta.journal.records import Intent, JournalHeader
    from bulkmeta.model.low_water import HasSeq

COMPACT_BYTES: Final = 64 * 1024 * 1024
"""Size from which a journal is replaced by one that holds unsettled intents only."""

_encode = msgspec.json.Encoder().encode


class Outcomes(Protocol):
    """The file that outcomes are written to."""

    def write_out(self) -> None:
        """Hand all that was taken to the operating system."""

    def sync(self) -> None:
        """Return once that is on stable storage; called in another thread."""


class Journal:
    """Makes intents durable, in groups. Open it with `open_journal`.

    It always begins with `first`: the header, and what an interrupted run left in
    doubt. `outcomes` are made durable before settled intents are forgotten: from then
    on they are the only record.
    """

    def __init__(
        self,
        file: AppendFile,
        first: bytes,
        *,
        outcomes: Outcomes,
        compact_bytes: int = COMPACT_BYTES,
    ) -> None:
        self._file = file
        self._first = first
        self._outcomes = outcomes
        self._compact_bytes = compact_bytes
        self._size_bytes = 0
        self._unsettled: dict[int, bytes] = {}
        self._gathered = bytearray()
        self._waiting: list[asyncio.Future[None]] = []
        self._wake = asyncio.Event()
        self._broken: OutputError | None = None

    async def record_intent(self, intent: Intent) -> None:
        """Return once the intent is on stable storage.

        Raises:
            OutputError: it is not; the update must not be sent.
        """
        if self._broken:
            raise self._broken
        line = _encode(intent) + b"\n"
        self._unsettled[intent.seq] = line
        self._gathered += line
        written = asyncio.get_running_loop().create_future()
        self._waiting.append(written)
        self._wake.set()
        await written

    def emit(self, result: HasSeq) -> None:
        """The object has its outcome in the run file. So the journal is a sink, behind
        the run file."""
        self._unsettled.pop(result.seq, None)

    def flush(self) -> None:
        """Settled intents are only forgotten; nothing is held back."""

    async def commit_groups(self) -> None:
        """Write and sync one group after another, until cancelled."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, "journal") as thread:
            while True:
                await self._wake.wait()
                self._wake.clear()
                group, self._waiting = self._waiting, []
                data, self._gathered = self._gathered, bytearray()
                try:
                    await loop.run_in_executor(thread, self._job(data))
                except Exception as error:  # noqa: BLE001 whatever it is, workers wait
                    self._broken = self._broken or OutputError(str(error))
                for written in group:
                    if written.done():  # cancelled: whoever waited has gone
                        continue
                    if self._broken:
                        written.set_exception(self._broken)
                    else:
                        written.set_result(None)

    def _job(self, data: bytearray) -> Callable[[], None]:
        """What to do in the other thread to make `data` durable."""
        if self._broken:  # nothing may stand behind a line that may be torn
            raise self._broken
        self._size_bytes += len(data)
        if self._size_bytes < self._compact_bytes:
            return lambda: self._append(data)
        self._outcomes.write_out()
        kept = b"".join(self._unsettled.values())
        self._size_bytes = len(kept)
        return lambda: self._compact(kept)

    def _append(self, data: bytearray) -> None:
        self._file.write(data)
        self._file.sync()

    def _compact(self, kept: bytes) -> None:
        """Replace the journal by one without settled intents, at no moment without."""
        self._outcomes.sync()
        fresh = _fresh(self._file.path, self._first + kept)
        self._file.close()
        self._file = fresh

    def close(self) -> None:
        self._file.close()


def _fresh(path: Path, content: bytes) -> AppendFile:
    """A durable file in the place of the one that may be there."""
    draft = path.with_name(path.name + DRAFT_SUFFIX)
    draft.unlink(missing_ok=True)
    file = create_file(draft, "journal")
    try:
        file.write(content)
        file.sync()
    except OutputError:
        file.close()
        raise
    draft.replace(path)
    sync_folder(path)
    return file.renamed(path)


@asynccontextmanager
async def open_journal(
    path: Path,
    header: JournalHeader,
    *,
    unsettled: Iterable[Intent] = (),
    outcomes: Outcomes,
) -> AsyncIterator[Journal]:
    """A journal whose groups are committed as long as it is open; begins with the
    `unsettled` intents of an interrupted run.

    Raises:
        UsageError: it cannot be created.
    """
    first = b"".join(_encode(record) + b"\n" for record in (header, *unsettled))
    outcomes.sync()
    journal = Journal(_fresh(path, first), first, outcomes=outcomes)
    try:
        async with asyncio.TaskGroup() as group:
            committer = group.create_task(journal.commit_groups())
            yield journal
            committer.cancel()
    finally:
        journal.close()
