"""The live suite itself, on the embedded OSS: it passes, keeps to its folder, leaves
nothing, and does nothing unless it is told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from bulkmeta.emulator.log import LoggedRequest
    from bulkmeta.emulator.server import EmbeddedOSS

pytestmark = pytest.mark.no_cover

SUITE = Path(__file__).parents[1] / "live"
PREFIX = "deep/er/"
MOST_REQUESTS = 600
ABOUT_BUCKET = {
    "GetBucketInfo",
    "GetBucketVersioning",
    "GetBucketEncryption",
    "GetBucketWorm",
}


def start(
    oss: EmbeddedOSS, bucket: str, folder: Path, *options: str
) -> subprocess.Popen[str]:
    """pytest on the live suite, with all of the variables it asks for."""
    live = {"BULKMETA_LIVE_BUCKET": bucket, "BULKMETA_LIVE_PREFIX": PREFIX}
    return subprocess.Popen(  # noqa: S603 our own tests
        [
            sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider",
            "--basetemp", str(folder / "tmp"), *options, str(SUITE),
        ],
        cwd=SUITE.parents[1],
        env={**os.environ, **oss.environment, **live},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip


def is_inside(asked: LoggedRequest) -> bool:
    """Whether a request is about the suite's folder, or the bucket as a whole."""
    if asked.operation in ABOUT_BUCKET:
        return True
    where = asked.key or asked.query.get("prefix", "")
    return where.startswith(PREFIX + "bulkmeta-live-")


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("versioning", [None, "Enabled"])
def test_it_passes_keeps_to_its_folder_and_leaves_nothing(
    oss: EmbeddedOSS, tmp_path: Path, versioning: str | None
) -> None:
    """With `bulkmeta emulator`'s service as the real one, whether it keeps versions
    or not; and each question has an answer in the table."""
    oss.store.create_bucket("own", versioning=versioning)
    table = tmp_path / "table.md"

    process = start(oss, "own", tmp_path, "--live", "--live-table", str(table))
    told, _ = process.communicate()

    assert process.returncode == 0, told
    assert "skipped" not in told
    asked = list(oss.log.requests())
    assert [one for one in asked if not is_inside(one)] == []
    assert 200 < len(asked) < MOST_REQUESTS
    assert oss.store.is_empty("own")
    rows = [line for line in table.read_text().splitlines() if line.startswith("| ")]
    assert len(rows) == 12
    assert "private became default" in rows[1]


@pytest.mark.timeout(120)
def test_it_leaves_nothing_when_it_is_stopped(oss: EmbeddedOSS, tmp_path: Path) -> None:
    """SIGTERM in the middle: what was put is removed, versions and markers too."""
    oss.store.create_bucket("own", versioning="Enabled")

    process = start(oss, "own", tmp_path, "--live", "-k", "killed")
    end = time.monotonic() + 60
    while not any(one.operation == "CopyObject" for one in oss.log.requests()):
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    told, _ = process.communicate(timeout=60)

    assert process.returncode == pytest.ExitCode.INTERRUPTED, told
    assert any(one.operation == "PutObject" for one in oss.log.requests())
    assert oss.store.is_empty("own")


def test_it_asks_nothing_unless_it_is_told_to(oss: EmbeddedOSS, tmp_path: Path) -> None:
    """All variables are there, and lead to a bucket; without `--live` each test is
    skipped, says why, and sends nothing."""
    process = start(oss, "own", tmp_path)
    told, _ = process.communicate(timeout=50)

    assert process.returncode == 0, told
    assert "passed" not in told
    assert "only with --live" in told
    assert list(oss.log.requests()) == []
