"""Fixtures: an embedded OSS to work on, and the command line to work with."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bulkmeta.cli.main import run
from bulkmeta.emulator.options import EmulatorOptions
from bulkmeta.emulator.server import EmbeddedOSS
from bulkmeta.engine.shutdown import StopRequest
from bulkmeta.oss.limiter import RateLimiter

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
    """How long the crash harness and the race for a lock are to go on, how large a run
    of several processes is, and whether a real bucket may be changed."""
    parser.addoption("--crashes", type=int, default=6, help="kills of the real process")
    parser.addoption("--objects", type=int, default=300, help="of several processes")
    parser.addoption("--lock-rounds", type=int, default=20, help="turns at a lock")
    parser.addoption("--live", action="store_true", help="run tests/live, too")
    parser.addoption(
        "--live-table", metavar="FILE", help="for its answers, as Markdown"
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two for each core: tests wait about as long as they compute."""
    return 2 * (os.cpu_count() or 1)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """A test marked `no_cover` is not traced. pytest-cov stops one of the two tracers
    that it has in a worker of xdist; the other one would go on."""
    if item.get_closest_marker("no_cover"):
        with _untraced():
            return (yield)
    return (yield)


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


@pytest.fixture(autouse=True)
def _quick_starts(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs that tests start find the package compiled: a fifth of each start. In a
    test marked `no_cover` they are not traced either: another quarter."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    if request.node.get_closest_marker("no_cover"):
        monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)


@pytest.fixture
def crashes(request: pytest.FixtureRequest) -> int:
    """How many times the crash harness kills."""
    return int(request.config.getoption("--crashes"))


@pytest.fixture
def run_objects(request: pytest.FixtureRequest) -> int:
    """How large a run of several processes is."""
    return int(request.config.getoption("--objects"))


@pytest.fixture
def lock_rounds(request: pytest.FixtureRequest) -> int:
    """How many times a lock changes hands in the race for it."""
    return int(request.config.getoption("--lock-rounds"))


@pytest.fixture
def log_size(run_objects: int) -> int:
    """How many requests an embedded OSS keeps in mind: all of a run and its undoing."""
    return max(20_000, 10 * run_objects)


@pytest.fixture
def oss(log_size: int) -> Iterator[EmbeddedOSS]:
    """An embedded OSS with one empty bucket, `bucket`. Its thread is not traced: it has
    tests of its own, and here that would be a third of all they take."""
    with ExitStack() as serving:
        with _untraced():
            options = EmulatorOptions(log_size=log_size)
            embedded = serving.enter_context(EmbeddedOSS(options))
        embedded.store.create_bucket(BUCKET)
        yield embedded


@contextmanager
def _untraced() -> Iterator[None]:
    """No coverage of what is done here, nor of threads that are started meanwhile."""
    here, threads = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    try:
        yield
    finally:
        threading.settrace(threads)
        sys.settrace(here)


@pytest.fixture
def quick_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the rate at which requests leave, time passes 20 times as fast: a run whose
    pace is not looked at does not wait for it to be found."""
    monkeypatch.setattr(
        "bulkmeta.oss.connect.RateLimiter",
        partial(
            RateLimiter,
            now_s=lambda: 20.0 * time.monotonic(),
            sleep=lambda seconds: asyncio.sleep(seconds / 20.0),
        ),
    )


@pytest.fixture
def time_jumps(oss: EmbeddedOSS, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an object of a run waits for comes at once: the service's clock jumps."""

    async def jump(_stop: StopRequest, seconds: float) -> None:
        oss.clock.offset_s += seconds
        await asyncio.sleep(0)

    monkeypatch.setattr(StopRequest, "sleep", jump)


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
