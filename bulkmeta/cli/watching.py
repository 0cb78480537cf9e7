"""How a command tells what it is doing, and how it ended: for people, or as JSON."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulkmeta.cli.describe import slowed_lines, sum_lines
from bulkmeta.cli.facts import facts_of
from bulkmeta.cli.log import STDERR
from bulkmeta.cli.output import print_result, print_summary, tell
from bulkmeta.cli.outside import Outside, outside
from bulkmeta.cli.silence import silence_told_by
from bulkmeta.errors import UsageError
from bulkmeta.model.billing import Prices
from bulkmeta.report.failure_log import FailureLog
from bulkmeta.report.progress import PlainWatcher

if TYPE_CHECKING:
    from bulkmeta.model.job import RunSpec, Target
    from bulkmeta.model.outcome import Outcome
    from bulkmeta.report.drain import Sink
    from bulkmeta.report.progress import RunState, Watcher
    from bulkmeta.report.stats import RunStats
    from bulkmeta.runners.host import Host, RunEnd


@dataclass(frozen=True, slots=True)
class Telling:
    """Where words go: a run's progress to its `watcher`, results to stdout; with
    `as_json` nothing but how it ended. `prices` are what costs are told by. Those
    `outside` learn of it, too."""

    watcher: Watcher
    as_json: bool
    prices: Prices
    outside: Outside

    def begin(self, spec: RunSpec, run_file: Path | None) -> None:
        """Tell those outside that the run begins."""
        self.outside.begin(spec, run_file)

    def hosted(self, host: Host, *sinks: Sink[Outcome]) -> Host:
        """The host of a run whose outcomes go to the sinks, and that is watched."""
        log = [FailureLog()] if self.outside.logs else []
        return replace(host, sinks=[*sinks, *log], progress=self.watcher, say=tell)

    def result(self, text: str) -> None:
        """Tell of one object."""
        if not self.as_json:
            print_result(text)

    def end(
        self,
        end: RunEnd,
        lines: Iterable[str],
        run_file: Path | None,
        more: Mapping[str, object] | None = None,
    ) -> None:
        """Tell how the run ended; `lines` say it to people. Programs are told by those
        outside, and `more` besides."""
        facts = facts_of(end, run_file, self.outside.command)
        self.outside.end(facts, more or {})
        if not self.as_json:
            words = (*lines, *slowed_lines(self.outside.throttled))
            self.outside.miss(print_summary(words))

    def broken_off(self, target: Target) -> RunStats | None:
        """Tell people how far a run on the target came that an error ended; its
        counters, if it was begun."""
        stats, elapsed_s = self.outside.so_far()
        if stats and not self.as_json:
            slowed = slowed_lines(self.outside.throttled)
            words = (*sum_lines(stats, elapsed_s, target), *slowed)
            self.outside.miss(print_summary(words))
        return stats


@dataclass(frozen=True, slots=True)
class Witness:
    """A watcher, if there is one, that those outside look over the shoulder of."""

    watcher: Watcher | None
    note: Callable[[RunState], object]

    @property
    def say(self) -> Callable[[str], object]:
        """As the watcher does."""
        return self.watcher.say if self.watcher else _keep_silent

    @asynccontextmanager
    async def watch(self, state: RunState) -> AsyncIterator[None]:
        """As the watcher does."""
        self.note(state)
        shown = self.watcher.watch(state) if self.watcher else nullcontext()
        with silence_told_by(self.watcher.say if self.watcher else tell):
            async with shown:
                yield


def _keep_silent(line: str) -> None:
    """Nobody wants to know."""


def telling_of(values: dict[str, Any], *, prints: bool = False) -> Telling:
    """What --progress and --json ask for; `auto` is a screen on a terminal, unless the
    command `prints` its results on one as it goes.

    Raises:
        UsageError: a screen is asked for where there is none.
    """
    as_json = values["as_json"]
    prices = Prices(values.get("price_put"), values.get("price_get"))
    seen = outside()
    watcher = Witness(_watcher_of(values, prints=prints and not as_json), seen.watch)
    return Telling(watcher, as_json, prices, seen)


def _watcher_of(values: dict[str, Any], *, prints: bool) -> Watcher | None:
    wanted = values["progress"]
    if wanted == "none":
        return None
    if values["log_file"] == STDERR:
        return _recorded(wanted)
    if values["debug"]:  # its lines would tear a screen
        return PlainWatcher(tell)
    terminal = _is_terminal()
    if wanted == "bar" and not terminal:
        raise UsageError("--progress bar needs a terminal on stderr; plain does not")
    busy = prints and sys.stdout is not None and sys.stdout.isatty()
    if wanted == "bar" or (wanted == "auto" and terminal and not busy):
        from bulkmeta.report.live import LiveWatcher

        return LiveWatcher()
    return PlainWatcher(tell)


def _recorded(wanted: str) -> Watcher | None:
    """Where stderr is a log, lines of progress stand in it if they are wanted."""
    if wanted == "bar":
        raise UsageError("--progress bar and --log-file - both take stderr; give one")
    return PlainWatcher(tell) if wanted == "plain" else None


def _is_terminal() -> bool:
    stderr = sys.stderr is not None and sys.stderr.isatty()
    return stderr and os.environ.get("TERM") != "dumb"
