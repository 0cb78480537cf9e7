"""Tells people that the service does not answer, while a command waits for it."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from bulkmeta.cli.debugging import SILENCE, listen, unlisten
from bulkmeta.cli.output import is_logged, tell

_SAME_S: Final = 5.0
"""Processes of a run, and its lock, notice the same silence within that time."""


class _Teller(logging.Handler):
    """Says it where the command says things at present."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.addFilter(logging.Filter(SILENCE))
        self.say: Callable[[str], object] = tell
        self.said_s = -math.inf

    def emit(self, record: logging.LogRecord) -> None:
        if is_logged() or record.created - self.said_s < _SAME_S:
            return  # it stands there already
        self.said_s = record.created
        self.say(f"warning   {record.getMessage()}; trying on (Ctrl-C ends)")


_TELLER: Final = _Teller()


@contextmanager
def silence_told() -> Iterator[None]:
    """People are told of it as long as the body lasts."""
    _TELLER.said_s = -math.inf
    listen(_TELLER)
    try:
        yield
    finally:
        unlisten(_TELLER)


@contextmanager
def silence_told_by(say: Callable[[str], object]) -> Iterator[None]:
    """They are told by `say`, such as of a screen that stderr belongs to meanwhile."""
    before, _TELLER.say = _TELLER.say, say
    try:
        yield
    finally:
        _TELLER.say = before
