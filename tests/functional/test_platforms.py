"""What only POSIX has is not needed to begin, and is refused in words where it is."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import bulkmeta

if TYPE_CHECKING:
    from pathlib import Path

    from bulkmeta.emulator.server import EmbeddedOSS

MODULES = [
    module.name
    for module in pkgutil.walk_packages(bulkmeta.__path__, "bulkmeta.")
    if not module.name.endswith("__main__")
]
ELSEWHERE = """
import asyncio, importlib, os, signal, sys
import aiohttp, oss2, rich.console, tenacity  # what they need is their matter

for name in ("fcntl", "grp", "posix", "pty", "pwd", "resource", "termios", "uvloop"):
    sys.modules[name] = None
for name in ("fchmod", "fdatasync", "fork", "geteuid", "getpgid", "getuid", "killpg"):
    delattr(os, name)
for name in ("SIGHUP", "SIGKILL", "SIGPIPE", "SIGUSR1"):
    delattr(signal, name)

def refuse(*_):
    raise NotImplementedError

loop = asyncio.SelectorEventLoop
loop.add_signal_handler = loop.remove_signal_handler = refuse
"""
"""Python as it is on Windows, as far as one can have it here."""


COMMAND = """
sys.argv[0] = "bulkmeta"
from bulkmeta.__main__ import main
main()
"""


def elsewhere(code: str, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 our own interpreter
        [sys.executable, "-c", ELSEWHERE + code, *args],
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_module_can_be_imported() -> None:
    """None needs what POSIX alone has."""
    done = elsewhere(f"for name in {MODULES}: importlib.import_module(name)")
    assert (len(MODULES) > 100, done.returncode, done.stderr) == (True, 0, "")


@pytest.fixture
def one(oss: EmbeddedOSS, bulkmeta: object, tmp_path: Path) -> Path:
    """A bucket with one object, and the run file of a change of it."""
    oss.store.put_object("bucket", "p/a", body=b"", last_modified=1.7e9)
    assert callable(bulkmeta)
    order = ("apply", "oss://bucket/p/", "--set", "n=1", "--yes")
    assert bulkmeta(*order, "--run-file", "run.jsonl").code == 0
    oss.log.clear()
    return tmp_path / "run.jsonl"


@pytest.mark.usefixtures("one")
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("show oss://bucket/p/", "p/a"),
        ("plan oss://bucket/p/ --set n=2", "~ meta n"),
        ("report run.jsonl", "1 updated"),
        ("verify run.jsonl", "1 unchanged"),
        ("doctor oss://bucket", "credentials"),
    ],
)
def test_what_only_reads_works(line: str, words: str) -> None:
    """To the end, with the exit code that it has elsewhere."""
    done = elsewhere(COMMAND, *line.split())
    assert (done.returncode, words in done.stdout) == (0, True), done


@pytest.mark.parametrize(
    "line",
    [
        "apply oss://bucket/p/ --set n=2 --yes",
        "undo run.jsonl --yes",
        "plan oss://bucket/p/ --set n=2 --out plan.jsonl",
    ],
)
def test_what_keeps_a_record_is_refused(oss: EmbeddedOSS, one: Path, line: str) -> None:
    """In one line, before anything is changed; no file is left."""
    before = sorted(one.parent.iterdir())
    done = elsewhere(COMMAND, *line.split())
    last = done.stderr.splitlines()[-1]
    assert (done.returncode, "on Windows" in last) == (2, True), done
    assert "CopyObject" not in [name for name, _ in oss.log.operations()]
    assert sorted(one.parent.iterdir()) == before
