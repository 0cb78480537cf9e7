"""Run files taken up again: resumed, retried, undone, verified; plans carried out."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from bulkmeta.emulator.dataset import varied_objects
from bulkmeta.emulator.faults import Fault
from bulkmeta.emulator.options import EmulatorOptions
from bulkmeta.emulator.server import EmbeddedOSS
from bulkmeta.journal.files import AppendFile
from bulkmeta.journal.run_reader import read_run as read_records
from bulkmeta.model.outcome import Outcome

HEAD, COPY = "HeadObject", "CopyObject"
LONG_AGO_S = 1_700_000_000
RUN, JOURNAL = Path("run.jsonl"), Path("run.jsonl.journal")
OLD, OURS, THEIRS = {"is": "old"}, {"is": "old", "x": "1"}, {"theirs": "1"}
CHANGE = ("oss://bucket/p/", "--set", "x=1", "--yes", "--run-file", "run.jsonl")
LIMITED = """
import resource, sys
free = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, free[1]))
from bulkmeta.cli.main import run
code = run()
resource.setrlimit(resource.RLIMIT_FSIZE, free)
sys.exit(code)
"""
PLAIN = "from bulkmeta.cli.main import main; main()"

Command = Callable[..., Any]


@pytest.fixture
def apply(bulkmeta: Command) -> Command:
    """The main job on `p/`."""
    return partial(bulkmeta, "apply", *CHANGE)


@pytest.fixture
def cut(oss: EmbeddedOSS, apply: Command) -> Callable[[int], list[dict[str, Any]]]:
    """A whole run on six objects, made to look as if it was killed after some lines;
    the lines taken away become intents. None of these updates is taken back."""

    def make(kept: int) -> list[dict[str, Any]]:
        seed(oss, 6)
        result = apply("--concurrency", "1")
        assert result.code == 0, result.err
        header, *objects, _ = lines_of(RUN)
        write_lines(RUN, [header, *objects[:kept]])
        fields = ("seq", "key", "before", "after", "etag")
        intents = [
            {
                "type": "intent",
                **{name: line[name] for name in fields},
                "last_modified": "Tue, 14 Nov 2023 22:13:20 GMT",
            }
            for line in objects[kept:]
        ]
        write_lines(JOURNAL, [journal_header(header), *intents])
        oss.log.clear()
        return intents

    return make


def journal_header(header: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "journal",
        "schema": 1,
        "job_hash": header["job_hash"],
        "run_started": header["started"],
    }


def seed(oss: EmbeddedOSS, count: int) -> None:
    """Objects `p/0000`, …, all long settled."""
    oss.store.put_objects("bucket", (_spec(f"p/{n:04}") for n in range(count)))


def _spec(key: str) -> dict[str, Any]:
    return {"key": key, "meta": OLD, "last_modified": LONG_AGO_S}


def meta(oss: EmbeddedOSS, number: int) -> dict[str, str]:
    return dict(oss.store.get_object("bucket", f"p/{number:04}").meta)


def write_as_other(oss: EmbeddedOSS, number: int, **changes: Any) -> None:
    """Another writer's change, with a date between then and now."""
    found = oss.store.get_object("bucket", f"p/{number:04}")
    changes = {"meta": THEIRS, "last_modified": LONG_AGO_S + 9, **changes}
    oss.store.save(replace(found, **changes), oss.store.body(found))


def age(oss: EmbeddedOSS) -> None:
    """Let ten seconds pass at the service, so that nothing has to be waited for."""
    oss.clock.offset_s += 10


def sent(oss: EmbeddedOSS) -> list[str]:
    """The keys of all updates."""
    return [key for operation, key in oss.log.operations() if operation == COPY]


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a file."""
    whole = path.read_bytes().split(b"\n")[:-1]
    return [json.loads(line) for line in whole]


def write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def carried(oss: EmbeddedOSS) -> dict[str, tuple[Any, ...]]:
    """All that an update could change, by key."""
    return {
        s.key: (
            s.meta, s.headers, s.content_type, s.acl, s.tags, s.storage_class, s.sse,
            s.etag,
        )
        for s in oss.store.objects("bucket")
    }  # fmt: skip


def assert_refused(result: Any, code: int, *words: str) -> None:
    """One line that says what is wrong, and the exit code."""
    assert result.code == code, result.err
    (line,) = result.err.splitlines()
    assert line.startswith("bulkmeta: ")
    for word in words:
        assert word in line


# What resume refuses


def test_a_complete_run_is_not_resumed(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command
) -> None:
    """There is nothing to do, and that is said."""
    seed(oss, 1)
    assert apply().code == 0

    assert_refused(bulkmeta("resume", "run.jsonl"), 2, "is complete")


def test_another_jobs_journal(cut: Any, bulkmeta: Command) -> None:
    """A journal that does not belong to the run is not believed."""
    cut(3)
    header, *intents = lines_of(JOURNAL)
    write_lines(JOURNAL, [{**header, "job_hash": "0" * 64}, *intents])

    assert_refused(bulkmeta("resume", "run.jsonl"), 2, "belongs to another run")


def test_an_altered_header(cut: Any, bulkmeta: Command) -> None:
    """What was agreed to is what runs: an edited job is refused."""
    cut(3)
    text = RUN.read_text()
    RUN.write_text(text.replace('"x": "1"', '"x": "2"', 1))
    assert text != RUN.read_text()

    assert_refused(bulkmeta("resume", "run.jsonl"), 2, "has been altered")


def test_another_endpoint(cut: Any, bulkmeta: Command) -> None:
    """A bucket of the same name somewhere else is another bucket."""
    cut(3)
    before = RUN.read_bytes()
    with EmbeddedOSS(EmulatorOptions()) as other:
        other.store.create_bucket("bucket")
        result = bulkmeta("resume", "run.jsonl", "--endpoint", other.endpoint)
        assert sent(other) == []

    assert result.code == 2, result.err
    assert "the run was on" in result.err.splitlines()[-1]
    assert RUN.read_bytes() == before


def test_a_file_that_another_process_holds(cut: Any, bulkmeta: Command) -> None:
    """Exit code 5, and neither file is touched."""
    cut(3)
    before = RUN.read_bytes(), JOURNAL.read_bytes()
    with RUN.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        result = bulkmeta("resume", "run.jsonl")

    assert result.code == 5, result.err
    assert "another process" in result.err.splitlines()[-1]
    assert (RUN.read_bytes(), JOURNAL.read_bytes()) == before


def test_a_journal_without_its_run_file(cut: Any, bulkmeta: Command) -> None:
    """Its outcomes are needed as well."""
    cut(3)
    RUN.unlink()

    assert_refused(bulkmeta("resume", "run.jsonl"), 2, "missing", "journal")


@pytest.mark.parametrize("command", ["resume", "retry", "undo", "verify"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ("no whole line",)),
        (b'{"type":"run"', ("no whole line",)),
        (b"garbage\n", ("line 1",)),
        (b"\xff\xfe\n", ("line 1",)),
        (b'{"type":"run"}\n', ("line 1",)),
    ],
)
def test_what_is_no_run_file(
    oss: EmbeddedOSS,
    bulkmeta: Command,
    command: str,
    content: bytes,
    words: tuple[str, ...],
) -> None:
    """Truncated and garbage files: one line, exit 2, nothing sent."""
    RUN.write_bytes(content)

    assert_refused(bulkmeta(command, "run.jsonl"), 2, *words)
    assert oss.log.requests() == []


@pytest.mark.parametrize("garbage", [b"garbage\n", b"\xff\n", b'{"type":"object"}\n'])
def test_garbage_in_the_middle(cut: Any, bulkmeta: Command, garbage: bytes) -> None:
    """The number of the bad line is told."""
    cut(3)
    whole = RUN.read_bytes().splitlines(keepends=True)
    RUN.write_bytes(b"".join([*whole[:2], garbage, *whole[2:]]))

    assert_refused(bulkmeta("resume", "run.jsonl"), 2, "line 3")


# Resuming


def test_resume_after_ctrl_c(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Each key has one outcome, and no object is updated twice."""
    seed(oss, 200)
    oss.faults.add(Fault("latency", COPY, seconds=0.1))
    with subprocess.Popen(  # noqa: S603 our own command line
        [sys.executable, "-c", PLAIN, "apply", *CHANGE, "--concurrency", "8"],
        env={**os.environ, **oss.environment},
        stderr=subprocess.DEVNULL,
    ) as process:
        deadline_s = time.monotonic() + 20
        while len(sent(oss)) < 20 and time.monotonic() < deadline_s:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    assert JOURNAL.exists()
    oss.faults.clear()

    result = bulkmeta("resume", "run.jsonl")

    assert result.code == 0, result.err
    keys = sorted(ln["key"] for ln in lines_of(RUN) if ln["type"] == "object")
    assert keys == sorted(sent(oss)) == [f"p/{n:04}" for n in range(200)]
    assert lines_of(RUN)[-1]["counts"]["updated"] == 200
    assert not JOURNAL.exists()


def test_a_torn_line_is_cut_off(oss: EmbeddedOSS, cut: Any, bulkmeta: Command) -> None:
    """What a crash left of a line goes, and its key gets a whole one."""
    cut(3)
    with RUN.open("ab") as file:
        file.write(b'{"type":"object","seq":4,"k')

    assert bulkmeta("resume", "run.jsonl").code == 0

    assert [ln["type"] for ln in lines_of(RUN)].count("object") == 6
    assert sent(oss) == []


def test_updates_in_doubt(
    oss: EmbeddedOSS, cut: Any, bulkmeta: Command, read_run: Any
) -> None:
    """Done: confirmed by a head. Not done: done now. Somebody else's on top: merged
    anew. Deleted: skipped. Each with one line."""
    cut(2)
    age(oss)
    write_as_other(oss, 3, meta=OLD, last_modified=LONG_AGO_S)
    write_as_other(oss, 4)
    oss.store.delete_object("bucket", "p/0005")

    result = bulkmeta("resume", "run.jsonl")

    assert result.code == 0, result.err
    lines = read_run(RUN).by_key()
    assert len(lines) == 6
    assert sorted(sent(oss)) == ["p/0003", "p/0004"]
    done, undone, other, gone = (lines[f"p/{n:04}"] for n in (2, 3, 4, 5))
    assert (done["status"], done["confirmed"]) == ("updated", True)
    assert done["before"]["meta"] == OLD
    assert (undone["status"], undone["confirmed"]) == ("updated", False)
    assert other["before"]["meta"] == THEIRS
    assert meta(oss, 4) == {**THEIRS, "x": "1"}
    assert (gone["status"], gone["reason"]) == ("skipped", "gone")


# Retrying


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
    done = bulkmeta("apply", "plan.jsonl", "--yes", "--run-file", "done.jsonl")
    assert done.code == 0, done.err

    assert "is a plan" in bulkmeta("retry", "plan.jsonl", "--yes").err
    result = bulkmeta("retry", "done.jsonl", "--yes")
    assert (result.code, "bulkmeta apply " in result.err) == (2, True)


# Undoing


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


@pytest.mark.parametrize("changes", [{}, {"meta": OURS}])
def test_undo_leaves_alone_what_others_touched(
    oss: EmbeddedOSS,
    apply: Command,
    bulkmeta: Command,
    read_run: Any,
    changes: dict[str, Any],
) -> None:
    """`failed: changed_since_run`, exit 1, whether the metadata differs or only the
    date does."""
    seed(oss, 3)
    assert apply().code == 0
    age(oss)
    write_as_other(oss, 1, **changes)
    left = meta(oss, 1)
    oss.log.clear()

    result = bulkmeta("undo", "run.jsonl", "--yes", "--run-file", "undo.jsonl")

    assert result.code == 1, result.err
    line = read_run("undo.jsonl").by_key()["p/0001"]
    assert (line["status"], line["reason"]) == ("failed", "changed_since_run")
    assert [meta(oss, n) for n in range(3)] == [OLD, left, OLD]
    assert sorted(sent(oss)) == ["p/0000", "p/0002"]


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


# Verifying


def test_verify(oss: EmbeddedOSS, apply: Command, bulkmeta: Command) -> None:
    """Nothing to say right after a run; drift is reported with exit 1."""
    seed(oss, 5)
    assert apply().code == 0
    assert bulkmeta("verify", "run.jsonl").code == 0
    write_as_other(oss, 2)
    oss.log.clear()

    result = bulkmeta("verify", "run.jsonl")

    assert result.code == 1, result.err
    assert "drift" in result.out
    assert "p/0002" in result.out
    assert "p/0001" not in result.out
    assert sent(oss) == []


@pytest.mark.parametrize(("sample", "least", "most"), [("7", 7, 7), ("50%", 10, 90)])
def test_verify_a_sample(
    oss: EmbeddedOSS,
    apply: Command,
    bulkmeta: Command,
    sample: str,
    least: int,
    most: int,
) -> None:
    """So many objects are read, or about such a part of them."""
    seed(oss, 100)
    assert apply().code == 0
    oss.log.clear()

    result = bulkmeta("verify", "run.jsonl", "--sample", sample)

    assert result.code == 0, result.err
    heads = [k for operation, k in oss.log.operations() if operation == HEAD]
    assert least <= len(set(heads)) == len(heads) <= most


# Plans


@pytest.fixture
def plan(oss: EmbeddedOSS, bulkmeta: Command) -> Path:
    """A plan for three objects."""
    seed(oss, 3)
    result = bulkmeta("plan", "oss://bucket/p/", "--set", "x=1", "--out", "plan.jsonl")
    assert result.code == 0, result.err
    oss.log.clear()
    return Path("plan.jsonl")


@pytest.mark.parametrize("replan", [False, True])
def test_a_plan_is_carried_out(
    oss: EmbeddedOSS, plan: Path, bulkmeta: Command, read_run: Any, replan: bool
) -> None:
    """Just what was planned: objects that came later are not touched, and those that
    changed since are skipped, or merged anew with `--replan`."""
    oss.store.put_object("bucket", "p/later", meta=OLD)
    write_as_other(oss, 1)
    extra = ["--replan"] if replan else []

    result = bulkmeta("apply", str(plan), "--yes", "--run-file", "run.jsonl", *extra)

    assert result.code == 0, result.err
    line = read_run(RUN).by_key()["p/0001"]
    if replan:
        assert line["status"] == "updated"
        assert meta(oss, 1) == {**THEIRS, "x": "1"}
    else:
        assert (line["status"], line["reason"]) == ("skipped", "changed_since_plan")
        assert meta(oss, 1) == THEIRS
    assert meta(oss, 0) == meta(oss, 2) == OURS
    assert oss.store.get_object("bucket", "p/later").meta == OLD
    assert "ListObjectsV2" not in {logged.operation for logged in oss.log.requests()}


def test_an_incomplete_plan(oss: EmbeddedOSS, plan: Path, bulkmeta: Command) -> None:
    """Half a plan is not what was looked at."""
    write_lines(plan, lines_of(plan)[:-1])

    assert_refused(bulkmeta("apply", str(plan), "--yes"), 2, "not complete")
    assert oss.log.requests() == []


def test_a_plan_with_further_changes(plan: Path, bulkmeta: Command) -> None:
    """A plan says all; what else is given contradicts it."""
    result = bulkmeta("apply", str(plan), "--set", "y=2", "--yes")

    assert_refused(result, 2, "plan file")


def test_detailed_exit_codes(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command
) -> None:
    """10 with something to change, 0 with nothing."""
    seed(oss, 2)
    plan = ("plan", "oss://bucket/p/", "--set", "x=1", "--detailed-exitcode")

    assert bulkmeta(*plan).code == 10
    assert apply().code == 0
    assert bulkmeta(*plan).code == 0


# What is on disk when an update arrives


def test_a_full_disk_and_then_room(
    oss: EmbeddedOSS, bulkmeta: Command, read_run: Any
) -> None:
    """Exit 4 before anything is sent that cannot be recorded; with room, `resume`
    finishes, one line each."""
    seed(oss, 200)
    done = subprocess.run(  # noqa: S603 our own command line
        [sys.executable, "-c", LIMITED, "apply", *CHANGE, "--concurrency", "8"],
        env={**os.environ, **oss.environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert done.returncode == 4, done.stderr
    known = {ln["key"] for p in (RUN, JOURNAL) for ln in lines_of(p) if "key" in ln}
    assert set(sent(oss)) <= known
    assert 0 < len(sent(oss)) < 200

    result = bulkmeta("resume", "run.jsonl")

    assert result.code == 0, result.err
    assert len(read_run(RUN).by_key()) == 200
    assert [meta(oss, n) for n in range(200)] == [OURS] * 200
    assert len(sent(oss)) == 200


def test_an_intent_is_durable_before_its_update_is_sent(
    oss: EmbeddedOSS, apply: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever an update arrives, the synced part of the journal holds its intent."""
    seed(oss, 100)
    durable: dict[str, bytes] = {}
    arrived: list[tuple[str, bool]] = []
    sync, fire = AppendFile.sync, oss.faults.fire

    def remembered(file: AppendFile) -> None:
        size = os.fstat(file._fd).st_size
        sync(file)
        synced = Path(f"/proc/self/fd/{file._fd}").read_bytes()[:size]
        durable[file.path.name.removesuffix(".new")] = synced

    def watched(operation: str, key: str, **options: bool) -> Any:
        if operation == COPY:
            text = durable.get(JOURNAL.name, b"")
            arrived.append((key, f'"key":"{key}"'.encode() in text))
        return fire(operation, key, **options)

    monkeypatch.setattr(AppendFile, "sync", remembered)
    monkeypatch.setattr(oss.faults, "fire", watched)

    assert apply().code == 0

    assert len(arrived) == 100
    assert all(recorded for _, recorded in arrived)


# Selections, compressed files


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


@pytest.mark.parametrize("command", ["undo", "retry"])
def test_a_run_under_way_is_not_replayed(
    cut: Any, bulkmeta: Command, command: str
) -> None:
    """Exit code 5: its lines are still to come."""
    cut(3)
    with RUN.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        result = bulkmeta(command, "run.jsonl", "--yes")

    assert (result.code, "another process" in result.err) == (5, True)


@pytest.mark.parametrize("form", ["gz", "zst"])
def test_compressed_files_all_the_way(
    oss: EmbeddedOSS, bulkmeta: Command, form: str
) -> None:
    """Plan, apply, verify and undo through compressed files; the lines are those of
    the published schema."""
    seed(oss, 50)
    names = [f"{name}.jsonl.{form}" for name in ("plan", "run", "undo")]
    plan, run, undo = names

    for code, *command in (
        (0, "plan", "oss://bucket/p/", "--set", "x=1", "--out", plan),
        (0, "apply", plan, "--yes", "--run-file", run),
        (0, "verify", run),
        (0, "undo", run, "--yes", "--run-file", undo),
        (1, "verify", run),
    ):
        result = bulkmeta(*command)
        assert result.code == code, result.err
        age(oss)

    assert [meta(oss, n) for n in range(50)] == [OLD] * 50
    schema = json.loads(bulkmeta("schema", "run").out)
    published = jsonschema.validators.validator_for(schema)(schema)
    for name in names:
        assert Path(name).read_bytes()[:2] in {b"\x1f\x8b", b"\x28\xb5"}
        for record in read_records(name):
            published.validate(json.loads(msgspec.json.encode(record)))
        assert not Path(f"{name}.journal").exists()


def test_a_torn_frame_is_cut_off(
    oss: EmbeddedOSS, bulkmeta: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A compressed run that was killed in the middle of a frame goes on, each key with
    one line; what the frame held comes from the journal."""
    monkeypatch.setattr("bulkmeta.report.run_file.FRAME_BYTES", 2_000)
    seed(oss, 30)
    name = "run.jsonl.gz"
    oss.faults.add(Fault("error", COPY, skip=20, status=403, code="InvalidAccessKeyId"))
    started = bulkmeta(
        "apply", "oss://bucket/p/", "--set", "x=1", "--yes", "--run-file", name,
        "--concurrency", "1",
    )  # fmt: skip
    assert started.code == 4
    oss.faults.clear()
    whole = Path(name).read_bytes()
    Path(name).write_bytes(whole[:-7])

    assert bulkmeta("resume", name).code == 0

    lines = [r for r in read_records(name) if isinstance(r, Outcome)]
    assert sorted(ln.key for ln in lines) == [f"p/{n:04}" for n in range(30)]
    assert all(ln.before and ln.before.meta == OLD for ln in lines)
    assert len(sent(oss)) == 31


def test_a_full_disk_with_a_compressed_file(
    oss: EmbeddedOSS, bulkmeta: Command
) -> None:
    """Nothing is written behind what did not fit; with room, `resume` finishes."""
    seed(oss, 200)
    limited = LIMITED.replace("20_000", "24_000")
    done = subprocess.run(  # noqa: S603 our own command line
        [sys.executable, "-c", limited, "apply", *CHANGE[:-1], "run.jsonl.gz"],
        env={**os.environ, **oss.environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert done.returncode == 4, done.stderr

    result = bulkmeta("resume", "run.jsonl.gz")

    assert result.code == 0, result.err
    lines = [r for r in read_records("run.jsonl.gz") if isinstance(r, Outcome)]
    assert sorted(ln.key for ln in lines) == [f"p/{n:04}" for n in range(200)]
    assert all(ln.before and ln.before.meta == OLD for ln in lines)
    assert len(sent(oss)) == 200


# What stands on the disk when the power goes, and what is not there


@pytest.fixture
def cut_short(oss: EmbeddedOSS, apply: Command) -> None:
    """A run on 20 objects that ended in the middle, its lines not yet synced."""
    seed(oss, 20)
    oss.faults.add(Fault("error", COPY, skip=10, status=403, code="InvalidAccessKeyId"))
    assert apply("--concurrency", "1").code == 4
    oss.faults.clear()


@pytest.fixture
def durable(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What a loss of power would leave of each file at present."""
    files: dict[str, bytes] = {}
    sync, replace_file = AppendFile.sync, Path.replace

    def synced(file: AppendFile) -> None:
        sync(file)
        files[file.path.name] = Path(f"/proc/self/fd/{file._fd}").read_bytes()

    def replaced(path: Path, target: Path) -> Path:
        files[Path(target).name] = files.pop(path.name)
        return replace_file(path, target)

    monkeypatch.setattr(AppendFile, "sync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    return files


@pytest.mark.parametrize("again", [False, True])
def test_power_loss_at_any_update(
    oss: EmbeddedOSS,
    bulkmeta: Command,
    durable: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    again: bool,
) -> None:
    """Whatever update is the last to arrive, the synced parts of the two files tell of
    all that were sent, in a resumed run too; resume and undo go by them."""
    seed(oss, 12)
    fire, arrived = oss.faults.fire, list[str]()
    job = partial(bulkmeta, "apply", *CHANGE, "--concurrency", "1")
    if again:
        oss.faults.add(
            Fault("error", COPY, skip=5, status=403, code="InvalidAccessKeyId")
        )
        assert job().code == 4
        oss.faults.clear()
        arrived += sent(oss)
        job = partial(bulkmeta, "resume", "run.jsonl", "--concurrency", "1")

    def watched(operation: str, key: str, **options: bool) -> Any:
        if operation == COPY:
            arrived.append(key)
            text = durable["run.jsonl"] + durable[JOURNAL.name]
            assert durable["run.jsonl"].startswith(b'{"type":"run"')
            assert all(f'"key":"{key}"'.encode() in text for key in arrived[:-1])
        return fire(operation, key, **options)

    monkeypatch.setattr(oss.faults, "fire", watched)
    assert job().code == 0
    assert len(set(arrived)) == 12


@pytest.mark.parametrize("command", ["resume", "undo", "retry"])
@pytest.mark.usefixtures("cut_short")
def test_a_run_file_without_its_journal(
    oss: EmbeddedOSS, bulkmeta: Command, command: str
) -> None:
    """Renamed, copied or packed alone: what was under way is not known then."""
    oss.log.clear()
    RUN.rename("moved.jsonl")
    options = [] if command == "resume" else ["--yes", "--run-file", "new.jsonl"]

    result = bulkmeta(command, "moved.jsonl", *options)

    assert result.code == 2, result.err
    assert "its journal 'moved.jsonl.journal' is missing" in result.err
    assert sent(oss) == []

    age(oss)
    JOURNAL.rename("moved.jsonl.journal")
    assert bulkmeta(command, "moved.jsonl", *options).code in {0, 1}


@pytest.mark.usefixtures("cut_short")
def test_the_journal_of_another_run_of_the_same_job(bulkmeta: Command) -> None:
    """A nightly job has the same hash every night."""
    header, *intents = lines_of(JOURNAL)
    other = {**header, "run_started": "2020-01-01T00:00:00.000Z"}
    write_lines(JOURNAL, [other, *intents])

    assert_refused(bulkmeta("resume", "run.jsonl"), 2, "belongs to another run")


@pytest.mark.usefixtures("cut_short")
def test_zeros_where_lines_were_to_come(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Lines that reached the disk behind others that did not are not believed."""
    lines = RUN.read_bytes().splitlines(keepends=True)
    lines[3] = bytes(len(lines[3]))
    RUN.write_bytes(b"".join(lines))
    age(oss)

    assert bulkmeta("resume", "run.jsonl").code == 0

    found = [ln for ln in lines_of(RUN) if ln["type"] == "object"]
    assert sorted(ln["key"] for ln in found) == [f"p/{n:04}" for n in range(20)]
    assert all(ln["before"]["meta"] == OLD for ln in found)


def test_ctrl_c_with_a_lost_answer(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """What could not be told in time is told by `resume`; nothing stays undone."""
    seed(oss, 40)
    oss.faults.add(Fault("reset_before", COPY, key="p/00[01]*"))
    with subprocess.Popen(  # noqa: S603 our own command line
        [sys.executable, "-c", PLAIN, "apply", *CHANGE, "--retries", "50"],
        env={**os.environ, **oss.environment},
        stderr=subprocess.DEVNULL,
    ) as process:
        deadline_s = time.monotonic() + 20
        while len(sent(oss)) < 25 and time.monotonic() < deadline_s:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    oss.faults.clear()

    result = bulkmeta("resume", "run.jsonl")

    assert result.code == 0, result.err
    assert [meta(oss, n) for n in range(40)] == [OURS] * 40


def test_a_parent_is_held_while_it_is_undone(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can go on with a run that is just being taken back."""
    seed(oss, 5)
    assert apply().code == 0
    age(oss)
    free: list[bool] = []
    fire = oss.faults.fire

    def watched(operation: str, key: str, **options: bool) -> Any:
        if operation == COPY:
            with RUN.open("ab") as file, suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                free.append(True)
        return fire(operation, key, **options)

    monkeypatch.setattr(oss.faults, "fire", watched)
    assert bulkmeta("undo", "run.jsonl", "--yes", "--run-file", "u.jsonl").code == 0
    assert len(sent(oss)) == 10
    assert free == []


def test_a_parent_that_went_on_meanwhile(
    oss: EmbeddedOSS, cut: Any, bulkmeta: Command
) -> None:
    """An interrupted undo of it would not undo what came since."""
    cut(2)
    age(oss)
    oss.faults.add(Fault("error", COPY, skip=3, status=403, code="InvalidAccessKeyId"))
    undo = ("undo", "run.jsonl", "--yes", "--run-file", "u.jsonl", "--concurrency", "1")
    assert bulkmeta(*undo).code == 4
    oss.faults.clear()
    age(oss)
    assert bulkmeta("resume", "run.jsonl").code == 0
    oss.log.clear()

    result = bulkmeta("resume", "u.jsonl")

    assert (result.code, "is not as it was when" in result.err) == (2, True)
    assert sent(oss) == []


def test_verify_tells_of_lists_and_of_what_is_gone(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command
) -> None:
    """An access control list is part of what was recorded."""
    seed(oss, 3)
    assert apply().code == 0
    found = oss.store.get_object("bucket", "p/0001")
    oss.store.save(replace(found, acl="public-read"), oss.store.body(found))
    oss.store.delete_object("bucket", "p/0002")

    result = bulkmeta("verify", "run.jsonl")

    assert result.code == 1, result.err
    assert "failed: drift" in result.out
    assert "failed: gone" in result.out


@pytest.mark.parametrize("command", ["undo", "retry", "verify"])
def test_nothing_was_done_in_a_plan(
    plan: Path, bulkmeta: Command, command: str
) -> None:
    """So there is nothing to take back, to try again or to look at."""
    options = [] if command == "verify" else ["--yes"]
    assert_refused(bulkmeta(command, str(plan), *options), 2, "is a plan")


def test_a_key_that_ends_like_a_plan(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """An address is an address."""
    oss.store.put_object("bucket", "p/events.jsonl", last_modified=LONG_AGO_S)
    target = "oss://bucket/p/events.jsonl"
    assert bulkmeta("apply", target, "--set", "x=1", "--yes").code == 0
    assert oss.store.get_object("bucket", "p/events.jsonl").meta == {"x": "1"}


@pytest.mark.usefixtures("cut_short")
def test_no_room_for_a_new_journal(
    bulkmeta: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is a full disk, also for a resumed run."""
    open_file = os.open

    def full(path: Any, flags: int, *rest: Any) -> int:
        if flags & os.O_EXCL:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return open_file(path, flags, *rest)

    monkeypatch.setattr(os, "open", full)
    result = bulkmeta("resume", "run.jsonl")
    assert (result.code, "make room" in result.err) == (4, True)


def test_no_locks_there(
    oss: EmbeddedOSS, apply: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some network file systems have none; then nothing is begun."""

    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    seed(oss, 1)
    monkeypatch.setattr("bulkmeta.journal.files.fcntl.flock", refuse)
    result = apply()
    assert (result.code, "cannot lock 'run.jsonl'" in result.err) == (2, True)
    assert sent(oss) == []


# What a user may do with the files


@pytest.mark.usefixtures("cut_short")
def test_a_link_to_a_run_file(bulkmeta: Command) -> None:
    """The journal lies beside the file itself."""
    Path("real").mkdir()
    RUN.rename("real/run.jsonl")
    JOURNAL.rename("real/run.jsonl.journal")
    Path("link.jsonl").symlink_to("real/run.jsonl")

    result = bulkmeta("resume", "link.jsonl")

    assert result.code == 0, result.err
    assert not Path("real/run.jsonl.journal").exists()


@pytest.mark.parametrize("command", ["resume", "undo", "retry", "verify"])
@pytest.mark.parametrize("name", ["", ".", "x" * 300 + ".jsonl", "\udcff.jsonl"])
def test_names_that_no_run_file_has(
    oss: EmbeddedOSS, bulkmeta: Command, command: str, name: str
) -> None:
    """An unset variable, a folder, too long, not UTF-8: one line, exit 2."""
    result = bulkmeta(command, name)
    assert_refused(result, 2)
    assert oss.log.requests() == []


def test_a_pattern_that_is_not_utf8(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command
) -> None:
    """No key is like that."""
    seed(oss, 1)
    assert apply().code == 0
    result = bulkmeta("undo", "run.jsonl", "--include", "\udcff*", "--dry-run")
    assert_refused(result, 2, "not valid UTF-8")


def test_a_name_that_leaves_no_room_for_the_journal(bulkmeta: Command) -> None:
    """It is said before anything is begun."""
    name = "x" * 244
    result = bulkmeta("apply", *CHANGE[:-1], name)
    assert_refused(result, 2, "name another")
    assert not Path(name).exists()


def test_a_bad_parent_leaves_nothing_behind(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command
) -> None:
    """What is wrong with it is found before a new run file is made."""
    seed(oss, 3)
    assert apply().code == 0
    lines = RUN.read_bytes().splitlines(keepends=True)
    RUN.write_bytes(b"".join([*lines[:2], lines[2][:9] + b"\n", *lines[3:]]))

    result = bulkmeta("undo", "run.jsonl", "--yes", "--run-file", "undo.jsonl")

    assert_refused(result, 2, "line 3")
    assert not Path("undo.jsonl").exists()


@pytest.mark.parametrize(
    "edit",
    [
        {"headers": {"x-oss-copy-source": "/bucket/p%2F0002"}},
        {"headers": {"x-oss-object-acl": "public-read"}},
        {"headers": {"a\r\nb": "1"}},
        {"meta": {"a b\r\nc": "1"}},
        {"meta": {"Upper": "1"}},
        {"meta": {"a": "x" * 9000}},
        {"sse": {"x-oss-object-acl": "public-read"}},
        {"storage_class": "Cheap"},
        {"acl": "everybody"},
        {"tags": {"a\r\nb": "1"}},
    ],
)
def test_an_edited_plan_does_no_harm(
    oss: EmbeddedOSS, plan: Path, bulkmeta: Command, read_run: Any, edit: dict[str, Any]
) -> None:
    """What no plan can hold is not sent, and the object's line says so."""
    header, first, *others = lines_of(plan)
    first["after"] = {**first["after"], **edit}
    write_lines(plan, [header, first, *others])
    before = carried(oss)[first["key"]]

    result = bulkmeta("apply", str(plan), "--yes", "--run-file", "run.jsonl")

    assert result.code == 1, result.err
    line = read_run(RUN).by_key()[first["key"]]
    assert (line["status"], line["reason"]) == ("failed", "unrecorded")
    assert carried(oss)[first["key"]] == before


def test_an_edited_job_is_not_undone(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command
) -> None:
    """Its header says what it ran, and is held to its own hash."""
    seed(oss, 1)
    assert apply().code == 0
    RUN.write_text(RUN.read_text().replace('"prefix":"p/"', '"prefix":"q/"', 1))
    result = bulkmeta("undo", "run.jsonl", "--yes")
    assert_refused(result, 2, "has been altered")


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


def test_verify_of_an_interrupted_run_says_so(cut: Any, bulkmeta: Command) -> None:
    """It cannot tell of what was under way."""
    cut(3)
    result = bulkmeta("verify", "run.jsonl")
    assert (result.code, "was interrupted" in result.err) == (0, True)


def test_replan_needs_a_plan(bulkmeta: Command) -> None:
    """An option that would do nothing is refused."""
    result = bulkmeta("apply", *CHANGE, "--replan")
    assert_refused(result, 2, "--replan goes with a plan file")


def test_a_plan_by_any_name(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """`plan --out` takes any, and so does `apply`."""
    seed(oss, 1)
    plan = ("plan", "oss://bucket/p/", "--set", "x=1", "--out", "plan.txt")
    assert bulkmeta(*plan).code == 0
    assert bulkmeta("apply", "plan.txt", "--yes").code == 0
    assert meta(oss, 0) == OURS
