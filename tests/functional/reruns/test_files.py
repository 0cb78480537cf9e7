"""Run files and journals that are missing, foreign, held, edited, or none at all."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bulkmeta.emulator.faults import Fault
from bulkmeta.emulator.options import EmulatorOptions
from bulkmeta.emulator.server import EmbeddedOSS
from tests.functional.reruns.conftest import (
    CHANGE,
    COPY,
    JOURNAL,
    OLD,
    RUN,
    Command,
    age,
    assert_refused,
    lines_of,
    seed,
    sent,
    write_lines,
)


def test_another_jobs_journal(cut: Any, bulkmeta: Command) -> None:
    """A journal that does not belong to the run is not believed."""
    cut(3)
    header, *intents = lines_of(JOURNAL)
    write_lines(JOURNAL, [{**header, "job_hash": "0" * 64}, *intents])

    assert_refused(bulkmeta("resume", "run.jsonl"), 2, "belongs to another run")


@pytest.mark.parametrize("command", ["resume", "verify"])
def test_an_altered_header(cut: Any, bulkmeta: Command, command: str) -> None:
    """What was agreed to is what runs: an edited job is refused."""
    cut(3)
    text = RUN.read_text()
    RUN.write_text(text.replace('"x": "1"', '"x": "2"', 1))
    assert text != RUN.read_text()

    assert_refused(bulkmeta(command, "run.jsonl"), 2, "has been altered")
    told = bulkmeta("report", "run.jsonl")
    assert (told.code, "has been altered" in told.err) == (0, True)


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


NO_RUN = ("'run.jsonl' is no run file: its first line tells of no run; give the file",)


@pytest.mark.parametrize("command", ["resume", "retry", "undo", "verify"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ("no whole line",)),
        (b'{"type":"run"', ("no whole line",)),
        (b"garbage\n", NO_RUN),
        (b"\xff\xfe\n", NO_RUN),
        (b'{"type":"shards","schema":1,"bounds":[]}\n', NO_RUN),
        (b"{\n", NO_RUN),
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


@pytest.mark.parametrize("command", ["resume", "retry", "undo", "verify", "report"])
def test_a_device(bulkmeta: Command, command: str) -> None:
    """Is no run file, whatever can be asked of it."""
    result = bulkmeta(command, "/dev/null")
    assert (result.code, len(result.err.splitlines())) == (2, 1), result.err
    words = "holds no whole line; it is no run" if command == "report" else "is no run"
    assert f"'/dev/null' {words} file" in result.err


@pytest.mark.parametrize("garbage", [b"garbage\n", b"\xff\n", b'{"type":"object"}\n'])
def test_garbage_in_the_middle(cut: Any, bulkmeta: Command, garbage: bytes) -> None:
    """The number of the bad line is told."""
    cut(3)
    whole = RUN.read_bytes().splitlines(keepends=True)
    RUN.write_bytes(b"".join([*whole[:2], garbage, *whole[2:]]))

    assert_refused(bulkmeta("resume", "run.jsonl"), 2, "line 3")


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


def test_a_run_under_way_was_not_interrupted(cut: Any, bulkmeta: Command) -> None:
    """Who is at it is all that is said."""
    cut(3)
    with RUN.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        result = bulkmeta("verify", "run.jsonl")

    assert_refused(result, 5, "another process")


@pytest.fixture
def cut_short(oss: EmbeddedOSS, apply: Command) -> None:
    """A run on 20 objects that ended in the middle, its lines not yet synced."""
    seed(oss, 20)
    oss.faults.add(Fault("error", COPY, skip=10, status=403, code="InvalidAccessKeyId"))
    assert apply("--concurrency", "1").code == 4
    oss.faults.clear()


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


def test_an_edited_job_is_not_undone(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command
) -> None:
    """Its header says what it ran, and is held to its own hash."""
    seed(oss, 1)
    assert apply().code == 0
    RUN.write_text(RUN.read_text().replace('"prefix":"p/"', '"prefix":"q/"', 1))
    result = bulkmeta("undo", "run.jsonl", "--yes")
    assert_refused(result, 2, "has been altered")
