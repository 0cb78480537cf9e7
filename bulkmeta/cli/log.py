"""`--log-file`: what the loggers `bulkmeta.*` say, as lines of JSON."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from bulkmeta.cli.debugging import leave_to, listen, unlisten
from bulkmeta.cli.output import concealed, give_up, tell_instead, warn
from bulkmeta.errors import UsageError
from bulkmeta.model.outcome import timestamp
from bulkmeta.report.text import writable

LEVELS: Final = ("debug", "info", "warning", "error")
STDERR: Final = "-"

_TOLD: Final = logging.getLogger("bulkmeta.told")
"""Says what people would have been told, where a log stands in their place."""

_BEGIN: Final = b'{"time":'
"""How a log's first line begins: no other file is to be appended to by mistake."""


class JsonLog(logging.Handler):
    """Writes each record as a line; what cannot be written stops nobody."""

    def __init__(self, level: str) -> None:
        super().__init__(level.upper())
        self.run: str | None = None
        """What the run is known by, once there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        fields = {
            "time": timestamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "run": self.run,
            **getattr(record, "fields", {}),
        }
        self.write(msgspec.json.encode(_shown(fields), enc_hook=str) + b"\n")

    def write(self, line: bytes) -> None:
        """Write a whole line."""
        raise NotImplementedError


class StderrLog(JsonLog):
    """A log in the place of what people would be told."""

    def write(self, line: bytes) -> None:
        """Write it to stderr."""
        try:
            click.echo(line, nl=False, err=True)
        except OSError:
            give_up(sys.stderr)


class FileLog(JsonLog):
    """A log that is appended to, by several processes if need be."""

    def __init__(self, level: str, path: str, fd: int) -> None:
        super().__init__(level)
        self._path = path
        self._fd = fd
        self._torn = False
        self._failed = False

    def write(self, line: bytes) -> None:
        """Write it as one piece, behind the whole line before it."""
        data = b"\n" + line if self._torn else line
        try:
            written = os.write(self._fd, data)
            self._torn = written < len(data)
            if self._torn:  # the system says why when it is asked again
                os.write(self._fd, data[written:])
                self._torn = False
        except OSError as error:
            self._tell_once(error)

    def close(self) -> None:
        """Write no more."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        super().close()

    def _tell_once(self, error: OSError) -> None:
        if not self._failed:
            self._failed = True
            words = f"cannot write --log-file {self._path!r}: {error.strerror}"
            warn(f"{words}; the run goes on")


def open_log(name: str, level: str) -> JsonLog:
    """A log that hears from now on what the loggers say.

    Raises:
        UsageError: the file cannot be written, or is none of these.
    """
    if name == STDERR:
        log: JsonLog = StderrLog(level)
        tell_instead(_told)
        leave_to(log)
        return log
    log = FileLog(level, name, _opened(name))
    listen(log)
    return log


def close_log(log: JsonLog) -> None:
    """Let it hear and write no more."""
    tell_instead(None)
    unlisten(log)
    log.close()


def run_name(run_file: Path) -> str:
    """What a run is known by: its file's name without what says how it is written."""
    name = run_file.name
    for suffix in (".gz", ".zst"):
        name = name.removesuffix(suffix)
    return Path(name).stem


def _opened(name: str) -> int:
    try:
        if not _is_ours(Path(name)):
            raise UsageError(f"--log-file {name!r} is no log of bulkmeta; name another")
        return os.open(name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    except OSError as error:
        raise UsageError(
            f"cannot open --log-file {name!r}: {error.strerror}"
        ) from error


def _is_ours(path: Path) -> bool:
    """Whether lines may be appended to it; what is no regular file holds none."""
    if not path.is_file():
        return True
    with path.open("rb") as before:
        return _BEGIN.startswith(before.read(len(_BEGIN)))


def _shown(value: Any) -> Any:
    """As it may be seen, in text that can be written."""
    if isinstance(value, str):
        return writable(concealed(value))
    if isinstance(value, Mapping):
        return {name: _shown(inner) for name, inner in value.items()}
    return value


def _told(line: str, level: int) -> None:
    _TOLD.log(level, "%s", writable(line))
