"""A prefix under which nothing is: most likely mistyped, which is said."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS
    from tests.conftest import Command

HERE, NOT_HERE = "oss://bucket/here/", "oss://bucket/nothing-here/"
SET = ("--set", "a=1")
APPLY = (*SET, "--yes", "--run-file", "run.jsonl")


@pytest.fixture(autouse=True)
def _seeded(oss: EmbeddedOSS) -> None:
    oss.store.put_objects("bucket", ({"key": f"here/{n}"} for n in range(5)))


@pytest.mark.parametrize(
    ("command", "more"),
    [
        ("show", ()),
        ("show", ("--format", "csv")),
        ("plan", SET),
        ("plan", (*SET, "--include", "*.jpg")),
        ("plan", (*SET, "--rate", "9000", "--spread", "4")),
        ("apply", APPLY),
        ("shards", ("--into", "2", "--out", "cut.json")),
    ],
)
def test_nothing(bulkmeta: Command, command: str, more: tuple[str, ...]) -> None:
    """Each command that lists names it; it is no failure. Of several, that one only."""
    done = bulkmeta(command, NOT_HERE, *more)
    words = f"no key begins with {NOT_HERE}"
    assert (done.code, words in done.err) == (0, True), done.err
    more = (*more[:-1], "again") if command in {"apply", "shards"} else more
    both = bulkmeta(command, HERE, NOT_HERE, *more)
    assert (both.code, both.err.count("no key begins with")) == (0, 1)
    assert words in both.err


@pytest.mark.parametrize(
    "more",
    [
        ("--exclude", "*"),
        ("--start-after", "here/9"),
        ("--where", "size > 100"),
        ("--keys-from", "keys.txt"),
    ],
)
def test_nothing_chosen(bulkmeta: Command, more: tuple[str, ...]) -> None:
    """Keys that are there, or were not looked for, are not said to be missing."""
    Path("keys.txt").write_text("")
    done = bulkmeta("show", HERE, *more)
    assert "no key begins" not in done.err
