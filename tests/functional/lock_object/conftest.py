"""Machines that share a lock: processes with homes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS


Command = Callable[..., Any]
KEY = "locks/retag"
LOCK = f"oss://locks/{KEY}"
HELD = ("--lock-object", LOCK)
ORDER = ("apply", "oss://bucket/p/", "--set", "n=2", "--yes", "--rate", "max")
SLOW = ("apply", "oss://bucket/p/", "--set", "n=1", "--yes", "--concurrency", "4")
OBJECTS = 60
PUT, COPY, HEAD, DELETE = "PutObject", "CopyObject", "HeadObject", "DeleteObject"
SHORT_LEASES = """
from bulkmeta.cli import specs
from bulkmeta.cli.main import main
specs.LEAST_LEASE_S = 1.0
main()
"""


@pytest.fixture(autouse=True)
def _seeded(oss: EmbeddedOSS) -> None:
    oss.store.create_bucket("locks")
    oss.store.put_objects("bucket", ({"key": f"p/{n:03}"} for n in range(OBJECTS)))


@dataclass(frozen=True, slots=True)
class Machine:
    """Where commands run, far from all others but for the service."""

    oss: EmbeddedOSS
    home: Path

    def start(self, *args: str, script: str = SHORT_LEASES) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603 our own interpreter
            [sys.executable, "-c", script, *args],
            env={**os.environ, **self.oss.environment, "HOME": str(self.home)},
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @contextmanager
    def running(self, *args: str) -> Iterator[subprocess.Popen[str]]:
        """A slow run that holds the lock, and has begun."""
        with self.start(*SLOW, *HELD, "--run-file", "run.jsonl", *args) as process:
            until(lambda: bool(changed(self.oss, "1")))
            try:
                yield process
            finally:
                process.kill()


@pytest.fixture
def machine(oss: EmbeddedOSS, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """The other machine."""
    return Machine(oss, tmp_path_factory.mktemp("machine"))


def until(met: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 30
    while not met():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def changed(oss: EmbeddedOSS, value: str) -> list[str]:
    found = oss.store.objects("bucket")
    return [stored.key for stored in found if stored.meta.get("n") == value]


def sent(oss: EmbeddedOSS, bucket: str = "locks") -> list[tuple[str, int]]:
    """What was asked of a lock since the last look, and how it went."""
    found = [r for r in oss.log.requests() if r.bucket == bucket and r.key]
    oss.log.clear()
    return [(request.operation, request.status) for request in found]


def is_free(oss: EmbeddedOSS) -> bool:
    return [*oss.store.objects("locks")] == []
