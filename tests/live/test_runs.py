"""Whole runs: which objects they meet, how they go on after a kill, and the checks."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(600)

AWKWARD = (
    " leading blank",
    "a b",
    "a%2Fb",
    "a+b&c=d?e#f",
    "a//b",
    "a/../b",
    "folder/",
    '<tag attr="\'">&amp;',
    "new\nline",
    "trailing blank ",
    "~!@$^*()[]{}|;:,\\",
    "图/测试 é 😀",
    "\U0001d518",
    "\uff5e",  # behind the one above in UTF-16, before it in UTF-8
)
APPLY = ("--yes", "--allow-new-versions", "--run-file")
OBJECTS = 24


def keys_in(name: str) -> list[str]:
    """The keys of a run file's object lines whose update is done."""
    lines = map(json.loads, Path(name).read_text().splitlines())
    found = [line for line in lines if line["type"] == "object"]
    assert {line["status"] for line in found} == {"updated"}
    return [line["key"] for line in found]


def wait_until(holds: Callable[[], bool]) -> None:
    """At most a minute."""
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end, "waited for a minute"
        time.sleep(0.05)


def test_awkward_keys_are_listed_and_changed(folder: Any, bulkmeta: Any) -> None:
    """Each key is met just as it is, once, and its object changed."""
    keys = [folder.put(name) for name in AWKWARD]

    bulkmeta("apply", folder.target, "--set", "seen=1", *APPLY, "1.jsonl")

    assert sorted(keys_in("1.jsonl")) == sorted(keys)
    for name in AWKWARD:
        assert folder.head(name)["x-oss-meta-seen"] == "1"


def test_a_killed_run_is_resumed(folder: Any, bulkmeta: Any) -> None:
    """Killed in the middle, then resumed: each object has one outcome and the change,
    and keeps what it had."""
    names = [f"{number:02d}" for number in range(OBJECTS)]
    keys = [folder.put(name, x_oss_meta_n=name) for name in names]
    run_file = Path("1.jsonl")
    line = bulkmeta.line(
        "apply", folder.target, "--set", "a=1", "--rate", "20", *APPLY, run_file.name
    )
    with subprocess.Popen(  # noqa: S603 our own command
        line, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            wait_until(lambda: run_file.exists() and _objects(run_file) >= 3)
        finally:
            process.kill()
    assert process.returncode == -9
    assert _objects(run_file) < OBJECTS

    bulkmeta("resume", run_file.name)

    assert sorted(keys_in(run_file.name)) == keys
    for name in names:
        head = folder.head(name)
        assert head["x-oss-meta-n"] == name
        assert head["x-oss-meta-a"] == "1"


def _objects(run_file: Path) -> int:
    return run_file.read_text().count('"type":"object"')


def test_the_checks_end_well_and_leave_nothing(folder: Any, bulkmeta: Any) -> None:
    """`doctor` finds nothing in the way, `probe` finds guards that hold, and both
    remove what they put."""
    key = folder.put("a")

    checks = bulkmeta("doctor", folder.target, "--yes", "--json")
    probed = bulkmeta("probe", folder.target, "--yes", "--json")

    assert json.loads(checks.stdout)
    found = json.loads(probed.stdout)["found"]
    assert found["condition_etag"] == "held"
    assert found["condition_time"] == "held"
    assert [left for left, _ in folder.versions()] == [key]
