"""Promises 5 to 8 under `kill -9`: nothing lost, everything recorded, all undoable.

A small form runs always; `pytest tests/functional/test_crash.py --crashes 200` is the
full one.
"""

from __future__ import annotations

import json
import math
import os
import random
import signal
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bulkmeta.emulator.faults import Fault
from bulkmeta.emulator.options import EmulatorOptions
from bulkmeta.emulator.server import EmbeddedOSS

if TYPE_CHECKING:
    from bulkmeta.emulator.stored import StoredObject

ZSTD = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
OBJECTS = 150
LONGEST_LIFE_S = 1.2
MOST_S = 600
COPIES = ("--set", "project=atlas", "--rename", "owner=team", "--header", "expires=no")
IN_PLACE = ("--tag", "project=atlas", "--untag", "t", "--acl", "public-read")
WRITES = ("CopyObject", "PutObjectTagging", "DeleteObjectTagging", "PutObjectAcl")


@dataclass(frozen=True, slots=True)
class Machine:
    """A bucket, and a folder in which commands run and are killed."""

    oss: EmbeddedOSS
    folder: Path
    draw: random.Random

    def run(self, *args: str) -> int:
        """A command that is left to its end; its exit code."""
        return self._start(*args).wait(MOST_S)

    def crash(self, *args: str) -> bool:
        """A command that is killed after a while; whether it was still there."""
        process = self._start(*args)
        with suppress(subprocess.TimeoutExpired):
            process.wait(self.draw.uniform(0.35, LONGEST_LIFE_S))
        process.kill()
        return process.wait(10) == -signal.SIGKILL

    def _start(self, *args: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 our own command
            [sys.executable, "-m", "bulkmeta", *args, "--rate", "max"],
            env={**os.environ, **self.oss.environment},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=None,
        )

    def state(self) -> dict[str, tuple[Any, ...]]:
        """All that an update could change, by key."""
        return {
            stored.key: _carried(stored) for stored in self.oss.store.objects("bucket")
        }


def _carried(stored: StoredObject) -> tuple[Any, ...]:
    return (
        stored.meta,
        stored.headers,
        stored.content_type,
        stored.acl,
        stored.tags,
        stored.storage_class,
        stored.sse,
        stored.etag,
    )


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """Some objects on a slow and unreliable service."""
    options = EmulatorOptions(latency_s=0.004, seed=7)
    with EmbeddedOSS(options) as oss:
        oss.store.create_bucket("bucket")
        oss.store.put_objects("bucket", (_varied(number) for number in range(OBJECTS)))
        for fault in (
            Fault("error", status=503, code="ServiceUnavailable", probability=0.02),
            *(
                Fault("reset_after", operation=name, probability=0.03)
                for name in WRITES
            ),
            *(
                Fault("reset_before", operation=name, probability=0.03)
                for name in WRITES
            ),
        ):
            oss.faults.add(fault)
        draw = random.Random(20261122)  # noqa: S311 repeatable, not secret
        yield Machine(oss, tmp_path, draw)


def _varied(number: int) -> dict[str, Any]:
    return {
        "key": f"p/{number:04d}",
        "body": str(number),
        "meta": {"owner": f"测试 {number}", "n": str(number)},
        "headers": {"cache-control": "no-cache"} if number % 2 else {},
        "acl": "private" if number % 3 else "default",
        "tags": {"t": "1"} if number % 5 else {},
    }


@pytest.mark.timeout(1800)
@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("form", "job"),
    [("", COPIES), (".gz", COPIES), (".zst", IN_PLACE), ("", IN_PLACE)],
)
def test_crashes(
    machine: Machine, crashes: int, form: str, job: tuple[str, ...]
) -> None:
    """Killed again and again, and resumed: each key has one outcome, the bucket is as
    after an undisturbed run, former states are on record, and undo brings them back."""
    done = rounds = 0
    share = math.ceil(crashes / 4)
    while done < share:
        done += _round(machine, job, f"{rounds}.jsonl{form}", share - done)
        rounds += 1
        assert rounds <= 3 * share, "commands end before they can be killed"


def _round(machine: Machine, job: tuple[str, ...], name: str, crashes: int) -> int:
    """One run with as many crashes as it meets, and its undo with some; how many."""
    before = machine.state()
    run_file, undo_file = f"run-{name}", f"undo-{name}"
    met = _crash_until_done(
        machine, run_file, crashes, "apply", "oss://bucket/p/", *job, "--yes",
        "--run-file", run_file,
    )  # fmt: skip
    after = machine.state()
    lines = _outcomes(machine.folder / run_file)

    assert sorted(lines) == sorted(before)
    assert {line["status"] for line in lines.values()} == {"updated"}
    for key, old in before.items():
        assert after[key] == (_copied(old) if job is COPIES else _in_place(old))
        recorded = lines[key]["before"]
        assert recorded["meta"] == old[0]
        assert recorded["headers"] == {**old[1], "content-type": old[2]}
        assert recorded["acl"] == old[3]
        assert recorded.get("tags", old[4]) == old[4]
        assert ("tags" in recorded) is (job is IN_PLACE)

    met += _crash_until_done(
        machine, undo_file, crashes - met, "undo", run_file, "--yes",
        "--run-file", undo_file,
    )  # fmt: skip
    assert machine.state() == before
    assert sorted(_outcomes(machine.folder / undo_file)) == sorted(before)
    return met


def _crash_until_done(
    machine: Machine, run_file: str, crashes: int, *command: str
) -> int:
    met = 0
    while met < crashes:
        path = machine.folder / run_file
        machine.oss.log.clear()
        started = ("resume", run_file) if _has_header(path) else command
        if started is command and path.exists():
            path.unlink()  # killed before its first line was whole: nothing was sent
        if not machine.crash(*started):
            return met
        met += 1
        _assert_recorded(machine, path)
    path = machine.folder / run_file
    if not _is_complete(path):  # it may have been killed at its very end
        last = ("resume", run_file) if _has_header(path) else command
        assert machine.run(*last) == 0
    return met


def _assert_recorded(machine: Machine, path: Path) -> None:
    """No write reached the service without its intent or outcome being in a file."""
    sent = {
        logged.key
        for logged in machine.oss.log.requests()
        if logged.operation in WRITES
    }
    known = {line["key"] for line in _lines(path)}
    known |= {line["key"] for line in _lines(path.with_name(path.name + ".journal"))}
    assert sent <= known


def _in_place(old: tuple[Any, ...]) -> tuple[Any, ...]:
    *first, _acl, _tags, storage_class, sse, etag = old
    return (*first, "public-read", {"project": "atlas"}, storage_class, sse, etag)


def _copied(old: tuple[Any, ...]) -> tuple[Any, ...]:
    meta, headers, *rest = old
    owner = {"team": meta["owner"]}
    kept = {name: value for name, value in meta.items() if name != "owner"}
    return (
        {**kept, **owner, "project": "atlas"},
        {**headers, "expires": "no"},
        *rest,
    )


def _outcomes(path: Path) -> dict[str, Any]:
    found = [line for line in _lines(path) if line["type"] == "object"]
    by_key = {line["key"]: line for line in found}
    assert len(by_key) == len(found)
    return by_key


def _lines(path: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in _content(path).split(b"\n")[:-1]]
    return [line for line in lines if "key" in line]


def _is_complete(path: Path) -> bool:
    return b'{"type":"summary"' in _content(path)


def _has_header(path: Path) -> bool:
    return b"\n" in _content(path)


def _content(path: Path) -> bytes:
    """What stands in a file; of a compressed one, in its whole frames."""
    data = path.read_bytes() if path.exists() else b""
    decoder_of = {".gz": lambda: zlib.decompressobj(31), ".zst": _zstd_decoder}
    if path.suffix not in decoder_of:
        return data
    content = b""
    while data:
        decoder = decoder_of[path.suffix]()
        frame = decoder.decompress(data)
        if not decoder.eof:
            break
        content, data = content + frame, decoder.unused_data
    return content


def _zstd_decoder() -> Any:
    return import_module(ZSTD).ZstdDecompressor()
