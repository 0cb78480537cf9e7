"""`--debug`: what the loggers `bulkmeta.*` say, on stderr, and where an error arose."""

from __future__ import annotations

import logging
import time
import traceback
from typing import Final

from bulkmeta.cli.output import concealed, tell
from bulkmeta.report.text import plain

_FORM: Final = "debug     %(asctime)s.%(msecs)03dZ %(message)s"
_TIME: Final = "%Y-%m-%dT%H:%M:%S"


class _Teller(logging.Handler):
    """Tells people each record, on a line of its own."""

    def __init__(self) -> None:
        super().__init__()
        formatter = logging.Formatter(_FORM, _TIME)
        formatter.converter = time.gmtime
        self.setFormatter(formatter)

    def emit(self, record: logging.LogRecord) -> None:
        tell(plain(concealed(self.format(record))))


_TREE: Final = logging.getLogger("bulkmeta")
_TELLER: Final = _Teller()


def switch_debugging(*, on: bool) -> None:
    """From now on tell what the loggers say; or no longer."""
    if on == is_debugging():
        return
    if on:
        _TREE.addHandler(_TELLER)
        _TREE.setLevel(logging.DEBUG)
    else:
        _TREE.removeHandler(_TELLER)
        _TREE.setLevel(logging.NOTSET)


def is_debugging() -> bool:
    """Whether `--debug` was given."""
    return _TELLER in _TREE.handlers


def tell_traceback(error: BaseException) -> None:
    """Tell where an error arose."""
    text = concealed("".join(traceback.format_exception(error)))
    for line in text.splitlines():
        tell(plain(line))
