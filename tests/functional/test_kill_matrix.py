"""Every way in which a run's process may be told to end, at random times: the exit code
is the promised one, and the run is complete or can be resumed. `--crashes N`: so many
times each."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS

Command = Callable[..., Any]
COUNT = 60
KEYS = [f"p/{number:03}" for number in range(COUNT)]
ORDER = (
    "apply", "oss://bucket/p/", "--set", "n=1", "--yes", "--rate", "200",
    "--concurrency", "4", "--run-file", "run.jsonl",
)  # fmt: skip
LASTS_S = 1.4
"""About how long a run takes, from when signals are heard."""

INTERRUPTED = 130
PROMISED = {
    "SIGTERM": {INTERRUPTED, 0},
    "SIGINT": {INTERRUPTED, 0},
    "SIGHUP": {INTERRUPTED, 0},
    "SIGKILL": {-signal.SIGKILL, 0},
    "pipe": {0},
}
"""What each may end with; 0 if the run came first, or does not mind."""


@pytest.mark.timeout(1800)
@pytest.mark.no_cover
@pytest.mark.parametrize("kind", [*PROMISED])
def test_killed(
    oss: EmbeddedOSS,
    bulkmeta: Command,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    kind: str,
    crashes: int,
) -> None:
    """And no object is left in another state than its line says."""
    draw = random.Random(f"{kind} {crashes}")  # noqa: S311 no secret
    codes = []
    for number in range(crashes):
        folder = tmp_path / str(number)
        folder.mkdir()
        monkeypatch.chdir(folder)
        oss.store.put_objects("bucket", ({"key": key, "meta": {}} for key in KEYS))
        codes.append(_killed_once(oss, bulkmeta, kind, draw.uniform(0.0, LASTS_S)))
    assert set(codes) <= PROMISED[kind], codes


def _killed_once(oss: EmbeddedOSS, bulkmeta: Command, kind: str, after_s: float) -> int:
    process = subprocess.Popen(  # noqa: S603 our own interpreter
        [sys.executable, "-m", "bulkmeta", *ORDER],
        env={**os.environ, **oss.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stderr
    _await_hearing(process.pid)
    time.sleep(after_s)
    if kind == "pipe":
        process.stdout.close()
        process.stderr.close()
        process.wait(30)
    else:
        process.send_signal(getattr(signal, kind))
        _, err = process.communicate(timeout=30)
        assert "Traceback" not in err
    _check(oss, bulkmeta, torn=kind == "SIGKILL")
    return process.returncode


def _await_hearing(pid: int) -> None:
    """Until Python has started, and handles signals: before, they are the system's,
    which may take long on a busy machine."""
    status, bit = Path(f"/proc/{pid}/status"), 1 << (signal.SIGTERM - 1)
    deadline_s = time.monotonic() + 30
    while status.exists():
        caught = re.search(r"^SigCgt:\t(\w+)$", status.read_text(), re.MULTILINE)
        if caught and int(caught[1], 16) & bit:
            return
        assert time.monotonic() < deadline_s
        time.sleep(0.002)


def _check(oss: EmbeddedOSS, bulkmeta: Command, *, torn: bool) -> None:
    """What was left can be finished, and is what it says. Only what cannot be caught
    leaves a file `torn`: without its first line, or a journal of a run that is done."""
    oss.clock.offset_s += 10
    run_file, journal = Path("run.jsonl"), Path("run.jsonl.journal")
    if torn and run_file.exists() and not _lines(run_file):
        run_file.unlink()
    if torn and run_file.exists() and _is_complete(run_file):
        journal.unlink(missing_ok=True)
    if run_file.exists():
        told = {line["key"]: line["status"] for line in _objects(run_file)}
        for stored in oss.store.objects("bucket"):
            if told.get(stored.key) == "updated":
                assert stored.meta == {"n": "1"}
        if not _is_complete(run_file):
            _ends_well(bulkmeta, "resume", "run.jsonl")
    else:
        _ends_well(bulkmeta, *ORDER)
    assert _is_complete(run_file)
    assert sorted(line["key"] for line in _objects(run_file)) == KEYS
    assert not journal.exists()
    assert all(stored.meta == {"n": "1"} for stored in oss.store.objects("bucket"))
    _ends_well(bulkmeta, "verify", "run.jsonl")


def _ends_well(bulkmeta: Command, *args: str) -> None:
    result = bulkmeta(*args, "--rate", "max")
    assert result.code == 0, result.err


def _lines(run_file: Path) -> list[dict[str, Any]]:
    whole = run_file.read_bytes().split(b"\n")[:-1]
    return [json.loads(line) for line in whole]


def _objects(run_file: Path) -> list[dict[str, Any]]:
    return [line for line in _lines(run_file) if line["type"] == "object"]


def _is_complete(run_file: Path) -> bool:
    lines = _lines(run_file)
    return bool(lines) and lines[-1]["type"] == "summary"
