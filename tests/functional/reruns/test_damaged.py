"""Run files of which a line is not as it was written: refused before anything is done;
without that line they serve."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.functional.reruns.conftest import (
    OLD,
    RUN,
    Command,
    age,
    assert_refused,
    meta,
)

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS

WORDS = (
    "'run.jsonl', line 3: the file is damaged there, or was altered; put a whole copy"
)
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "status": lambda line: line.replace(b'"updated"', b'"updatex"'),
    "state": lambda line: line.replace(b'{"is": "old"}', b'"old"', 1),
    "cut": lambda line: line[:40] + b"\n",
    "garbage": lambda _: b"garbage\n",
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "interrupted"])
def test_a_damaged_line(
    oss: EmbeddedOSS, cut: Any, bulkmeta: Command, *,
    damage: str, whole: bool,
) -> None:  # fmt: skip
    """Nothing is sent, written or made, whatever the damage is."""
    cut(4)
    if whole:
        age(oss)
        assert bulkmeta("resume", "run.jsonl").code == 0
    lines = RUN.read_bytes().splitlines(keepends=True)
    lines[2], before = DAMAGES[damage](lines[2]), lines[2]
    assert lines[2] != before
    RUN.write_bytes(b"".join(lines))
    there = sorted(Path().iterdir())
    oss.log.clear()
    for command, *options in (
        ("resume",), ("undo", "--yes"), ("undo", "--dry-run"), ("retry", "--yes"),
        ("verify",), ("report",), ("report", "--json"),
    ):  # fmt: skip
        assert_refused(bulkmeta(command, "run.jsonl", *options), 2, WORDS)
    assert (RUN.read_bytes(), oss.log.requests()) == (b"".join(lines), [])
    assert sorted(Path().iterdir()) == there


def test_without_the_damaged_line(
    oss: EmbeddedOSS, cut: Any, bulkmeta: Command
) -> None:
    """Resume looks at its object again; undo, which knows nothing of it, puts all
    others back."""
    cut(4)
    lines = RUN.read_bytes().splitlines(keepends=True)
    RUN.write_bytes(b"".join(lines[:2] + lines[3:]))
    age(oss)
    result = bulkmeta("resume", "run.jsonl")
    assert (result.code, "1 unchanged" in result.out) == (0, True), result
    age(oss)
    assert bulkmeta("undo", "run.jsonl", "--yes").code == 0
    assert [meta(oss, number) == OLD for number in range(6)] == [
        True, False, True, True, True, True,
    ]  # fmt: skip
