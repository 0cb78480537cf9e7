"""Each extra alone: it brings what its command needs; without it, that is said."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.packages.conftest import Install, Installed, Serve

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
pytestmark = pytest.mark.timeout(300)  # what is installed may have to be fetched
APPLY = ("apply", "oss://photos/p/", "--set", "n=1", "--yes")
PROFILE = {
    "name": "program",
    "mode": "External",
    "process_command": "cat key.json",
}
KEY = {
    "mode": "AK",
    "access_key_id": "embedded-key-id",
    "access_key_secret": "embedded-key-secret",
}


def _rows(installed: Installed) -> None:
    installed.python(
        "import duckdb; duckdb.sql(\"copy (select 'p/b' as key) to 'k.parquet'\")"
    )


def _profile(_: Installed) -> None:
    Path("key.json").write_text(json.dumps(KEY))
    folder = Path.home() / ".aliyun"
    folder.mkdir()
    config = {"current": "program", "profiles": [PROFILE]}
    (folder / "config.json").write_text(json.dumps(config))


def _nothing(_: Installed) -> None:
    pass


@dataclass(frozen=True)
class Need:
    """A command that needs an extra, which brings `module`; and what it takes."""

    module: str
    command: tuple[str, ...]
    prepare: Callable[[Installed], None] = _nothing


NEEDS = {
    "analytics": Need("duckdb", (*APPLY, "--keys-from", "k.parquet"), _rows),
    "cloud": Need(
        "alibabacloud_credentials", (*APPLY, "--profile", "program"), _profile
    ),
    "expr": Need("cel_expr_python", (*APPLY, "--where", "size == 0")),
    "metrics": Need("prometheus_client", (*APPLY, "--metrics-file", "m.prom")),
    "ray": Need("ray", (*APPLY, "--on", "ray", "--processes", "1")),
    "zstd": Need("backports.zstd", (*APPLY, "--run-file", "run.jsonl.zst")),
}
WITHOUT_COMMAND = {"fast": "uvloop"}


def test_each_extra_is_tried() -> None:
    """Whoever adds one says here what needs it."""
    extras = PROJECT["project"]["optional-dependencies"]
    assert {*NEEDS, *WITHOUT_COMMAND} == {*extras}


def there() -> tuple[str, ...]:
    """Where the service is: with a profile, the environment is not asked."""
    return ("--endpoint", os.environ["OSS_ENDPOINT"], "--region", "cn-hangzhou")


@pytest.mark.parametrize("extra", NEEDS)
def test_alone(install: Install, newest: str, serve: Serve, extra: str) -> None:
    """The command works with the extra and no other."""
    installed, need = install(newest, extra), NEEDS[extra]
    installed.python(f"import {need.module}")
    serve(installed)
    need.prepare(installed)
    summary = json.loads(installed.bulkmeta(*need.command, *there(), "--json"))
    assert summary["counts"]["updated"] >= 1


@pytest.mark.parametrize("extra", NEEDS)
def test_without(plain: Installed, serve: Serve, extra: str) -> None:
    """The last line says what is missing and how to get it; nothing is changed."""
    serve(plain)
    if extra == "cloud":
        _profile(plain)
    else:
        Path("k.parquet").touch()
    code, told = plain.told(*NEEDS[extra].command, *there())
    assert code == 2
    assert f"pip install '.[{extra}]'" in told.splitlines()[-1]


def test_fast(install: Install, newest: str, plain: Installed) -> None:
    """The loop of commands is the quicker one where it is, and Python's where not."""
    code = (
        "import asyncio; from bulkmeta.runners.loop import run_loop\n"
        "async def loop(): return type(asyncio.get_running_loop()).__module__\n"
        "print(run_loop(loop()))"
    )
    assert install(newest, "fast").python(code).strip() == "uvloop"
    assert plain.python(code).startswith("asyncio.")
