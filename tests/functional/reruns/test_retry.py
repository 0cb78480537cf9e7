"""What failed is run again, as a run of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bulkmeta.emulator.faults import Fault
from tests.functional.reruns.conftest import (
    CHANGE,
    COPY,
    HEAD,
    JOURNAL,
    RUN,
    Command,
    age,
    lines_of,
    seed,
    write_lines,
)

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS


def test_retry_takes_what_failed(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command, read_run: Any
) -> None:
    """A run of its own, that names its parent and asks for nothing else."""
    seed(oss, 10)
    fault = Fault("error", COPY, key="p/000[37]", status=403, code="AccessDenied")
    oss.faults.add(fault)
    assert apply().code == 1
    oss.faults.clear()
    oss.log.clear()

    result = bulkmeta("retry", "run.jsonl", "--yes", "--run-file", "retry.jsonl")

    assert result.code == 0, result.err
    again = read_run("retry.jsonl")
    assert {k: v["status"] for k, v in again.by_key().items()} == {
        "p/0003": "updated",
        "p/0007": "updated",
    }
    parent, header = again.header["job"]["parent"], read_run(RUN).header
    assert parent["path"] == str(RUN.resolve())
    assert parent["job_hash"] == header["job_hash"]
    heads = [k for operation, k in oss.log.operations() if operation == HEAD]
    assert sorted(heads) == ["p/0003", "p/0007"]


def test_retry_of_an_interrupted_run_says_so(cut: Any, bulkmeta: Command) -> None:
    """What it did not come to, or may have done, is not among what failed."""
    cut(3)
    result = bulkmeta("retry", "run.jsonl", "--yes", "--run-file", "retry.jsonl")
    assert (result.code, "is left to resume" in result.err) == (0, True)


def test_what_was_under_way_is_asked_about(
    cut: Any, bulkmeta: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have been changed, and is counted with what failed."""
    cut(2)
    for stream in ("stdin", "stderr"):
        monkeypatch.setattr(f"sys.{stream}.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.prompt", lambda *_, **__: "no")
    for command in ("retry", "undo"):
        asked = bulkmeta(command, "run.jsonl")
        count = 4 if command == "retry" else 6
        assert (asked.code, f"objects   {count}\n" in asked.err) == (130, True)


@pytest.mark.parametrize(
    ("command", "done"), [("retry", "retried"), ("undo", "undone")]
)
def test_what_was_under_way_is_not_selected(
    cut: Any, bulkmeta: Command, command: str, done: str
) -> None:
    """Nobody knows yet whether it failed, or was changed: that is not denied."""
    cut(0)
    result = bulkmeta(command, "run.jsonl", "--include", "q/*")
    told = f"no object that is selected in run.jsonl can be {done}\n"
    assert (result.code, result.out) == (0, told)


@pytest.mark.parametrize(
    ("command", "kept", "words"),
    [("retry", 3, "nothing failed"), ("undo", 0, "nothing was changed")],
)
def test_nothing_so_far_in_an_interrupted_run(
    oss: EmbeddedOSS, cut: Any, bulkmeta: Command, command: str, kept: int, words: str
) -> None:
    """With nothing in doubt there is nothing to do: how it goes on is told, which it
    then does. No file is left."""
    cut(kept)
    write_lines(JOURNAL, lines_of(JOURNAL)[:1])

    result = bulkmeta(command, "run.jsonl")

    told = f"{words} in run.jsonl so far; bulkmeta resume run.jsonl goes on with it\n"
    assert (result.code, result.out, result.err) == (0, told, "")
    chosen = bulkmeta(command, "run.jsonl", "--include", "p/*")
    assert (chosen.code, chosen.out, chosen.err) == (0, told, "")
    assert (oss.log.requests(), [*Path().glob("*.jsonl")]) == ([], [RUN])
    assert bulkmeta("resume", "run.jsonl").code == 0


@pytest.mark.parametrize(
    ("command", "more", "words"),
    [
        ("retry", (), "nothing failed in run.jsonl; nothing to retry\n"),
        (
            "retry",
            ("--include", "p/*"),
            "nothing failed in run.jsonl; nothing to retry\n",
        ),
        ("undo", (), "nothing in none.jsonl was changed; nothing to undo\n"),
        (
            "undo",
            ("--include", "q/*"),
            "none of the 2 objects that run.jsonl changed is selected\n",
        ),
        (
            "undo",
            ("--include", "q/*", "--only-failed-verify"),
            "none of the 2 objects that run.jsonl changed is selected\n",
        ),
        (
            "undo",
            ("--include", "q/*"),
            "nothing in none.jsonl was changed; nothing to undo\n",
        ),
    ],
)
def test_nothing_to_do(
    oss: EmbeddedOSS,
    apply: Command,
    bulkmeta: Command,
    command: str,
    more: tuple[str, ...],
    words: str,
) -> None:
    """Nothing is asked, without a terminal either; no request is sent, and no file is
    left, unless it was named."""
    seed(oss, 2)
    assert apply().code == 0
    again = (*CHANGE[:-1], "none.jsonl")
    assert bulkmeta("apply", *again).code == 0
    oss.log.clear()
    run = "none.jsonl" if "none.jsonl" in words else "run.jsonl"

    result = bulkmeta(command, run, *more)

    assert (result.code, result.out, result.err) == (0, words, "")
    told = bulkmeta(command, run, *more, "--json")
    assert (told.code, json.loads(told.out)["objects"]) == (0, 0)
    kept = sorted(path.name for path in Path().glob("*.jsonl*"))
    assert (kept, oss.log.requests()) == (["none.jsonl", "run.jsonl"], [])
    named = bulkmeta(command, run, *more, "--run-file", "new.jsonl")
    assert (named.code, f"warning   {words}" in named.err) == (0, True)
    assert [line["type"] for line in lines_of(Path("new.jsonl"))] == ["run", "summary"]


@pytest.mark.parametrize(
    ("failing", "code", "words"),
    [
        ("p/0001", "X", "the only object that failed in run.jsonl is not selected\n"),
        (None, "X", "none of the 3 objects that failed in run.jsonl is selected\n"),
        (
            None,
            "InvalidObjectName",
            "no object that is selected in run.jsonl can be retried\n",
        ),
    ],
)
def test_no_failure_is_selected(
    oss: EmbeddedOSS,
    apply: Command,
    bulkmeta: Command,
    failing: str | None,
    code: str,
    words: str,
) -> None:
    """How many could have been; of those that no other try helps, that is not said."""
    seed(oss, 3)
    oss.faults.add(Fault("error", COPY, key=failing, status=400, code=code))
    assert apply().code == 1
    result = bulkmeta("retry", "run.jsonl", "--exclude", "p/*")
    assert (result.code, result.out) == (0, words)
    if code == "InvalidObjectName":
        result = bulkmeta("retry", "run.jsonl")
        told = "no object in run.jsonl can be retried\n"
        assert (result.code, result.out) == (0, told)


def test_retrying_an_undo_does_not_apply_the_change_again(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command
) -> None:
    """What an undo failed on is tried again by undoing, never by the old change."""
    seed(oss, 3)
    assert apply().code == 0
    age(oss)
    oss.faults.add(Fault("error", COPY, key="p/0001", status=403, code="AccessDenied"))
    assert bulkmeta("undo", "run.jsonl", "--yes", "--run-file", "undo.jsonl").code == 1
    oss.faults.clear()
    oss.log.clear()

    result = bulkmeta("retry", "undo.jsonl", "--yes")

    assert result.code == 2
    assert result.err.startswith("bulkmeta: 'undo.jsonl' took its objects from")
    assert "bulkmeta undo " in result.err
    assert oss.log.requests() == []


def test_retrying_a_plan_or_what_it_did_is_refused(
    oss: EmbeddedOSS, bulkmeta: Command
) -> None:
    """A plan tried nothing; what one did is tried again by applying it."""
    seed(oss, 3)
    plan = ("plan", "oss://bucket/p/", "--set", "project=atlas", "--out", "plan.jsonl")
    assert bulkmeta(*plan).code == 0
    oss.faults.add(Fault("error", COPY, key="p/0001", status=403, code="AccessDenied"))
    done = bulkmeta("apply", "plan.jsonl", "--yes", "--run-file", "done.jsonl")
    assert done.code == 1, done.err

    assert "is a plan" in bulkmeta("retry", "plan.jsonl", "--yes").err
    result = bulkmeta("retry", "done.jsonl", "--yes")
    assert (result.code, "bulkmeta apply " in result.err) == (2, True)
