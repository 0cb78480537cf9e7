"""`interrupted` and `why`: whether a run has an end, and what kept it from that."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.functional.endings import test_told as ways
from tests.functional.endings.conftest import HOOK, Command, told

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS

CAUSES: dict[Callable[..., Any], str | None] = {
    ways.denied: None,
    ways.locked: None,
    ways.too_many: "more than 0 objects failed (--max-failures 0)",
    ways.fatal: "InvalidAccessKeyId: ",
    ways.out_of_time: "--max-duration is over",
    ways.interrupted: "interrupted by a signal",
    ways.surprised: "unexpected KeyError: ",
}


@pytest.mark.parametrize("way", CAUSES, ids=lambda way: str(way.__name__))
def test_why_it_has_no_end(
    oss: EmbeddedOSS,
    bulkmeta: Command,
    way: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A run file without a last line is that of a run that was interrupted, to all who
    are told, and each is told why."""
    monkeypatch.setattr(ways, "ALL", (*ways.ALL, "--log-file", "run.log"))
    result, words = way(bulkmeta, oss), CAUSES[way]
    line = json.loads(result.out)
    last = json.loads(Path("run.log").read_text().splitlines()[-1])
    assert line["interrupted"] is (words is not None)
    assert (line["why"] or "").startswith(words or "")
    for heard in (told(), last):
        assert [heard[name] for name in ("interrupted", "why")] == [
            line["interrupted"],
            line["why"],
        ]
    if way not in {ways.locked, ways.interrupted, ways.surprised}:
        ended = '"type":"summary"' in Path("night.jsonl").read_text()
        report = bulkmeta("report", "night.jsonl", "--json")
        known = json.loads(report.out)
        assert line["interrupted"] is known["interrupted"] is not ended
        assert known["why"] is None


def test_why_a_resumed_run_has_no_end(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """It was refused before it went on; its file has no last line."""
    ways.fatal(bulkmeta, oss)
    order = ("resume", "night.jsonl", "--endpoint", "http://127.0.0.1:1", *HOOK)
    assert bulkmeta(*order).code == 2
    words = "the run was on "
    assert (told()["interrupted"], told()["why"][: len(words)]) == (True, words)
