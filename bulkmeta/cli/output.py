"""Where words go: results to stdout, everything else to stderr."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Final, TextIO

import click

from bulkmeta.errors import BulkmetaError, OutputError
from bulkmeta.report.text import folded, plain


class ReaderGoneError(BulkmetaError):
    """Nobody reads our results any more (`… | head`)."""


def print_result(text: str | bytes) -> None:
    """Write a result: text as the terminal wants it, bytes as they are.

    Raises:
        ReaderGoneError: the pipe is closed.
        OutputError: the results cannot be written (disk full, for one).
    """
    try:
        click.echo(text)
    except OSError as error:
        give_up(sys.stdout)
        if isinstance(error, BrokenPipeError):
            raise ReaderGoneError("nobody reads the results any more") from error
        raise OutputError(f"cannot write results: {error.strerror}") from error


def give_up(stream: TextIO) -> None:
    """Let what is left in the buffer go: Python writes it at its end, and would turn
    its own failure then into the exit code."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def print_line(line: str | bytes) -> None:
    """Write a result that is a sentence, broken between words on a terminal.

    Raises:
        ReaderGoneError, OutputError: as `print_result`.
    """
    print_result(_fitted(line, sys.stdout) if isinstance(line, str) else line)


def print_data(text: str) -> None:
    """Write a result for programs: in UTF-8, whatever the terminal's encoding."""
    print_result(text.encode("utf-8", "backslashreplace"))


def print_summary(lines: Iterable[str | bytes]) -> str | None:
    """Write how a run ended; it ended so whether or not somebody reads it. What was in
    the way, if it could not be written."""
    try:
        for line in lines:
            print_line(line)
    except ReaderGoneError:
        return None
    except OutputError as error:
        return str(error)
    return None


_CONCEALED: dict[str, str] = {}


def conceal(names: Mapping[str, str]) -> None:
    """From now on, put these names, and no others, in the place of the texts wherever
    people are told something."""
    _CONCEALED.clear()
    _CONCEALED.update(names)


def concealed(text: str) -> str:
    """The text as people may see it."""
    for secret, name in _CONCEALED.items():
        text = text.replace(secret, name)
    return text


Listener = Callable[[str, int], object]
"""Takes a line for people, and how grave it is, as a level of `logging`."""

_LISTENERS: list[Listener] = []
_COMPLAINTS: list[str] = []


def tell_instead(listener: Listener | None) -> None:
    """From now on give lines to the listener, and none to stderr; None: to stderr."""
    _LISTENERS[:] = [listener] if listener else []


def is_logged() -> bool:
    """Whether lines for people go to a listener."""
    return bool(_LISTENERS)


def tell(line: str, level: int = logging.INFO) -> None:
    """Write to people; a run does not depend on who watches it."""
    if _LISTENERS:
        _LISTENERS[0](line, level)
        return
    try:
        told = concealed(line)
        whole = told.startswith(_TO_PASTE)
        click.echo(told if whole else _fitted(told, sys.stderr), err=True)
    except OSError:
        give_up(sys.stderr)


_TO_PASTE: Final = ("run file", "resume", "retry", "undo", "apply", "wrote")
"""So begin lines that stay whole, since they are to be copied."""


def _fitted(line: str, stream: TextIO | None) -> str:
    """The line as a terminal is wide."""
    if stream is None or not stream.isatty():
        return line
    try:
        return folded(line, os.get_terminal_size(stream.fileno()).columns)
    except (OSError, ValueError):
        return line


def warn(words: str) -> None:
    """Tell people what they should know, though it stops nothing."""
    tell(words if _LISTENERS else f"warning   {words}", logging.WARNING)


def complain(words: str, level: int = logging.ERROR) -> None:
    """Tell people in one line why a command ends as it does."""
    _COMPLAINTS[:] = [concealed(words)]
    tell(words if _LISTENERS else f"bulkmeta: {words}", level)


def tell_left(names: Iterable[str]) -> None:
    """Name the temporary objects that could not be removed again."""
    for name in names:
        complain(f"left behind, remove it: {plain(name)}")


def complaint() -> str | None:
    """What was complained of last, since the command began."""
    return _COMPLAINTS[-1] if _COMPLAINTS else None


def forget() -> None:
    """Begin with no complaint, and nothing to conceal."""
    _COMPLAINTS.clear()
    _CONCEALED.clear()
