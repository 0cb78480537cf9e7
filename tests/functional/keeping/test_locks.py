"""One run of a job at a time."""

from __future__ import annotations

import errno
import fcntl
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bulkmeta.errors import OutputError
from bulkmeta.journal.files import AppendFile
from bulkmeta.journal.job_folder import held_job
from tests.functional.keeping.conftest import (
    COPY,
    ORDER,
    Command,
    asked,
    folders,
    started,
)

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS


def test_one_at_a_time(oss: EmbeddedOSS, bulkmeta: Command, tmp_path: Path) -> None:
    """Who is at it, and since when; another job is none of its business."""
    with started(oss, tmp_path) as process:
        result = bulkmeta(*ORDER)
        assert result.code == 5
        words = f"the job is being run by process {process.pid} on "
        assert words in result.err
        assert "; wait for its end, or pass --wait-lock 1h" in result.err
        assert bulkmeta(*ORDER, "--set", "m=1").code == 0
        process.kill()
        process.communicate()

    assert bulkmeta(*ORDER).code == 0  # a killed process holds nothing
    assert folders() == []


def test_waiting_for_the_other(
    oss: EmbeddedOSS, bulkmeta: Command, tmp_path: Path
) -> None:
    """For so long, and no longer; who that is, is said at the beginning."""
    with started(oss, tmp_path) as process:
        result = bulkmeta(*ORDER, "--wait-lock", "1s")
        words = f"waiting   for the job's end: it is run by process {process.pid} on "
        assert (result.code, result.err.count(words)) == (5, 1)
        assert "; wait for its end, or pass a longer --wait-lock" in result.err
        process.send_signal(signal.SIGTERM)
        assert bulkmeta(*ORDER, "--wait-lock", "30s").code == 0
        process.communicate()


def test_two_places_are_two_jobs(
    oss: EmbeddedOSS, bulkmeta: Command, tmp_path: Path
) -> None:
    """A folder that is named is the job's, whatever the job."""
    with started(oss, tmp_path, "--state", str(tmp_path / "s")) as process:
        assert bulkmeta(*ORDER).code == 0
        assert bulkmeta(*ORDER, "--state", "s").code == 5
        process.kill()
        process.communicate()


def test_a_lock_that_was_taken_away(bulkmeta: Command, tmp_path: Path) -> None:
    """Whoever had it may take its file away while others wait for it: the file that
    counts is the one that is there."""
    state = tmp_path / "s"
    state.mkdir()
    with (state / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert bulkmeta(*ORDER, "--state", "s").code == 5
        (state / "lock").unlink()
        assert bulkmeta(*ORDER, "--state", "s").code == 0


def test_no_place_to_keep_anything(
    oss: EmbeddedOSS, bulkmeta: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run does without, and says so; not if it was to remember something."""
    monkeypatch.setenv("HOME", "/dev/null")
    result = bulkmeta(*ORDER)
    assert result.code == 0
    assert "warning   cannot use folder '/dev/null/.bulkmeta/jobs/" in result.err
    for more in (("--state", "/dev/null/x"), ("--since-last-run",)):
        result = bulkmeta(*ORDER, *more)
        assert (result.code, "cannot use folder" in result.err) == (2, True)


def test_it_takes_nobody_elses_lock_away(tmp_path: Path) -> None:
    """Its own file was taken away, and another run has the new one by now."""
    lock = tmp_path / "s/lock"
    with held_job(tmp_path / "s", "key"):
        lock.unlink()
        lock.touch()
    assert lock.exists()


@pytest.mark.parametrize("kind", ["nowhere", "dangling link", "somebody's"])
def test_a_folder_that_cannot_be_a_jobs(bulkmeta: Command, kind: str) -> None:
    """One line, and nobody's file is lost."""
    folder = Path("/proc/bulkmeta" if kind == "nowhere" else "s")
    if kind == "dangling link":
        folder.mkdir()
        (folder / "lock").symlink_to("none/there")
    elif kind == "somebody's":
        folder.mkdir()
        (folder / "lock").write_text("precious")
    result = bulkmeta(*ORDER, "--state", str(folder))
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert result.err.startswith("bulkmeta: cannot use folder ")
    if kind == "somebody's":
        assert (folder / "lock").read_text() == "precious"


def test_what_a_crash_left_of_a_lock(bulkmeta: Command) -> None:
    """Is nobody's, and in nobody's way."""
    Path("s").mkdir()
    for left in (b"", bytes(64), b'{"pid":12,"ho'):
        Path("s/lock").write_bytes(left)
        assert bulkmeta(*ORDER, "--state", "s").code == 0
        Path("s").mkdir(exist_ok=True)


@pytest.mark.parametrize("option", ["--state", "--window"])
def test_an_empty_variable(bulkmeta: Command, option: str) -> None:
    """Of a script is no reason to do without what it was to say."""
    result = bulkmeta(*ORDER, option, "")
    assert (result.code, option in result.err) == (2, True)


def test_no_room_to_say_who_has_the_lock(
    oss: EmbeddedOSS, bulkmeta: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is had all the same; the run needs no room there."""
    former = AppendFile.write

    def write(file: AppendFile, data: bytes) -> None:
        if file.path.name == "lock":
            raise OutputError("no room")
        former(file, data)

    monkeypatch.setattr(AppendFile, "write", write)
    with held_job(tmp_path / "s", "key"):
        result = bulkmeta(*ORDER, "--state", "s")
        assert (result.code, "run by another process;" in result.err) == (5, True)
    assert bulkmeta(*ORDER, "--state", "s").code == 0
    assert len(asked(oss, COPY)) == 50


def test_a_place_without_locks(
    bulkmeta: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some network file systems have none: the same there."""

    def flock(_file: int, _kind: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    result = bulkmeta(*ORDER, "--state", "s")
    assert (result.code, "No locks available" in result.err) == (2, True)
    result = bulkmeta(*ORDER, "--run-file", "run.jsonl")
    assert "nothing keeps this job from running twice at once" in result.err
