"""The screen of a run, in each of its states, as a terminal would show it."""

from __future__ import annotations

import asyncio
import io

import pytest
from rich.console import Console

from bulkmeta.errors import ErrorDetail
from bulkmeta.model.outcome import Outcome
from bulkmeta.oss.pace import PaceNow
from bulkmeta.report.live import LiveWatcher, Screen
from bulkmeta.report.progress import RunState
from bulkmeta.report.stats import RunStats

RUNNING = RunState(
    RunStats({"updated": 12_300, "unchanged": 100}),
    lambda: PaceNow(64, 2000.0, 0),
    50_000,
)
ESCAPE = "\x1b["


def console(width: int = 70, *, terminal: bool = False) -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return (
        Console(
            file=file,
            width=width,
            height=24,
            force_terminal=terminal,
            highlight=False,
            color_system="standard" if terminal else None,
        ),
        file,
    )


def shown(state: RunState, width: int = 70) -> list[str]:
    drawn, file = console(width)
    drawn.print(Screen(state))
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_running() -> None:
    """How far, how fast, how it ended, and what the service lets through."""
    head, bar, counts, pace = shown(RUNNING)
    assert head == "12,400 of 50,000 objects (25%), 0/s"
    assert set(bar.strip()) <= set("━╸╺ -")
    assert counts == "12,300 updated, 100 unchanged"
    assert pace == "64 requests under way, at most 2,000/s"


def test_total_unknown() -> None:
    """No bar, and nothing made up."""
    state = RunState(RunStats(), lambda: PaceNow(0, 2000.0, 0))
    assert shown(state) == [
        "0 objects, 0/s",
        "no objects yet",
        "0 requests under way, at most 2,000/s",
    ]


def test_throttled_and_failing() -> None:
    """It is said so, and the latest failures stand below."""
    stats = RunStats({"updated": 5})
    error = ErrorDetail("AccessDenied", 403, "You have no right to access this.")
    for number in range(4):
        key = f"photos/{number}.jpg"
        failed = Outcome(
            seq=number, key=key, status="failed", reason="access_denied", error=error
        )
        stats.emit(failed)
    lines = shown(RunState(stats, lambda: PaceNow(12_345, 10_000.0, 9_876_543)), 80)
    assert lines[1:4] == [
        "5 updated, 4 failed",
        "12,345 requests under way, at most 10,000/s",
        "slowed down by the service (9,876,543 answers)",
    ]
    assert lines[4:] == [
        f"! photos/{n}.jpg: access_denied: You have no right to access this."
        for n in (1, 2, 3)
    ]


@pytest.mark.parametrize("width", [20, 9, 1])
def test_narrow(width: int) -> None:
    """Each line is cut, and stays one line."""
    lines = shown(RUNNING, width)
    assert len(lines) == 4
    assert all(len(line) <= width for line in lines)


def test_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the terminal has them, and nobody asked for none."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured, file = console(terminal=True)
    coloured.print(Screen(RUNNING))
    assert f"{ESCAPE}32m12,300 updated" in file.getvalue()

    monkeypatch.setenv("NO_COLOR", "1")
    plain, file = console(terminal=True)
    plain.print(Screen(RUNNING))
    assert f"{ESCAPE}32m" not in file.getvalue()


async def test_watching() -> None:
    """It changes in one place, takes words above it, and leaves nothing behind."""
    drawn, file = console(terminal=True)
    watcher = LiveWatcher(drawn)
    async with watcher.watch(RUNNING):
        await asyncio.sleep(0.6)
        watcher.say("stopping: [1] of 2")
    text = file.getvalue()
    assert text.count("12,400 of 50,000") >= 2
    assert "stopping: [1] of 2" in text
    assert text.rstrip().endswith(("[2K", "[?25h"))
    assert f"{ESCAPE}?25h" in text


async def test_long_words_above_it() -> None:
    """Are broken between words, and never in what is in quotes."""
    drawn, file = console(40, terminal=True)
    long = "'a longer one than a line has room for'"
    async with LiveWatcher(drawn).watch(RUNNING):
        LiveWatcher(drawn).say(f"warning   words in front of {long}, and behind it")
    assert f"warning   words in front of\n{' ' * 10}{long},\n" in file.getvalue()


async def test_an_error_leaves_the_terminal_as_it_was() -> None:
    """The cursor is there again."""
    drawn, file = console(terminal=True)
    with pytest.raises(ZeroDivisionError):
        async with LiveWatcher(drawn).watch(RUNNING):
            1 / 0  # noqa: B018
    assert file.getvalue().rfind(f"{ESCAPE}?25h") > file.getvalue().rfind(
        f"{ESCAPE}?25l"
    )
