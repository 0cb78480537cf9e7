"""How a command tells what it is doing, and how it ended: for people, or as JSON."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from bulkmeta.cli.output import print_result, print_summary, tell
from bulkmeta.errors import UsageError
from bulkmeta.model.billing import Prices
from bulkmeta.model.outcome import STATUSES
from bulkmeta.report.progress import PlainWatcher

if TYPE_CHECKING:
    from bulkmeta.report.progress import Watcher
    from bulkmeta.runners.local import RunEnd


@dataclass(frozen=True, slots=True)
class Telling:
    """Where words go: a run's progress to its `watcher`, results to stdout; with
    `as_json` nothing but how it ended. `prices` are what costs are told by."""

    watcher: Watcher | None
    as_json: bool
    prices: Prices

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
        """Tell how the run ended; `lines` say it to people, and `more` is told to
        programs besides."""
        json = [_as_json(end, run_file, more or {})] if self.as_json else None
        print_summary(json or lines)


def telling_of(values: dict[str, Any], *, prints: bool = False) -> Telling:
    """What --progress and --json ask for; `auto` is a screen on a terminal, unless the
    command `prints` its results on one as it goes.

    Raises:
        UsageError: a screen is asked for where there is none.
    """
    as_json = values["as_json"]
    prices = Prices(values.get("price_put"), values.get("price_get"))
    return Telling(_watcher_of(values, prints=prints and not as_json), as_json, prices)


def _watcher_of(values: dict[str, Any], *, prints: bool) -> Watcher | None:
    wanted = values["progress"]
    if wanted == "none":
        return None
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


def _is_terminal() -> bool:
    stderr = sys.stderr is not None and sys.stderr.isatty()
    return stderr and os.environ.get("TERM") != "dumb"


def _as_json(end: RunEnd, run_file: Path | None, more: Mapping[str, object]) -> str:
    """How a run ended, on one line; the names are those of the run file."""
    found = {
        "command": end.spec.command,
        "target": str(end.spec.job.target),
        "run_file": None if run_file is None else str(run_file),
        "interrupted": end.interrupted,
        "why": end.why,
        "objects": end.stats.objects,
        "counts": {status: end.stats.counts[status] for status in STATUSES},
        "reasons": dict(end.stats.reasons),
        "requests": end.requests,
        "elapsed_s": round(end.elapsed_s, 3),
        **more,
    }
    return msgspec.json.encode(found).decode()
