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
    [path] = re.findall(r"former metadata: (\S+/run\.jsonl)$", shown, re.MULTILINE)
    assert "It is kept for you to read, as `bulkmeta report` does; " in shown
    assert shown.endswith(f"To remove it: rm -r {Path(path).parent}\n")
    lines = [json.loads(line) for line in Path(path).read_text().split("\n")[:-1]]
    assert len([line for line in lines if line["type"] == "object"]) == 120
    assert lines[-1]["type"] == "summary"


@pytest.mark.usefixtures("untouched_environment")
def test_demo_minds_nothing_of_the_users_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A session token and proxies are for the real service; a demonstration neither
    signs with the one nor goes through the other."""
    monkeypatch.setenv("OSS_SESSION_TOKEN", "t0k3n")
    monkeypatch.setenv("ALIBABA_CLOUD_SECURITY_TOKEN", "t0k3n")
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)

    code = run(["demo", "--objects", "20"])

    captured = capsys.readouterr()
    assert code == 0, captured.err
    assert "20 objects in" in captured.out


@pytest.mark.usefixtures("untouched_environment")
@pytest.mark.parametrize("failing", [1, 2])
def test_demo_stops_when_a_command_fails(
    monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """What did not work is not shown as if it had."""
    codes = [0] * (failing - 1) + [4]
    commands: list[list[str]] = []

    def fail(args: list[str]) -> int:
        commands.append(args)
        Path(args[-1]).write_text("")
        return codes[len(commands) - 1]

    monkeypatch.setattr("bulkmeta.cli.demonstration.run", fail)

    assert run(["demo", "--objects", "10"]) == 4
    assert len(commands) == failing


@pytest.mark.usefixtures("untouched_environment")
def test_demo_without_its_embedded_oss(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A process that says nothing and ends is no embedded OSS: one line."""
    monkeypatch.setattr("sys.executable", "/bin/true")

    assert run(["demo"]) != 0
    assert capsys.readouterr().err == "bulkmeta: the embedded OSS did not start\n"
    assert [*tmp_path.glob("bulkmeta-demo-*")] == []


@pytest.mark.usefixtures("untouched_environment")
def test_demo_says_why_its_embedded_oss_is_not_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What it said at last is told, since its log goes with the folder."""
    failing = tmp_path / "python"
    failing.write_text("#!/bin/sh\necho Traceback >&2\necho no room >&2\nexit 1\n")
    failing.chmod(0o700)
    monkeypatch.setattr("sys.executable", str(failing))

    assert run(["demo"]) != 0
    words = "bulkmeta: the embedded OSS did not start: no room\n"
    assert capsys.readouterr().err == words
    assert [*tmp_path.glob("bulkmeta-demo-*")] == []


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


def test_help_names_every_command(bulkmeta: Callable[..., Any]) -> None:
    """`--help` on stdout, with a line for each command; without a command the same on
    stderr, as an error."""
    asked, bare = bulkmeta("--help"), bulkmeta()

    assert (asked.code, asked.err) == (0, "")
    assert (bare.code, bare.out) == (2, "")
    for text in (asked.out, bare.err):
        listed = [line.split()[0] for line in text.splitlines() if line.strip()]
        assert set(COMMANDS) <= set(listed)


def test_commands_are_completed(
    bulkmeta: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shell that asks what may follow is told the commands."""
    monkeypatch.setenv("_BULKMETA_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "bulkmeta ")
    monkeypatch.setenv("COMP_CWORD", "1")

    told = bulkmeta().out

    assert [line.partition(",")[2] for line in told.splitlines()] == [*COMMANDS]


def test_an_option_after_the_end_of_options(bulkmeta: Callable[..., Any]) -> None:
    """What follows `--` names a command, and this names none: one line, exit 2."""
    result = bulkmeta("--", "--nonsense")

    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert result.err.startswith("bulkmeta: ")


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
