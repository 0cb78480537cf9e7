"""A month of nights: a job that runs by itself, while others add, change and delete
objects, with crashes, an overlap, throttling, and a clock that is wrong."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS

Command = Callable[..., Any]
DAY_S = 86_400
START_S = 1_790_000_000.0
OBJECTS = 150
JOB = """
[source]
target = "oss://bucket/p/"

[change]
set = { team = "vision" }
rename = { owner = "holder" }
acl-policy = "skip"

[pace]
rate = "max"

[report]
since-last-run = true
progress = "none"
"""
HEAD, COPY = "HeadObject", "CopyObject"
CRASHES, OVERLAP, THROTTLED = {7, 18}, 11, 14
QUIET = {4, 5, 12, 13, 25}


class Bucket:
    """What others do to the bucket by day."""

    def __init__(self, oss: EmbeddedOSS) -> None:
        self._oss = oss
        self._draw = random.Random(30)  # noqa: S311 no secret
        self._next = 0
        for _ in range(OBJECTS):
            self._write(self._new_key())

    def _new_key(self) -> str:
        self._next += 1
        return f"p/{self._next:05}"

    def _write(self, key: str) -> None:
        meta = {"owner": "ann"} if self._draw.random() < 0.5 else {}
        now_s = self._oss.clock.time()
        self._oss.store.put_object("bucket", key, meta=meta, last_modified=now_s)

    def change(self) -> int:
        """Some objects are added, changed and deleted; how many were written."""
        keys = [stored.key for stored in self._oss.store.objects("bucket")]
        changed = self._draw.sample(keys, 5)
        added = [self._new_key() for _ in range(self._draw.randint(1, 4))]
        for key in (*changed, *added):
            self._write(key)
        for key in self._draw.sample(keys, 2):
            if key not in changed:
                self._oss.store.delete_object("bucket", key, None)
        return len(changed) + len(added)

    def is_right(self) -> bool:
        """Whether each object is as the job wants it."""
        return all(
            stored.meta.get("team") == "vision" and "owner" not in stored.meta
            for stored in self._oss.store.objects("bucket")
        )


def count(oss: EmbeddedOSS) -> Counter[str]:
    """The night's requests that were accepted, by operation."""
    found = Counter(r.operation for r in oss.log.requests() if r.status < 400)
    oss.log.clear()
    return found


def begun(oss: EmbeddedOSS, *more: str) -> subprocess.Popen[bytes]:
    """The job in a process of its own, once it is at work."""
    process = subprocess.Popen(  # noqa: S603 our own interpreter
        [sys.executable, "-m", "bulkmeta", "apply", "job.toml", "--yes", "--rate", "20",
         "--concurrency", "2", *more],
        env={**os.environ, **oss.environment},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline_s = time.monotonic() + 20
    while not any(name == HEAD for name, _ in oss.log.operations()):
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    return process


def crash(oss: EmbeddedOSS, bucket: Bucket) -> None:
    """A night's run is killed; and a day goes by."""
    bucket.change()
    with begun(oss) as process:
        process.send_signal(signal.SIGKILL)
    oss.clock.offset_s += DAY_S


@pytest.mark.timeout(300)
@pytest.mark.no_cover
def test_a_month(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Right each morning; nothing written on quiet nights; as many heads as changes;
    and nobody ever has to look after it. The host's clock is off by months, and another
    day each night: it stands still, while the service's goes on."""
    Path("job.toml").write_text(JOB)
    oss.clock.offset_s = START_S - time.time()
    bucket, written, last, full_nights = Bucket(oss), OBJECTS, 0, 0
    for night in range(30):
        oss.clock.offset_s += DAY_S - 100
        if night:
            written = 0 if night in QUIET else bucket.change()
        oss.clock.offset_s += 100
        count(oss)

        if night in CRASHES:
            crash(oss, bucket)
            continue
        if night == OVERLAP:
            with begun(oss) as process:
                assert bulkmeta("apply", "job.toml", "--yes").code == 5
                process.kill()
            count(oss)
        if night == THROTTLED:
            oss.limits.configure(account_qps=30)
        result = bulkmeta("apply", "job.toml", "--yes")

        oss.limits.configure()
        assert result.code == 0, (night, result.err)
        assert bucket.is_right(), night
        sent = count(oss)
        is_full = "all objects" in result.err
        full_nights += is_full
        if not is_full and night - 1 not in CRASHES:
            assert written or not sent[COPY], night
            # A refused update is settled by another head.
            tries = 5 if night == THROTTLED else 1
            assert sent[HEAD] <= tries * (written + last), night
        last = sent[COPY]
    assert 3 <= full_nights <= 6
