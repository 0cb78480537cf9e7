"""Files that only grow, by whole lines, and survive what can happen to a machine."""

from __future__ import annotations

import os
from pathlib import Path

from bulkmeta.errors import LockedError, OutputError, UsageError

try:
    import fcntl
except ImportError:  # not on Windows; exclusive creation still protects new files
    fcntl = None  # type: ignore[assignment]


class AppendFile:
    """An open file that is appended to. What a failed write left of a line is cut off
    again when the file is next opened for appending."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self._fd = fd

    def write(self, data: bytes | bytearray) -> None:
        """Hand everything to the operating system.

        Raises:
            OutputError: disk full, quota, or whatever else the system says.
        """
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError as error:
            raise self._failure(error) from error

    def sync(self) -> None:
        """Return once everything written is on stable storage.

        Raises:
            OutputError: the system cannot say so; nothing can be trusted then.
        """
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            raise self._failure(error) from error

    def lock(self) -> None:
        """Keep other processes from appending, until this one closes the file or dies.

        Raises:
            LockedError: another process holds it.
        """
        if fcntl is None:
            return
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LockedError(
                f"another process is working on {str(self.path)!r}; wait for its end"
            ) from error

    def close(self) -> None:
        os.close(self._fd)

    def renamed(self, path: Path) -> AppendFile:
        """The same open file under its new name."""
        return AppendFile(path, self._fd)

    def _failure(self, error: OSError) -> OutputError:
        return OutputError(
            f"cannot write {str(self.path)!r}: {error.strerror}; "
            "make room and continue with resume"
        )


def create_file(path: Path, what: str) -> AppendFile:
    """A new file, readable by its owner only, whose name survives a power loss.

    Raises:
        UsageError: it exists, or cannot be created.
    """
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise UsageError(f"{what} {str(path)!r} exists; name another") from error
    except OSError as error:
        raise UsageError(
            f"cannot create the {what} {str(path)!r}: {error.strerror}; name another"
        ) from error
    sync_folder(path)
    return AppendFile(path, fd)


def reopen_file(path: Path) -> AppendFile:
    """An existing file, for appending.

    Raises:
        UsageError: it cannot be opened for writing.
    """
    try:
        return AppendFile(path, os.open(path, os.O_WRONLY | os.O_APPEND))
    except OSError as error:
        raise UsageError(f"cannot open {str(path)!r}: {error.strerror}") from error


def cut_file(path: Path, size_bytes: int) -> None:
    """Cut off what comes after the last whole line."""
    os.truncate(path, size_bytes)


def sync_folder(path: Path) -> None:
    """Make the name of a file durable, where folders can be opened at all."""
    if os.name == "nt":
        return
    fd = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
