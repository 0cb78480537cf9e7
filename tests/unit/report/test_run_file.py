"""The run file: exclusive, private, whole lines, and loud when it cannot be written."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from bulkmeta.errors import LockedError, OutputError, UsageError
from bulkmeta.model.job import Command, JobSpec, Target
from bulkmeta.model.outcome import Outcome, PaceSeen
from bulkmeta.model.run_file import Resumed, RunHeader, Summary
from bulkmeta.oss.pace import PaceNow
from bulkmeta.report.run_file import continue_run_file, create_run_file

JOB = JobSpec(Target("bucket", "p"))
HEADER = RunHeader(
    version="1",
    command="apply",
    job=JOB,
    job_hash="hash",
    bucket="bucket",
    endpoint="https://h",
    region="r",
    started="now",
)
OUTCOME = Outcome(seq=1, key="照片/a\nb", status="unchanged")
SUMMARY = Summary(
    objects=1,
    counts={"unchanged": 1},
    reasons={},
    requests={"HeadObject": 1},
    elapsed_s=1.5,
    finished="later",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a run file may be made."""
    return tmp_path / "run.jsonl"


def test_bounds_come_with_the_next_line(path: Path) -> None:
    """There is a line per object and no other; most have no bounds."""
    with create_run_file(path, HEADER) as file:
        file.emit(OUTCOME)
        file.note_bounds(["a", "b"])
        file.note_bounds(["文"])
        file.emit(OUTCOME)
        file.emit(OUTCOME)
    _, *lines = map(json.loads, path.read_bytes().splitlines())
    assert [line.get("bounds") for line in lines] == [None, ["a", "b", "文"], None]


def test_pace_comes_each_full_second(path: Path) -> None:
    """On the first line after each, as it is then; other lines are as without it."""
    now_s = 100.25
    moments = [100.5, 101.2, 101.25, 101.9, 102.2, 104.0, 104.24, 104.25]
    with create_run_file(path, HEADER) as file:
        file.note_pace(lambda: PaceNow(3, 199.9666, int(now_s)), lambda: now_s)
        for moment_s in moments:
            now_s = moment_s
            file.emit(OUTCOME)
    _, *lines = path.read_bytes().splitlines()
    told = [json.loads(line).get("pace") for line in lines]
    pace = {"in_flight": 3, "rate": 200.0}
    assert told == [
        None,
        None,
        {**pace, "throttled": 1},
        None,
        None,
        {**pace, "throttled": 4},
        None,
        {**pace, "throttled": 4},
    ]
    assert {line for line in lines if b"pace" not in line} == {
        msgspec.json.encode(OUTCOME)
    }


def test_pace_and_bounds_on_one_line(path: Path) -> None:
    """Neither keeps the other away."""
    now_s = 0.0
    with create_run_file(path, HEADER) as file:
        file.note_pace(lambda: PaceNow(1, 5.0, 0), lambda: now_s)
        file.note_bounds(["a"])
        now_s = 1.0
        file.emit(OUTCOME)
    line = msgspec.json.decode(path.read_bytes().splitlines()[1], type=Outcome)
    assert line == msgspec.structs.replace(
        OUTCOME, bounds=["a"], pace=PaceSeen(1, 5.0, 0)
    )


def test_header_lines_summary(path: Path) -> None:
    """First the header, then a line per object, last the summary; all read back."""
    with create_run_file(path, HEADER) as file:
        file.emit(OUTCOME)
        file.finish(SUMMARY)
    first, second, last = path.read_bytes().splitlines()
    assert (
        msgspec.json.decode(first, type=RunHeader),
        msgspec.json.decode(second, type=Outcome),
        msgspec.json.decode(last, type=Summary),
        path.read_bytes()[-1:],
    ) == (HEADER, OUTCOME, SUMMARY, b"\n")


def test_types_of_the_lines(path: Path) -> None:
    """Each line says what it is; the header carries the schema's number."""
    with create_run_file(path, HEADER) as file:
        file.emit(OUTCOME)
        file.finish(SUMMARY)
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    types = [line["type"] for line in lines]
    assert (types, lines[0]["schema"]) == (["run", "object", "summary"], 1)


def test_header_is_there_at_once(path: Path) -> None:
    """A run that dies at its first object can still be told by its file."""
    with create_run_file(path, HEADER):
        assert path.read_bytes().count(b"\n") == 1


def test_lines_wait_for_a_flush(path: Path) -> None:
    """Results are written in batches, and whole."""
    with create_run_file(path, HEADER) as file:
        file.emit(OUTCOME)
        file.emit(OUTCOME)
        before = path.read_bytes().count(b"\n")
        file.flush()
        file.flush()
        after = path.read_bytes().count(b"\n")
    assert (before, after) == (1, 3)


def test_only_the_owner_may_read(path: Path) -> None:
    """Metadata may be private, so the file is, whatever the umask (promise 11)."""
    former = os.umask(0)
    try:
        with create_run_file(path, HEADER):
            mode = stat.S_IMODE(path.stat().st_mode)
    finally:
        os.umask(former)
    assert mode == 0o600


def test_existing_file_is_not_touched(path: Path) -> None:
    """A run file is never written over."""
    path.write_text("precious")
    with pytest.raises(UsageError) as caught:
        create_run_file(path, HEADER)
    assert (str(caught.value), path.read_text()) == (
        f"run file {str(path)!r} exists; name another",
        "precious",
    )


def test_dangling_link_is_not_followed(path: Path) -> None:
    """Exclusive means that a link planted there is refused too."""
    path.symlink_to(path.with_name("elsewhere"))
    with pytest.raises(UsageError):
        create_run_file(path, HEADER)
    assert path.with_name("elsewhere").exists() is False


def test_no_such_folder(tmp_path: Path) -> None:
    """A file that cannot be made is an error in the command, not in the run."""
    path = tmp_path / "missing" / "run.jsonl"
    with pytest.raises(UsageError) as caught:
        create_run_file(path, HEADER)
    assert str(caught.value) == (
        f"cannot create the run file {str(path)!r}: No such file or directory; "
        "name another"
    )


Write = Callable[[int, bytes], int]
REAL_WRITE: Write = os.write


def test_partial_writes_are_completed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A system that takes a few bytes at a time still gets all of them."""
    monkeypatch.setattr(os, "write", lambda fd, data: REAL_WRITE(fd, data[:7]))
    with create_run_file(path, HEADER) as file:
        file.emit(OUTCOME)
        file.finish(SUMMARY)
    lines = path.read_bytes().splitlines()
    assert (len(lines), msgspec.json.decode(lines[1], type=Outcome)) == (3, OUTCOME)


REMEDIES: dict[Command, str] = {
    "apply": "resume the run if it had begun: that settles what was under way, which "
    "is not counted here",
    "plan": "plan again into a new file",
}


@pytest.mark.parametrize("command", REMEDIES)
def test_full_disk(
    path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    """A result that cannot be written ends the run, with a line that says why; a plan
    has nothing to go on with."""

    def full(_fd: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    header = msgspec.structs.replace(HEADER, command=command)
    with create_run_file(path, header) as file:
        file.emit(OUTCOME)
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(OutputError) as caught:
            file.flush()
    assert str(caught.value) == (
        f"cannot write {str(path)!r}: No space left on device; make room, and "
        f"{REMEDIES[command]}"
    )


@pytest.mark.parametrize("place", ["sync_folder", "AppendFile.lock"])
def test_interrupted_before_it_has_its_header(
    path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Nothing is left that could not be resumed, and would bear a run file's name."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"bulkmeta.journal.files.{place}", interrupted)
    with pytest.raises(KeyboardInterrupt):
        create_run_file(path, HEADER)
    assert not path.exists()


def test_file_is_closed(path: Path) -> None:
    """Leaving the block closes the file, also after an error."""
    with pytest.raises(KeyError), create_run_file(path, HEADER) as file:
        raise KeyError
    with pytest.raises(OutputError, match="Bad file descriptor"):
        file.finish(SUMMARY)


RESUMED = Resumed(seq=2, after="k", at="later")


def test_continued_behind_the_last_whole_line(path: Path) -> None:
    """What a crash left of a line is cut off; the run goes on behind it."""
    with create_run_file(path, HEADER) as file:
        file.emit(OUTCOME)
        file.flush()
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"type":"obj')
    with continue_run_file(
        path, RESUMED, keep_bytes=len(whole), found_bytes=path.stat().st_size
    ) as file:
        file.emit(OUTCOME)
        file.finish(SUMMARY)
    assert path.read_bytes() == whole + b"".join(
        msgspec.json.encode(line) + b"\n" for line in (RESUMED, OUTCOME, SUMMARY)
    )


def test_one_writer_at_a_time(path: Path) -> None:
    """A run file that is being written is not continued, nor cut."""
    with create_run_file(path, HEADER):
        size_bytes = path.stat().st_size
        with pytest.raises(LockedError):
            continue_run_file(path, RESUMED, keep_bytes=3, found_bytes=3)
        assert path.stat().st_size == size_bytes


def test_missing_file_is_not_continued(path: Path) -> None:
    """There is nothing to continue without the file."""
    with pytest.raises(UsageError, match="No such file"):
        continue_run_file(path, RESUMED, keep_bytes=0, found_bytes=0)


def test_a_file_that_grew_since_it_was_read_is_left_alone(tmp_path: Path) -> None:
    """Another process wrote between reading and locking: nothing of its is cut off."""
    path = tmp_path / "run.jsonl"
    path.write_bytes(b"one\ntwo\n")
    with pytest.raises(LockedError, match="just being written"):
        continue_run_file(path, RESUMED, keep_bytes=4, found_bytes=4)
    assert path.read_bytes() == b"one\ntwo\n"
