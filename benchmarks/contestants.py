"""Who is measured: bulkmeta, and the other clients."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.clients.task import Task

THIS_PYTHON: Final = sys.executable
Words = Callable[[Task], list[str]]


class Contestant(NamedTuple):
    """How a client is called. Slow ones get `share` of the objects."""

    name: str
    words: Words
    workers: int
    scenarios: tuple[str, ...] = ("http", "https", "20ms")
    share: float = 1.0


def _bulkmeta(command: str, *options: str) -> Words:
    def words(task: Task) -> list[str]:
        return [
            *(THIS_PYTHON, "-m", "bulkmeta", command, f"oss://{task.bucket}/", "--all"),
            *("--rate", "max", "--spread", "off", "--concurrency", str(task.workers)),
            *("--progress", "none", *options),
            *(["--run-file", task.out, "--yes"] if command == "apply" else []),
        ]

    return words


def _client(python: str, module: str) -> Words:
    def words(task: Task) -> list[str]:
        name = f"benchmarks.clients.{module}"
        return [python, "-m", name, *(str(each) for each in task)]

    return words


def _external(command: str) -> Words:
    """The user's own command, with {endpoint}, {bucket}, {out} and {workers}."""

    def words(task: Task) -> list[str]:
        return [word.format(**task._asdict()) for word in shlex.split(command)]

    return words


PROJECT: Final = ("--set", "project=x")
NO_ACL: Final = ("--acl-policy", "skip")

BULKMETA: Final = Contestant(
    "bulkmeta apply", _bulkmeta("apply", *PROJECT, *NO_ACL), 200
)
WITH_ACL: Final = Contestant(
    "bulkmeta apply, with ACLs", _bulkmeta("apply", *PROJECT), 200, ("http", "20ms")
)
PLAN: Final = Contestant(
    "bulkmeta plan, unchanged",
    _bulkmeta("plan", "--set", "owner=team-a"),
    200,
    ("http",),
)
BARE: Final = Contestant("bare aiohttp loop", _client(THIS_PYTHON, "bare_aiohttp"), 200)


def contestants(peers_python: Path, external: list[str]) -> list[Contestant]:
    """Everyone; the peers only if there is an environment for them."""
    python = str(peers_python)
    peers = [
        Contestant("first draft", _client(python, "first_draft"), 200),
        Contestant("aiooss2", _client(python, "aiooss2_tasks"), 200),
        Contestant("oss-v2 async", _client(python, "oss_v2_async"), 200),
        Contestant("oss2 + 32 threads", _client(python, "oss2_threads"), 32, share=0.2),
    ]
    known = peers if peers_python.exists() else []
    asked = [Contestant(words, _external(words), 200) for words in external]
    return [BULKMETA, WITH_ACL, PLAN, BARE, *known, *asked]
