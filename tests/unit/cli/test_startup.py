"""Starting the command costs next to nothing: what is heavy is imported when used."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest

HEAVY = ("aiohttp", "oss2", "tenacity", "asyncio.base_events", "requests", "sqlite3")
HELP_CPU_S = 0.25

IMPORT = """
import sys
import bulkmeta
print(*sys.modules)
"""
HELP = """
import sys
sys.argv = ["bulkmeta", *{args!r}]
from bulkmeta.cli.main import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print("MODULES", *sys.modules)
"""


def python(code: str) -> str:
    """The output of a fresh interpreter, without a coverage of its own."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COV")}
    return subprocess.run(  # noqa: S603 our own interpreter
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    ).stdout


def test_import_is_bare() -> None:
    """`import bulkmeta` brings in nothing that is heavy."""
    modules = set(python(IMPORT).split())
    assert (modules & {*HEAVY, "click"}, "bulkmeta" in modules) == (set(), True)


@pytest.mark.parametrize(
    "args",
    [
        ["--help"],
        ["--version"],
        ["apply", "--help"],
        ["plan", "--help"],
        ["show", "-h"],
    ],
)
def test_help_is_light(args: list[str]) -> None:
    """Help and version of every command do without the service's libraries."""
    shown, _, modules = python(HELP.format(args=args)).partition("MODULES")
    found = set(modules.split()) & {"aiohttp", "oss2", "tenacity", "requests"}
    assert (found, shown != "") == (set(), True)


def test_help_is_quick() -> None:
    """`--help` takes less CPU time than anybody notices; the best of five counts."""
    spent_s = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        python(HELP.format(args=["--help"]))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent_s.append(
            after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        )
    assert min(spent_s) < HELP_CPU_S
