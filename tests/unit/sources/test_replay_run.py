"""Objects that a run file speaks of, in the order of its lines."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bulkmeta.model.item import Item
from bulkmeta.model.job import JobSpec, Target
from bulkmeta.model.metadata import Metadata
from bulkmeta.model.outcome import Outcome
from bulkmeta.model.plan import UpdatePlan
from bulkmeta.model.run_file import RunHeader
from bulkmeta.sources.replay import (
    Wanted,
    has_failed,
    is_planned,
    may_have_changed,
    replay_run,
)

OLD, NEW = Metadata({}, {}), Metadata({"b": "2"}, {})
HEADER = RunHeader(
    version="1",
    command="apply",
    job=JobSpec(Target("bucket", "p")),
    job_hash="hash",
    bucket="bucket",
    endpoint="https://h",
    region="r",
    started="now",
)
LINES = [
    Outcome(seq=2, key="b", status="updated", before=OLD, after=NEW),
    Outcome(seq=1, key="a", status="failed", reason="conflict"),
    Outcome(seq=3, key="c", status="failed", before=OLD, after=NEW),
    Outcome(seq=4, key="d", status="planned", before=OLD, after=NEW),
    Outcome(seq=5, key="e", status="unchanged", before=NEW, after=NEW),
]


@pytest.mark.parametrize(
    ("wanted", "after", "keys"),
    [
        (has_failed, None, "acz"),
        (may_have_changed, None, "bcz"),
        (is_planned, None, "d"),
        (has_failed, "a", "cz"),
        (has_failed, "e", "z"),
    ],
)
async def test_wanted_lines(
    tmp_path: Path, wanted: Wanted, after: str | None, keys: str
) -> None:
    """The wanted lines behind one, and last the updates in doubt, as failed ones."""
    path = tmp_path / "run.jsonl"
    path.write_bytes(b"".join(msgspec.json.encode(x) + b"\n" for x in (HEADER, *LINES)))
    doubts = {"z": UpdatePlan("z", OLD, NEW, "E", "T")}
    doubted = Outcome(
        seq=0,
        key="z",
        status="failed",
        reason="interrupted",
        before=OLD,
        after=NEW,
        etag="E",
    )
    recorded = {line.key: line for line in (*LINES, doubted)}
    items = [item async for item in replay_run(path, wanted, doubts, after=after)]
    assert items == [Item(key, recorded=recorded[key]) for key in keys]
