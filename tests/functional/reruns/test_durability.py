"""What is sent is on record: full disks, torn and compressed files, power loss."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import msgspec
import pytest

from bulkmeta.emulator.faults import Fault
from bulkmeta.journal.files import AppendFile
from bulkmeta.journal.run_reader import read_run as read_records
from bulkmeta.model.outcome import Outcome
from tests.functional.conftest import ON_A_FULL_DISK
from tests.functional.reruns.conftest import (
    CHANGE,
    COPY,
    JOURNAL,
    OLD,
    OURS,
    RUN,
    Command,
    age,
    lines_of,
    meta,
    seed,
    sent,
)

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS


def test_a_full_disk_and_then_room(
    oss: EmbeddedOSS, bulkmeta: Command, read_run: Any
) -> None:
    """Exit 4 before anything is sent that cannot be recorded; with room, `resume`
    finishes, one line each."""
    seed(oss, 200)
    done = subprocess.run(  # noqa: S603 our own command line
        [sys.executable, "-c", ON_A_FULL_DISK, "apply", *CHANGE, "--concurrency", "8"],
        env={**os.environ, **oss.environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert done.returncode == 4, done.stderr
    known = {ln["key"] for p in (RUN, JOURNAL) for ln in lines_of(p) if "key" in ln}
    assert set(sent(oss)) <= known
    assert 0 < len(sent(oss)) < 200

    result = bulkmeta("resume", "run.jsonl")

    assert result.code == 0, result.err
    assert len(read_run(RUN).by_key()) == 200
    assert [meta(oss, n) for n in range(200)] == [OURS] * 200
    assert len(sent(oss)) == 200


def test_an_intent_is_durable_before_its_update_is_sent(
    oss: EmbeddedOSS, apply: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever an update arrives, the synced part of the journal holds its intent."""
    seed(oss, 100)
    durable: dict[str, bytes] = {}
    arrived: list[tuple[str, bool]] = []
    sync, fire = AppendFile.sync, oss.faults.fire

    def remembered(file: AppendFile) -> None:
        size = os.fstat(file._fd).st_size
        sync(file)
        synced = Path(f"/proc/self/fd/{file._fd}").read_bytes()[:size]
        durable[file.path.name.removesuffix(".new")] = synced

    def watched(operation: str, key: str, **options: bool) -> Any:
        if operation == COPY:
            text = durable.get(JOURNAL.name, b"")
            arrived.append((key, f'"key":"{key}"'.encode() in text))
        return fire(operation, key, **options)

    monkeypatch.setattr(AppendFile, "sync", remembered)
    monkeypatch.setattr(oss.faults, "fire", watched)

    assert apply().code == 0

    assert len(arrived) == 100
    assert all(recorded for _, recorded in arrived)


@pytest.mark.parametrize("form", ["gz", "zst"])
def test_compressed_files_all_the_way(
    oss: EmbeddedOSS, bulkmeta: Command, form: str
) -> None:
    """Plan, apply, verify and undo through compressed files; the lines are those of
    the published schema."""
    seed(oss, 50)
    names = [f"{name}.jsonl.{form}" for name in ("plan", "run", "undo")]
    plan, run, undo = names

    for code, *command in (
        (0, "plan", "oss://bucket/p/", "--set", "x=1", "--out", plan),
        (0, "apply", plan, "--yes", "--run-file", run),
        (0, "verify", run),
        (0, "undo", run, "--yes", "--run-file", undo),
        (1, "verify", run),
    ):
        result = bulkmeta(*command)
        assert result.code == code, result.err
        age(oss)

    assert [meta(oss, n) for n in range(50)] == [OLD] * 50
    schema = json.loads(bulkmeta("schema", "run").out)
    published = jsonschema.validators.validator_for(schema)(schema)
    for name in names:
        assert Path(name).read_bytes()[:2] in {b"\x1f\x8b", b"\x28\xb5"}
        for record in read_records(name):
            published.validate(json.loads(msgspec.json.encode(record)))
        assert not Path(f"{name}.journal").exists()


def test_a_torn_frame_is_cut_off(
    oss: EmbeddedOSS, bulkmeta: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A compressed run that was killed in the middle of a frame goes on, each key with
    one line; what the frame held comes from the journal."""
    monkeypatch.setattr("bulkmeta.report.run_file.FRAME_BYTES", 2_000)
    seed(oss, 30)
    name = "run.jsonl.gz"
    oss.faults.add(Fault("error", COPY, skip=20, status=403, code="InvalidAccessKeyId"))
    started = bulkmeta(
        "apply", "oss://bucket/p/", "--set", "x=1", "--yes", "--run-file", name,
        "--concurrency", "1",
    )  # fmt: skip
    assert started.code == 4
    oss.faults.clear()
    whole = Path(name).read_bytes()
    Path(name).write_bytes(whole[:-7])

    assert bulkmeta("resume", name).code == 0

    lines = [r for r in read_records(name) if isinstance(r, Outcome)]
    assert sorted(ln.key for ln in lines) == [f"p/{n:04}" for n in range(30)]
    assert all(ln.before and ln.before.meta == OLD for ln in lines)
    assert len(sent(oss)) == 31


def test_a_full_disk_with_a_compressed_file(
    oss: EmbeddedOSS, bulkmeta: Command
) -> None:
    """Nothing is written behind what did not fit; with room, `resume` finishes."""
    seed(oss, 200)
    limited = ON_A_FULL_DISK.replace("20_000", "24_000")
    done = subprocess.run(  # noqa: S603 our own command line
        [sys.executable, "-c", limited, "apply", *CHANGE[:-1], "run.jsonl.gz"],
        env={**os.environ, **oss.environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert done.returncode == 4, done.stderr

    result = bulkmeta("resume", "run.jsonl.gz")

    assert result.code == 0, result.err
    lines = [r for r in read_records("run.jsonl.gz") if isinstance(r, Outcome)]
    assert sorted(ln.key for ln in lines) == [f"p/{n:04}" for n in range(200)]
    assert all(ln.before and ln.before.meta == OLD for ln in lines)
    assert len(sent(oss)) == 200


@pytest.fixture
def durable(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What a loss of power would leave of each file at present."""
    files: dict[str, bytes] = {}
    sync, replace_file = AppendFile.sync, Path.replace

    def synced(file: AppendFile) -> None:
        sync(file)
        files[file.path.name] = Path(f"/proc/self/fd/{file._fd}").read_bytes()

    def replaced(path: Path, target: Path) -> Path:
        if path.name in files:  # others are not of the run
            files[Path(target).name] = files.pop(path.name)
        return replace_file(path, target)

    monkeypatch.setattr(AppendFile, "sync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    return files


@pytest.mark.parametrize("again", [False, True])
def test_power_loss_at_any_update(
    oss: EmbeddedOSS,
    bulkmeta: Command,
    durable: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    again: bool,
) -> None:
    """Whatever update is the last to arrive, the synced parts of the two files tell of
    all that were sent, in a resumed run too; resume and undo go by them."""
    seed(oss, 12)
    fire, arrived = oss.faults.fire, list[str]()
    job = partial(bulkmeta, "apply", *CHANGE, "--concurrency", "1")
    if again:
        oss.faults.add(
            Fault("error", COPY, skip=5, status=403, code="InvalidAccessKeyId")
        )
        assert job().code == 4
        oss.faults.clear()
        arrived += sent(oss)
        job = partial(bulkmeta, "resume", "run.jsonl", "--concurrency", "1")

    def watched(operation: str, key: str, **options: bool) -> Any:
        if operation == COPY:
            arrived.append(key)
            text = durable["run.jsonl"] + durable[JOURNAL.name]
            assert durable["run.jsonl"].startswith(b'{"type":"run"')
            assert all(f'"key":"{key}"'.encode() in text for key in arrived[:-1])
        return fire(operation, key, **options)

    monkeypatch.setattr(oss.faults, "fire", watched)
    assert job().code == 0
    assert len(set(arrived)) == 12
