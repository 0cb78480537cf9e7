"""Runs whose listing takes turns between key ranges: the same ends, another order."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import pytest

from bulkmeta.emulator.faults import Fault
from bulkmeta.journal.run_reader import read_run

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS

HEAD, COPY, LIST = "HeadObject", "CopyObject", "ListObjectsV2"
COUNT = 400
LONG_AGO_S = 1_700_000_000
KEYS = [f"p/2026/{n // 40 + 1:02}/文 {n:05}" for n in range(COUNT)]

Command = Callable[..., Any]


@pytest.fixture
def objects(oss: EmbeddedOSS, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many pages of them, all long settled."""
    sizes = {"PAGE_KEYS": 100, "MOST_LISTED": 400, "FEW": 5}
    for name, size in sizes.items():
        monkeypatch.setattr(f"bulkmeta.sources.listed_range.{name}", size)
    others = ("o", "p", "q")
    oss.store.put_objects(
        "bucket",
        (
            {"key": key, "meta": {"is": "old"}, "last_modified": LONG_AGO_S}
            for key in (*KEYS, *others)
        ),
    )


@pytest.fixture
def apply(bulkmeta: Command) -> Command:
    """The main job, at any rate."""

    def run(*args: str) -> Any:
        return bulkmeta(
            "apply", "oss://bucket/p/", "--set", "x=1", "--acl-policy", "skip",
            "--rate", "max", "--yes", "--run-file", "run.jsonl", *args,
        )  # fmt: skip

    return run


def lines(path: str = "run.jsonl") -> list[dict[str, Any]]:
    found = [json.loads(line) for line in Path(path).read_text().splitlines()]
    return [line for line in found if line["type"] == "object"]


def listed(oss: EmbeddedOSS) -> list[Mapping[str, str]]:
    return [r.query for r in oss.log.requests() if r.operation == LIST]


def partitions_at_a_time(keys: Iterable[str]) -> float:
    """In how many of 16 equal parts of the bucket 40 objects in a row mostly lie."""
    starts = [KEYS[COUNT * n // 16] for n in range(1, 16)]
    places = [bisect_right(starts, key) for key in keys]
    return median(len(set(places[n : n + 40])) for n in range(0, COUNT, 40))


@pytest.mark.usefixtures("objects")
@pytest.mark.parametrize("spread", ["auto", "7", "off"])
def test_the_same_ends(oss: EmbeddedOSS, apply: Command, spread: str) -> None:
    """Every object is changed once and has one line, however they are walked."""
    result = apply("--spread", spread)

    assert result.code == 0, result.err
    found = lines()
    assert sorted(line["key"] for line in found) == KEYS
    assert sorted(line["seq"] for line in found) == [*range(1, COUNT + 1)]
    assert {line["status"] for line in found} == {"updated"}
    meta = {stored.key: stored.meta for stored in oss.store.objects("bucket")}
    assert meta == {
        **{key: {"is": "old", "x": "1"} for key in KEYS},
        **{key: {"is": "old"} for key in "opq"},
    }


@pytest.mark.usefixtures("objects")
def test_many_partitions_are_asked(oss: EmbeddedOSS, apply: Command) -> None:
    """Requests in a row go to far apart keys; said at the start, and few are needed to
    find where. In key order they go to one or two partitions."""
    spread = apply()
    heads = [key for operation, key in oss.log.operations() if operation == HEAD]

    assert "up to 20 key ranges in turn" in spread.err
    assert partitions_at_a_time(heads) >= 8
    assert partitions_at_a_time(KEYS) <= 3
    assert len(listed(oss)) < 150


@pytest.mark.usefixtures("objects")
@pytest.mark.parametrize("spread", ["auto", "off", "3"])
def test_resumed_in_ranges(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command, spread: str
) -> None:
    """A run that ended in the middle goes on in every range where it was, with as many
    ranges as are wanted now; each object has one line, and none is read twice."""
    oss.faults.add(
        Fault("error", COPY, skip=200, status=403, code="InvalidAccessKeyId")
    )
    assert apply().code == 4
    oss.faults.clear()
    done = lines()
    oss.log.clear()

    result = bulkmeta(
        "resume", "run.jsonl", "--rate", "max", "--spread", spread, "--progress", "none"
    )

    assert result.code == 0, result.err
    assert len(done) > 100
    assert sorted(line["key"] for line in lines()) == KEYS
    asked = {key for operation, key in oss.log.operations() if operation == HEAD}
    assert not asked & {line["key"] for line in done}
    begun = [query for query in listed(oss) if "continuation-token" not in query]
    assert all("start-after" in query for query in begun)  # none from the beginning
    records = list(read_run("run.jsonl"))
    assert len(records) == 1 + COUNT + 2  # header, objects, resume, summary


@pytest.mark.usefixtures("objects")
def test_resumed_again_and_again(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command
) -> None:
    """Ranges that were cut in one attempt are known in the next ones."""
    oss.faults.add(Fault("error", COPY, skip=70, status=403, code="InvalidAccessKeyId"))
    assert apply().code == 4
    for spread in ("off", "auto", "5", "auto"):
        oss.faults.clear()
        oss.faults.add(
            Fault("error", HEAD, skip=60, status=403, code="InvalidAccessKeyId")
        )
        command = ("resume", "run.jsonl", "--rate", "max", "--spread", spread)
        assert bulkmeta(*command).code == 4
    oss.faults.clear()

    result = bulkmeta("resume", "run.jsonl", "--rate", "max")

    assert result.code == 0, result.err
    assert sorted(line["key"] for line in lines()) == KEYS
    assert all(line["before"]["meta"] == {"is": "old"} for line in lines())


@pytest.mark.usefixtures("objects")
def test_undone_in_the_same_order(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command
) -> None:
    """What was spread is spread when it is undone: lines come in their order."""
    assert apply().code == 0
    oss.clock.offset_s += 10
    oss.log.clear()

    undone = bulkmeta(
        "undo", "run.jsonl", "--rate", "max", "--yes", "--run-file", "undo.jsonl"
    )

    assert undone.code == 0, undone.err
    assert "key ranges" not in undone.err
    heads = [key for operation, key in oss.log.operations() if operation == HEAD]
    assert partitions_at_a_time(heads) >= 8
    assert sorted(line["key"] for line in lines("undo.jsonl")) == KEYS


def test_one_page_is_asked_for_once(oss: EmbeddedOSS, apply: Command) -> None:
    """A prefix that fits on a page takes one request, in full size as ever."""
    oss.store.put_objects("bucket", ({"key": f"p/{n}"} for n in range(300)))

    assert apply().code == 0

    [query] = listed(oss)
    assert query == {
        "list-type": "2", "max-keys": "1000", "encoding-type": "url", "prefix": "p/",
    }  # fmt: skip


@pytest.mark.usefixtures("objects")
def test_a_plan_in_ranges(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """A plan has each object once as well, and is carried out as it stands."""
    plan = bulkmeta(
        "plan", "oss://bucket/p/", "--set", "x=1", "--rate", "max", "--out", "p.jsonl"
    )
    assert plan.code == 0, plan.err
    assert sorted(line["key"] for line in lines("p.jsonl")) == KEYS

    done = bulkmeta(
        "apply", "p.jsonl", "--rate", "max", "--yes", "--run-file", "run.jsonl"
    )

    assert done.code == 0, done.err
    assert "key ranges" not in done.err
    assert sorted(line["key"] for line in lines()) == KEYS
    assert {line["status"] for line in lines()} == {"updated"}
