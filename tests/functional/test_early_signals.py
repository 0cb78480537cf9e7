"""Signals before anything is begun, and after everything is done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest


@pytest.mark.no_cover
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("after_s", [0.1, 0.15, 0.2, 0.3, 0.4, 0.6])
def test_at_any_time(number: signal.Signals, after_s: float) -> None:
    """No traceback, and no other exit code than those that are documented; but before
    Python itself has started, the signal is the system's."""
    with subprocess.Popen(
        [sys.executable, "-m", "bulkmeta", "--help"],
        env={**os.environ},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        time.sleep(after_s)
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
    if process.returncode == 1:  # Python met it while it prepared itself
        assert number == signal.SIGINT
        assert "KeyboardInterrupt" in err
        assert "bulkmeta" not in err
        return
    assert process.returncode in {0, 130, -number}
    if process.returncode != -number:
        assert err.strip() in {"", "bulkmeta: interrupted"}


TIDIES_UP = """
import signal, time, weakref
from bulkmeta.cli import main

class Thing: pass

def run():
    thing = Thing()
    seen = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGTERM))
    del thing
    time.sleep(20)
    return 0

main.run = run
main.main()
"""


def test_where_python_heeds_no_error() -> None:
    """Such as in a callback of its own: it is heeded a moment later."""
    order = [sys.executable, "-c", TIDIES_UP]
    done = subprocess.run(  # noqa: S603 our own interpreter
        order, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (130, "bulkmeta: interrupted\n")
