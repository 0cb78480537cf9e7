"""Runs that ended, were cut off, or were planned, to be taken up again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS

HEAD, COPY = "HeadObject", "CopyObject"
LONG_AGO_S = 1_700_000_000
RUN, JOURNAL = Path("run.jsonl"), Path("run.jsonl.journal")
OLD, OURS, THEIRS = {"is": "old"}, {"is": "old", "x": "1"}, {"theirs": "1"}
CHANGE = ("oss://bucket/p/", "--set", "x=1", "--yes", "--run-file", "run.jsonl")
Command = Callable[..., Any]


@pytest.fixture
def apply(bulkmeta: Command) -> Command:
    """The main job on `p/`."""
    return partial(bulkmeta, "apply", *CHANGE)


@pytest.fixture
def cut(oss: EmbeddedOSS, apply: Command) -> Callable[[int], list[dict[str, Any]]]:
    """A whole run on six objects, made to look as if it was killed after some lines;
    the lines taken away become intents. None of these updates is taken back."""

    def make(kept: int) -> list[dict[str, Any]]:
        seed(oss, 6)
        result = apply("--concurrency", "1")
        assert result.code == 0, result.err
        header, *objects, _ = lines_of(RUN)
        write_lines(RUN, [header, *objects[:kept]])
        fields = ("seq", "key", "before", "after", "etag")
        intents = [
            {
                "type": "intent",
                **{name: line[name] for name in fields},
                "last_modified": "Tue, 14 Nov 2023 22:13:20 GMT",
            }
            for line in objects[kept:]
        ]
        write_lines(JOURNAL, [journal_header(header), *intents])
        oss.log.clear()
        return intents

    return make


def journal_header(header: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "journal",
        "schema": 1,
        "job_hash": header["job_hash"],
        "run_started": header["started"],
    }


def seed(oss: EmbeddedOSS, count: int) -> None:
    """Objects `p/0000`, …, all long settled."""
    oss.store.put_objects("bucket", (spec_of(f"p/{n:04}") for n in range(count)))


def spec_of(key: str) -> dict[str, Any]:
    return {"key": key, "meta": OLD, "last_modified": LONG_AGO_S}


def meta(oss: EmbeddedOSS, number: int) -> dict[str, str]:
    return dict(oss.store.get_object("bucket", f"p/{number:04}").meta)


def write_as_other(oss: EmbeddedOSS, number: int, **changes: Any) -> None:
    """Another writer's change, with a date between then and now."""
    found = oss.store.get_object("bucket", f"p/{number:04}")
    changes = {"meta": THEIRS, "last_modified": LONG_AGO_S + 9, **changes}
    oss.store.save(replace(found, **changes), oss.store.body(found))


def age(oss: EmbeddedOSS) -> None:
    """Let ten seconds pass at the service, so that nothing has to be waited for."""
    oss.clock.offset_s += 10


def sent(oss: EmbeddedOSS) -> list[str]:
    """The keys of all updates."""
    return [key for operation, key in oss.log.operations() if operation == COPY]


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a file."""
    whole = path.read_bytes().split(b"\n")[:-1]
    return [json.loads(line) for line in whole]


def write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def carried(oss: EmbeddedOSS) -> dict[str, tuple[Any, ...]]:
    """All that an update could change, by key."""
    return {
        s.key: (
            s.meta, s.headers, s.content_type, s.acl, s.tags, s.storage_class, s.sse,
            s.etag,
        )
        for s in oss.store.objects("bucket")
    }  # fmt: skip


def assert_refused(result: Any, code: int, *words: str) -> None:
    """One line that says what is wrong, and the exit code."""
    assert result.code == code, result.err
    (line,) = result.err.splitlines()
    assert line.startswith("bulkmeta: ")
    for word in words:
        assert word in line


@pytest.fixture
def plan(oss: EmbeddedOSS, bulkmeta: Command) -> Path:
    """A plan for three objects."""
    seed(oss, 3)
    result = bulkmeta("plan", "oss://bucket/p/", "--set", "x=1", "--out", "plan.jsonl")
    assert result.code == 0, result.err
    oss.log.clear()
    return Path("plan.jsonl")
