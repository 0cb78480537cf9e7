"""The event loop of a command."""

from __future__ import annotations

import asyncio
import gc
import sys

import pytest

from bulkmeta.runners.loop import run_loop


async def its_loop() -> str:
    return type(asyncio.get_running_loop()).__module__


def test_quickest_loop_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """uvloop where it is installed, and Python's own where it is not."""
    pytest.importorskip("uvloop")
    assert run_loop(its_loop()).startswith("uvloop")
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert run_loop(its_loop()).startswith("asyncio")


def test_garbage_collection_is_as_it_was_afterwards() -> None:
    """A command run inside another program leaves no trace, however it ends."""

    async def fail() -> tuple[int, int, int]:
        thresholds.append(gc.get_threshold())
        raise ValueError("mine")

    thresholds = [gc.get_threshold()]
    with pytest.raises(ValueError, match="mine"):
        run_loop(fail())
    assert thresholds[1] != thresholds[0] == gc.get_threshold()
    assert gc.get_freeze_count() == 0


def test_a_job_runs_on_pythons_own_loop(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing depends on the quicker one."""
    from bulkmeta.cli.main import run

    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert run(["demo", "--objects", "50"]) == 0
    assert "50" in capsys.readouterr().out
