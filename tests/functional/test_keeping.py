"""A job that is run again and again: one at a time, from where the last run was."""

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
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bulkmeta.emulator.faults import Fault
from bulkmeta.errors import OutputError
from bulkmeta.journal.files import AppendFile
from bulkmeta.journal.job_folder import held_job

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS

Command = Callable[..., Any]
ORDER = ("apply", "oss://bucket/p/", "--set", "n=1", "--yes", "--rate", "max")
SINCE = (*ORDER, "--since-last-run", "--acl-policy", "skip")
DAY_S = 86_400
OLD_S = 1_700_000_000.0
HEAD, COPY = "HeadObject", "CopyObject"


@pytest.fixture(autouse=True)
def _seeded(oss: EmbeddedOSS) -> None:
    oss.store.put_objects(
        "bucket",
        ({"key": f"p/{n:03}", "last_modified": OLD_S} for n in range(50)),
    )


def asked(oss: EmbeddedOSS, operation: str = HEAD) -> list[str]:
    """The keys of such requests since the last look."""
    found = [key for name, key in oss.log.operations() if name == operation]
    oss.log.clear()
    return found


def folders() -> list[Path]:
    return sorted((Path.home() / ".bulkmeta/jobs").glob("*"))


# One at a time


def started(oss: EmbeddedOSS, folder: Path, *args: str) -> subprocess.Popen[str]:
    """The job in a process of its own, slow enough to be met."""
    process = subprocess.Popen(  # noqa: S603 our own interpreter
        [
            sys.executable,
            "-m",
            "bulkmeta",
            *ORDER[:-1],
            "10",
            "--concurrency",
            "4",
            *args,
        ],
        env={**os.environ, **oss.environment},
        cwd=folder,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    deadline_s = time.monotonic() + 20
    while not asked(oss):
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    return process


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


# Stopped in time


def test_goes_on_by_itself(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """The same command again continues the run that was stopped, until it is done."""
    order = (
        *ORDER[:-1], "40", "--run-file", "run.jsonl", "--max-duration", "1s",
        "--concurrency", "2",
    )  # fmt: skip
    codes: list[int] = []
    while not codes or codes[-1] == 6:
        result = bulkmeta(*order)
        codes.append(result.code)
        assert len(codes) < 20
    assert codes[-1] == 0
    assert len(codes) > 2
    assert "going on  with " in result.err

    lines = [json.loads(line) for line in Path("run.jsonl").read_text().splitlines()]
    keys = [line["key"] for line in lines if line["type"] == "object"]
    assert sorted(keys) == [f"p/{n:03}" for n in range(50)]
    assert lines[-1]["type"] == "summary"
    assert len(asked(oss, COPY)) == 50

    result = bulkmeta(*order)  # done: the next one is a new run
    assert (result.code, "'run.jsonl' exists" in result.err) == (2, True)


def test_another_job_does_not_go_on(bulkmeta: Command) -> None:
    """Nor does the same one, once it was resumed to its end by hand."""
    order = (*ORDER[:-1], "30", "--max-duration", "1s", "--concurrency", "2")
    assert bulkmeta(*order, "--run-file", "run.jsonl").code == 6
    other = bulkmeta(*ORDER, "--set", "m=1", "--run-file", "other.jsonl")
    assert (other.code, "going on" in other.err) == (0, False)
    assert bulkmeta("resume", "run.jsonl", "--rate", "max").code == 0
    again = bulkmeta(*ORDER, "--run-file", "again.jsonl")
    assert (again.code, "going on" in again.err) == (0, False)


def test_an_interrupted_run_does_not_go_on(
    oss: EmbeddedOSS, bulkmeta: Command, tmp_path: Path
) -> None:
    """Whoever pressed Ctrl-C decides what comes next."""
    with started(oss, tmp_path, "--run-file", "run.jsonl") as process:
        process.send_signal(signal.SIGINT)
        process.communicate()
        assert process.returncode == 130
    result = bulkmeta(*ORDER, "--run-file", "new.jsonl")
    assert (result.code, "going on" in result.err) == (0, False)


ROWS = "".join(f"p/{n:03},{{0}}\n" for n in range(50))
TRANSFORM = """
import bulkmeta

def made(found):
    return bulkmeta.Change(set_meta={{"n": "{0}"}})
"""
GIVEN = {
    "--values": ("v.csv", f"key,meta.n\n{ROWS}"),
    "--keys-from": ("keys", "".join(f"p/{n:03}\n" for n in range(50)) + "p/x{0}\n"),
    "--transform": ("made.py", TRANSFORM),
}


@pytest.mark.parametrize("option", [*GIVEN, "stdin"])
def test_what_it_was_given_is_another_one(
    oss: EmbeddedOSS, tmp_path: Path, option: str
) -> None:
    """The run that was stopped cannot be gone on with, and does not stand in the way of
    a new one; if it was given the same, it is gone on with."""
    name, text = GIVEN["--keys-from" if option == "stdin" else option]
    order = {
        "--values": ("oss://bucket/p/", "--values", name),
        "--keys-from": ("oss://bucket/p/", "--set", "n=1", "--keys-from", name),
        "--transform": ("oss://bucket/p/", "--transform", "made:made"),
        "stdin": ("oss://bucket/p/", "--set", "n=1", "--keys-from", "-"),
    }[option]

    def run(content: str, *more: str) -> tuple[int, str]:
        (tmp_path / name).write_text(text.format(content))
        ended = subprocess.run(  # noqa: S603 our own interpreter
            [sys.executable, "-m", "bulkmeta", "apply", *order, "--yes", *more],
            env={**os.environ, **oss.environment},
            cwd=tmp_path,
            input=text.format(content),
            capture_output=True,
            check=False,
            text=True,
        )
        return ended.returncode, ended.stderr

    slowly = ("--rate", "20", "--concurrency", "2", "--max-duration", "0.5s")
    assert run("1", *slowly)[0] == 6
    code, told = run("1", *slowly)
    assert (code, "going on  with " in told) == (6, option != "stdin")
    code, told = run("2", "--rate", "max")
    assert (code, "going on" in told) == (0, False)
    assert "was stopped in time, and stays as it is: " in told
    changed = [o.key for o in oss.store.objects("bucket", "p/") if "n" in o.meta]
    assert len(changed) == 50
    code, told = run("2", "--rate", "max")
    assert (code, "stays as it is" in told) == (0, False)


def test_another_plan_of_the_same_name(bulkmeta: Command) -> None:
    """Is carried out, whatever became of the one before it."""
    plan = ("plan", "oss://bucket/p/", "--out", "plan.jsonl")
    slowly = ("--rate", "20", "--concurrency", "2", "--max-duration", "0.5s")
    assert bulkmeta(*plan, "--set", "n=1").code == 0
    assert bulkmeta("apply", "plan.jsonl", "--yes", *slowly).code == 6
    Path("plan.jsonl").unlink()
    assert bulkmeta(*plan, "--set", "n=2").code == 0
    result = bulkmeta("apply", "plan.jsonl", "--yes", "--rate", "max")
    assert (result.code, "plan.jsonl' is not as it was" in result.err) == (0, True)


# Since the last run


def test_only_what_was_modified(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """All at first; then those of the last run, which it modified itself; then none,
    and then just what others wrote. Quiet nights write nothing."""
    result = bulkmeta(*SINCE)
    assert result.code == 0
    assert "since     all objects" in result.err
    assert len(asked(oss)) == 50

    oss.clock.offset_s += DAY_S
    assert bulkmeta(*SINCE).code == 0
    assert len(asked(oss)) == 50
    oss.clock.offset_s += DAY_S
    assert bulkmeta(*SINCE).code == 0
    assert asked(oss) == []

    oss.clock.offset_s += DAY_S
    oss.store.put_object("bucket", "p/007", last_modified=oss.clock.time())
    oss.store.put_object("bucket", "p/new", last_modified=oss.clock.time())
    oss.clock.offset_s += 100
    assert bulkmeta(*SINCE).code == 0
    heads = [key for name, key in oss.log.operations() if name == HEAD]
    assert heads == ["p/007", "p/new"]
    assert asked(oss, COPY) == heads


@pytest.mark.no_cover
@pytest.mark.parametrize("after", [1, 25, 49])
def test_the_boundary(
    oss: EmbeddedOSS, bulkmeta: Command, tmp_path: Path, after: int
) -> None:
    """What is written while a run is under way, behind its back, at its beginning, in
    its middle or at its end, is not missed by the next."""
    with started(oss, tmp_path, "--since-last-run", "--rate", "60") as process:
        while len(oss.log.operations()) < 2 * after:
            time.sleep(0.005)
        oss.store.put_object("bucket", "p/000", last_modified=oss.clock.time())
        oss.store.put_object("bucket", "p/behind", last_modified=oss.clock.time())
        process.communicate(timeout=30)
        assert process.returncode == 0
    oss.clock.offset_s += 10

    assert bulkmeta(*ORDER, "--since-last-run").code == 0

    for key in ("p/000", "p/behind"):
        assert oss.store.get_object("bucket", key).meta == {"n": "1"}


def test_the_very_second(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Times have whole seconds, and servers of the service are not quite at one."""
    assert bulkmeta(*SINCE).code == 0
    (folder,) = folders()
    state = json.loads((folder / "state.json").read_text())
    since_s = datetime.fromisoformat(state["since"]).timestamp()
    full_s = datetime.fromisoformat(state["full"]).timestamp()
    assert full_s - since_s == 60
    oss.clock.offset_s += DAY_S
    oss.store.put_object("bucket", "p/in", last_modified=since_s)
    oss.store.put_object("bucket", "p/out", last_modified=since_s - 1)
    asked(oss)
    assert bulkmeta(*SINCE).code == 0
    assert asked(oss, COPY) == ["p/in"]


def test_failed_ones_are_looked_at_again(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Whenever they were modified."""
    oss.faults.add(Fault("error", COPY, key="p/003", status=403, code="AccessDenied"))
    assert bulkmeta(*SINCE).code == 1
    for code in (1, 1, 0):
        oss.clock.offset_s += DAY_S
        if code == 0:
            oss.faults.clear()
        asked(oss)
        result = bulkmeta(*SINCE)
        assert result.code == code
        assert "and 1 that failed then" in result.err
        assert "p/003" in asked(oss)
    oss.clock.offset_s += DAY_S
    assert bulkmeta(*SINCE).code == 0
    assert asked(oss) == ["p/003"]  # which the last run modified


def test_all_of_them_now_and_then(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Tags, restored objects and old versions do not show in the time."""
    full = []
    for night in range(8):
        assert bulkmeta(*SINCE, "--full-every", "3d").code == 0
        if len(asked(oss)) == 50 and night != 1:  # the night after modified them all
            full.append(night)
        oss.clock.offset_s += DAY_S
    assert full == [0, 3, 6]


def test_a_job_that_was_changed(
    oss: EmbeddedOSS, bulkmeta: Command, tmp_path: Path
) -> None:
    """Looks at all objects once, in the folder that it had before; so it does if its
    values have changed."""
    args = ("--state", "s")
    for _ in range(3):
        assert bulkmeta(*SINCE, *args).code == 0
        oss.clock.offset_s += DAY_S
    asked(oss)
    assert bulkmeta(*SINCE, *args, "--set", "m=1").code == 0
    assert len(asked(oss)) == 50

    (tmp_path / "v.csv").write_text("key,meta.v\np/001,1\n")
    values = (*SINCE, "--values", "v.csv")
    for _ in range(3):
        assert bulkmeta(*values).code == 0
        oss.clock.offset_s += DAY_S
    asked(oss)
    (tmp_path / "v.csv").write_text("key,meta.v\np/001,2\n")
    assert bulkmeta(*values).code == 0
    assert asked(oss, COPY) == ["p/001"]


def test_a_crash_is_no_last_run(
    oss: EmbeddedOSS, bulkmeta: Command, tmp_path: Path
) -> None:
    """What it had not come to is looked at by the next."""
    with started(oss, tmp_path, "--since-last-run") as process:
        process.kill()
        process.communicate()
    oss.clock.offset_s += DAY_S
    assert bulkmeta(*ORDER, "--since-last-run").code == 0
    assert all("n" in stored.meta for stored in oss.store.objects("bucket"))


def test_stopped_in_time_since_then(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """A run in two halves began when its first half did."""
    assert bulkmeta(*SINCE).code == 0
    oss.clock.offset_s += DAY_S
    oss.store.put_objects(
        "bucket",
        ({"key": f"p/{n:03}", "last_modified": oss.clock.time()} for n in range(50)),
    )
    oss.clock.offset_s += 100
    slow = (*SINCE, "--rate", "40", "--max-duration", "1s")
    assert bulkmeta(*slow).code == 6
    oss.store.put_object("bucket", "p/000", last_modified=oss.clock.time())
    oss.clock.offset_s += DAY_S
    assert bulkmeta(*SINCE).code == 0
    assert "n" not in oss.store.get_object("bucket", "p/000").meta
    asked(oss)
    assert bulkmeta(*SINCE).code == 0
    assert "p/000" in asked(oss, COPY)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--keys-from", "keys"), "goes with a listing, not with named objects"),
        (("--modified-before", "30d"), "would miss objects with --modified-before"),
        (("--limit", "5"), "would miss objects with --modified-before or --limit"),
        (("--full-every", "often"), "is no time span"),
    ],
)
def test_what_does_not_go_together(
    bulkmeta: Command, args: tuple[str, ...], words: str
) -> None:
    Path("keys").write_text("p/000\n")
    result = bulkmeta(*SINCE, *args)
    assert (result.code, words in result.err) == (2, True), result.err


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 1}'])
def test_a_damaged_state(bulkmeta: Command, text: str) -> None:
    """Named, with what becomes of it."""
    assert bulkmeta(*SINCE).code == 0
    (folder,) = folders()
    (folder / "state.json").write_text(text)
    result = bulkmeta(*SINCE)
    assert result.code == 2
    assert f"{folder / 'state.json'}" in result.err
    assert "remove it, and the next run looks at all objects" in result.err
