"""How a command shows what it is doing: on one screen, in lines, or not at all."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from bulkmeta.cli.output import tell
from bulkmeta.errors import UsageError
from bulkmeta.report.progress import PlainWatcher

if TYPE_CHECKING:
    from bulkmeta.report.progress import Watcher


def watcher_of(values: dict[str, Any], *, prints: bool = False) -> Watcher | None:
    """What --progress asks for; `auto` is a screen on a terminal, unless the command
    `prints` its results on one as it goes.

    Raises:
        UsageError: a screen is asked for where there is none.
    """
    wanted = values["progress"]
    if wanted == "none":
        return None
    terminal = _is_terminal()
    if wanted == "bar" and not terminal:
        raise UsageError("--progress bar needs a terminal on stderr; plain does not")
    busy = prints and sys.stdout is not None and sys.stdout.isatty()
    if wanted == "bar" or (wanted == "auto" and terminal and not busy):
        from bulkmeta.report.live import LiveWatcher

        return LiveWatcher()
    return PlainWatcher(tell)


def _is_terminal() -> bool:
    stderr = sys.stderr is not None and sys.stderr.isatty()
    return stderr and os.environ.get("TERM") != "dumb"
