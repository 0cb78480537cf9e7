"""What a run changed is put back, unless somebody else changed it since."""

from __future__ import annotations

import re
from dataclasses import replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bulkmeta.emulator.dataset import varied_objects
from bulkmeta.emulator.faults import Fault
from tests.functional.reruns.conftest import (
    COPY,
    HEAD,
    JOURNAL,
    LONG_AGO_S,
    OLD,
    OURS,
    RUN,
    THEIRS,
    Command,
    age,
    assert_refused,
    carried,
    lines_of,
    meta,
    seed,
    sent,
    write_as_other,
    write_lines,
)

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS


def test_undo_restores_everything_and_can_be_undone(
    oss: EmbeddedOSS, bulkmeta: Command
) -> None:
    """Varied objects are, field for field, as before; undone again, as after."""
    oss.store.put_objects(
        "bucket", ({**s, "last_modified": LONG_AGO_S} for s in varied_objects(120))
    )
    before = carried(oss)
    changes = (
        "--set", "project=atlas", "--rename", "owner=team", "--header",
        "cache-control=max-age=1", "--unset-header", "content-disposition",
    )  # fmt: skip
    run = ("--yes", "--run-file")
    first = bulkmeta("apply", "oss://bucket/", "--all", *changes, *run, "a.jsonl")
    assert first.code in {0, 1}, first.err
    after = carried(oss)
    assert after != before
    age(oss)

    assert bulkmeta("undo", "a.jsonl", *run, "b.jsonl").code == 0
    assert carried(oss) == before
    age(oss)

    assert bulkmeta("undo", "b.jsonl", *run, "c.jsonl").code == 0
    assert carried(oss) == after


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({}, "changed_since_run"), ({"meta": OURS}, "rewritten")],
)
def test_undo_leaves_alone_what_others_touched(
    oss: EmbeddedOSS,
    apply: Command,
    bulkmeta: Command,
    read_run: Any,
    changes: dict[str, Any],
    reason: str,
) -> None:
    """It fails, exit 1, whether the metadata differs or only the date does; which of
    both it is, and what can be done, is told."""
    seed(oss, 3)
    assert apply().code == 0
    age(oss)
    write_as_other(oss, 1, **changes)
    left = meta(oss, 1)
    oss.log.clear()

    result = bulkmeta("undo", "run.jsonl", "--yes", "--run-file", "undo.jsonl")

    assert result.code == 1, result.err
    line = read_run("undo.jsonl").by_key()["p/0001"]
    assert (line["status"], line["reason"]) == ("failed", reason)
    assert ("--allow-rewritten" in result.out) is (reason == "rewritten")
    assert [meta(oss, n) for n in range(3)] == [OLD, left, OLD]
    assert sorted(sent(oss)) == ["p/0000", "p/0002"]


def test_two_runs_undone_one_after_the_other(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command
) -> None:
    """The later one first. What it wrote has another date since, which verify tells;
    by what is there, and only where that is the run's, the earlier one goes back, too.
    """
    seed(oss, 3)
    assert apply().code == 0
    age(oss)
    later = ("--set", "x=2", "--include", "p/000[01]", "--yes", "--run-file", "2.jsonl")
    assert bulkmeta("apply", "oss://bucket/p/", *later).code == 0
    age(oss)
    assert bulkmeta("undo", "2.jsonl", "--yes", "--run-file", "u2.jsonl").code == 0
    age(oss)
    write_as_other(oss, 1)

    told = bulkmeta("verify", "run.jsonl").out
    assert (
        "unchanged: rewritten         1  (written again since; undo takes --all" in told
    )

    left = bulkmeta("undo", "run.jsonl", "--yes", "--run-file", "u1.jsonl")
    assert left.code == 1
    assert "written again since; it was left alone (--allow-rewritten)" in (
        Path("u1.jsonl").read_text()
    )
    assert [meta(oss, n) for n in range(3)] == [OURS, THEIRS, OLD]
    age(oss)
    again = ("undo", "run.jsonl", "--allow-rewritten", "--yes", "--run-file", "u.jsonl")
    assert bulkmeta(*again).code == 1
    assert [meta(oss, n) for n in range(3)] == [OLD, THEIRS, OLD]


def test_undo_of_an_interrupted_run(cut: Any, bulkmeta: Command) -> None:
    """That it is not whole is said; of one that is, nothing."""
    cut(3)
    words = "the run did not come to its end; what it did is put back, and resume would"
    look = ("undo", "run.jsonl", "--dry-run")
    assert words in bulkmeta(*look).err
    assert bulkmeta("resume", "run.jsonl").code == 0
    assert words not in bulkmeta(*look).err


def test_a_look_at_an_interrupted_run_that_did_nothing(
    cut: Any, bulkmeta: Command
) -> None:
    """There is nothing to put back, and nobody says that it is."""
    cut(0)
    write_lines(JOURNAL, lines_of(JOURNAL)[:1])
    result = bulkmeta("undo", "run.jsonl", "--dry-run")
    assert result.code == 0
    assert [line for line in result.err.splitlines() if "warning" in line] == [
        "warning   nothing was changed in run.jsonl so far; bulkmeta resume run.jsonl "
        "goes on with it"
    ]
    assert "nothing to put back" in result.out


def test_undo_without_doing(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command
) -> None:
    """`--dry-run` shows the former values, and sends no update."""
    seed(oss, 2)
    assert apply().code == 0
    age(oss)
    oss.log.clear()

    result = bulkmeta("undo", "run.jsonl", "--dry-run")

    assert result.code == 0, result.err
    assert "p/0001" in result.out
    assert {logged.method for logged in oss.log.requests()} <= {"GET", "HEAD"}


def test_a_look_at_a_large_undo(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command
) -> None:
    """Is as long as a plan's; `--full` shows all, and goes with nothing else."""
    seed(oss, 21)
    assert apply().code == 0
    age(oss)
    look = ("undo", "run.jsonl", "--dry-run")

    text = bulkmeta(*look).out
    assert (text.count("p/00"), "… and 1 more object; --full shows" in text) == (20, 1)
    text = bulkmeta(*look, "--full").out
    assert (text.count("p/00"), "--full" in text) == (21, False)
    assert_refused(bulkmeta("undo", "run.jsonl", "--full", "--yes"), 2, "--dry-run")


def test_a_look_keeps_nothing(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command
) -> None:
    """Whoever names a run file would look for it in vain, so that is refused."""
    seed(oss, 1)
    assert apply().code == 0
    result = bulkmeta("undo", "run.jsonl", "--dry-run", "--run-file", "u.jsonl")
    assert_refused(result, 2, "--dry-run keeps nothing; --run-file goes without it")


def test_an_undo_can_be_resumed(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command, read_run: Any
) -> None:
    """Cut off after one line, an undo goes on with the others."""
    seed(oss, 4)
    assert apply().code == 0
    age(oss)
    undo, path = (
        ("undo", "run.jsonl", "--yes", "--run-file", "u.jsonl"),
        Path("u.jsonl"),
    )
    oss.faults.add(Fault("error", COPY, skip=2, status=403, code="InvalidAccessKeyId"))
    assert bulkmeta(*undo, "--concurrency", "1").code == 4
    oss.faults.clear()
    assert [meta(oss, n) for n in range(4)].count(OLD) == 2

    result = bulkmeta("resume", "u.jsonl")

    assert result.code == 0, result.err
    assert len(read_run(path).by_key()) == 4
    assert [meta(oss, n) for n in range(4)] == [OLD] * 4


@pytest.mark.parametrize("command", ["undo", "retry"])
def test_a_run_file_that_is_not_named(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command, command: str
) -> None:
    """Its name tells what the run was, and sorts with the others by time."""
    seed(oss, 2)
    oss.faults.add(Fault("error", COPY, key="p/0001", status=403, code="AccessDenied"))
    assert apply().code == 1
    oss.faults.clear()
    age(oss)

    result = bulkmeta(command, "run.jsonl", "--yes")

    assert result.code == 0, result.err
    (made,) = Path().glob("bulkmeta-*.jsonl")
    form = rf"bulkmeta-bucket-\d{{8}}T\d{{6}}Z-{command}-[0-9a-f]{{4}}\.jsonl"
    assert re.fullmatch(form, made.name)
    assert f"run file  {made.name}\n" in result.err


def test_undo_covers_what_is_in_doubt(
    oss: EmbeddedOSS, cut: Any, bulkmeta: Command
) -> None:
    """Updates that only the journal knows of are undone as well, done or not."""
    cut(3)
    age(oss)
    write_as_other(oss, 5, meta=OLD, last_modified=LONG_AGO_S)

    result = bulkmeta("undo", "run.jsonl", "--yes", "--run-file", "undo.jsonl")

    assert result.code == 0, result.err
    assert [meta(oss, n) for n in range(6)] == [OLD] * 6


def test_undo_of_a_selection(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command, read_run: Any
) -> None:
    """Only the keys that are wanted go back; the order of the two options counts."""
    seed(oss, 12)
    assert apply().code == 0
    age(oss)
    undo = ("undo", "run.jsonl", "--yes", "--run-file", "undo.jsonl")

    result = bulkmeta(*undo, "--exclude", "*1", "--include", "p/0001")

    assert result.code == 0, result.err
    assert "select    exclude *1; include p/0001" in result.err
    assert set(read_run("undo.jsonl").by_key()) == {
        f"p/{n:04}" for n in range(12) if n != 11
    }
    assert [n for n in range(12) if meta(oss, n) == OURS] == [11]


def test_undo_of_what_fails_verification(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command, read_run: Any
) -> None:
    """What the service did not do as asked goes back; what others wrote stays theirs,
    and what is as it should be is left alone."""
    seed(oss, 3)
    assert apply().code == 0
    run_line = read_run(RUN).by_key()["p/0000"]
    ours_s = parsedate_to_datetime(run_line["last_modified"]).timestamp()
    age(oss)
    write_as_other(oss, 0, meta={"x": "1"}, last_modified=ours_s)
    write_as_other(oss, 1)

    result = bulkmeta(
        "undo", "run.jsonl", "--only-failed-verify", "--yes", "--run-file", "u.jsonl"
    )

    assert result.code == 1, result.err
    ends = {
        k: (v["status"], v["reason"]) for k, v in read_run("u.jsonl").by_key().items()
    }
    assert ends == {
        "p/0000": ("updated", None),
        "p/0001": ("failed", "changed_since_run"),
        "p/0002": ("skipped", "as_run_left_it"),
    }
    assert [meta(oss, n) for n in range(3)] == [OLD, THEIRS, OURS]


def test_undo_under_other_rules_than_the_run(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command
) -> None:
    """A lifecycle rule moved an object meanwhile: what was not put back is no success,
    and undo has the option that it names."""
    seed(oss, 2)
    assert apply("--allow-new-versions").code == 0
    age(oss)
    found = oss.store.get_object("bucket", "p/0001")
    oss.store.save(replace(found, storage_class="IA"), oss.store.body(found))

    refused = bulkmeta("undo", "run.jsonl", "--yes", "--run-file", "u1.jsonl")

    assert refused.code == 1
    assert "--allow-early-rewrite" in refused.out
    assert [meta(oss, n) for n in range(2)] == [OLD, OURS]
    allowed = bulkmeta("undo", "run.jsonl", "--yes", "--allow-early-rewrite")
    assert allowed.code == 0, allowed.err
    assert meta(oss, 1) == OLD
    assert oss.store.get_object("bucket", "p/0001").storage_class == "IA"


def test_undo_of_what_is_all_gone(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command
) -> None:
    """No failure, but no silence either; of a part that is gone the counters tell."""
    seed(oss, 3)
    assert apply().code == 0
    oss.store.delete_object("bucket", "p/0000")
    undo = ("undo", "run.jsonl", "--yes", "--run-file")
    some = bulkmeta(*undo, "some.jsonl")
    assert (some.code, "is gone" in some.err) == (0, False)
    for number in (1, 2):
        oss.store.delete_object("bucket", f"p/{number:04}")
    words = "3 objects are gone; nothing could be put back"
    for more in (("undo", "run.jsonl", "--dry-run"), (*undo, "all.jsonl")):
        done = bulkmeta(*more)
        assert (done.code, words in done.err) == (0, True), done.err
    Path("keys.txt").write_text("p/0000\np/0001\n")
    other = bulkmeta(
        "plan", "oss://bucket/p/", "--set", "a=b", "--keys-from", "keys.txt"
    )
    assert (other.code, "put back" in other.err) == (0, False)


@pytest.mark.parametrize("operation", [HEAD, COPY])
def test_what_a_retry_changed(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command, operation: str
) -> None:
    """Is undone by the retry's own file: both commands say so."""
    seed(oss, 5)
    fault = Fault("error", operation, key="p/000[13]", status=403, code="AccessDenied")
    oss.faults.add(fault)
    assert apply().code == 1
    oss.faults.clear()
    retried = bulkmeta("retry", "run.jsonl", "--yes", "--run-file", "retry.jsonl")
    before = f"the run before: bulkmeta undo {RUN.resolve()})\n"
    assert (retried.code, before in retried.err) == (0, True)
    age(oss)
    words = (
        "warning   2 objects failed in run.jsonl and are not put back; what a retry "
        "changed is undone by the retry's own run file\n"
    )
    assert words in bulkmeta("undo", "run.jsonl", "--dry-run").err
    undone = bulkmeta("undo", "run.jsonl", "--yes", "--run-file", "undo.jsonl")
    assert (undone.code, words in undone.err) == (0, True)
    assert [meta(oss, n) == OLD for n in range(5)] == [True, False, True, False, True]
    rest = bulkmeta("undo", "retry.jsonl", "--yes", "--run-file", "rest.jsonl")
    assert (rest.code, "warning" in rest.err) == (0, False)
    assert [meta(oss, n) for n in range(5)] == [OLD] * 5


def test_what_failed_and_is_not_selected(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command
) -> None:
    """Is nothing to speak of."""
    seed(oss, 3)
    oss.faults.add(Fault("error", HEAD, key="p/0001", status=403, code="AccessDenied"))
    assert apply().code == 1
    for chosen, told in (("*2", False), ("*", True)):
        result = bulkmeta("undo", "run.jsonl", "--dry-run", "--include", chosen)
        assert ("1 object failed in run.jsonl and is not" in result.err) is told
