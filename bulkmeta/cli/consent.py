"""Questions at the terminal, before anything is changed."""

from __future__ import annotations

import sys
from typing import Final

import click

from bulkmeta.cli.output import tell
from bulkmeta.errors import UsageError

_ANSWERS: Final = {"y": True, "yes": True, "n": False, "no": False, "": False}


def has_terminal() -> bool:
    """Whether there is somebody who sees the question, and can answer."""
    return all(stream and stream.isatty() for stream in (sys.stdin, sys.stderr))


def require_terminal() -> None:
    """Stop before anything is done where nobody can be asked.

    Raises:
        UsageError: nobody can.
    """
    if not has_terminal():
        raise UsageError("no terminal to ask on; pass --yes if this is meant")


def ask(question: str) -> bool:
    """The answer; without a word it is a no.

    Raises:
        click.Abort: Ctrl-C or Ctrl-D in its place.
    """
    words = f"{question} [y/N]"
    while True:
        typed = click.prompt(words, default="", show_default=False, err=True)
        answer = _ANSWERS.get(typed.strip().lower())
        if answer is not None:
            return answer
        tell("please answer yes or no")


def consents(question: str) -> bool:
    """The answer; Ctrl-C and Ctrl-D are a no."""
    try:
        return ask(question)
    except click.Abort:
        tell("")
        return False
