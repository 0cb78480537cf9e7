"""`demo`, `emulator`, `--help`: what a newcomer runs first."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bulkmeta import __version__
from bulkmeta.cli.main import COMMANDS, run

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS


@pytest.fixture
def untouched_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`demo` sets variables in its own process, which here is this one."""
    for name in ("OSS_ENDPOINT", "OSS_REGION", "OSS_BUCKET"):
        monkeypatch.setenv(name, "")
    for name in ("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)


@pytest.mark.usefixtures("untouched_environment")
def test_demo_runs_the_main_job(capsys: pytest.CaptureFixture[str]) -> None:
    """It changes objects for real, says what happened, and leaves the run file."""
    code = run(["demo", "--objects", "120"])

    shown = capsys.readouterr().out
    assert code == 0
    assert "120 objects in" in shown
    assert "skipped: symlink" in shown
    assert "failed: metadata_too_large" in shown
    assert '+ meta project = "atlas"' in shown
    [path] = re.findall(r"\S+/run\.jsonl$", shown.strip())
    lines = [json.loads(line) for line in Path(path).read_text().split("\n")[:-1]]
    assert len([line for line in lines if line["type"] == "object"]) == 120
    assert lines[-1]["type"] == "summary"


def test_emulator_prints_what_a_shell_needs(
    bulkmeta: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines that it prints are enough for the next command; Ctrl-C ends it."""
    with subprocess.Popen(
        [sys.executable, "-m", "bulkmeta", "emulator", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        lines = [process.stdout.readline() for _ in range(5)]
        for line in lines:
            name, value = line.removeprefix("export ").strip().split("=")
            monkeypatch.setenv(name, value)
        result = bulkmeta("show", f"oss://{os.environ['OSS_BUCKET']}/", "--all")
        assert (result.code, result.out) == (0, "")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_version(bulkmeta: Callable[..., Any]) -> None:
    """`--version` prints the version and nothing else."""
    assert bulkmeta("--version").out == f"{__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(
    bulkmeta: Callable[..., Any], oss: EmbeddedOSS, name: str
) -> None:
    """Each command says what it does, and does nothing while it says it."""
    result = bulkmeta(name, "--help")

    assert result.code == 0
    assert result.out.startswith(f"Usage: bulkmeta {name}")
    assert oss.log.requests() == []
