"""The wheel alone, without what development needs, on each Python that is here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.packages.conftest import Install, Installed, Serve


pytestmark = pytest.mark.timeout(300)  # what is installed may have to be fetched


@pytest.fixture(scope="session")
def installed(install: Install, python: str) -> Installed:
    return install(python, "")


def test_the_command_is_there(installed: Installed, wheel: Path) -> None:
    """With the version that its file's name tells; and as a module."""
    version = wheel.name.split("-")[1]
    assert installed.bulkmeta("--version").strip() == version
    assert "Commands:" in installed.bulkmeta("--help")
    assert "Commands:" in installed.python(
        "import runpy, sys; sys.argv = ['bulkmeta', '--help'];"
        "runpy.run_module('bulkmeta', run_name='__main__')"
    )


def test_demo(installed: Installed) -> None:
    """The command's own demonstration, which checks itself."""
    assert "nothing is left to do" in installed.bulkmeta("demo", "--objects", "200")


def test_there_and_back(installed: Installed, serve: Serve) -> None:
    """Objects are changed and put back, on the embedded OSS that comes along."""

    def metadata() -> list[Any]:
        shown = installed.bulkmeta("show", "oss://photos/p/", "--format", "jsonl")
        lines = map(json.loads, shown.splitlines())
        return [(line["key"], line["meta"], line["headers"]) for line in lines]

    serve(installed)
    before = metadata()
    change = ("--set", "project=atlas", "--rename", "owner=team", "--yes")
    installed.bulkmeta("apply", "oss://photos/p/", *change, "--run-file", "run.jsonl")
    changed = [meta for _, meta, _ in metadata()]
    installed.bulkmeta("undo", "run.jsonl", "--yes")
    assert {"project": "atlas", "team": "测试"} in changed
    assert metadata() == before


def test_no_noise(
    installed: Installed, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor when a library is compiled, which is at each start where it cannot be kept:
    Python warns of text in oss2 then."""
    serve(installed)
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(Path("nothing").resolve()))
    assert installed.told("show", "oss://photos/p/") == (0, "")
