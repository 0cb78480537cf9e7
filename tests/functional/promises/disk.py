"""A disk that can lose what was not synced, and a process that dies at a step."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulkmeta.journal.files import AppendFile
from bulkmeta.oss.transport import Transport
from tests.functional.promises.histories import COPY, Cut

if TYPE_CHECKING:
    import pytest


class Crash(BaseException):
    """The process is no more: nothing behind this can be noticed outside of it."""


class Disk:
    """The folder of all files, and what of it would survive.

    Counts the steps of a command; at the one that its `Cut` names, it keeps the files
    as they are then, and lets nothing happen to them any more.
    """

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._lock = threading.RLock()
        self._synced: dict[int, int] = {}
        self._open: set[int] = set()
        self._cut = Cut()
        self._steps: Counter[str] = Counter()
        self._left: dict[Path, tuple[bytearray, int]] | None = None
        self._watch_files(patch)
        self._watch_syncs(patch)
        self._watch_requests(patch)

    def begin(self, cut: Cut) -> None:
        """A command begins."""
        self._cut, self._left = cut, None
        self._steps.clear()

    @property
    def dead(self) -> bool:
        """Whether the process is no more."""
        return self._left is not None

    def synced(self, path: Path) -> bytes:
        """What of a file is on stable storage."""
        with suppress(FileNotFoundError), path.open("rb") as file:
            size = self._synced.get(os.fstat(file.fileno()).st_ino, 0)
            return file.read(size)
        return b""

    def bury(self) -> None:
        """Put the files back as the crash left them, and what was open away."""
        assert self._left is not None
        for fd in self._open:
            os.close(fd)
        self._open.clear()
        for path in set(self.folder.iterdir()) - self._left.keys():
            path.unlink()
        self._synced.clear()
        for path, (content, synced) in self._left.items():
            safe = synced
            if self._cut.how == "power":
                safe += round((len(content) - synced) * self._cut.share)
                del content[safe:]
            path.write_bytes(content)
            self._synced[path.stat().st_ino] = safe

    def _reached(self, step: str) -> bool:
        """Whether the command is to end at this step."""
        if self.dead:
            raise Crash
        self._steps[step] += 1
        return (step, self._steps[step]) == (self._cut.step, self._cut.nth)

    def _pass(self, step: str) -> None:
        with self._lock:
            if self._reached(step):
                self._end()

    def _end(self) -> None:
        if self._cut.how == "stop":
            signal.raise_signal(signal.SIGINT)
            return
        self._left = {
            path: (bytearray(path.read_bytes()), len(self.synced(path)))
            for path in self.folder.iterdir()
        }
        raise Crash

    def _watch_files(self, patch: pytest.MonkeyPatch) -> None:
        made, write, sync = AppendFile.__init__, AppendFile.write, AppendFile.sync
        close = AppendFile.close

        def watched_init(file: AppendFile, path: Path, fd: int, *remedy: str) -> None:
            made(file, path, fd, *remedy)
            self._open.add(fd)

        def watched_write(file: AppendFile, data: bytes | bytearray) -> None:
            with self._lock:
                self._book(file._fd, synced=False)
                if self._reached(f"write {kind_of(file)}"):
                    write(file, data[: int(len(data) * self._cut.share)])
                    self._end()
                write(file, data)

        def watched_sync(file: AppendFile) -> None:
            with self._lock:
                self._pass(f"sync {kind_of(file)}")
                sync(file)
                self._pass(f"synced {kind_of(file)}")

        def watched_close(file: AppendFile) -> None:
            self._open.discard(file._fd)
            close(file)

        patch.setattr(AppendFile, "__init__", watched_init)
        patch.setattr(AppendFile, "write", watched_write)
        patch.setattr(AppendFile, "sync", watched_sync)
        patch.setattr(AppendFile, "close", watched_close)

    def _watch_syncs(self, patch: pytest.MonkeyPatch) -> None:
        """Syncs are booked, and not waited for."""

        def watched(fd: int) -> None:
            with self._lock:
                self._pass("fsync")
                self._book(fd, synced=True)

        patch.setattr("os.fsync", watched)
        patch.setattr("os.fdatasync", lambda fd: self._book(fd, synced=True))

    def _book(self, fd: int, *, synced: bool) -> None:
        """All of a file is on stable storage now; or no more than before, of what is
        left of it."""
        found = os.fstat(fd)
        before = found.st_size if synced else self._synced.get(found.st_ino, 0)
        self._synced[found.st_ino] = min(found.st_size, before)

    def _watch_requests(self, patch: pytest.MonkeyPatch) -> None:
        send = Transport.send

        async def watched(transport: Transport, request: Any, into: Any = None) -> Any:
            if self.dead:
                raise Crash
            if request.operation != COPY:
                return await send(transport, request, into)
            self._pass("send")
            answer = await send(transport, request)
            self._pass("answer")
            return answer

        patch.setattr(Transport, "send", watched)


def kind_of(file: AppendFile) -> str:
    return "journal" if ".journal" in file.path.name else "run"
