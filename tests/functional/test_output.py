"""Where words go when nobody reads them, or the disk is full."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS

Shell = Callable[[str], tuple[int, str]]
APPLY = (
    "apply oss://bucket/p/ --set project=atlas --yes --run-file run.jsonl "
    "--concurrency 8"
)
PLAN = "plan oss://bucket/p/ --set project=atlas --concurrency 8"
SHOW = "show oss://bucket/p/"
FULL = "No space left on device"
COUNT = 200
FUNCTION = f'bulkmeta() {{ {sys.executable} -m bulkmeta "$@"; }}'


@pytest.fixture
def shell(oss: EmbeddedOSS, tmp_path: Path) -> Shell:
    """A shell line in which `bulkmeta` is a process of its own; bulkmeta's own exit
    code, and what was said on stderr."""
    oss.store.put_objects("bucket", ({"key": f"p/{n:04}"} for n in range(COUNT)))

    def run(line: str) -> tuple[int, str]:
        done = subprocess.run(  # noqa: S603 a line of this file
            ["/bin/bash", "-c", f"{FUNCTION}\n{line}\nexit ${{PIPESTATUS[0]}}"],
            env={**os.environ, **oss.environment},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        assert "Traceback" not in done.stderr
        assert "Exception ignored" not in done.stderr
        return done.returncode, done.stderr

    return run


def changed(oss: EmbeddedOSS) -> int:
    return sum("project" in stored.meta for stored in oss.store.objects("bucket"))


@pytest.mark.parametrize(
    "line",
    [
        f"bulkmeta {APPLY} | true",
        f"bulkmeta {APPLY} >&-",
        f"bulkmeta {APPLY} 2> /dev/full",
        f"bulkmeta {APPLY} 2>&-",
        f"bulkmeta {APPLY} >&- 2>&-",
        f"bulkmeta {APPLY} 2>&1 | true",
    ],
)
def test_a_run_ends_as_it_ended_whoever_reads_it(
    oss: EmbeddedOSS, shell: Shell, tmp_path: Path, read_run: Any, line: str
) -> None:
    """`apply` changes every object and exits 0, though nobody gets its summary."""
    code, err = shell(line)

    assert code == 0, err
    assert changed(oss) == COUNT
    assert read_run(tmp_path / "run.jsonl").summary["counts"]["updated"] == COUNT
    assert "bulkmeta: " not in err


def test_json_is_utf8_whatever_the_terminal_takes(shell: Shell, tmp_path: Path) -> None:
    """What a terminal of another encoding cannot show would be written as an escape
    that JSON has not."""
    line = "bulkmeta plan oss://bucket/é😀/ --set a=1 --json >told.json 2>/dev/null"
    assert shell(f"PYTHONIOENCODING=gbk {line}") == (0, "")
    told = json.loads((tmp_path / "told.json").read_text(encoding="utf-8"))
    assert told["target"] == "oss://bucket/é😀/"


@pytest.mark.parametrize("more", ["", "--json", "2> /dev/full"])
def test_a_summary_that_cannot_be_written(
    oss: EmbeddedOSS, shell: Shell, tmp_path: Path, read_run: Any, more: str
) -> None:
    """A full disk: the run came to its end, and whoever reads that learns by the exit
    code, and in a line, that what is there is not all."""
    code, err = shell(f"bulkmeta {APPLY} > /dev/full {more}")

    assert code == 1, err
    assert changed(oss) == COUNT
    assert read_run(tmp_path / "run.jsonl").summary["counts"]["updated"] == COUNT
    said = [line for line in err.splitlines() if line.startswith("bulkmeta: ")]
    assert said == ([] if "2>" in more else [f"bulkmeta: cannot write results: {FULL}"])


@pytest.mark.parametrize("command", [PLAN, SHOW])
def test_a_reader_that_leaves_ends_it_in_silence(
    oss: EmbeddedOSS, shell: Shell, command: str
) -> None:
    """`… | head -1`: not a word about it, and not the exit code of success."""
    code, err = shell(f"bulkmeta {command} | head -1 > /dev/null")

    assert code == 130, err
    assert "bulkmeta: " not in err
    assert changed(oss) == 0


def test_help_that_nobody_reads_ends_in_silence(shell: Shell) -> None:
    """A pipe that was never read from: not a word about it."""
    assert shell("bulkmeta --help | { exec 0<&-; sleep 3; }") == (130, "")


@pytest.mark.parametrize("command", [PLAN, SHOW, f"{SHOW} --format csv"])
def test_results_that_cannot_be_written_end_it(shell: Shell, command: str) -> None:
    """A full disk: one line, exit 4."""
    code, err = shell(f"bulkmeta {command} > /dev/full")

    assert code == 4, err
    assert err.splitlines()[-1] == f"bulkmeta: cannot write results: {FULL}"
    assert sum(line.startswith("bulkmeta: ") for line in err.splitlines()) == 1


@pytest.mark.parametrize("command", [PLAN, SHOW])
@pytest.mark.parametrize("where", ["2> /dev/full", "2>&-"])
def test_words_that_cannot_be_written_end_nothing(
    shell: Shell, command: str, where: str
) -> None:
    """What is said to people may be lost; results and exit code are the same."""
    code, err = shell(f"bulkmeta {command} {where}")

    assert (code, err) == (0, "")


def test_an_error_that_cannot_be_told_has_its_exit_code(shell: Shell) -> None:
    """No credentials, and nobody to tell: exit 4 all the same."""
    code, err = shell(f"OSS_ACCESS_KEY_ID= bulkmeta {PLAN} 2> /dev/full")

    assert (code, err) == (4, "")


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "order",
    [
        "init j.toml",
        "report run.jsonl --html r.html",
        "shards oss://bucket/p/ --into 200 --out s.json",
    ],
)
def test_a_file_that_has_no_room_is_not_left_behind(
    shell: Shell, tmp_path: Path, order: str
) -> None:
    """Or the second try, with room, would be refused."""
    assert shell(f"bulkmeta {APPLY}")[0] == 0
    code, err = shell(
        f"export PYTHONDONTWRITEBYTECODE=1; trap '' XFSZ; ulimit -f 1; bulkmeta {order}"
    )
    name = order.rpartition(" ")[2]
    assert (code, f"cannot write '{name}': File too large" in err) == (4, True)
    assert not (tmp_path / name).exists()
    assert shell(f"bulkmeta {order}")[0] == 0


def test_a_page_of_somebody_else_stays(
    oss: EmbeddedOSS, bulkmeta: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that came to be behind the first look is neither written over nor removed."""
    oss.store.put_object("bucket", "p/1")
    assert bulkmeta(*APPLY.split()).code == 0
    monkeypatch.setattr("bulkmeta.cli.session.refuse_existing", lambda *_: None)
    Path("r.html").write_text("precious")
    refused = bulkmeta("report", "run.jsonl", "--html", "r.html")
    assert (refused.code, "cannot write 'r.html': File exists" in refused.err) == (
        4,
        True,
    )
    assert Path("r.html").read_text() == "precious"
