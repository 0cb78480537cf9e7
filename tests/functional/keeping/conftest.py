"""A job that is run again and again, with `--state`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS


Command = Callable[..., Any]
ORDER = ("apply", "oss://bucket/p/", "--set", "n=1", "--yes", "--rate", "max")
OLD_S = 1_700_000_000.0
HEAD, COPY = "HeadObject", "CopyObject"


@pytest.fixture(autouse=True)
def _seeded(oss: EmbeddedOSS) -> None:
    oss.store.put_objects(
        "bucket",
        ({"key": f"p/{n:03}", "last_modified": OLD_S} for n in range(50)),
    )


def asked(oss: EmbeddedOSS, operation: str = HEAD) -> list[str]:
    """The keys of such requests since the last look."""
    found = [key for name, key in oss.log.operations() if name == operation]
    oss.log.clear()
    return found


def folders() -> list[Path]:
    return sorted((Path.home() / ".bulkmeta/jobs").glob("*"))


def started(oss: EmbeddedOSS, folder: Path, *args: str) -> subprocess.Popen[str]:
    """The job in a process of its own, slow enough to be met."""
    process = subprocess.Popen(  # noqa: S603 our own interpreter
        [
            sys.executable,
            "-m",
            "bulkmeta",
            *ORDER[:-1],
            "10",
            "--concurrency",
            "4",
            *args,
        ],
        env={**os.environ, **oss.environment},
        cwd=folder,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    deadline_s = time.monotonic() + 20
    while not asked(oss):
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    return process
