"""`bulkmeta`, and `python -m bulkmeta`: from the first moment on, a signal ends it with
the documented exit code."""

from __future__ import annotations

import os
import signal

INTERRUPTED = 130


def main() -> None:
    """Run the command line; exits with one of the documented codes."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name) and not _is_shielded(name):
            signal.signal(getattr(signal, name), _leave)
    from bulkmeta.cli.main import main as begin

    begin()


def _is_shielded(name: str) -> bool:
    """Whether `nohup` keeps that signal away."""
    return name == "SIGHUP" and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def _leave(_number: int, _frame: object) -> None:
    """Nothing has been begun yet."""
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
