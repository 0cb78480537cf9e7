"""Where words go: results to stdout, everything else to stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TextIO

import click

from bulkmeta.errors import BulkmetaError, OutputError


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


def print_data(text: str) -> None:
    """Write a result for programs: in UTF-8, whatever the terminal's encoding."""
    print_result(text.encode("utf-8", "backslashreplace"))


def print_summary(lines: Iterable[str]) -> None:
    """Write how a run ended; it ended so whether or not somebody reads it."""
    with suppress(ReaderGoneError, OutputError):
        for line in lines:
            print_result(line)


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


def tell(line: str) -> None:
    """Write to people; a run does not depend on who watches it."""
    try:
        click.echo(concealed(line), err=True)
    except OSError:
        give_up(sys.stderr)
