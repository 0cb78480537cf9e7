"""Files that only grow, by whole lines, and survive what can happen to a machine."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO

from bulkmeta.errors import LockedError, OutputError, UsageError

try:
    import fcntl
except ImportError:  # on Windows; what is to be changed there is refused below
    fcntl = None  # type: ignore[assignment]

_FULL: Final = {errno.ENOSPC, errno.EDQUOT}
_UNNAMED: Final = ".part"

RESUME: Final = (
    "make room, and resume the run if it had begun: that settles what was under way, "
    "which is not counted here"
)
PLAN_AGAIN: Final = "make room, and plan again into a new file"
"""What to do where a file cannot be written: a plan does not go on."""


def _sync(fd: int) -> None:
    """Wait until all data is on the medium itself, as far as the system can tell."""
    if sys.platform == "darwin":
        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    elif sys.platform == "win32":
        os.fsync(fd)
    else:
        os.fdatasync(fd)


class AppendFile:
    """An open file that is appended to. Nothing is written behind a write that failed:
    what that left of a line is cut off when the file is next opened for appending.
    `remedy` is what to do then."""

    def __init__(self, path: Path, fd: int, remedy: str = RESUME) -> None:
        self.path = path
        self._fd = fd
        self._remedy = remedy
        self._broken: OutputError | None = None

    def write(self, data: bytes | bytearray) -> None:
        """Hand everything to the operating system.

        Raises:
            OutputError: disk full, quota, or whatever else the system says.
        """
        if self._broken:
            raise self._broken
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError as error:
            self._broken = _failure(self.path, error, self._remedy)
            raise self._broken from error

    def sync(self) -> None:
        """Return once everything written is on stable storage.

        Raises:
            OutputError: the system cannot say so; nothing can be trusted then.
        """
        if self._broken:
            raise self._broken
        try:
            _sync(self._fd)
        except OSError as error:
            self._broken = _failure(self.path, error, self._remedy)
            raise self._broken from error

    def lock(self) -> None:
        """Keep other processes from appending, until this one closes the file or dies.

        Raises:
            LockedError: another process holds it.
            UsageError: files cannot be locked there.
        """
        if fcntl is not None:
            _lock(self.path, self._fd, fcntl.LOCK_EX)

    def is_still(self, path: Path, size_bytes: int) -> bool:
        """Whether `path` still names this file, and it has still that size."""
        here = os.fstat(self._fd)
        return os.path.samestat(here, path.stat()) and here.st_size == size_bytes

    def is_at(self, path: Path) -> bool:
        """Whether `path` still names this file."""
        try:
            return os.path.samestat(os.fstat(self._fd), path.stat())
        except OSError:
            return False

    def cut(self, size_bytes: int) -> None:
        """Cut off what comes after the last whole line.

        Raises:
            OutputError: it cannot be cut.
        """
        try:
            os.ftruncate(self._fd, size_bytes)
        except OSError as error:
            raise _failure(self.path, error, self._remedy) from error

    def close(self) -> None:
        os.close(self._fd)

    def renamed(self, path: Path) -> AppendFile:
        """The same open file under its new name."""
        return AppendFile(path, self._fd, self._remedy)


@contextmanager
def new_text(path: Path, mode: int) -> Iterator[TextIO]:
    """A file for people that was not there before, with the rights `mode`. It has its
    name when it is written whole, and one beside it until then; it is gone again if
    that is not to be, whatever is in the way, Ctrl-C too.

    Raises:
        OSError: it exists, or cannot be created.
        OutputError: it cannot be written.
    """
    _refuse_existing(path)
    draft = Path(f"{path}.{os.urandom(3).hex()}{_UNNAMED}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(fd, "w", encoding="utf-8", errors="backslashreplace") as file:
            yield file
        _take_name(draft, path)
    except BaseException as error:
        draft.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise OutputError(
                f"cannot write {str(path)!r}: {error.strerror}"
            ) from error
        raise


def _take_name(draft: Path, path: Path) -> None:
    """Give a file its name, if that is nobody else's by now."""
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        raise
    except OSError:  # a file system without a second name for a file
        _refuse_existing(path)
        draft.rename(path)
    else:
        draft.unlink()


def _refuse_existing(path: Path) -> None:
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


def create_file(path: Path, what: str, remedy: str = RESUME) -> AppendFile:
    """A new file, readable by its owner only, whose name survives a power loss. It goes
    again if that cannot be said of it, or a signal comes in between.

    Raises:
        UsageError: it exists, or cannot be created.
        OutputError: there is no room for it.
    """
    refuse_windows(what)
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise UsageError(f"{what} {str(path)!r} exists; name another") from error
    except OSError as error:
        if error.errno in _FULL:
            raise _failure(path, error, remedy) from error
        raise UsageError(
            f"cannot create the {what} {str(path)!r}: {error.strerror}; name another"
        ) from error
    file = AppendFile(path, fd, remedy)
    try:
        sync_folder(path, remedy)
    except BaseException:
        file.close()
        path.unlink(missing_ok=True)
        raise
    return file


def reopen_file(path: Path) -> AppendFile:
    """An existing file, for appending.

    Raises:
        UsageError: it cannot be opened for writing.
    """
    refuse_windows("run file")
    try:
        return AppendFile(path, os.open(path, os.O_WRONLY | os.O_APPEND))
    except OSError as error:
        raise UsageError(f"cannot open {str(path)!r}: {error.strerror}") from error


def refuse_windows(what: str) -> None:
    """Stop where no record can be kept. Journals are replaced while they are open, and
    whoever writes holds a lock that ends with the process: Windows has neither.

    Raises:
        UsageError: it is Windows.
    """
    if fcntl is None:
        raise UsageError(
            f"cannot keep a {what} on Windows; plan and show work there, for all that "
            "keeps a record take Linux, macOS, WSL or a container"
        )


def fsynced(path: Path) -> None:
    """Return once what was written to a file is on stable storage; raises OSError."""
    fd = os.open(path, os.O_RDONLY)
    try:
        _sync(fd)
    finally:
        os.close(fd)


@contextmanager
def held_for_reading(path: Path) -> Iterator[None]:
    """Let nobody append to the file, as long as the body lasts; others may read it.

    What stands in it is on stable storage then: more may be built upon it.

    Raises:
        LockedError: another process is appending to it.
        UsageError: it cannot be read, or files cannot be locked there.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise UsageError(f"cannot read {str(path)!r}: {error.strerror}") from error
    with file:
        if fcntl is not None:
            _lock(path, file.fileno(), fcntl.LOCK_SH)
            _settle(path, file.fileno())
        yield


def _settle(path: Path, fd: int) -> None:
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno == errno.EINVAL:
            words = f"{str(path)!r} is no run file, but a device or a pipe"
            raise UsageError(words) from error
        raise UsageError(f"cannot read {str(path)!r}: {error.strerror}") from error


def _lock(path: Path, fd: int, kind: int) -> None:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise LockedError(
            f"another process is working on {str(path)!r}; wait for its end"
        ) from error
    except OSError as error:
        raise UsageError(
            f"cannot lock {str(path)!r}: {error.strerror}; "
            "put run files on a file system that has locks"
        ) from error


def sync_folder(path: Path, remedy: str = RESUME) -> None:
    """Make the name of a file durable, where folders can be opened at all.

    Raises:
        OutputError: the system cannot say that it is.
    """
    if os.name == "nt":
        return
    try:
        fd = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise _failure(path.parent, error, remedy) from error


def _failure(path: Path, error: OSError, remedy: str) -> OutputError:
    return OutputError(f"cannot write {str(path)!r}: {error.strerror}; {remedy}")
