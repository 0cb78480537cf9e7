"""Fixtures: an embedded OSS to work on, and the command line to work with."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bulkmeta.cli.main import run
from bulkmeta.emulator.options import EmulatorOptions
from bulkmeta.emulator.server import EmbeddedOSS

BUCKET = "bucket"


@dataclass(frozen=True, slots=True)
class Result:
    """What one command line came to."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class RunLines:
    """A run file, read."""

    header: dict[str, Any]
    objects: list[dict[str, Any]]
    summary: dict[str, Any] | None

    def by_key(self) -> dict[str, dict[str, Any]]:
        """Outcomes by key; each key has exactly one."""
        found = {line["key"]: line for line in self.objects}
        assert len(found) == len(self.objects)
        return found


Command = Callable[..., Result]


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long the crash harness and the race for a lock are to go on."""
    parser.addoption("--crashes", type=int, default=6, help="kills of the real process")
    parser.addoption("--lock-rounds", type=int, default=20, help="turns at a lock")


@pytest.fixture(autouse=True, scope="session")
def _not_under_nohup() -> None:
    """Commands that tests start hear of SIGHUP, whoever starts the tests."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: None)


@pytest.fixture(autouse=True)
def _nobody_at_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No files of other tools, and no machine that has a role."""
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")


@pytest.fixture
def crashes(request: pytest.FixtureRequest) -> int:
    """How many times the crash harness kills."""
    return int(request.config.getoption("--crashes"))


@pytest.fixture
def lock_rounds(request: pytest.FixtureRequest) -> int:
    """How many times a lock changes hands in the race for it."""
    return int(request.config.getoption("--lock-rounds"))


@pytest.fixture
def oss() -> Iterator[EmbeddedOSS]:
    """An embedded OSS with one empty bucket, `bucket`."""
    with EmbeddedOSS(EmulatorOptions()) as embedded:
        embedded.store.create_bucket(BUCKET)
        yield embedded


@pytest.fixture
def bulkmeta(
    oss: EmbeddedOSS,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Command:
    """The command line, in this process, in an empty folder, pointed at `oss`."""
    monkeypatch.setenv("OSS_ENDPOINT", oss.endpoint)
    monkeypatch.setenv("OSS_REGION", "cn-hangzhou")
    monkeypatch.setenv("OSS_ACCESS_KEY_ID", "embedded-key-id")
    monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", "embedded-key-secret")
    monkeypatch.chdir(tmp_path)

    def invoke(*args: str) -> Result:
        capsys.readouterr()
        code = run(list(args))
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return invoke


@pytest.fixture
def read_run() -> Callable[[Path | str], RunLines]:
    """Reads a run file whose lines are all whole."""

    def read(path: Path | str) -> RunLines:
        text = Path(path).read_text()
        assert text.endswith("\n")
        lines = [json.loads(line) for line in text[:-1].split("\n")]
        assert lines[0]["type"] == "run"
        last = lines[-1] if lines[-1]["type"] == "summary" else None
        objects = [line for line in lines if line["type"] == "object"]
        return RunLines(lines[0], objects, last)

    return read
