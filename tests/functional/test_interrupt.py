"""Runs that are stopped, by people or by errors: what was done is on record."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bulkmeta.emulator.faults import Fault

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS


LIST, HEAD, COPY = "ListObjectsV2", "HeadObject", "CopyObject"
COMMAND = "from bulkmeta.cli.main import main; main()"
FATAL = "InvalidAccessKeyId"
WORKERS = 8
AFTER_FIRST_S = 0.5
"""Signals of one kind that come at once are one; people do not press that fast."""


def seed(oss: EmbeddedOSS, count: int) -> None:
    objects = ({"key": f"p/{n:05}", "meta": {"is": "old"}} for n in range(count))
    oss.store.put_objects("bucket", objects)


def changed_keys(oss: EmbeddedOSS) -> set[str]:
    return {
        stored.key for stored in oss.store.objects("bucket") if "project" in stored.meta
    }


def seen(oss: EmbeddedOSS, operation: str) -> int:
    return sum(logged.operation == operation for logged in oss.log.requests())


def wait_for(condition: Callable[[], bool]) -> None:
    """Until something is so, or it never will be."""
    deadline_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen"
        time.sleep(0.01)


@contextmanager
def running(
    oss: EmbeddedOSS, folder: Path, *extra: str
) -> Iterator[subprocess.Popen[str]]:
    """The main job in a process of its own."""
    process = subprocess.Popen(  # noqa: S603 our own command line
        [
            sys.executable, "-c", COMMAND, "apply", "oss://bucket/p/",
            "--set", "project=atlas", "--yes", "--run-file", "run.jsonl",
            "--concurrency", str(WORKERS), "--progress", "none", *extra,
        ],
        env={**os.environ, **oss.environment},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    with process:
        try:
            yield process
        finally:
            process.kill()


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, err = process.communicate(timeout=30)
    return process.returncode, err


def assert_interrupted(end: tuple[int, str]) -> None:
    code, err = end
    assert code == 130, err
    assert err.splitlines()[-1] == "bulkmeta: interrupted"
    assert "Traceback" not in err


@pytest.mark.no_cover
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_lets_objects_under_way_finish(
    oss: EmbeddedOSS, read_run: Any, tmp_path: Path, number: signal.Signals
) -> None:
    """No new object is begun and no page asked for, but every changed object has its
    line, and every line is true."""
    seed(oss, 2500)
    oss.faults.add(Fault("latency", COPY, seconds=0.3))
    with running(oss, tmp_path) as process:
        wait_for(lambda: seen(oss, COPY) >= 2 * WORKERS)
        heads = seen(oss, HEAD)
        process.send_signal(number)
        end = ended(process)

    assert_interrupted(end)
    lines = read_run(tmp_path / "run.jsonl")
    assert lines.summary is None
    changed = changed_keys(oss)
    assert changed == lines.by_key().keys()
    assert {line["status"] for line in lines.objects} == {"updated"}
    # What was begun is done: no head without its update.
    assert seen(oss, HEAD) == seen(oss, COPY) == len(changed)
    assert seen(oss, HEAD) - heads <= 2 * WORKERS
    assert seen(oss, LIST) < 3


@pytest.mark.no_cover
@pytest.mark.parametrize("signals", [1, 2])
def test_programs_are_told_of_a_signal(
    oss: EmbeddedOSS, tmp_path: Path, signals: int
) -> None:
    """In the same words, whether the run ended in order or was cut short."""
    seed(oss, 200)
    oss.faults.add(Fault("latency", COPY, seconds=0.3))
    with running(oss, tmp_path, "--json") as process:
        wait_for(lambda: seen(oss, COPY) >= 2 * WORKERS)
        for _ in range(signals):
            process.send_signal(signal.SIGINT)
            time.sleep(0.1)
        out, err = process.communicate(timeout=30)
    assert_interrupted((process.returncode, err))
    told = json.loads(out)
    assert (told["interrupted"], told["why"]) == (True, "interrupted by a signal")


@pytest.mark.no_cover
def test_a_terminal_that_closes_under_nohup(oss: EmbeddedOSS, tmp_path: Path) -> None:
    """Is nothing to a run that was to go on without one; other signals are."""
    seed(oss, 200)
    oss.faults.add(Fault("latency", COPY, seconds=0.1))
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with running(oss, tmp_path) as process:
            wait_for(lambda: seen(oss, COPY) >= WORKERS)
            process.send_signal(signal.SIGHUP)
            assert ended(process)[0] == 0
        with running(oss, tmp_path, "--set", "n=2", "--run-file", "2.jsonl") as process:
            wait_for(lambda: seen(oss, COPY) >= 200 + WORKERS)
            process.send_signal(signal.SIGTERM)
            assert_interrupted(ended(process))
    finally:
        signal.signal(signal.SIGHUP, former)


@pytest.mark.no_cover
def test_an_object_in_doubt_is_settled_before_the_end(
    oss: EmbeddedOSS, read_run: Any, tmp_path: Path
) -> None:
    """Answers lost while the run is told to stop: the heads that settle them are still
    sent."""
    seed(oss, 200)
    oss.faults.add(Fault("latency", COPY, seconds=0.3))
    oss.faults.add(Fault("reset_after", COPY))
    with running(oss, tmp_path) as process:
        wait_for(lambda: seen(oss, HEAD) >= WORKERS)
        process.send_signal(signal.SIGINT)
        end = ended(process)

    assert_interrupted(end)
    lines = read_run(tmp_path / "run.jsonl").by_key()
    assert lines.keys() == changed_keys(oss)
    assert lines
    assert {(ln["status"], ln["confirmed"]) for ln in lines.values()} == {
        ("updated", True)
    }


def test_a_listing_under_way_does_not_hold_up_the_end(
    oss: EmbeddedOSS, read_run: Any, tmp_path: Path
) -> None:
    """Stopped while a page is awaited that never comes: ends at once."""
    seed(oss, 10)
    oss.faults.add(Fault("hang", LIST, seconds=60))
    with running(oss, tmp_path) as process:
        wait_for((tmp_path / "run.jsonl").exists)
        time.sleep(AFTER_FIRST_S)
        process.send_signal(signal.SIGINT)
        end = ended(process)

    assert_interrupted(end)
    lines = read_run(tmp_path / "run.jsonl")
    assert (lines.objects, lines.summary) == ([], None)
    assert seen(oss, HEAD) == 0


@pytest.mark.no_cover
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("operation", [LIST, HEAD])
def test_throttling_without_end_does_not_hold_up_the_end(
    oss: EmbeddedOSS,
    read_run: Any,
    tmp_path: Path,
    number: signal.Signals,
    operation: str,
) -> None:
    """Waiting for a service that only asks for patience: the first signal ends it, and
    objects that were only looked at have no line."""
    seed(oss, 100)
    oss.faults.add(Fault("error", operation, status=503))
    least = WORKERS if operation == HEAD else 1
    with running(oss, tmp_path) as process:
        wait_for(lambda: seen(oss, operation) >= 2 * least)
        process.send_signal(number)
        sent_s = time.monotonic()
        end = ended(process)

    assert time.monotonic() - sent_s < 15
    assert_interrupted(end)
    lines = read_run(tmp_path / "run.jsonl")
    assert (lines.objects, lines.summary) == ([], None)
    assert seen(oss, COPY) == 0


def test_a_throttled_update_in_doubt_is_settled_by_resume(
    oss: EmbeddedOSS, bulkmeta: Any, read_run: Any, tmp_path: Path
) -> None:
    """503 may come after the commit: what was sent stands in the journal, and the run
    that goes on brings each to its end."""
    seed(oss, 100)
    oss.faults.add(Fault("error", COPY, status=503))
    with running(oss, tmp_path) as process:
        wait_for(lambda: seen(oss, COPY) >= 2 * WORKERS)
        process.send_signal(signal.SIGINT)
        sent_s = time.monotonic()
        end = ended(process)

    assert time.monotonic() - sent_s < 15
    assert_interrupted(end)
    lines = read_run(tmp_path / "run.jsonl")
    assert lines.objects == []
    sent = {logged.key for logged in oss.log.requests() if logged.operation == COPY}
    journal = (tmp_path / "run.jsonl.journal").read_text().splitlines()[1:]
    assert {json.loads(line)["key"] for line in journal} == sent

    oss.faults.clear()
    done = bulkmeta("resume", str(tmp_path / "run.jsonl"))

    assert done.code == 0, done.err
    lines = read_run(tmp_path / "run.jsonl")
    assert len(lines.by_key()) == 100
    for line in lines.objects:
        assert line["status"] == "updated"
        assert line["before"]["meta"] == {"is": "old"}
        assert line["after"]["meta"] == {"is": "old", "project": "atlas"}


@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("first", "second"),
    [(signal.SIGINT, signal.SIGINT), (signal.SIGTERM, signal.SIGINT)],
)
def test_the_second_signal_ends_it_at_once(
    oss: EmbeddedOSS,
    read_run: Any,
    tmp_path: Path,
    first: signal.Signals,
    second: signal.Signals,
) -> None:
    """Objects that hang are given up; the outcomes that were there are on record."""
    seed(oss, 100)
    oss.faults.add(Fault("hang_after", COPY, seconds=60, skip=20))
    with running(oss, tmp_path) as process:
        wait_for(lambda: seen(oss, COPY) == 20 and len(changed_keys(oss)) >= 28)
        process.send_signal(first)
        time.sleep(AFTER_FIRST_S)
        assert process.poll() is None
        process.send_signal(second)
        end = ended(process)

    assert_interrupted(end)
    lines = read_run(tmp_path / "run.jsonl")
    assert lines.summary is None
    assert len(lines.by_key()) == 20
    assert lines.by_key().keys() <= changed_keys(oss)


@pytest.mark.no_cover
def test_an_interrupted_run_can_simply_be_run_again(
    oss: EmbeddedOSS, read_run: Any, tmp_path: Path
) -> None:
    """After the end of an interrupted run the same command does the rest, no more."""
    seed(oss, 100)
    oss.faults.add(Fault("latency", COPY, seconds=0.2))
    with running(oss, tmp_path) as process:
        wait_for(lambda: seen(oss, COPY) >= WORKERS)
        process.send_signal(signal.SIGINT)
        assert_interrupted(ended(process))
    done = changed_keys(oss)
    oss.faults.clear()
    oss.log.clear()
    oss.clock.offset_s += 5

    with running(oss, tmp_path, "--run-file", "again.jsonl") as process:
        code, err = ended(process)

    assert code == 0, err
    assert len(changed_keys(oss)) == 100
    counted = read_run(tmp_path / "again.jsonl").summary["counts"]
    assert (counted["unchanged"], counted["updated"]) == (len(done), 100 - len(done))
    assert seen(oss, COPY) == 100 - len(done)


@pytest.fixture
def apply(bulkmeta: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """The main job in this process, without waiting between tries."""
    monkeypatch.setattr("bulkmeta.oss.retry.backoff_s", lambda _: 0.0)
    return partial(
        bulkmeta, "apply", "oss://bucket/p/", "--set", "project=atlas", "--yes",
        "--run-file", "run.jsonl", "--progress", "none", "--rate", "max",
        "--spread", "off",
    )  # fmt: skip


@pytest.mark.parametrize("concurrency", ["1", "16"])
def test_a_listing_that_fails_in_mid_run(
    oss: EmbeddedOSS, apply: Any, read_run: Any, concurrency: str
) -> None:
    """The second page never comes: exit 4 with the cause, and the file has a line for
    every object that was changed."""
    seed(oss, 1100)
    oss.faults.add(Fault("error", LIST, status=500, code="InternalError", skip=1))
    oss.faults.add(Fault("latency", LIST, seconds=0.3))

    result = apply("--retries", "1", "--concurrency", concurrency)

    assert result.code == 4
    assert result.err.splitlines()[-1].startswith("bulkmeta: InternalError")
    assert "Traceback" not in result.err
    lines = read_run("run.jsonl")
    assert lines.summary is None
    assert {line["status"] for line in lines.objects} == {"updated"}
    assert changed_keys(oss) == lines.by_key().keys()
    assert seen(oss, LIST) == 3


@pytest.mark.parametrize("operation", [HEAD, COPY])
def test_an_error_that_ends_the_run_lets_the_others_finish(
    oss: EmbeddedOSS, apply: Any, read_run: Any, operation: str
) -> None:
    """One answer says that the key is invalid now; updates under way are recorded."""
    seed(oss, 1500)
    oss.faults.add(Fault("latency", COPY, seconds=0.05))
    oss.faults.add(Fault("error", operation, skip=100, times=1, status=403, code=FATAL))

    result = apply("--concurrency", "32")

    assert result.code == 4
    assert result.err.splitlines()[-1].startswith(f"bulkmeta: {FATAL}")
    lines = read_run("run.jsonl")
    assert lines.summary is None
    assert changed_keys(oss) == lines.by_key().keys()
    assert 90 <= len(lines.objects) < 300
