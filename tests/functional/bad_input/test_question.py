"""The question before a change, and the ways to answer it."""

from __future__ import annotations

import os
import pty
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.functional.bad_input.conftest import (
    CHANGE,
    PLAIN,
    TARGET,
    assert_nothing_written,
    assert_one_line,
    command_process,
)

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS

CTRL_C = b"\x03"
# The controlling terminal is what turns Ctrl-C into a signal; a parent may have left
# it ignored. What it shows there is read from a pipe.
ON_TERMINAL = """
import fcntl, signal, sys, termios
sys.stderr.isatty = lambda: True
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGINT, signal.default_int_handler)
from bulkmeta.cli.main import main
main()
"""


@contextmanager
def _asked(oss: EmbeddedOSS, folder: Path, *extra: str) -> Iterator[Any]:
    """A run on a terminal of its own, at the moment when it asks."""
    oss.store.put_object("bucket", "p/0", meta={"is": "old"})
    terminal, inner = pty.openpty()
    process = command_process(
        oss, folder, ON_TERMINAL, "apply", TARGET, *CHANGE, *extra,
        "--run-file", "run.jsonl", stdin=inner, start_new_session=True,
    )  # fmt: skip
    os.close(inner)
    assert process.stderr
    shown = ""
    try:
        while "[y/N]" not in shown:
            char = process.stderr.read(1)
            assert char, shown
            shown += char
        yield partial(_answer, process, terminal), shown
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
        process.stderr.close()
        if process.stdout:
            process.stdout.close()


def _answer(
    process: subprocess.Popen[str], terminal: int, keys: bytes
) -> tuple[int, str]:
    if keys == CTRL_C:
        # Python misses a signal that comes just before it begins to read.
        time.sleep(0.3)
    os.write(terminal, keys)
    _, err = process.communicate(timeout=30)
    return process.returncode, err


@pytest.mark.parametrize("keys", [b"n\n", b"N\n", b"\n"])
def test_no_is_no(oss: EmbeddedOSS, tmp_path: Path, keys: bytes) -> None:
    """N, or nothing at all, stops the run with nothing changed and no run file."""
    with _asked(oss, tmp_path) as (answer, shown):
        assert "oss://bucket/p/" in shown
        assert 'set project = "atlas"' in shown
        code, err = answer(keys)

    assert (code, err.splitlines()[-1]) == (130, "bulkmeta: nothing was changed")
    assert_nothing_written(oss)
    assert not any(operation == "HeadObject" for operation, _ in oss.log.operations())
    assert list(tmp_path.iterdir()) == []


def test_yes_is_yes(oss: EmbeddedOSS, tmp_path: Path, read_run: Any) -> None:
    """Only after y is anything changed; before, the bucket was looked at at most."""
    with _asked(oss, tmp_path) as (answer, _):
        assert [logged.method for logged in oss.log.requests()] == ["GET", "GET"]
        code, err = answer(b"y\n")

    assert code == 0, err
    assert oss.store.get_object("bucket", "p/0").meta["project"] == "atlas"
    assert read_run(tmp_path / "run.jsonl").summary["counts"]["updated"] == 1


def test_another_answer_is_asked_again(oss: EmbeddedOSS, tmp_path: Path) -> None:
    """Something else than y or n is not taken for either."""
    with _asked(oss, tmp_path) as (answer, _):
        code, err = answer(b"maybe\nn\n")

    assert code != 0
    assert err.count("[y/N]") == 1
    assert err.count("please answer yes or no\n") == 1
    assert "invalid" not in err
    assert_nothing_written(oss)


@pytest.mark.parametrize("keys", [CTRL_C, b"\x04"])
def test_leaving_at_the_question(oss: EmbeddedOSS, tmp_path: Path, keys: bytes) -> None:
    """Ctrl-C and Ctrl-D at the question: 130, one line, nothing changed."""
    with _asked(oss, tmp_path) as (answer, _):
        code, err = answer(keys)

    assert code == 130
    assert err.strip().splitlines()[-1] == "bulkmeta: nothing was changed"
    assert "Traceback" not in err
    assert_nothing_written(oss)
    assert list(tmp_path.iterdir()) == []


def test_no_terminal_to_ask_on(oss: EmbeddedOSS, tmp_path: Path) -> None:
    """A script that forgot --yes: exit 2 at once, and nothing sent."""
    oss.store.put_object("bucket", "p/0", meta={"is": "old"})
    process = command_process(oss, tmp_path, PLAIN, "apply", TARGET, *CHANGE)
    out, err = process.communicate(timeout=30)

    assert (process.returncode, out) == (2, "")
    assert_one_line(err, "no terminal", "--yes")
    assert oss.log.requests() == []
    assert list(tmp_path.iterdir()) == []


def test_standard_input_that_is_closed(oss: EmbeddedOSS, tmp_path: Path) -> None:
    """Started without any standard input at all, as some schedulers do."""
    closing = "import os; os.close(0)\nimport sys; sys.stdin = None\n"
    process = command_process(oss, tmp_path, closing + PLAIN, "apply", TARGET, *CHANGE)
    _, err = process.communicate(timeout=30)

    assert process.returncode == 2
    assert_one_line(err, "no terminal", "--yes")
