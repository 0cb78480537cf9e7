"""Progress on a terminal, in a log file, or none; results are never mixed with it."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS

Command = Callable[..., Any]
MAIN = "from bulkmeta.cli.main import main; main()"
ORDER = ("apply", "oss://bucket/p/", "--set", "a=1", "--yes", "--run-file", "run.jsonl")


@pytest.fixture
def oss_(oss: EmbeddedOSS) -> EmbeddedOSS:
    for number in range(40):
        oss.store.put_object("bucket", f"p/{number:02}", body=b"")
    return oss


def on_terminal(
    oss: EmbeddedOSS, folder: Path, *args: str, **environment: str
) -> tuple[int, str, str]:
    """The exit code, stdout (a pipe) and stderr (a terminal)."""
    main, other = pty.openpty()
    process = subprocess.Popen(  # noqa: S603 our own interpreter
        [sys.executable, "-c", MAIN, *args],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=other,
        cwd=folder,
        env={**os.environ, **oss.environment, "TERM": "xterm", **environment},
    )
    os.close(other)
    seen = b""
    while True:
        try:
            block = os.read(main, 65536)
        except OSError:  # the terminal is closed
            break
        if not block:
            break
        seen += block
    out, _ = process.communicate(timeout=30)
    os.close(main)
    return process.returncode, out.decode(), seen.decode()


def test_on_a_terminal(oss_: EmbeddedOSS, tmp_path: Path) -> None:
    """One place that changes; the results go to stdout, without an escape."""
    code, out, err = on_terminal(oss_, tmp_path, *ORDER, "--rate", "80")
    assert code == 0, err
    assert err.count(" objects, ") >= 3
    assert "\x1b[" in err
    assert "\x1b" not in out
    assert "40 updated" in out


@pytest.mark.parametrize(
    ("more", "environment"),
    [
        (("--progress", "plain"), {}),
        (("--progress", "none"), {}),
        (("--debug",), {}),
        (("--debug", "--progress", "bar"), {}),
        ((), {"TERM": "dumb"}),
    ],
)
def test_no_screen(
    oss_: EmbeddedOSS,
    tmp_path: Path,
    more: tuple[str, ...],
    environment: dict[str, str],
) -> None:
    """Where it is not wanted, or cannot be, or other lines would tear it."""
    code, _, err = on_terminal(oss_, tmp_path, *ORDER, *more, **environment)
    assert code == 0, err
    assert "\x1b" not in err


def test_not_a_terminal(oss_: EmbeddedOSS, bulkmeta: Command) -> None:
    """Lines now and then; a screen cannot be had."""
    del oss_
    refused = bulkmeta(*ORDER, "--progress", "bar")
    assert (refused.code, "needs a terminal on stderr" in refused.err) == (2, True)
    result = bulkmeta(*ORDER, "--rate", "16", "--concurrency", "1")
    assert (result.code, "\x1b" in result.err) == (0, False)
    assert re.search(r"^\d+ objects, \d+/s: \d+ updated$", result.err, re.MULTILINE)


def test_as_json(oss_: EmbeddedOSS, bulkmeta: Command) -> None:
    """One line on stdout, whatever the command."""
    oss_.store.put_object("bucket", "p/cold", body=b"", storage_class="IA")
    change = ("--set", "a=1", "--json")
    plan = bulkmeta("plan", "oss://bucket/p/", *change, "--out", "plan.jsonl")
    found = json.loads(plan.out)
    assert (plan.code, plan.out.count("\n")) == (0, 1)
    assert (found["command"], found["run_file"]) == ("plan", "plan.jsonl")
    assert found["counts"]["planned"] == 40
    assert found["reasons"] == {"skipped: early_rewrite": 1}

    applied = bulkmeta(*ORDER, "--json")
    found = json.loads(applied.out)
    assert found["target"] == "oss://bucket/p/"
    assert (found["objects"], found["interrupted"]) == (41, False)
    assert found["requests"]["CopyObject"] == found["counts"]["updated"] == 40
    assert found["elapsed_s"] > 0

    oss_.clock.offset_s += 5
    for order in (
        ("verify", "run.jsonl"),
        ("undo", "run.jsonl", "--dry-run"),
        ("undo", "run.jsonl", "--yes", "--run-file", "undo.jsonl"),
        ("retry", "run.jsonl", "--yes", "--run-file", "retry.jsonl"),
    ):
        result = bulkmeta(*order, "--json")
        assert result.code == 0, result.err
        assert result.out.count("\n") == 1
        found = json.loads(result.out)
        assert found["command"] == order[0]
        assert found["objects"] == (0 if "retry" in order else 40)
