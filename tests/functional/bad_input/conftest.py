"""Command lines that are refused, and what is looked at afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS


Command = Callable[..., Any]
OBJECTS = 3
TARGET = "oss://bucket/p/"
CHANGE = ("--set", "project=atlas")
YES = ("--yes", "--run-file", "run.jsonl")
GOOD = (TARGET, *CHANGE, *YES)
CREDENTIALS = (
    "OSS_ACCESS_KEY_ID",
    "OSS_ACCESS_KEY_SECRET",
    "OSS_SESSION_TOKEN",
    "ALIBABA_CLOUD_ACCESS_KEY_ID",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    "ALIBABA_CLOUD_SECURITY_TOKEN",
)
PLAIN = "from bulkmeta.cli.main import main; main()"


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bulkmeta.oss.retry.backoff_s", lambda _: 0.0)
    for name in CREDENTIALS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def refused(oss: EmbeddedOSS, bulkmeta: Command) -> Command:
    """A command line that changes nothing and says why, in one line."""
    for number in range(OBJECTS):
        oss.store.put_object("bucket", f"p/{number}", meta={"is": "old"})

    def invoke(*args: str, code: int, words: tuple[str, ...]) -> Any:
        result = bulkmeta(*args)
        assert (result.code, result.out) == (code, ""), result.err
        assert_one_line(result.err, *words)
        assert_nothing_written(oss)
        return result

    return invoke


def assert_one_line(err: str, *words: str) -> None:
    """What was asked for may be said before; the complaint is one line."""
    assert err.endswith("\n"), err
    *order, complaint = err[:-1].split("\n")
    assert complaint.startswith("bulkmeta: ")
    assert all(line.startswith(("target ", "change ", "pace ")) for line in order), err
    assert err.replace("\n", "").isprintable()
    for word in words:
        assert word in complaint


def assert_nothing_written(oss: EmbeddedOSS) -> None:
    assert not any(logged.method == "PUT" for logged in oss.log.requests())
    for stored in oss.store.objects("bucket"):
        assert stored.meta == {"is": "old"}


def command_process(
    oss: EmbeddedOSS, folder: Path, code: str, *args: str, **changes: Any
) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 our own command line
        [sys.executable, "-c", code, *args],
        env={**os.environ, **oss.environment},
        cwd=folder,
        text=True,
        errors="surrogateescape",
        **{
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            **changes,
        },
    )
