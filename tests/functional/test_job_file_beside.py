"""What is typed beside a job file, and what of the file is about its run alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS

Command = Callable[..., Any]

SOON = datetime.now(UTC) + timedelta(hours=6)
CLOSED = f"{SOON:%H:%M}-{SOON + timedelta(hours=1):%H:%M}@UTC"
NIGHTLY = f"""
[source]
target = "oss://bucket/p/"
[select]
regex = ["a"]
[change.set]
"n" = "1"
[pace]
rate = 900
window = "{CLOSED}"
[report]
on-finish = "tee -a told.jsonl"
"""


@pytest.fixture(autouse=True)
def _nightly(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    del bulkmeta  # which goes to a folder of its own
    oss.store.put_object("bucket", "p/a", body=b"")
    Path("nightly.toml").write_text(NIGHTLY)


@pytest.mark.parametrize(
    "typed",
    [
        ("--window", "1-5"),
        ("--on-finish", ""),
        ("--rate", "-1"),
        ("--set", "n={nope}"),
        ("--set", "x y=1"),
        ("--set", "n=2", "--unset", "n"),
        ("--regex", "("),
    ],
)
def test_a_mistake_that_was_typed(bulkmeta: Command, typed: tuple[str, ...]) -> None:
    """It is none of the file's, which gives the same option, also for other names."""
    Path("nightly.toml").write_text(NIGHTLY.replace('"n" =', '"m" = "1"\n"n" ='))
    result = bulkmeta("plan", "nightly.toml", *typed)
    assert (result.code, typed[0] in result.err) == (2, True), result.err
    assert "nightly.toml" not in result.err


@pytest.mark.parametrize(
    ("change", "typed", "line"),
    [
        (('"n" =', '"n n" ='), ("--set", "x=1"), 7),
        (('["a"]', '["("]'), ("--regex", "b"), 5),
        ((CLOSED, "1-5"), ("--rate", "100"), 10),
        (("tee -a", "'tee -a"), ("--rate", "100"), 12),
    ],
)
def test_a_mistake_of_the_file(
    bulkmeta: Command, change: tuple[str, str], typed: tuple[str, str], line: int
) -> None:
    """It is told with its line, whatever was typed besides; also of what a plan does
    not heed."""
    Path("nightly.toml").write_text(NIGHTLY.replace(*change))
    result = bulkmeta("plan", "nightly.toml", *typed)
    assert result.code == 2
    assert f"bulkmeta: nightly.toml, line {line}: " in result.err


def test_a_look_by_day(bulkmeta: Command) -> None:
    """The file's window and its command are about its run; typed ones count."""
    look = bulkmeta("plan", "nightly.toml")
    assert (look.code, "1 planned" in look.out) == (0, True), look.err
    assert not Path("told.jsonl").exists()
    run = bulkmeta("apply", "nightly.toml", "--yes")
    assert (run.code, f"window {CLOSED} opens" in run.err) == (6, True)
    assert Path("told.jsonl").read_text().count("\n") == 1
    typed = ("--window", CLOSED, "--on-finish", "tee -a told.jsonl")
    assert bulkmeta("plan", "nightly.toml", *typed).code == 6
    lines = Path("told.jsonl").read_text().split("\n")
    assert [json.loads(line)["command"] for line in lines[:-1]] == ["apply", "plan"]
    assert lines[-1] == ""


def test_metrics_of_a_look(bulkmeta: Command) -> None:
    """A look by day is not when the job last went well."""
    metrics = ("on-finish = ", 'metrics-file = "job.prom"\non-finish = ')
    Path("nightly.toml").write_text(NIGHTLY.replace(*metrics))
    assert bulkmeta("plan", "nightly.toml").code == 0
    assert not Path("job.prom").exists()
    assert bulkmeta("apply", "nightly.toml", "--yes").code == 6
    assert Path("job.prom").exists()
    typed = ("--metrics-file", "typed.prom")
    assert bulkmeta("plan", "nightly.toml", *typed).code == 0
    assert Path("typed.prom").exists()


def test_a_command_that_is_elsewhere(bulkmeta: Command) -> None:
    """A look needs none that it does not call."""
    Path("nightly.toml").write_text(NIGHTLY.replace("tee", "no-such"))
    assert bulkmeta("plan", "nightly.toml").code == 0
    run = bulkmeta("apply", "nightly.toml", "--yes")
    words = "nightly.toml, line 12: --on-finish: 'no-such' is no command that can be"
    assert (run.code, words in run.err, run.err.count("\n")) == (2, True, 1)


def test_without_the_files_window(bulkmeta: Command) -> None:
    """The whole day is no window, and typed it goes before the file's."""
    run = bulkmeta("apply", "nightly.toml", "--yes", "--window", "00:00-24:00")
    assert (run.code, "1 updated" in run.out) == (0, True), run.err


def test_files_that_are_new_each_time(bulkmeta: Command) -> None:
    """The example says so of each: a job that names one runs once."""
    assert bulkmeta("init", "mine.toml").code == 0
    example = Path("mine.toml").read_text().splitlines()
    job = NIGHTLY.replace(f'window = "{CLOSED}"', "")
    for command, key in (("apply", "run-file"), ("plan", "out")):
        (line,) = (line[2:] for line in example if line.startswith(f"# {key} ="))
        assert f"# of {command}; must not exist" in line
        Path("once.toml").write_text(job + line)
        yes = ("--yes",) if command == "apply" else ()
        ends = [bulkmeta(command, "once.toml", *yes) for _ in range(2)]
        assert [end.code for end in ends] == [0, 2], ends
        assert "exists; name another file" in ends[1].err
