"""A command that runs when a run has ended, and does not end itself."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from bulkmeta.cli.hook import hook_words, run_hook

LINGER = """
import os, pathlib, sys, time
child = os.fork()
if not child:
    pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
print("waiting", flush=True)
time.sleep(60)
"""


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that is dead and not yet buried does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def await_pid(path: Path) -> int:
    deadline_s = time.monotonic() + 30
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    return int(path.read_text())


def await_end(pid: int) -> None:
    deadline_s = time.monotonic() + 30
    while is_alive(pid):
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def test_too_long(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is killed with all that it started; what it said so far is told."""
    words = [sys.executable, "-c", LINGER, str(tmp_path / "pid")]
    fault = run_hook(words, b"{}", patience_s=3.0)
    assert fault == f"--on-finish: {sys.executable!r} was killed after 3 s"
    await_end(await_pid(tmp_path / "pid"))
    assert "waiting" in capsys.readouterr().err


def test_no_room_for_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs all the same: it may be there to tell that the disk is full."""

    def full() -> None:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    words = ["sh", "-c", 'cat > "$0"; echo done', str(tmp_path / "told")]
    assert run_hook(words, b"{}") is None
    assert (tmp_path / "told").read_bytes() == b"{}"


def test_interrupted(tmp_path: Path) -> None:
    """Ctrl-C ends it, not us; the terminal's own signal does not reach it."""

    def interrupt() -> None:
        await_pid(tmp_path / "pid")
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        thread.start()
        fault = run_hook([sys.executable, "-c", LINGER, str(tmp_path / "pid")], b"{}")
        thread.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert fault is not None
    assert fault.endswith("was killed, since we were interrupted")
    await_end(await_pid(tmp_path / "pid"))


@pytest.mark.parametrize("size", [10, 10_000_000])
def test_it_need_not_listen(size: int) -> None:
    """Nor take what it is told."""
    assert run_hook(["true"], b"x" * size) is None
    assert run_hook(["false"], b"x" * size) == (
        "--on-finish: 'false' ended with exit code 1"
    )


def test_it_is_killed_by_others() -> None:
    script = "import os; os.kill(os.getpid(), 9)"
    fault = run_hook([sys.executable, "-c", script], b"")
    assert fault == f"--on-finish: {sys.executable!r} was ended by signal 9"


def test_words() -> None:
    """As a shell would split them."""
    assert hook_words("a 'b c' \"d\" e\\ f") == shlex.split("a 'b c' 'd' 'e f'")
