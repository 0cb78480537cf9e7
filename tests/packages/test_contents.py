"""What the packages hold."""

from __future__ import annotations

import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOT_CODE = {
    "bulkmeta/cli/example.toml",
    "bulkmeta/py.typed",
    "bulkmeta/report/page.html",
}
OF_THE_FORGE = (".github/", ".gitignore")


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as files:
        return {name: files.read(name) for name in files.namelist()}


def tracked() -> set[str]:
    """The files of the project, where git knows them."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 as it is
    if found.returncode:
        pytest.skip("not in a clone")
    return {*found.stdout.split("\0")} - {""}


def test_the_wheel(wheel: Path) -> None:
    """The package's modules and what they read, the licence, and nothing else."""
    names = {name for name in contents(wheel) if ".dist-info/" not in name}
    code = {f"{path.relative_to(ROOT)}" for path in ROOT.glob("bulkmeta/**/*.py")}
    assert names == code | NOT_CODE
    (licence,) = (name for name in contents(wheel) if name.endswith("/LICENSE"))
    assert contents(wheel)[licence] == (ROOT / "LICENSE").read_bytes()


def test_the_sdist(sdist: Path) -> None:
    """All that the project consists of: it can be tested and built from there."""
    with tarfile.open(sdist) as files:
        names = {member.name.partition("/")[2] for member in files.getmembers()}
    project = {name for name in tracked() if not name.startswith(OF_THE_FORGE)}
    assert names - {"PKG-INFO", ".gitignore"} == project


def test_wheels_of_tree_and_sdist(wheel: Path, packages: Path) -> None:
    """The wheel was built from the sdist, and is what the tree would give."""
    (of_tree,) = (packages / "tree").glob("*.whl")
    assert contents(wheel) == contents(of_tree)
