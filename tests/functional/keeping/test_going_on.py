"""A job goes on where its last run stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bulkmeta.emulator.faults import Fault
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
    assert f"going on  in {Path('run.jsonl').resolve()}, as that run" in result.err
    assert "is not written" not in result.err

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


def test_a_killed_run_is_told_of(
    oss: EmbeddedOSS, bulkmeta: Command, tmp_path: Path
) -> None:
    """By the next run of the job, which begins anew; not once it was finished. Nothing
    is kept of runs that came to their end, or never began."""
    process = started(oss, tmp_path, "--run-file", "killed.jsonl")
    process.kill()
    process.communicate()
    order, killed = (*ORDER, "--run-file"), tmp_path / "killed.jsonl"
    words = f"interrupted; bulkmeta resume {killed} finishes it"
    other = bulkmeta(*ORDER, "--set", "m=1", "--run-file", "other.jsonl")
    assert (other.code, "interrupted" in other.err) == (0, False)
    fault = Fault("error", "GetBucketVersioning", status=404, code="NoSuchBucket")
    oss.faults.add(fault)
    for _ in range(2):
        refused = bulkmeta(*order, "first.jsonl")
        assert (refused.code, words in refused.err) == (4, True), refused.err
    oss.faults.clear()

    first = bulkmeta(*order, "first.jsonl")
    assert (first.code, words in first.err) == (0, True), first.err
    again = bulkmeta(*order, "again.jsonl")
    assert (again.code, "interrupted" in again.err) == (0, False)
    assert folders() == []


def test_a_run_that_was_finished_is_not_told_of(
    oss: EmbeddedOSS, bulkmeta: Command, tmp_path: Path
) -> None:
    """What was killed and then resumed has its record whole."""
    process = started(oss, tmp_path, "--run-file", "killed.jsonl")
    process.kill()
    process.communicate()
    assert bulkmeta("resume", "killed.jsonl", "--rate", "max").code == 0
    again = bulkmeta(*ORDER, "--run-file", "again.jsonl")
    assert (again.code, "interrupted" in again.err) == (0, False)


def test_a_run_that_was_stopped_is_told_of(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """By its failures, too: what it left is as unfinished."""
    oss.faults.add(Fault("error", COPY, status=403, code="AccessDenied"))
    order = (*ORDER, "--max-failures", "0", "--run-file")
    assert bulkmeta(*order, "stopped.jsonl").code == 3
    oss.faults.clear()
    words = f"interrupted; bulkmeta resume {Path('stopped.jsonl').resolve()} finishes"
    result = bulkmeta(*order, "next.jsonl")
    assert (result.code, words in result.err) == (0, True), result.err


@pytest.mark.skipif(sys.platform == "darwin", reason="its files have no such names")
def test_a_run_file_whose_name_is_no_text(oss: EmbeddedOSS, tmp_path: Path) -> None:
    """A job's state cannot name it, and no run is to end for that."""
    name = os.fsdecode(b"\xff.jsonl")
    process = started(oss, tmp_path, "--rate", "max", "--run-file", name)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 0, told
    assert (tmp_path / name).exists()
    assert folders() == []


def test_what_a_crash_left_beside_a_state(bulkmeta: Command, tmp_path: Path) -> None:
    """Goes with the folder, once nothing is kept there."""
    state = tmp_path / "state"
    state.mkdir()
    (state / "state.json.new").write_text("{")
    assert bulkmeta(*ORDER, "--state", str(state), "--run-file", "r.jsonl").code == 0
    assert not state.exists()


def test_a_killed_run_that_others_cannot_see(
    oss: EmbeddedOSS, bulkmeta: Command, tmp_path: Path
) -> None:
    """Who shares a folder need not be able to look at each other's files."""
    state = ("--state", str(tmp_path / "state"), "--run-file")
    process = started(oss, tmp_path, *state, "killed.jsonl")
    process.kill()
    process.communicate()
    file = tmp_path / "state/state.json"
    kept = json.loads(file.read_text())
    file.write_text(json.dumps(kept | {"begun": f"/{'x' * 5000}"}))
    result = bulkmeta(*ORDER, *state, "run.jsonl")
    assert (result.code, "interrupted" in result.err) == (0, False), result.err


def test_no_room_to_know_of_a_run(bulkmeta: Command) -> None:
    """A full home is warned of, and does not stop a run that needs nothing of it."""
    Path("state/state.json.new").mkdir(parents=True)
    result = bulkmeta(*ORDER, "--state", "state", "--run-file", "run.jsonl")
    assert result.code == 0, result.err
    assert "cannot write 'state/state.json': " in result.err
    assert "; if it is killed, the next run does not tell of it" in result.err
    assert json.loads(Path("run.jsonl").read_text().splitlines()[-1])["type"] == (
        "summary"
    )


def test_a_folder_of_another_job(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Whoever keeps nothing there leaves what another job keeps as it is."""
    slowly = (*ORDER[:-1], "30", "--max-duration", "1s", "--concurrency", "2")
    folder = ("--state", "here", "--run-file")
    assert bulkmeta(*slowly, *folder, "run.jsonl").code == 6
    kept = Path("here/state.json").read_bytes()
    assert bulkmeta(*ORDER, "--set", "m=1", *folder, "other.jsonl").code == 0
    assert Path("here/state.json").read_bytes() == kept


def test_another_run_file_is_not_used(bulkmeta: Command) -> None:
    """A run has one; that it is not the one that was named is said."""
    slowly = (*ORDER[:-1], "30", "--max-duration", "1s", "--concurrency", "2")
    assert bulkmeta(*slowly, "--run-file", "run.jsonl").code == 6
    result = bulkmeta(*ORDER, "--run-file", "other.jsonl", "--json")
    assert (result.code, Path("other.jsonl").exists()) == (0, False)
    run = str(Path("run.jsonl").resolve())
    assert f"going on  in {run}, as that run of this job was stopped" in result.err
    assert "--run-file other.jsonl is not written: the run goes on in its" in result.err
    assert result.err.splitlines()[-1] == f"run file  {run}"
    assert json.loads(result.out)["run_file"] == run


def test_a_run_with_nothing_left(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """What is stopped when all objects are under way is done, and so is no run that the
    next one goes on with."""
    slowly = (*ORDER[:-1], "40", "--max-duration", "1s", "--run-file")
    first = bulkmeta(*slowly, "run.jsonl")
    assert (first.code, "50 updated" in first.out) == (0, True)
    result = bulkmeta(*ORDER, "--run-file", "other.jsonl")
    assert (result.code, "going on" in result.err) == (0, False)
    assert Path("other.jsonl").exists()
    assert len(asked(oss, COPY)) == 50


def test_the_run_that_was_stopped_is_gone(bulkmeta: Command) -> None:
    """The new one says so, once: nothing tells any more what the other changed."""
    slowly = (*ORDER[:-1], "30", "--max-duration", "1s", "--concurrency", "2")
    assert bulkmeta(*slowly, "--run-file", "run.jsonl").code == 6
    Path("run.jsonl").unlink()
    words = "run.jsonl, which was stopped in time, is gone"
    result = bulkmeta(*ORDER, "--run-file", "new.jsonl")
    assert (result.code, words in result.err) == (0, True)
    result = bulkmeta(*ORDER, "--run-file", "next.jsonl")
    assert (result.code, words in result.err) == (0, False)


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
    assert (code, "going on  in " in told) == (6, option != "stdin")
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
