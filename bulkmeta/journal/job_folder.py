"""What is kept of a job between its runs: who is at it, and how far it came.

A folder of its own for each job, with a file that is locked while a run is under way,
and `state.json`, which is replaced as a whole.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from bulkmeta.errors import FolderError, LockedError, OutputError, UsageError
from bulkmeta.journal.files import AppendFile, fsynced, sync_folder
from bulkmeta.model.holder import Holder, until_free
from bulkmeta.model.outcome import timestamp

Say = Callable[[str], object]

_LOCK: Final = "lock"
_STATE: Final = "state.json"
_POLL_S: Final = 0.5
_TRIES: Final = 10
_BEGIN: Final = b'{"pid":'
_NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0)
"""What is written to is emptied before: never what a link leads to."""


class JobState(msgspec.Struct, frozen=True, kw_only=True):
    """How far a job came.

    `stopped` is the run file of a run that is to be continued, `begun` that of the last
    one that did not come to its end otherwise. `since` is when the last
    run began that came to its end, by the service's clock, and `full` when the last one
    began that looked at all objects; `job` is a fingerprint of what they did. Objects
    that `failed` in the last run are looked at again, whenever they were modified.
    """

    schema: int = 1
    key: str
    stopped: str | None = None
    begun: str | None = None
    since: str | None = None
    full: str | None = None
    failed: tuple[str, ...] = ()
    job: str | None = None


class JobFolder:
    """The folder of one job, held by this process."""

    def __init__(self, path: Path, key: str) -> None:
        self.path = path
        self._key = key
        self.is_of_others = False
        """Whether another job is at home here: then only what must be kept is."""

    def read(self) -> JobState:
        """How far the job came; a job that was changed since has not begun.

        Raises:
            UsageError: the file is damaged.
        """
        file = self.path / _STATE
        text = b""
        try:
            text = file.read_bytes()
            state = msgspec.json.decode(text, type=JobState)
        except FileNotFoundError:
            return JobState(key=self._key)
        except OSError as error:
            raise _unusable(file, f": {error.strerror}") from error
        except (ValueError, RecursionError) as error:
            damage = " is damaged" if text.strip() else " is empty"
            raise _unusable(file, damage) from error
        self.is_of_others = state.key != self._key
        return JobState(key=self._key) if self.is_of_others else state

    def write(self, state: JobState) -> None:
        """Keep it, in the place of what was there, on stable storage; nothing, if it
        says nothing.

        Raises:
            OutputError: it cannot be written.
        """
        file, fresh = self.path / _STATE, self.path / f"{_STATE}.new"
        try:
            fresh.unlink(missing_ok=True)  # it may be a link, in a folder of others
            if state == JobState(key=self._key):
                file.unlink(missing_ok=True)
                return
            fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(fd, "wb") as kept:
                kept.write(msgspec.json.format(msgspec.json.encode(state)) + b"\n")
            fsynced(fresh)
            fresh.replace(file)
        except OSError as error:
            raise OutputError(
                f"cannot write {str(file)!r}: {error.strerror}"
            ) from error
        sync_folder(file)


def _unusable(file: Path, why: str) -> UsageError:
    return UsageError(
        f"{str(file)!r}{why}; remove it, and the next run looks at all objects"
    )


@contextmanager
def held_job(
    path: Path, key: str, *, wait_s: float = 0.0, say: Say = lambda _: None
) -> Iterator[JobFolder]:
    """The job's folder, made if need be; nobody else has it while the body lasts. At
    the end it goes again, if nothing was kept there. Who is waited for is said once.

    Raises:
        LockedError: another process has it, still after `wait_s`.
        FolderError: the folder cannot be made or written, or has no locks.
    """
    file = _taken(path, wait_s, say)
    try:
        yield JobFolder(path, key)
    finally:
        if file.is_at(path / _LOCK) and not (path / _STATE).exists():
            with suppress(OSError):
                (path / _LOCK).unlink()
                path.rmdir()
        file.close()


def _taken(path: Path, wait_s: float, say: Say) -> AppendFile:
    """The folder's lock. It may be another file by the time it is had: whoever had it
    takes the folder away."""
    until_s, told = time.monotonic() + wait_s, False
    while True:
        file = _opened(path)
        try:
            file.lock()
            if file.is_at(path / _LOCK):
                _sign(file)
                return file
        except LockedError as error:
            file.close()
            if time.monotonic() >= until_s:
                raise LockedError(
                    f"the job is being run by {_holder(path)}; {until_free(wait_s)}"
                ) from error
            if not told:
                say(f"waiting   for the job's end: it is run by {_holder(path)}")
                told = True
            time.sleep(_POLL_S)
        except UsageError as error:
            file.close()
            raise FolderError(f"{error}; name another as --state") from error
        except BaseException:
            file.close()
            raise
        else:
            file.close()


def _opened(path: Path, tries: int = _TRIES) -> AppendFile:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | _NO_LINK, 0o600)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and tries:  # taken away in between
            return _opened(path, tries - 1)
        raise FolderError(
            f"cannot use folder {str(path)!r}: {error.strerror}"
        ) from error
    return AppendFile(path / _LOCK, fd)


def _sign(file: AppendFile) -> None:
    """Say in it who has it.

    Raises:
        FolderError: it is somebody else's file.
    """
    with file.path.open("rb") as before:
        found = before.read(len(_BEGIN))
    if not _BEGIN.startswith(found) and found.strip(b"\0"):  # not as a crash leaves it
        folder, name = str(file.path.parent), file.path.name
        raise FolderError(f"cannot use folder {folder!r}: its {name!r} is no lock")
    with suppress(OutputError):  # no room: others learn only that somebody has it
        file.cut(0)
        file.write(msgspec.json.encode(_myself()))


def _myself() -> Holder:
    return Holder(os.getpid(), socket.gethostname(), timestamp(time.time()))


def _holder(path: Path) -> str:
    try:
        data = (path / _LOCK).read_bytes()
        return str(msgspec.json.decode(data, type=Holder))
    except (OSError, ValueError, RecursionError):  # it is just being written
        return "another process"
