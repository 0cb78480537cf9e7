"""A worker process is gone for good before whoever started it goes on."""

from __future__ import annotations

import asyncio
import subprocess
from signal import SIGKILL
from typing import Any

import pytest

from bulkmeta.runners import processes
from bulkmeta.runners.loop import run_loop
from bulkmeta.runners.processes import hire_process

Started = list["subprocess.Popen[bytes]"]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    """The processes that were started."""
    found: Started = []
    start = subprocess.Popen

    def noted(*args: Any, **options: Any) -> subprocess.Popen[bytes]:
        found.append(start(*args, **options))
        return found[-1]

    monkeypatch.setattr(subprocess, "Popen", noted)
    return found


@pytest.mark.parametrize("turns", range(6))
def test_however_often_cancelled(started: Started, turns: int) -> None:
    """At whatever point the cancellation comes, and if more come while the end is
    waited for: each task group on the way out sends one."""

    async def hire() -> None:
        async with hire_process():
            await asyncio.Event().wait()

    async def main() -> None:
        hiring = asyncio.create_task(hire())
        for _ in range(turns):
            await asyncio.sleep(0)
        for _ in range(4):
            hiring.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await hiring

    run_loop(main())
    assert all(process.returncode == -SIGKILL for process in started)
    assert started or turns < 4


def test_leaves_by_itself(started: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the channel is closed; it is not killed then, if it is given the time that
    a busy machine takes to start it."""
    monkeypatch.setattr(processes, "_LEAVE_S", 60.0)

    async def main() -> None:
        async with hire_process():
            pass

    run_loop(main())
    assert [process.returncode for process in started] == [0]
