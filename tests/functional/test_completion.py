"""The tab key: commands, options and their values, in a real shell."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script(bulkmeta: Command, shell: str) -> None:
    """It names the command, and how it is asked."""
    result = bulkmeta("completion", shell)
    assert (result.code, result.err) == (0, "")
    assert f"_BULKMETA_COMPLETE={shell}_complete" in result.out
    assert "bulkmeta" in result.out


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("typed", "word"),
    [
        ("pl", "plan"),
        ("apply --storage-cl", "--storage-class"),
        ("apply --acl publ", "public-read"),
        ("schema j", "job"),
    ],
)
def test_in_bash(bulkmeta: Command, tmp_path: Path, typed: str, word: str) -> None:
    """As bash asks for it."""
    (tmp_path / "script").write_text(bulkmeta("completion", "bash").out)
    here = tmp_path / "bin"
    here.mkdir()
    program = here / "bulkmeta"
    program.write_text(
        f"#!{sys.executable}\nfrom bulkmeta.cli.main import main\nmain()\n"
    )
    program.chmod(0o755)
    words = ["bulkmeta", *typed.split()]
    ask = (
        "complete() { :; }; . ./script; "
        f"COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; "
        '_bulkmeta_completion bulkmeta; echo "${COMPREPLY[@]}"'
    )
    shown = subprocess.run(  # noqa: S603 the shell itself
        ["bash", "-c", ask],  # noqa: S607 wherever it is
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{here}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    ).stdout
    assert word in shown.split()
