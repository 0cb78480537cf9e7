"""The run file: one JSON line per object, between a header and a summary."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final

import msgspec

from bulkmeta.errors import BulkmetaError, LockedError, OutputError
from bulkmeta.journal.compression import Codec, codec_by_content, codec_by_name
from bulkmeta.journal.files import (
    PLAN_AGAIN,
    RESUME,
    AppendFile,
    create_file,
    reopen_file,
)
from bulkmeta.model.outcome import PaceSeen

if TYPE_CHECKING:
    from bulkmeta.model.outcome import Outcome
    from bulkmeta.model.run_file import Record, Resumed, RunHeader, Summary
    from bulkmeta.oss.pace import PaceNow

_encode = msgspec.json.Encoder().encode


FRAME_BYTES: Final = 256 * 1024
FRAME_S: Final = 1.0
"""How much, and how long, a compressed file holds back to fill a frame. Whatever is
lost with it in a crash, an intent in the journal still speaks for."""


PACE_S: Final = 1.0
"""How often lines tell of the pace."""


class RunFile:
    """Writes outcomes as they come, whole lines only, and holds the run's lock.

    Its first line, and whatever stood in the file before, is on stable storage from the
    start: without it a journal is of no use.

    Its methods raise `OutputError` if a line cannot be written (disk full, for one).
    """

    def __init__(
        self, file: AppendFile, first: RunHeader | Resumed, codec: Codec | None
    ) -> None:
        self._file = file
        self._codec = codec
        self._buffer = bytearray()
        self._bounds: list[str] = []
        self._pace: _Pace | None = None
        self._written_s = 0.0
        try:
            file.lock()
            self._add(first)
            self.write_out()
            self.sync()
        except BaseException:
            file.close()
            raise

    def emit(self, result: Outcome) -> None:
        if self._bounds:
            result = msgspec.structs.replace(result, bounds=self._bounds)
            self._bounds = []
        if self._pace and self._pace.is_due():
            result = msgspec.structs.replace(result, pace=self._pace.seen())
        self._add(result)

    def note_bounds(self, bounds: Sequence[str]) -> None:
        """Say with the next line where key ranges end: no object from behind these
        bounds has a line yet."""
        self._bounds += bounds

    def note_pace(
        self,
        pace: Callable[[], PaceNow],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Say with the first line after each full second from now what the service
        lets through."""
        self._pace = _Pace(pace, now_s)

    def flush(self) -> None:
        """Hand all lines to the operating system, if they fill a frame or are plain."""
        if self._codec is None or self._fills_frame():
            self.write_out()

    def write_out(self) -> None:
        """Hand all lines to the operating system."""
        data, self._buffer = self._buffer, bytearray()
        if data:
            self._file.write(self._codec.compress(data) if self._codec else data)
        self._written_s = time.monotonic()

    def sync(self) -> None:
        """Return once all lines handed over are on stable storage; thread-safe."""
        self._file.sync()

    def finish(self, summary: Summary) -> None:
        """Write the last line, which says that the run came to its end."""
        self._add(summary)
        self.write_out()
        self.sync()

    def _add(self, line: Record) -> None:
        self._buffer += _encode(line)
        self._buffer += b"\n"

    def _fills_frame(self) -> bool:
        held_s = time.monotonic() - self._written_s
        return len(self._buffer) >= FRAME_BYTES or held_s >= FRAME_S

    def __enter__(self) -> RunFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.write_out()
        except OutputError:
            if error is None:
                raise
        finally:
            self._file.close()


class _Pace:
    """The pace from now on, each full second."""

    def __init__(self, pace: Callable[[], PaceNow], now_s: Callable[[], float]) -> None:
        self._pace = pace
        self._now_s = now_s
        self._throttled = pace().throttled  # by a run before, over the same connections
        self._due_s = now_s() + PACE_S

    def is_due(self) -> bool:
        return self._now_s() >= self._due_s

    def seen(self) -> PaceSeen:
        """The pace at this moment; the next one is due when the next second is full."""
        self._due_s += PACE_S * ((self._now_s() - self._due_s) // PACE_S + 1)
        now = self._pace()
        return PaceSeen(
            now.in_flight, round(now.rate, 1), now.throttled - self._throttled
        )


def create_run_file(path: Path, header: RunHeader) -> RunFile:
    """A run file that did not exist before, readable by its owner only; compressed if
    its name ends so.

    Raises:
        UsageError: it exists, or cannot be created.
    """
    codec = codec_by_name(path)
    remedy = PLAN_AGAIN if header.command == "plan" else RESUME
    file = create_file(path, "run file", remedy)
    try:
        return RunFile(file, header, codec)
    except BaseException:  # a signal, for one; without its first line it is of no use
        path.unlink(missing_ok=True)
        raise


def continue_run_file(
    path: Path, resumed: Resumed, *, keep_bytes: int, found_bytes: int
) -> RunFile:
    """A run file to be continued behind its whole lines.

    Raises:
        LockedError: another process is writing it, or was when it was read.
    """
    codec = codec_by_content(path)
    file = reopen_file(path)
    try:
        file.lock()
        if not file.is_still(path, found_bytes):
            raise LockedError(f"{str(path)!r} was just being written; try again")
        file.cut(keep_bytes)
    except BulkmetaError:
        file.close()
        raise
    return RunFile(file, resumed, codec)
