"""Each exit code that is documented, from the real command in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bulkmeta.cli.help import EXIT_CODES
from bulkmeta.emulator.faults import Fault

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS

pytestmark = pytest.mark.no_cover
APPLY = ("apply", "oss://bucket/p/", "--set", "n=1", "--yes")
SLOW = (*APPLY, "--rate", "20", "--concurrency", "2")
README = (Path(__file__).parents[2] / "README.md").read_text()


@pytest.fixture
def begin(oss: EmbeddedOSS, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Begins a command."""
    oss.store.put_objects("bucket", ({"key": f"p/{n:02}"} for n in range(40)))

    def started(*args: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603 our own interpreter
            [sys.executable, "-m", "bulkmeta", *args],
            env={**os.environ, **oss.environment, **environment},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return started


Begin = Callable[..., "subprocess.Popen[str]"]


def code_of(process: subprocess.Popen[str]) -> int:
    process.communicate(timeout=40)
    return process.returncode


def at_work(oss: EmbeddedOSS) -> None:
    deadline_s = time.monotonic() + 20
    while not any(name == "HeadObject" for name, _ in oss.log.operations()):
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def test_all_are_documented_and_tested() -> None:
    """In README and help, and below."""
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)}
    tested = {
        int(n) for n in re.findall(r"def test_(\d+)_", Path(__file__).read_text())
    }
    assert told == tested == set(EXIT_CODES)


def test_0_all_done(begin: Begin) -> None:
    assert code_of(begin(*APPLY)) == 0
    assert code_of(begin(*APPLY)) == 0  # nothing to do


def test_1_some_failed(oss: EmbeddedOSS, begin: Begin) -> None:
    oss.faults.add(
        Fault("error", "CopyObject", key="p/07", status=403, code="AccessDenied")
    )
    assert code_of(begin(*APPLY)) == 1


def test_2_usage(begin: Begin) -> None:
    assert code_of(begin("apply", "oss://bucket/p/", "--yes")) == 2


def test_3_too_many_failed(oss: EmbeddedOSS, begin: Begin) -> None:
    oss.faults.add(Fault("error", "CopyObject", status=403, code="AccessDenied"))
    assert code_of(begin(*APPLY, "--max-failures", "5")) == 3


@pytest.mark.parametrize(
    "environment",
    [
        {"OSS_ACCESS_KEY_SECRET": "other"},
        {"OSS_ENDPOINT": "http://127.0.0.1:1"},
        {"OSS_ACCESS_KEY_ID": "", "OSS_ACCESS_KEY_SECRET": ""},
    ],
)
def test_4_cannot_go_on(begin: Begin, environment: dict[str, str]) -> None:
    assert code_of(begin(*APPLY, "--retries", "0", **environment)) == 4


def test_5_another_one_is_at_it(oss: EmbeddedOSS, begin: Begin) -> None:
    first = begin(*SLOW)
    at_work(oss)
    assert code_of(begin(*SLOW)) == 5
    first.kill()
    first.communicate()


def test_6_in_time(begin: Begin) -> None:
    assert code_of(begin(*SLOW, "--max-duration", "1s")) == 6


def test_10_changes_are_pending(begin: Begin) -> None:
    plan = ("plan", "oss://bucket/p/", "--set", "n=1", "--detailed-exitcode")
    assert code_of(begin(*plan)) == 10
    assert code_of(begin(*APPLY)) == 0
    assert code_of(begin(*plan)) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_130_interrupted(
    oss: EmbeddedOSS, begin: Begin, number: signal.Signals
) -> None:
    process = begin(*SLOW)
    at_work(oss)
    process.send_signal(number)
    assert code_of(process) == 130
