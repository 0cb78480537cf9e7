"""The run file: one JSON line per object, between a header and a summary."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import msgspec

from bulkmeta.errors import BulkmetaError, LockedError
from bulkmeta.journal.files import AppendFile, create_file, cut_file, reopen_file

if TYPE_CHECKING:
    from bulkmeta.model.outcome import Outcome
    from bulkmeta.model.run_file import Resumed, RunHeader, Summary

_encode = msgspec.json.Encoder().encode


class RunFile:
    """Writes outcomes as they come, whole lines only, and holds the run's lock.

    Its methods raise `OutputError` if a line cannot be written (disk full, for one).
    """

    def __init__(self, file: AppendFile, first: RunHeader | Resumed) -> None:
        self._file = file
        self._buffer = bytearray()
        try:
            file.lock()
            self._write(first)
            self.flush()
        except BulkmetaError:
            file.close()
            raise

    def emit(self, result: Outcome) -> None:
        self._write(result)

    def flush(self) -> None:
        """Hand all lines to the operating system."""
        data, self._buffer = self._buffer, bytearray()
        self._file.write(data)

    def sync(self) -> None:
        """Return once all lines handed over are on stable storage; thread-safe."""
        self._file.sync()

    def finish(self, summary: Summary) -> None:
        """Write the last line, which says that the run came to its end."""
        self._write(summary)
        self.flush()
        self.sync()

    def _write(self, line: RunHeader | Resumed | Outcome | Summary) -> None:
        self._buffer += _encode(line)
        self._buffer += b"\n"

    def __enter__(self) -> RunFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()


def create_run_file(path: Path, header: RunHeader) -> RunFile:
    """A run file that did not exist before, readable by its owner only.

    Raises:
        UsageError: it exists, or cannot be created.
    """
    return RunFile(create_file(path, "run file"), header)


def continue_run_file(
    path: Path, resumed: Resumed, *, keep_bytes: int, found_bytes: int
) -> RunFile:
    """A run file to be continued behind its whole lines.

    Raises:
        LockedError: another process is writing it, or was when it was read.
    """
    file = reopen_file(path)
    try:
        file.lock()
        if path.stat().st_size != found_bytes:
            raise LockedError(f"{str(path)!r} was just being written; try again")
    except BulkmetaError:
        file.close()
        raise
    cut_file(path, keep_bytes)
    return RunFile(file, resumed)
