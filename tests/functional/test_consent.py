"""Whoever is asked sees the question, and what it is about."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS
    from tests.conftest import Command

APPLY = ("apply", "oss://bucket/p/", "--set", "a=b", "--run-file", "run.jsonl")


@pytest.fixture(autouse=True)
def _objects(oss: EmbeddedOSS) -> None:
    oss.store.put_objects("bucket", ({"key": f"p/{n}"} for n in range(5)))


def test_a_question_that_nobody_would_see(oss: EmbeddedOSS, tmp_path: Path) -> None:
    """`2> file` on a terminal: as without one; nothing waits for an answer."""
    master, slave = pty.openpty()
    try:
        done = subprocess.run(  # noqa: S603 our own command line
            [sys.executable, "-m", "bulkmeta", *APPLY],
            env={**os.environ, **oss.environment},
            stdin=slave,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=30,
            check=False,
        )
    finally:
        os.close(master)
        os.close(slave)
    assert done.returncode == 2
    assert "no terminal to ask on; pass --yes" in done.stderr
    assert oss.log.operations() == []


def test_no_more_than_the_limit(
    bulkmeta: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is asked for consent to is what would be done."""
    assert bulkmeta(*APPLY, "--yes").code == 0
    for stream in ("stdin", "stderr"):
        monkeypatch.setattr(f"sys.{stream}.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.prompt", lambda *_, **__: "no")
    asked = bulkmeta("undo", "run.jsonl", "--limit", "2")
    assert asked.code == 130
    assert "objects   2\n" in asked.err


def test_nothing_to_ask_about(
    bulkmeta: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistyped prefix, or a selection of nothing, is told as that."""
    for stream in ("stdin", "stderr"):
        monkeypatch.setattr(f"sys.{stream}.isatty", lambda: True, raising=False)
    asked = bulkmeta(*APPLY, "--include", "nothing")
    words = "no object under oss://bucket/p/ is meant; nothing to change\n"
    assert (asked.code, asked.out) == (0, words)
    assert not Path("run.jsonl").exists()
    told = json.loads(bulkmeta(*APPLY, "--include", "nothing", "--json").out)
    assert (told["objects"], told["run_file"]) == (0, None)
