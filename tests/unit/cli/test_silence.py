"""Where people are told that the service does not answer, and how often."""

from __future__ import annotations

import asyncio
import logging
from contextlib import nullcontext
from typing import TYPE_CHECKING, cast

from bulkmeta.cli.silence import silence_told
from bulkmeta.cli.watching import Witness

if TYPE_CHECKING:
    import pytest

    from bulkmeta.report.progress import RunState, Watcher

LOG = logging.getLogger("bulkmeta.oss.silence")
TOLD = "warning   no answer; trying on (Ctrl-C ends)"


class Screen:
    """A watcher that keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, line: str) -> None:
        self.said.append(line)

    def watch(self, state: RunState) -> nullcontext[None]:
        del state
        return nullcontext()


def test_noticed_by_several(capsys: pytest.CaptureFixture[str]) -> None:
    """Processes that notice the same silence tell it once."""
    with silence_told():
        LOG.warning("no answer")
        LOG.warning("no answer")
    assert capsys.readouterr().err.splitlines() == [TOLD]


def test_by_whom_the_screen_belongs_to(capsys: pytest.CaptureFixture[str]) -> None:
    """While a run is watched its watcher tells it: it draws over other lines."""
    screen = Screen()

    async def watched() -> None:
        witness = Witness(cast("Watcher", screen), lambda _: None)
        async with witness.watch(cast("RunState", None)):
            LOG.warning("no answer")

    with silence_told():
        asyncio.run(watched())
    assert (screen.said, capsys.readouterr().err) == ([TOLD], "")
