"""What the loggers `bulkmeta.*` say, and where an error arose: `--debug` tells it."""

from __future__ import annotations

import logging
import time
import traceback
from typing import Final

from bulkmeta.cli.output import concealed, tell
from bulkmeta.report.text import plain

_FORM: Final = "debug     %(asctime)s.%(msecs)03dZ %(message)s"
_TIME: Final = "%Y-%m-%dT%H:%M:%S"
_NOTHING: Final = logging.CRITICAL + 1

SILENCE: Final = "bulkmeta.oss.silence"
"""What this logger says `cli.silence` tells people, with or without `--debug`."""


class _Teller(logging.Handler):
    """Tells people each record, on a line of its own."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        formatter = logging.Formatter(_FORM, _TIME)
        formatter.converter = time.gmtime
        self.setFormatter(formatter)
        self.addFilter(lambda record: record.name != SILENCE)

    def emit(self, record: logging.LogRecord) -> None:
        tell(plain(concealed(self.format(record))))


_TREE: Final = logging.getLogger("bulkmeta")
_TELLER: Final = _Teller()
_NOBODY: Final = logging.NullHandler(_NOTHING)
"""Without any handler Python itself would print warnings, which people are told by the
command already."""


_TREE.addHandler(_NOBODY)


def listen(handler: logging.Handler) -> None:
    """From now on give the handler what the loggers say, as far as it wants it."""
    _TREE.addHandler(handler)
    _adjust_level()


def unlisten(handler: logging.Handler) -> None:
    """No longer."""
    _TREE.removeHandler(handler)
    _adjust_level()


def _adjust_level() -> None:
    """Let loggers say what somebody wants to hear, and no more: it costs time."""
    levels = [handler.level for handler in _TREE.handlers if handler is not _NOBODY]
    _TREE.setLevel(min(levels, default=logging.NOTSET))


def switch_debugging(*, on: bool) -> None:
    """From now on tell what the loggers say; or no longer."""
    if on == is_debugging():
        return
    _TELLER.setLevel(logging.DEBUG)
    if on:
        listen(_TELLER)
    else:
        unlisten(_TELLER)


def leave_to(handler: logging.Handler) -> None:
    """Let the handler alone tell what the loggers say, and with `--debug` all of it."""
    if is_debugging():
        handler.setLevel(logging.DEBUG)
        _TELLER.setLevel(_NOTHING)
    listen(handler)


def is_debugging() -> bool:
    """Whether `--debug` was given."""
    return _TELLER in _TREE.handlers


def tell_traceback(error: BaseException) -> None:
    """Tell where an error arose."""
    text = concealed("".join(traceback.format_exception(error)))
    for line in text.splitlines():
        tell(plain(line))
