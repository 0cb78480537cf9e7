"""An interrupted run goes on: each key has one outcome, and nothing is sent twice."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulkmeta.emulator.faults import Fault
from tests.functional.reruns.conftest import (
    CHANGE,
    COPY,
    JOURNAL,
    LONG_AGO_S,
    OLD,
    OURS,
    RUN,
    THEIRS,
    Command,
    age,
    assert_refused,
    lines_of,
    meta,
    seed,
    sent,
    write_as_other,
    write_lines,
)

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS

PLAIN = "from bulkmeta.cli.main import main; main()"


def test_a_complete_run_is_not_resumed(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command
) -> None:
    """There is nothing to do, and that is said."""
    seed(oss, 1)
    assert apply().code == 0

    assert_refused(bulkmeta("resume", "run.jsonl"), 2, "is complete")


def test_what_is_resumed_is_told(cut: Any, bulkmeta: Command) -> None:
    """At the start, as apply tells it: nobody asks whether it is meant."""
    cut(3)
    told = bulkmeta("resume", "run.jsonl").err.splitlines()
    assert told[:4] == [
        "resuming  run.jsonl: 3 objects done",
        "in doubt  3 objects, under way then: looked at first",
        "target    oss://bucket/p/",
        'change    set x = "1"',
    ]
    assert told[4].startswith("pace      1 worker,")


def test_the_speed_is_that_of_now(cut: Any, bulkmeta: Command) -> None:
    """What was done before counts as done, not as done in this time."""
    cut(4)
    assert bulkmeta("resume", "run.jsonl").out.startswith("6 objects, 2 of them now, ")


def test_what_is_reported_of_the_last_part(cut: Any, bulkmeta: Command) -> None:
    """Time and requests are those since the run was taken up again, and so is the
    speed; the report of a run in one go names no part."""
    cut(4)
    assert bulkmeta("resume", "run.jsonl").code == 0
    *lines, summary = lines_of(RUN)
    write_lines(RUN, [*lines, {**summary, "elapsed_s": 0.5}])
    text = bulkmeta("report", "run.jsonl").out
    assert re.search(r"\nended     \S+ \(last part: 0\.5 s\)\n", text)
    assert re.search(r"\nrequests  last part: \d", text)
    write_lines(Path("none.jsonl"), [*lines, {**summary, "requests": {}}])
    assert "\nrequests  last part: none\n" in bulkmeta("report", "none.jsonl").out
    assert bulkmeta("report", "run.jsonl", "--html", "run.html").code == 0
    page = Path("run.html").read_text()
    assert "<dt>took (last part)</dt><dd>0.5 s (4 objects/s)</dd>" in page
    assert "<dt>requests (last part)</dt>" in page

    whole = [line for line in lines if line["type"] != "resume"]
    write_lines(Path("whole.jsonl"), [*whole, summary])
    assert "last part" not in bulkmeta("report", "whole.jsonl").out


def test_a_report_tells_how_to_go_on(cut: Any, bulkmeta: Command) -> None:
    """Of a run that was interrupted; not while it is under way, and not of a plan."""
    cut(3)
    words = "resume    bulkmeta resume run.jsonl\n"
    assert bulkmeta("report", "run.jsonl").err == words
    assert bulkmeta("report", "run.jsonl", "--html", "a.html").err.endswith(words)
    with RUN.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        told = bulkmeta("report", "run.jsonl").err
        assert told == "running   another process is at it\n"
        told = json.loads(bulkmeta("report", "run.jsonl", "--json").out)
        assert (told["state"], told["interrupted"]) == ("running", False)
    plan = ("plan", "oss://bucket/p/", "--set", "y=1", "--out", "plan.jsonl")
    assert bulkmeta(*plan).code == 0
    *lines, _ = lines_of(Path("plan.jsonl"))
    write_lines(Path("plan.jsonl"), lines)
    assert bulkmeta("report", "plan.jsonl").err == ""
    assert bulkmeta("resume", "run.jsonl").code == 0
    assert bulkmeta("report", "run.jsonl").err == ""


def test_the_run_file_of_an_interrupted_run(
    cut: Any, apply: Command, bulkmeta: Command
) -> None:
    """Is no place for another run, but that run can go on; not so one that is under
    way, a complete one, or any other file."""
    cut(3)
    words = "--run-file 'run.jsonl' exists; name another file"
    more = " (it was interrupted: bulkmeta resume run.jsonl)"
    assert apply().err == f"bulkmeta: {words}{more}\n"
    with RUN.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert apply().err == f"bulkmeta: {words}\n"
    assert bulkmeta("resume", "run.jsonl").code == 0
    assert apply().err == f"bulkmeta: {words}\n"
    RUN.write_text("a note\n")
    assert apply().err == f"bulkmeta: {words}\n"


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
