"""The run file: one JSON line per object, between a header and a summary."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import msgspec

from bulkmeta.errors import OutputError, UsageError

if TYPE_CHECKING:
    from bulkmeta.model.outcome import Outcome
    from bulkmeta.model.run_file import RunHeader, Summary


class RunFile:
    """Writes a run file that did not exist before, readable by its owner only.

    Raises:
        UsageError: the file exists, or cannot be created.
        OutputError: a line cannot be written (disk full, for one).
    """

    def __init__(self, path: Path, header: RunHeader) -> None:
        self.path = path
        self._encoder = msgspec.json.Encoder()
        self._buffer = bytearray()
        self._fd = _create(path)
        self._write(header)
        try:
            self.flush()
        except OutputError:
            os.close(self._fd)
            raise

    def emit(self, result: Outcome) -> None:
        self._write(result)

    def flush(self) -> None:
        """Hand all lines to the operating system, whole ones only."""
        view = memoryview(bytes(self._buffer))
        self._buffer.clear()
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError as error:
            raise OutputError(
                f"cannot write the run file {str(self.path)!r}: {error.strerror}"
            ) from error

    def finish(self, summary: Summary) -> None:
        """Write the last line, which says that the run came to its end."""
        self._write(summary)
        self.flush()

    def _write(self, line: RunHeader | Outcome | Summary) -> None:
        self._buffer += self._encoder.encode(line)
        self._buffer += b"\n"

    def __enter__(self) -> RunFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._fd)


def _create(path: Path) -> int:
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise UsageError(
            f"run file {str(path)!r} exists; name another with --run-file"
        ) from error
    except OSError as error:
        raise UsageError(
            f"cannot create the run file {str(path)!r}: {error.strerror}; "
            "name another with --run-file"
        ) from error
