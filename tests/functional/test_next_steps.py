"""At its end a run tells, ready to be pasted, what can be done about it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bulkmeta.cli.next_steps import FOR_GOOD
from bulkmeta.emulator.faults import Fault
from bulkmeta.model.tolerance import REASONS

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS
    from tests.conftest import Command

NAME = "a night's run.jsonl"
ORDER = ("apply", "oss://bucket/p/", "--set", "n=1", "--yes", "--run-file", NAME)


@pytest.fixture(autouse=True)
def _seeded(oss: EmbeddedOSS) -> None:
    oss.store.put_objects("bucket", ({"key": f"p/{n:02}"} for n in range(40)))


def told(err: str) -> dict[str, list[str]]:
    """The commands that were told, by their label."""
    words = {line[:10].strip(): line[10:] for line in err.splitlines()}
    return {
        label: shlex.split(words[label])
        for label in ("resume", "retry", "undo")
        if label in words
    }


def test_all_was_updated(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """It can be taken back, by just what was told; that again, too."""
    done = bulkmeta(*ORDER)
    assert told(done.err) == {"undo": ["bulkmeta", "undo", NAME]}
    undone = bulkmeta(*told(done.err)["undo"][1:], "--yes", "--run-file", "un.jsonl")
    assert undone.code == 0
    assert not any(stored.meta for stored in oss.store.objects("bucket"))
    assert told(undone.err) == {"undo": ["bulkmeta", "undo", "un.jsonl"]}


def test_a_class_with_a_minimum(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """The option that an undo then needs is told with it; without it the undo says that
    it did nothing."""
    order = ("apply", "oss://bucket/p/", "--yes", "--storage-class", "IA")
    done = bulkmeta(*order, "--run-file", NAME)
    undo = told(done.err)["undo"][1:]
    assert undo == ["undo", NAME, "--allow-early-rewrite"]
    dry = bulkmeta("undo", NAME, "--dry-run")
    words = "nothing can be put back: 40 objects left alone\n"
    assert (dry.code, words in dry.out, "nothing was" in dry.err) == (1, True, False)
    none = bulkmeta("undo", NAME, "--yes", "--run-file", "none.jsonl")
    words = "nothing was put back: 40 objects left alone\n"
    assert (none.code, words in none.err) == (1, True)
    undone = bulkmeta(*undo, "--yes", "--run-file", "un.jsonl")
    assert told(undone.err) == {"undo": ["bulkmeta", "undo", "un.jsonl"]}
    assert {each.storage_class for each in oss.store.objects("bucket")} == {"Standard"}
    allowed = bulkmeta(*order, "--allow-early-rewrite", "--run-file", "allowed.jsonl")
    assert told(allowed.err) == {"undo": ["bulkmeta", "undo", "allowed.jsonl"]}
    assert bulkmeta(*told(allowed.err)["undo"][1:], "--yes").code == 0


def test_a_class_with_a_minimum_and_failures(
    oss: EmbeddedOSS, bulkmeta: Command
) -> None:
    """A run that an error ended tells the option, too, and an undo that is tried again
    keeps its own; one that failed in part does not say that nothing was put back."""
    fatal = Fault("error", "CopyObject", skip=5, status=403, code="InvalidAccessKeyId")
    oss.faults.add(fatal)
    order = ("apply", "oss://bucket/p/", "--yes", "--storage-class", "IA")
    done = bulkmeta(*order, "--concurrency", "1", "--run-file", NAME)
    undo = told(done.err)["undo"][1:]
    assert (done.code, undo[2:]) == (4, ["--allow-early-rewrite"])
    oss.faults.clear()
    oss.faults.add(Fault("error", operation="HeadObject", status=403, key="p/01"))
    failed = bulkmeta("undo", NAME, "--yes", "--run-file", "failed.jsonl")
    assert (failed.code, "nothing was put back" in failed.err) == (1, False)
    undo.append("--allow-rewritten")
    failed = bulkmeta(*undo, "--yes", "--run-file", "un.jsonl")
    again = ["undo", str(Path(NAME).resolve()), *undo[2:]]
    assert told(failed.err)["retry"][1:] == again


def test_some_failed(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """They can be tried again. Where nothing was changed, nothing is taken back."""
    oss.faults.add(Fault("error", operation="HeadObject", status=403, key="p/07"))
    done = bulkmeta(*ORDER)
    assert done.code == 1
    assert list(told(done.err)) == ["retry", "undo"]
    retry = told(done.err)["retry"][1:]
    again = bulkmeta(*retry, "--yes", "--run-file", "again.jsonl")
    assert (again.code, list(told(again.err))) == (1, ["retry"])


def test_what_fails_for_good(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """No other try is named where the object and the job leave it no chance; it is,
    once something failed that may pass."""
    large = {"old": "x" * 5000}
    oss.store.put_objects(
        "bucket", ({"key": f"p/{n:02}", "meta": large} for n in range(40))
    )
    order = ("apply", "oss://bucket/p/", "--set", "new=" + "x" * 5000, "--yes")
    done = bulkmeta(*order, "--run-file", NAME)
    assert (done.code, told(done.err)) == (1, {})
    assert "failed: metadata_too_large   40" in done.out
    oss.faults.add(Fault("error", operation="HeadObject", status=403, key="p/07"))
    done = bulkmeta(*order, "--run-file", "other.jsonl")
    assert (done.code, list(told(done.err))) == (1, ["retry"])


def test_reasons_that_are_for_good() -> None:
    """Are reasons."""
    assert FOR_GOOD < REASONS


def test_stopped_in_time(bulkmeta: Command) -> None:
    """It goes on; and when it is resumed and done, no more of that."""
    late = ("--rate", "40", "--max-duration", "1s", "--concurrency", "2")
    done = bulkmeta(*ORDER, *late)
    assert (done.code, list(told(done.err))) == (6, ["resume", "undo"])
    again = bulkmeta(*told(done.err)["resume"][1:])
    assert (again.code, list(told(again.err))) == (0, ["undo"])


def test_ended_by_an_error(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """What ended it stands last, and how it goes on before it. A run that did not begin
    does not go on."""
    oss.faults.add(Fault("error", operation="HeadObject", status=403))
    done = bulkmeta(*ORDER, "--max-failures", "3")
    assert (done.code, told(done.err)["resume"]) == (3, ["bulkmeta", "resume", NAME])
    assert "more than 3 objects failed" in done.err.splitlines()[-1]
    refused = bulkmeta(*ORDER)
    assert (refused.code, told(refused.err)) == (2, {})


def test_an_error_ends_what_a_program_reads(
    oss: EmbeddedOSS, bulkmeta: Command
) -> None:
    """People are told how far it came; a program reads the same as JSON."""
    fatal = Fault("error", "CopyObject", skip=5, status=403, code="InvalidAccessKeyId")
    oss.faults.add(fatal)
    people = bulkmeta(*ORDER)
    assert (people.code, "objects in" in people.out) == (4, True)
    again = bulkmeta(*ORDER[:-1], "json.jsonl", "--json")
    heard = json.loads(again.out)
    assert (again.code, heard["exit_code"], heard["objects"] > 0) == (4, 4, True)
    assert heard["error"].startswith("InvalidAccessKeyId: ")


def test_nothing_to_do(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Nothing to say, either; a plan has no former states, but can be applied."""
    planned = bulkmeta("plan", *ORDER[1:4], "--out", "plan.jsonl").err
    assert (told(planned), planned.splitlines()[-1]) == (
        {},
        "apply     bulkmeta apply plan.jsonl",
    )
    slowly = ("--rate", "5", "--concurrency", "1", "--max-duration", "1s")
    part = bulkmeta("plan", *ORDER[1:4], "--out", "part.jsonl", *slowly)
    assert (part.code, "apply  " in part.err) == (6, False)  # it would be refused
    for stored in list(oss.store.objects("bucket")):
        oss.store.put_objects("bucket", [{"key": stored.key, "meta": {"n": "1"}}])
    nothing = bulkmeta("plan", *ORDER[1:4], "--out", "none.jsonl").err
    assert "apply  " not in nothing
    done = bulkmeta(*ORDER)
    assert (done.code, told(done.err)) == (0, {})
    assert Path(NAME).exists()


def test_an_undo_that_failed(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """It is tried again as another undo of the same run, if that can be of use: not of
    what somebody else has changed since."""
    assert bulkmeta(*ORDER).code == 0
    oss.clock.offset_s += 10
    oss.store.put_object("bucket", "p/01", meta={"theirs": "1"})
    oss.faults.add(Fault("error", operation="HeadObject", status=403, key="p/07"))
    undo = ("undo", NAME, "--yes", "--run-file")
    done = bulkmeta(*undo, "un1.jsonl")
    assert done.code == 1
    again = ["bulkmeta", "undo", str(Path(NAME).resolve())]
    assert told(done.err) == {"retry": again, "undo": ["bulkmeta", "undo", "un1.jsonl"]}
    oss.faults.clear()
    done = bulkmeta(*told(done.err)["retry"][1:], "--yes", "--run-file", "un2.jsonl")
    assert (done.code, list(told(done.err))) == (1, ["undo"])


def test_what_cannot_go_on(bulkmeta: Command) -> None:
    """Values that were changed since: what to do instead, and no `resume` again."""
    rows = "key,meta.n\n" + "".join(f"p/{n:02},1\n" for n in range(40))
    Path("values.csv").write_text(rows)
    order = ("apply", "oss://bucket/p/", "--values", "values.csv", "--yes")
    late = ("--rate", "40", "--max-duration", "1s", "--concurrency", "2")
    assert bulkmeta(*order, *late, "--run-file", NAME).code == 6
    Path("values.csv").write_text(rows.replace(",1\n", ",2\n"))
    refused = bulkmeta("resume", NAME)
    assert (refused.code, told(refused.err)) == (2, {})
    assert "apply anew with another run file" in refused.err
    done = bulkmeta(*order, "--run-file", "anew.jsonl")
    assert (done.code, "40 updated" in done.out) == (0, True)


SOME = ("--include", "p/*7", "--exclude", "p/1*", "--start-after", "p/0 0")


@pytest.mark.parametrize(
    ("chosen", "taken"),
    [
        (SOME, {"p/07", "p/27", "p/37"}),
        (("--regex", "0 1|[01]7$", "--end-before", "p/2"), {"p/07", "p/17"}),
        (("--regex", "7", "--limit", "2"), {"p/07", "p/17"}),
        (("--shard", "2/4"), {"p/02", "p/08", "p/12", "p/39"}),
        (("--sample", "12.5%"), {"p/16", "p/22", "p/26"}),
    ],
)
@pytest.mark.parametrize("command", ["undo", "apply"])
def test_a_part_that_failed(
    oss: EmbeddedOSS,
    bulkmeta: Command,
    command: str,
    chosen: tuple[str, ...],
    taken: set[str],
) -> None:
    """What is told tries again just what was chosen, by whatever option for keys; so
    does what a retry of it is told to do instead."""
    in_order = ("--concurrency", "1")
    if command == "undo":
        assert bulkmeta(*ORDER, *in_order).code == 0
    else:
        assert bulkmeta("plan", *ORDER[1:4], *in_order, "--out", NAME).code == 0
    oss.clock.offset_s += 10
    fault = Fault("error", operation="HeadObject", status=403)
    oss.faults.add(fault)
    order = (command, NAME, *chosen)
    failed = bulkmeta(*order, "--yes", "--run-file", "part.jsonl")
    again = told(failed.err)["retry"]
    assert again == ["bulkmeta", command, str(Path(NAME).resolve()), *chosen]
    refused = bulkmeta("retry", "part.jsonl", "--yes")
    words = shlex.split(refused.err.partition("failed in it, run: ")[2])
    assert (refused.code, words) == (2, again)
    oss.faults.clear()
    before = {each.key: each.meta for each in oss.store.objects("bucket")}
    mended = bulkmeta(*again[1:], "--yes", "--run-file", "again.jsonl")
    after = {each.key: each.meta for each in oss.store.objects("bucket")}
    changed = {key for key in after if after[key] != before[key]}
    assert (mended.code, changed) == (0, taken)


def test_a_part_with_all_that_it_was_allowed(
    oss: EmbeddedOSS, bulkmeta: Command
) -> None:
    """Options that allow more than the run itself was allowed are told with it."""
    allowed = ("--acl-policy", "skip", "--allow-appendable", "--allow-early-rewrite")
    assert bulkmeta("plan", *ORDER[1:4], "--out", NAME).code == 0
    oss.faults.add(Fault("error", operation="HeadObject", status=403))
    order = ("apply", NAME, "--replan", *allowed, "--allow-new-versions")
    failed = bulkmeta(*order, "--yes", "--run-file", "part.jsonl")
    path = str(Path(NAME).resolve())
    assert told(failed.err)["retry"] == ["bulkmeta", "apply", path, *order[2:]]


def test_a_part_by_a_file_of_shards(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """No run file tells where that lies, so its place is left open: pasted as it is,
    the line does nothing."""
    assert bulkmeta(*ORDER).code == 0
    shards = ("shards", "oss://bucket/p/", "--into", "2", "--out", "cut.json")
    assert bulkmeta(*shards).code == 0
    oss.faults.add(Fault("error", operation="HeadObject", status=403))
    order = ("undo", NAME, "--shard", "1/cut.json", "--yes", "--run-file")
    failed = bulkmeta(*order, "part.jsonl")
    assert "--shard 1/FILE (FILE: that of the shards)\n" in failed.err


def test_nothing_failed_in_an_undo(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Nor in what carried a plan out: that is said as of any run."""
    assert bulkmeta("plan", *ORDER[1:4], "--out", "plan.jsonl").code == 0
    assert bulkmeta("apply", "plan.jsonl", *ORDER[4:]).code == 0
    assert bulkmeta("undo", NAME, "--yes", "--run-file", "un.jsonl").code == 0
    oss.log.clear()
    for name in (NAME, "un.jsonl"):
        result = bulkmeta("retry", name)
        words = f"nothing failed in {name}; nothing to retry\n"
        assert (result.code, result.out, result.err) == (0, words, "")
    assert oss.log.requests() == []


def test_names_that_look_like_options(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """What is told finds such a file all the same."""
    oss.faults.add(Fault("error", operation="HeadObject", status=403, key="p/07"))
    done = bulkmeta(*ORDER[:-1], "-x.jsonl")
    assert told(done.err) == {
        "retry": ["bulkmeta", "retry", "./-x.jsonl"],
        "undo": ["bulkmeta", "undo", "./-x.jsonl"],
    }
    planned = bulkmeta("plan", *ORDER[1:3], "n=2", "--out", "-p.jsonl")
    assert "apply     bulkmeta apply ./-p.jsonl\n" in planned.err
    assert bulkmeta(*told(done.err)["undo"][1:], "--yes").code == 0
