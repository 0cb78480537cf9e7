"""Runs that end early: by failures, by the clock, by their first objects; what was
begun is on record, and can be gone on with."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bulkmeta.emulator.faults import Fault

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS

Command = Callable[..., Any]
ORDER = ("apply", "oss://bucket/p/", "--set", "n=1", "--yes", "--run-file", "run.jsonl")
COUNT = 300


@pytest.fixture(autouse=True)
def _seeded(oss: EmbeddedOSS) -> None:
    oss.store.put_objects("bucket", ({"key": f"p/{n:04}"} for n in range(COUNT)))


def changed(oss: EmbeddedOSS) -> list[str]:
    return [o.key for o in oss.store.objects("bucket") if "n" in o.meta]


def lines(path: str = "run.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def objects(path: str = "run.jsonl") -> list[dict[str, Any]]:
    return [line for line in lines(path) if line["type"] == "object"]


def deny(oss: EmbeddedOSS, key: str = "*", **more: Any) -> None:
    oss.faults.add(
        Fault("error", "CopyObject", key=key, status=403, code="AccessDenied", **more)
    )


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ("9", "more than 9 objects failed"),
        ("access_denied=9", "more than 9 objects failed as access_denied"),
        ("consecutive=9", "more than 9 objects failed one after another"),
    ],
)
def test_too_many_failures(
    oss: EmbeddedOSS, bulkmeta: Command, limit: str, words: str
) -> None:
    """It stops there, with what is under way at its end; and can be resumed."""
    deny(oss, skip=20, times=40)
    order = (*ORDER, "--concurrency", "1", "--max-failures", limit)
    result = bulkmeta(*order)

    assert result.code == 3
    words += f" (--max-failures {limit})"
    assert result.err.strip().splitlines()[-1] == f"bulkmeta: stopped: {words}"
    assert f"stopping: {words}; no object is under way; Ctrl-C" in result.err
    assert [o["status"] for o in objects()] == ["updated"] * 20 + ["failed"] * 10
    assert lines()[-1]["type"] == "object"
    assert len(changed(oss)) == 20

    oss.faults.clear()
    assert bulkmeta("resume", "run.jsonl").code == 1  # the ten stay failed
    assert len(changed(oss)) == COUNT - 10


def test_a_share_of_failures(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Of 100 objects or more; what is tolerated goes on."""
    deny(oss, key="p/*7")
    assert bulkmeta(*ORDER, "--max-failures", "15%").code == 1
    assert len(changed(oss)) == COUNT - 30
    order = ("retry", "run.jsonl", "--yes", "--run-file", "retry.jsonl")
    some = bulkmeta(*order, "--max-failures", "15%")  # only 30 of them
    words = "more than 15% failed; --max-failures 15% ends a run from 100 objects on"
    assert (some.code, words in some.out) == (1, True)
    deny(oss, key="p/*8")
    again = (*ORDER[:-1], "again.jsonl", "--set", "m=1")
    result = bulkmeta(*again, "--max-failures", "15%", "--concurrency", "1")
    assert result.code == 3
    assert "stopped: more than 15% failed (--max-failures 15%)" in result.err


def test_max_duration(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Objects under way come to their end, each with its line; resume goes on."""
    result = bulkmeta(*ORDER, "--rate", "60", "--max-duration", "1s")

    assert result.code == 6
    stopping = "stopping: --max-duration is over; 64 objects under way come to their "
    assert f"{stopping}end; Ctrl-C ends at once" in result.err.splitlines()
    assert result.err.strip().splitlines()[-1] == (
        "bulkmeta: stopped: --max-duration is over"
    )
    done = objects()
    assert 0 < len(done) < COUNT
    assert {o["status"] for o in done} == {"updated"}
    assert sorted(o["key"] for o in done) == changed(oss)

    assert bulkmeta("resume", "run.jsonl", "--max-duration", "1h").code == 0
    assert len(objects()) == len(changed(oss)) == COUNT


def test_time_is_over_when_nothing_is_left(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """All objects were under way by then, and came to their end: so did the run."""
    order = (*ORDER, "--keys-from", "keys", "--concurrency", "40")
    Path("keys").write_text("".join(f"p/{n:04}\n" for n in range(40)))
    result = bulkmeta(*order, "--rate", "40", "--max-duration", "1s")
    assert "--max-duration is over; 40 objects under way come to their " in result.err
    assert (result.code, "resume" in result.err) == (0, False)
    assert len(changed(oss)) == 40
    assert lines()[-1]["type"] == "summary"
    assert bulkmeta("resume", "run.jsonl").code == 2


def test_no_time_left_at_the_start(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """It was over while the bucket was looked at: an end like any other."""
    oss.faults.add(Fault("latency", "GetBucketVersioning", seconds=0.3))
    assert bulkmeta(*ORDER, "--max-duration", "0.1s").code == 6
    assert (objects(), changed(oss)) == ([], [])
    assert bulkmeta("resume", "run.jsonl").code == 0
    assert len(changed(oss)) == COUNT


def window(start: timedelta, end: timedelta) -> str:
    now = datetime.now(UTC)
    return f"{now + start:%H:%M}-{now + end:%H:%M}@UTC"


def test_outside_of_the_window(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Nothing is begun, and when it opens is told."""
    closed = window(timedelta(hours=2), timedelta(hours=3))
    assert bulkmeta(*ORDER[:-1], "other.jsonl").code == 0
    oss.log.clear()
    for order in (
        ORDER,
        ("plan", "oss://bucket/p/", "--set", "n=1"),
        ("verify", "other.jsonl"),
    ):
        result = bulkmeta(*order, "--window", closed)
        assert result.code == 6
        assert f"nothing was begun: window {closed} opens 20" in result.err
    assert not Path("run.jsonl").exists()
    assert oss.log.requests() == []


def test_inside_of_the_window(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    opened = window(timedelta(hours=-1), timedelta(hours=1))
    assert bulkmeta(*ORDER, "--window", opened).code == 0
    assert len(changed(oss)) == COUNT


def test_canary(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Each of the first objects is read once more, before any other is taken up."""
    result = bulkmeta(*ORDER, "--canary", "5", "--acl-policy", "skip")

    assert result.code == 0, result.err
    asked = [(name, key) for name, key in oss.log.operations() if key]
    for key in (f"p/{n:04}" for n in range(5)):
        names = [name for name, about in asked[:15] if about == key]
        assert names == ["HeadObject", "CopyObject", "HeadObject"]
    assert len(asked) == 2 * COUNT + 5
    assert len(changed(oss)) == COUNT


def test_a_canary_that_fails(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """No other object is touched."""
    deny(oss, key="p/0003")
    result = bulkmeta(*ORDER, "--canary", "5")

    assert result.code == 3
    assert "stopped: one of the first objects did not go well (--canary): 'p/0003'" in (
        result.err
    )
    assert changed(oss) == ["p/0000", "p/0001", "p/0002", "p/0004"]
    assert len(objects()) == 5

    deny(oss, key="p/0007")
    again = bulkmeta("resume", "run.jsonl")
    assert (again.code, "(--canary): 'p/0007'" in again.err) == (3, True)
    assert len(objects()) == 10
    deny(oss, key="p/0011")
    again = bulkmeta("resume", "run.jsonl")
    assert (again.code, "(--canary): 'p/0011'" in again.err) == (3, True)
    assert len(objects()) == 15
    oss.faults.clear()
    assert bulkmeta("resume", "run.jsonl", "--max-failures", "100%").code == 1
    assert len(changed(oss)) == COUNT - 3


def test_a_canary_that_went_well(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Who goes on behind it looks at no object twice."""
    order = ("--canary", "5", "--rate", "60", "--max-duration", "1s")
    assert bulkmeta(*ORDER, *order).code == 6
    oss.log.clear()
    assert bulkmeta("resume", "run.jsonl", "--rate", "max").code == 0
    heads = [key for name, key in oss.log.operations() if name == "HeadObject"]
    assert heads
    assert len(heads) == len(set(heads))


def test_a_canary_that_does_not_stand(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """The service took the update, and shows another state: that is a stop, too."""
    oss.faults.add(
        Fault("foreign_write", "HeadObject", key="p/0002", skip=1, meta={"x": "1"})
    )
    result = bulkmeta(*ORDER, "--canary", "5")

    assert result.code == 3
    assert "'p/0002' failed as drift" in result.err
    assert len(changed(oss)) == 5


def test_fewer_objects_than_canaries(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    assert bulkmeta(*ORDER, "--canary", "5000").code == 0
    assert len(changed(oss)) == COUNT


def test_a_run_goes_on_as_it_was(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """As fast, with as many failures, under the same lock, unless something else is
    said; how long it took before is not asked."""
    deny(oss, key="p/*")
    pace = (
        "--concurrency", "1", "--rate", "900", "--retries", "0", "--max-duration", "1h",
    )  # fmt: skip
    lock = ("--lock-object", "oss://bucket/lock", "--lease", "20s")
    order = (*ORDER, *pace, "--max-failures", "2", *lock)
    assert bulkmeta(*order).code == 3
    oss.log.clear()

    kept = bulkmeta("resume", "run.jsonl")
    assert (kept.code, len(objects())) == (3, 6)
    assert "pace      1 worker, at most 900 requests/s" in kept.err
    assert "lock      oss://bucket/lock, for 20 s at a time" in kept.err
    assert ("PutObject", "lock") in oss.log.operations()
    more = bulkmeta("resume", "run.jsonl", "--max-failures", "4", "--lease", "30s")
    assert (more.code, len(objects())) == (3, 11)
    assert "lock      oss://bucket/lock, for 30 s at a time" in more.err
    oss.faults.clear()
    oss.faults.add(Fault("error", "HeadObject", key="p/0100", status=500, times=1))
    other = ("--concurrency", "9", "--rate", "max", "--max-failures", "50")
    given = bulkmeta("resume", "run.jsonl", *other, "--lock-object", "oss://bucket/l2")
    assert (given.code, len(objects())) == (1, COUNT)
    assert [o["key"] for o in objects() if o["reason"] == "server_error"] == ["p/0100"]
    assert "pace      9 workers, no cap" in given.err
    assert ("PutObject", "l2") in oss.log.operations()


@pytest.mark.parametrize("day", [False, True])
def test_it_keeps_to_its_window(
    oss: EmbeddedOSS,
    bulkmeta: Command,
    day: bool,
) -> None:
    """A run of the night does not go on by day, unless that is said."""
    assert bulkmeta(*ORDER, "--rate", "60", "--max-duration", "1s").code == 6
    header, *others = Path("run.jsonl").read_text().splitlines()
    run = json.loads(header)
    opens, closes = (datetime.now(UTC) + timedelta(hours=n) for n in (2, 3))
    run["until"]["window"] = {
        "opens": f"{opens:%H:%M}:00", "closes": f"{closes:%H:%M}:00", "zone": "UTC",
    }  # fmt: skip
    Path("run.jsonl").write_text("\n".join([json.dumps(run), *others]) + "\n")

    kept = bulkmeta("resume", "run.jsonl")
    assert (kept.code, "nothing was begun: window" in kept.err) == (6, True)
    opened = "00:00-24:00" if day else window(timedelta(hours=-1), timedelta(hours=1))
    assert bulkmeta("resume", "run.jsonl", "--window", opened).code == 0
    assert len(changed(oss)) == COUNT


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--max-failures", "many"), "write it as 100, 5%, access_denied=1"),
        (("--max-duration", "4"), "'4' is no time span; give it as 90s, 30m, 4h"),
        (("--max-duration", "0s"), "is no time span"),
        (("--window", "1-5"), "write it as 01:00-05:00"),
        (("--canary", "-1"), "--canary"),
    ],
)
def test_bad_limits(bulkmeta: Command, args: tuple[str, ...], words: str) -> None:
    result = bulkmeta(*ORDER, *args)
    assert (result.code, words in result.err) == (2, True), result.err
    assert len(result.err.strip().splitlines()) == 1


def test_a_window_that_this_machine_does_not_know(bulkmeta: Command) -> None:
    """Another one can be given in its place."""
    assert bulkmeta(*ORDER, "--rate", "60", "--max-duration", "1s").code == 6
    header, *others = Path("run.jsonl").read_text().splitlines()
    run = json.loads(header)
    run["until"]["window"] = {
        "opens": "00:00:00", "closes": "23:59:00", "zone": "Europe/Atlantis",
    }  # fmt: skip
    Path("run.jsonl").write_text("\n".join([json.dumps(run), *others]) + "\n")
    order = ("resume", "run.jsonl", "--rate", "max")
    result = bulkmeta(*order)
    words = "knows no time zone 'Europe/Atlantis'"
    assert (result.code, words in result.err) == (2, True)
    assert bulkmeta(*order, "--window", "00:00-24:00").code == 0


def test_verify_says_that_it_stops(bulkmeta: Command) -> None:
    """Requests under way may take their time; nobody is to wonder why it goes on."""
    assert bulkmeta(*ORDER).code == 0
    result = bulkmeta("verify", "run.jsonl", "--rate", "60", "--max-duration", "1s")
    assert result.code == 6
    assert "stopping: --max-duration is over; 64 objects under way" in result.err


def test_verify_stops_too(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Drift counts as failure there."""
    assert bulkmeta(*ORDER).code == 0
    oss.store.put_objects("bucket", ({"key": f"p/{n:04}"} for n in range(50)))
    assert bulkmeta("verify", "run.jsonl").code == 1
    result = bulkmeta(
        "verify", "run.jsonl", "--max-failures", "9", "--progress", "none"
    )
    assert result.code == 3
