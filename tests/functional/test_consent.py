"""Whoever is asked sees the question, and what it is about."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

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


@pytest.fixture
def asks(bulkmeta: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command at a terminal where somebody says no."""

    def asking(*args: str) -> Any:
        with monkeypatch.context() as patched:
            for stream in ("stdin", "stderr"):
                patched.setattr(f"sys.{stream}.isatty", lambda: True, raising=False)
            patched.setattr("click.prompt", lambda *_, **__: "no")
            return bulkmeta(*args)

    return asking


NOTHING = "0 objects: nothing to change\n"


@pytest.mark.parametrize(
    ("target", "selection"),
    [
        ("oss://bucket/p/", ("--include", "nothing")),
        ("oss://bucket/p/", ("--exclude", "*")),
        ("oss://bucket/p/", ("--min-size", "5G")),
        ("oss://bucket/p/", ("--where", "size > 9 && has(meta.x)")),
        ("oss://bucket/p/3", ("--include", "*/3", "--modified-before", "2001-01-01")),
        ("oss://bucket/q/", ()),
        ("oss://bucket/q/", ("--where", "size > 9")),
        ("oss://bucket/p/", ("--start-after", "p/9")),
        ("oss://bucket/p/", ("--end-before", "p/0")),
        ("oss://bucket/p/3", ("--shard", "1/2", "--exclude", "*")),
    ],
)
def test_nothing_to_ask_about(
    asks: Command, bulkmeta: Command, target: str, selection: tuple[str, ...]
) -> None:
    """A mistyped prefix, or a selection of nothing, is told as a run tells it."""
    order = ("apply", target, "--set", "a=b", *selection, "--run-file", "run.jsonl")
    asked = asks(*order)
    assert (asked.code, asked.out) == (0, NOTHING)
    assert not Path("run.jsonl").exists()
    told = json.loads(asks(*order, "--json").out)
    assert (told["objects"], told["run_file"]) == (0, None)
    done = bulkmeta(*order, "--yes")
    assert done.out.startswith("0 objects in")
    assert warnings(asked.err) == warnings(done.err)


def warnings(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("warning")]


@pytest.mark.parametrize(
    ("selection", "words", "in_sum"),
    [
        (("--where", 'key < "p/3"'), "3", "6 GET and 4 PUT"),
        (("--include", "*/[12]", "--max-size", "5"), "2", "4 GET and 3 PUT"),
        (("--where", "has(meta.x)"), "at most 5", "10 GET and 6 PUT"),
        (("--where", "has(meta.x)", "--limit", "2"), "at most 2", "4 GET and 3 PUT"),
        (("--keys-from", "keys"), "2", "4 GET and 2 PUT"),
        (("--keys-from", "keys", "--exclude", "*3"), "at most 2", "4 GET and 2 PUT"),
        (("--keys-from", "keys", "--where", "size < 9"), "at most 2", "4 GET and 2 P"),
    ],
)
def test_only_what_is_meant_counts(
    asks: Command, selection: tuple[str, ...], words: str, in_sum: str
) -> None:
    """What the listing settles is counted as settled, and all sums go by that."""
    Path("keys").write_text("p/1\np/3\n")
    asked = asks(*APPLY, *selection)
    assert asked.code == 130
    assert f"objects   {words}\n" in asked.err
    assert f"in sum    {in_sum}" in asked.err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("--storage-class", "IA"), "undoing it takes --allow-early-rewrite"),
        (("--allow-early-rewrite",), "of class IA or colder starts anew, and may be"),
        ((), ""),
    ],
)
def test_what_may_be_charged_is_told_unasked(
    asks: Command, bulkmeta: Command, change: tuple[str, ...], words: str
) -> None:
    """With --yes, too, before the run; of a change that costs no more than its requests
    nothing."""
    asked = asks(*APPLY, *change)
    for more in ((), ("--json",)):
        done = bulkmeta(*APPLY[:-1], f"{len(more)}.jsonl", *change, "--yes", *more)
        told = [line for line in done.err.splitlines() if line in asked.err]
        assert ("billed    2 GET and 1 PUT per object" in "".join(told)) is bool(words)
        assert len(warnings(done.err)) == bool(words)
        assert words in done.err
        assert done.err.index(words) <= done.err.index("run file ")
        assert "warning" not in done.out
