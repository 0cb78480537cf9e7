"""`--processes`: the objects of one run are handed to several processes, and nothing of
what it promises changes.

`--crashes N`: so many kills of processes, and of their driver. `--objects N`: of so
large a run.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bulkmeta.emulator.faults import Fault
from bulkmeta.emulator.options import EmulatorOptions
from bulkmeta.emulator.server import EmbeddedOSS
from tests.functional.test_crash import MOST_S, Machine

if TYPE_CHECKING:
    from tests.conftest import Command, RunLines

OLD_S = 1_790_000_000.0
COUNT = 300
TWO = ("--processes", "2", "--rate", "max", "--progress", "none")
APPLY = ("apply", "oss://bucket/p/", "--yes", "--set", "project={stem}")
Read = Callable[[Path | str], "RunLines"]


def put(oss: EmbeddedOSS, count: int = COUNT) -> None:
    """Objects that have something to lose."""
    oss.store.put_objects(
        "bucket",
        (
            {
                "key": f"p/{number:04}",
                "meta": {"owner": f"摄影 {number % 7}", "n": str(number)},
                "acl": "private" if number % 3 else "default",
                "tags": {"t": "1"} if number % 5 else {},
                "last_modified": OLD_S,
            }
            for number in range(count)
        ),
    )


def state(oss: EmbeddedOSS) -> dict[str, tuple[Any, ...]]:
    """What an update could change."""
    return {
        stored.key: (stored.meta, stored.headers, stored.acl, stored.tags, stored.etag)
        for stored in oss.store.objects("bucket")
    }


def sent(oss: EmbeddedOSS) -> Counter[str]:
    """How many requests of each kind there were, without those of a look around."""
    kinds = Counter(name for name, _ in oss.log.operations())
    return Counter({k: n for k, n in kinds.items() if not k.startswith("GetBucket")})


def test_as_in_one_process(
    oss: EmbeddedOSS, bulkmeta: Command, read_run: Read, run_objects: int
) -> None:
    """The same states, lines and requests."""
    ends = []
    for processes in ("1", "2"):
        put(oss, run_objects)
        oss.log.clear()
        name = f"{processes}.jsonl"
        more = ("--run-file", name, "--rate", "max", "--processes", processes)
        assert bulkmeta(*APPLY, *more).code == 0
        run = read_run(name)
        assert run.summary
        assert run.summary["requests"] == sent(oss)
        lines = {
            key: (line["status"], line["before"], line["after"], line["etag"])
            for key, line in run.by_key().items()
        }
        seqs = sorted(line["seq"] for line in run.objects)
        assert seqs == list(range(1, run_objects + 1))
        assert not Path(f"{name}.journal").exists()
        ends.append((state(oss), lines, sent(oss), run.summary["counts"]))
    assert ends[0] == ends[1]
    assert ends[1][2]["CopyObject"] == run_objects


def test_every_command(oss: EmbeddedOSS, bulkmeta: Command, read_run: Read) -> None:
    """A plan, what it says, verification, what failed again, and back."""
    put(oss)
    before = state(oss)
    plan = ("plan", *APPLY[1:2], *APPLY[3:], "--out", "plan.jsonl", *TWO)
    assert bulkmeta(*plan).code == 0
    assert state(oss) == before
    oss.faults.add(Fault("error", operation="HeadObject", key="p/0007", status=403))
    done = bulkmeta("apply", "plan.jsonl", "--yes", "--run-file", "run.jsonl", *TWO)
    assert done.code == 1
    assert read_run("run.jsonl").by_key()["p/0007"]["status"] == "failed"
    oss.faults.clear()
    again = ("apply", "plan.jsonl", "--yes", "--run-file", "again.jsonl", *TWO)
    assert bulkmeta(*again).code == 0
    counts = read_run("again.jsonl").summary
    assert counts
    assert counts["counts"]["updated"] == 1
    assert bulkmeta("verify", "run.jsonl", *TWO).code == 0
    for name in ("again", "run"):
        undo = ("undo", f"{name}.jsonl", "--yes", "--run-file", f"un{name}.jsonl", *TWO)
        assert bulkmeta(*undo).code == 0
    assert state(oss) == before
    found = bulkmeta("verify", "run.jsonl", *TWO)
    assert (found.code, f"{COUNT - 1} failed" in found.out) == (1, True)


def test_values_functions_and_conditions(
    oss: EmbeddedOSS, bulkmeta: Command, tmp_path: Path, read_run: Read
) -> None:
    """Rows of a file, a program's function and conditions are where the objects are."""
    put(oss, 40)
    rows = "".join(f"p/{n:04},team {n}\n" for n in range(0, 40, 2))
    (tmp_path / "rows.csv").write_text("key,meta.team\n" + rows)
    (tmp_path / "mine.py").write_text(
        "import bulkmeta\n"
        "def change(seen):\n"
        "    print('a word too many')\n"
        "    return bulkmeta.Change(set_meta={'by': seen.meta['owner'][::-1]})\n"
    )
    order = ("apply", "oss://bucket/p/", "--yes", *TWO, "--run-file")
    assert bulkmeta(*order, "v.jsonl", "--values", "rows.csv").code == 0
    named = read_run("v.jsonl").by_key()
    assert named["p/0008"]["after"]["meta"]["team"] == "team 8"
    assert named["p/0009"]["reason"] == "no_row"
    done = bulkmeta(*order, "t.jsonl", "--transform", "mine:change")
    assert (done.code, "word" in done.out) == (0, False)
    assert state(oss)["p/0003"][0]["by"] == "3 影摄"
    where = ("--where", "meta.n == '5' || has(tags.none)", "--unset", "n")
    assert bulkmeta(*order, "w.jsonl", *where).code == 0
    counts = Counter(line["status"] for line in read_run("w.jsonl").objects)
    assert counts == {"updated": 1, "skipped": 39}


def test_one_budget_of_requests(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """All together keep to the rate, which each for itself would pass threefold. That
    it is kept to in any second is held in virtual time (`test_sharing`); here requests
    arrive in bunches when the machine is busy."""
    put(oss, 500)
    done = bulkmeta(*APPLY, "--processes", "3", "--rate", "300", "--concurrency", "20")
    assert done.code == 0
    times = sorted(logged.at for logged in oss.log.requests())
    most = max(
        sum(start <= at_s < start + 1.0 for at_s in times) for start in times[::10]
    )
    assert most <= 300 * 1.5
    assert len(times) / (times[-1] - times[0]) <= 300 * 1.05


def test_throttling_is_no_failure(bulkmeta: Command, oss: EmbeddedOSS) -> None:
    """What the service refuses one process, all wait for: no object fails, and few
    requests are refused."""
    put(oss)
    oss.limits.configure(account_qps=200.0)
    done = bulkmeta(*APPLY, *TWO, "--json")
    found = json.loads(done.out)
    assert (done.code, found["counts"]["updated"]) == (0, COUNT)
    answers = Counter(logged.status for logged in oss.log.requests())
    assert answers[503] < 0.35 * answers.total()


def test_what_ends_a_run(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Credentials that are refused end it for all processes, in one line; so do too
    many failures, and the time."""
    put(oss)
    oss.faults.add(
        Fault("error", operation="HeadObject", status=403, code="InvalidAccessKeyId")
    )
    done = bulkmeta(*APPLY, *TWO, "--run-file", "1.jsonl")
    assert done.code == 4
    assert "check the access key" in done.err.splitlines()[-1]
    oss.faults.clear()
    oss.faults.add(Fault("error", operation="HeadObject", status=403, probability=0.5))
    limit = ("--max-failures", "10", "--run-file", "2.jsonl")
    assert bulkmeta(*APPLY, *TWO, *limit).code == 3
    oss.faults.clear()
    limit = ("--max-duration", "2s", "--run-file", "3.jsonl")
    assert bulkmeta(*APPLY, *TWO[:2], "--rate", "20", *limit).code == 6
    assert bulkmeta("resume", "3.jsonl", *TWO).code == 0


def test_what_processes_do_is_told(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """--debug tells of the requests of all processes, without a secret."""
    put(oss, 5)
    done = bulkmeta(*APPLY, *TWO, "--debug")
    assert (done.code, done.err.count("CopyObject")) == (0, 5)
    assert "embedded-key-secret" not in done.err


@contextmanager
def running(machine: Machine, *args: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command whose processes are at work; killed at the end."""
    machine.oss.log.clear()
    process = machine._start(*args)
    try:
        deadline_s = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline_s:
            if "HeadObject" in dict(machine.oss.log.operations()):
                break
            time.sleep(0.01)
        yield process
    finally:
        process.kill()
        process.wait(10)


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(child) for child in listed.split()]


def is_there(pid: int) -> bool:
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        )
    except OSError:
        return False


def await_gone(pids: list[int]) -> None:
    deadline_s = time.monotonic() + 10
    while any(map(is_there, pids)):
        assert time.monotonic() < deadline_s, "they outlive their driver"
        time.sleep(0.02)


@pytest.fixture
def machine(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], run_objects: int, log_size: int
) -> Iterator[Machine]:
    """A slow service with some objects, and some lost answers. However its processes
    end, none says more than a line."""
    options = EmulatorOptions(latency_s=0.02, seed=7, log_size=log_size)
    with EmbeddedOSS(options) as oss:
        if not Path("/proc/self/stat").exists():
            pytest.skip("processes are looked for in /proc")
        oss.store.create_bucket("bucket")
        put(oss, run_objects)
        oss.faults.add(Fault("reset_after", operation="CopyObject", probability=0.02))
        yield Machine(oss, tmp_path, random.Random(20261129))  # noqa: S311 repeatable
    assert "Traceback" not in capfd.readouterr().err


NAMED = ("--run-file", "run.jsonl")


def few_at_once(run_objects: int) -> tuple[str, str]:
    """So few requests at once that a run takes some seconds."""
    return ("--concurrency", str(max(4, run_objects // 1000)))


@pytest.fixture
def slow(run_objects: int) -> tuple[str, ...]:
    """Two processes that do a few requests at once."""
    return ("--processes", "2", *few_at_once(run_objects))


def check(machine: Machine, before: dict[str, tuple[Any, ...]], read_run: Read) -> None:
    """Each object has one line with its former state; undone, all is as before."""
    lines = read_run(machine.folder / "run.jsonl").by_key()
    assert sorted(lines) == sorted(before)
    assert {line["status"] for line in lines.values()} == {"updated"}
    for key, old in before.items():
        assert lines[key]["before"]["meta"] == old[0]
    assert machine.run("undo", "run.jsonl", "--yes", "--run-file", "undo.jsonl") == 0
    assert state(machine.oss) == before
    for path in machine.folder.glob("*.jsonl*"):
        path.unlink()


@pytest.mark.no_cover
@pytest.mark.timeout(1800)
def test_processes_are_killed(
    machine: Machine, read_run: Read, crashes: int, slow: tuple[str, ...]
) -> None:
    """Again and again during a run: others take over, and the run comes to its end as
    if nothing had been."""
    before = state(machine.oss)
    kills = 0
    while kills < crashes:
        with running(machine, *APPLY, *NAMED, *slow) as process:
            kills += kill_some(machine, process, children, crashes - kills)
        check(machine, before, read_run)


def kill_some(
    machine: Machine,
    process: subprocess.Popen[bytes],
    find: Callable[[int], list[int]],
    most: int,
) -> int:
    """Kill processes of a run until it ends; how many."""
    kills = 0
    while process.poll() is None and kills < most:
        if found := find(process.pid):
            with suppress(ProcessLookupError):
                os.kill(machine.draw.choice(found), signal.SIGKILL)
            kills += 1
        time.sleep(machine.draw.uniform(0.2, 1.5))
    assert process.wait(MOST_S) == 0
    assert kills
    return kills


@pytest.mark.timeout(1800)
def test_the_driver_is_killed(
    machine: Machine, read_run: Read, crashes: int, slow: tuple[str, ...]
) -> None:
    """Its processes end with it; nothing was sent that is not on record; resumed, in
    several processes or in one, the run comes to its end."""
    before = state(machine.oss)
    kills = 0
    while kills < crashes:
        order = (*APPLY, *NAMED, *slow)
        kills += kill_driver(
            machine, order, (slow[2:], slow), children, crashes - kills
        )
        check(machine, before, read_run)


def kill_driver(
    machine: Machine,
    order: tuple[str, ...],
    ways: tuple[tuple[str, ...], tuple[str, ...]],
    find: Callable[[int], list[int]],
    most: int,
) -> int:
    """Kill the driver of a run, resume the run in one of these ways, kill again, until
    the run ends; how often."""
    kills = 0
    while kills < most:
        with running(machine, *order) as process:
            time.sleep(machine.draw.uniform(0.1, 0.5))
            mine = find(process.pid)
        await_gone(mine)
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL
        assert copied(machine) <= on_record(machine)
        kills += 1
        order = ("resume", "run.jsonl", *ways[kills % 2])
    assert kills
    if b'{"type":"summary"' not in (machine.folder / "run.jsonl").read_bytes():
        assert machine.run(*order) == 0
    return kills


def copied(machine: Machine) -> set[str]:
    """The keys of all updates that the service has been sent."""
    return {key for name, key in machine.oss.log.operations() if name == "CopyObject"}


def on_record(machine: Machine) -> set[str]:
    """The keys of all updates that the run knows of."""
    return {
        key.decode()
        for path in machine.folder.glob("run.jsonl*")
        for key in re.findall(rb'"(p/\d+)"', path.read_bytes())
    }


@pytest.mark.no_cover
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(
    machine: Machine, read_run: Read, number: signal.Signals, slow: tuple[str, ...]
) -> None:
    """One signal to the driver: what is under way comes to its end everywhere, and has
    its line. A terminal's Ctrl-C does not reach the others."""
    before = state(machine.oss)
    with running(machine, *APPLY, *NAMED, *slow) as process:
        mine = children(process.pid)
        assert mine
        assert all(os.getsid(pid) != os.getsid(0) for pid in mine if is_there(pid))
        process.send_signal(number)
        assert process.wait(20) == 130
    await_gone(mine)
    done = {line["key"] for line in read_run(machine.folder / "run.jsonl").objects}
    changed = {key for key, now in state(machine.oss).items() if now != before[key]}
    assert done == changed
    assert 0 < len(done) < len(before)
    assert machine.run("resume", "run.jsonl", "--processes", "2") == 0
    check(machine, before, read_run)


@pytest.mark.no_cover
def test_interrupted_twice(
    machine: Machine, read_run: Read, slow: tuple[str, ...]
) -> None:
    """The second signal ends all at once; it can be resumed."""
    before = state(machine.oss)
    machine.oss.faults.add(Fault("hang", operation="CopyObject", probability=0.2))
    with running(machine, *APPLY, *NAMED, *slow) as process:
        mine = children(process.pid)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
    await_gone(mine)
    machine.oss.faults.clear()
    assert machine.run("resume", "run.jsonl", "--processes", "2") == 0
    check(machine, before, read_run)
