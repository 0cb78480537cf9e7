"""The ways to install that `docs/install.md` tells, each as it stands there."""

from __future__ import annotations

import re
import tarfile
from pathlib import Path

import pytest

from tests.packages.conftest import UV, output_of

PAGE = Path(__file__).parents[2] / "docs/install.md"
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
pytestmark = pytest.mark.timeout(300)  # what is installed may have to be fetched
WAYS, TRIES = (found.splitlines() for found in SHELL.findall(PAGE.read_text()))


@pytest.fixture
def unpacked(
    sdist: Path, newest: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The source as it is handed out, with an active environment, and tools that keep
    what they install in a folder of their own."""
    with tarfile.open(sdist) as files:
        files.extractall(tmp_path, filter="data")
    env, bin_folder = tmp_path / "env", tmp_path / "bin"
    output_of(UV, "venv", "-q", "--no-project", "--seed", "--python", newest, env)
    python = output_of(UV, "python", "find", "--no-project", "--system", newest)
    for name, value in {
        "PATH": f"{env}/bin:{bin_folder}:{UV.parent}:/usr/bin:/bin",
        "PIPX_HOME": tmp_path / "pipx",
        "PIPX_BIN_DIR": bin_folder,
        "PIPX_DEFAULT_PYTHON": python.strip(),
        "UV_TOOL_DIR": tmp_path / "tools",
        "UV_TOOL_BIN_DIR": bin_folder,
        "UV_PYTHON": python.strip(),
        "UV_PYTHON_DOWNLOADS": "never",
    }.items():
        monkeypatch.setenv(name, str(value))
    (folder,) = tmp_path.glob("bulkmeta-*")
    monkeypatch.chdir(folder)
    return tmp_path


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.split()[0])
def test_way(unpacked: Path, way: str) -> None:
    """What it installs is there as a command and works; uvx leaves none."""
    told = output_of("sh", "-c", way)
    if way.startswith("uvx"):
        assert re.match(r"\d+\.\d+\.\d+", told)
        assert not (unpacked / "bin/bulkmeta").exists()
        return
    for line in TRIES:
        output_of("sh", "-c", line)
    home = unpacked / "env" if way.startswith("pip ") else unpacked
    found = output_of("sh", "-c", "command -v bulkmeta")
    assert found == f"{home}/bin/bulkmeta\n"


def test_all_ways_are_found() -> None:
    """Four ways, and how to see that they worked."""
    assert [way.split()[0] for way in WAYS] == ["pip", "pipx", "uv", "uvx"]
    assert len(TRIES) == 2
