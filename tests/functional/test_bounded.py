"""Promise 10: memory does not grow with the number of objects."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bulkmeta.emulator.dataset import varied_objects
from bulkmeta.emulator.options import EmulatorOptions
from bulkmeta.emulator.server import EmbeddedOSS

FEW, MANY = 2_000, 10_000
GROWTH_KIB = 5_632
"""A fifth above what the window of 20,000 unfinished objects may hold of so many."""


@pytest.fixture
def bare() -> Iterator[EmbeddedOSS]:
    """An embedded OSS that keeps no log of requests."""
    with EmbeddedOSS(EmulatorOptions(log_size=0)) as embedded:
        yield embedded


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.timeout(300)
@pytest.mark.no_cover
def test_memory_is_flat(bare: EmbeddedOSS, tmp_path: Path) -> None:
    """Five times the objects, the same peak (measured by the system, per process)."""
    few, many = (_peak_kib(bare, tmp_path, count) for count in (FEW, MANY))

    assert many - few < GROWTH_KIB


def _peak_kib(oss: EmbeddedOSS, folder: Path, count: int) -> int:
    bucket = f"bucket-{count}"
    oss.store.create_bucket(bucket)
    oss.store.put_objects(bucket, varied_objects(count))
    command = (
        "from bulkmeta.cli.main import run; "
        f"run(['apply', 'oss://{bucket}/', '--all', '--set', 'a=1', '--yes', "
        "'--rate', 'max', '--acl-policy', 'skip', '--progress', 'none']); "
        "print(open('/proc/self/status').read())"
    )
    done = subprocess.run(  # noqa: S603 our own code
        [sys.executable, "-c", command],
        env={**os.environ, **oss.environment},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"{count:,} objects in" in done.stdout
    # Not ru_maxrss, which counts what the parent had before the child's program began.
    [peak] = re.findall(r"^VmHWM:\s+(\d+) kB$", done.stdout, re.MULTILINE)
    return int(peak)
