"""A run on a terminal: one place that changes, a few times a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Final

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.constrain import Constrain
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bulkmeta.report.progress import (
    RunState,
    Speed,
    error_lines,
    headline,
    pace_lines,
)
from bulkmeta.report.text import folded

_PER_S: Final = 4
_BAR: Final = 40
_ECHO: Final = len("^C^C")
"""What is typed shows behind the last line; if that wraps, a line too few is taken away
again."""

_STYLES: Final = {
    "updated": "green",
    "planned": "green",
    "skipped": "yellow",
    "failed": "bold red",
}


class LiveWatcher:
    """Draws on stderr; leaves it empty at the end, for the summary says it all."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)

    def say(self, line: str) -> None:
        """Write a line above what changes."""
        text = Text(folded(line, self._console.width))
        self._console.print(text, soft_wrap=True)

    @asynccontextmanager
    async def watch(self, state: RunState) -> AsyncIterator[None]:
        """Show the run, as long as the body lasts."""
        screen = Screen(state)
        with Live(
            screen,
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        ) as live:
            task = asyncio.create_task(_redraw(live))
            try:
                yield
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


async def _redraw(live: Live) -> None:
    while True:
        live.refresh()
        await asyncio.sleep(1 / _PER_S)


class Screen:
    """What is shown of a run; each line is cut before the terminal ends, so that there
    is room for what is typed."""

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._speed = Speed()

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> RenderResult:
        width = max(options.max_width - _ECHO, 1)
        yield Constrain(Group(*self._lines(width)), width)

    def _lines(self, width: int) -> Iterator[RenderableType]:
        state = self._state
        rate = self._speed.at(time.monotonic(), state.stats.objects)
        yield _cut(Text(headline(state, rate), style="bold"))
        if state.total:
            yield _bar(state.stats.objects, state.total, min(width, _BAR))
        yield _cut(_counts(state))
        pace = state.pace()
        for line in pace_lines(pace):
            yield _cut(Text(line, style="yellow" if pace.throttled else "dim"))
        for line in error_lines(state):
            yield _cut(Text(f"! {line}", style="red"))


def _bar(done: int, total: int, width: int) -> RenderableType:
    table = Table.grid()
    table.add_row(ProgressBar(total=total, completed=min(done, total), width=width))
    return table


def _counts(state: RunState) -> Text:
    text = Text()
    for status, count in state.stats.counts.items():
        if count:
            text.append(", " if text else "")
            text.append(f"{count:,} {status}", style=_STYLES.get(status, ""))
    return text or Text("no objects yet", style="dim")


def _cut(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text
