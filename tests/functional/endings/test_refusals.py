"""Files and commands to be told that cannot be."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.functional.endings.conftest import (
    APPLY,
    CHANGE,
    COUNT,
    HOOK,
    METRICS,
    TARGET,
    Command,
    metrics,
    told,
)

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--on-finish", "say 'it"), '--on-finish "say \'it": No closing quotation'),
        (("--on-finish", " "), "--on-finish names no command"),
        (("--on-finish", "no-such x"), "--on-finish: 'no-such' is no command that can"),
        (("--on-finish", "/dev/null"), "--on-finish: '/dev/null' is no command that"),
        (("--on-finish", "./notes"), "--on-finish: './notes' is no command that can"),
        (("--on-finish", "a\0b"), "--on-finish: 'a\\x00b' is no command that can"),
        (("--metrics-file", "none/x"), "--metrics-file 'none/x': no folder "),
        (("--metrics-file", "/dev/null"), "and holds no metrics of a run; name"),
        (("--metrics-file", "notes"), "and holds no metrics of a run; name another"),
        (("--metrics-file", "other"), "and holds no metrics of a run; name another"),
        (("--metrics-file", "run"), "and holds no metrics of a run; name another"),
        (("--metrics-file", "binary"), "and holds no metrics of a run; name another"),
        (
            ("--metrics-file", "./x", "--log-file", "x"),
            "--log-file and --metrics-file name the same file",
        ),
    ],
)
def test_what_cannot_be(
    oss: EmbeddedOSS, bulkmeta: Command, more: tuple[str, ...], words: str
) -> None:
    """Is told before anything is done; other files are left as they are."""
    others = {
        "notes": b"what to do\n",
        "other": b"up 1\n",
        "run": b'{"type":"run"}\n',
        "binary": b"\xff",
    }
    for name, data in others.items():
        Path(name).write_bytes(data)
    result = bulkmeta("apply", *CHANGE, "--yes", *more)
    (line,) = result.err.splitlines()
    assert (result.code, line.startswith("bulkmeta: ")) == (2, True)
    assert words in line
    assert oss.log.requests() == []
    assert {path.name: path.read_bytes() for path in Path().iterdir()} == others


@pytest.mark.parametrize(("name", "told"), [("new.txt", True), ("new.prom", False)])
def test_a_name_that_no_collector_reads(
    bulkmeta: Command, name: str, told: bool
) -> None:
    """Draws a warning: metrics would be missed by nobody."""
    result = bulkmeta("apply", *CHANGE, "--yes", "--metrics-file", name)
    words = "--metrics-file: node_exporter reads only files named *.prom"
    assert (result.code, words in result.err, Path(name).exists()) == (0, told, True)


def test_one_that_cannot_be_and_one_that_can(bulkmeta: Command) -> None:
    """A job whose log cannot be written is told of like any other that failed."""
    result = bulkmeta(*APPLY, *METRICS, *HOOK, "--log-file", "none/x")
    assert (result.code, told()["exit_code"]) == (2, 2)
    assert metrics()["bulkmeta_run_exit_code"] == {(): 2}
    assert told()["error"].startswith("cannot open --log-file 'none/x'")


def test_without_the_library(
    oss: EmbeddedOSS, bulkmeta: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    result = bulkmeta(*APPLY, *METRICS)
    assert (result.code, result.err) == (
        2,
        "bulkmeta: --metrics-file needs the extra `metrics`; in the folder of the "
        "source: pip install '.[metrics]' (other ways: docs/install.md)\n",
    )
    assert oss.log.requests() == []


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (METRICS, "--metrics-file needs the extra `metrics`; in the folder "),
        (("--metrics-file", "none/x"), "--metrics-file 'none/x': no folder "),
        (("--on-finish", " "), "--on-finish names no command"),
    ],
)
def test_the_log_tells_why_nothing_began(
    bulkmeta: Command,
    monkeypatch: pytest.MonkeyPatch,
    more: tuple[str, ...],
    words: str,
) -> None:
    """Who looks only there learns what kept the run from its start."""
    if more == METRICS:
        monkeypatch.setitem(sys.modules, "prometheus_client", None)
    result = bulkmeta(*APPLY, *more, "--log-file", "log")
    (line,) = map(json.loads, Path("log").read_text().splitlines())
    assert (result.code, line["message"], line["exit_code"]) == (2, "run ended", 2)
    assert line["error"].startswith(words)


def test_a_run_file_is_never_written_over(bulkmeta: Command) -> None:
    """Not even one that came to be on the way, by the same name."""
    result = bulkmeta(*APPLY, *METRICS, "--run-file", "night.prom")
    assert result.code == 1
    assert result.err.splitlines()[-1].endswith(
        "night.prom' is there, and holds no metrics of a run; name another"
    )
    summary = json.loads(Path("night.prom").read_text().splitlines()[-1])
    assert summary["counts"]["updated"] == COUNT


def test_a_link_to_metrics(bulkmeta: Command) -> None:
    """Stays one."""
    Path("folder").mkdir()
    Path("night.prom").symlink_to("folder/real.prom")
    assert bulkmeta("plan", *CHANGE, *METRICS).code == 0
    assert Path("night.prom").is_symlink()
    assert metrics()["bulkmeta_run_exit_code"] == {(): 0}


@pytest.fixture
def no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that has no room for a temporary file."""

    def write(path: str, *_: Any) -> None:
        raise OSError(28, "No space left on device", path)

    monkeypatch.setattr("prometheus_client.write_to_textfile", write)


@pytest.mark.usefixtures("no_room")
def test_metrics_that_cannot_be_written(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """One line, and exit code 1; a command is told of it."""
    result = bulkmeta(*APPLY, *METRICS, *HOOK)
    assert result.code == 1
    assert "bulkmeta: cannot write --metrics-file " in result.err
    assert (told()["exit_code"], told()["counts"]["updated"]) == (1, COUNT)
    assert "No space left on device" in told()["error"]
    assert oss.store.get_object("bucket", "p/0").meta == {"n": "1"}


def test_a_job_file_names_them(bulkmeta: Command) -> None:
    Path("job.toml").write_text(
        f'[source]\ntarget = "{TARGET}"\n[change]\nset = {{ n = "1" }}\n'
        '[report]\nmetrics-file = "night.prom"\non-finish = "tee told.json"\n'
    )
    assert bulkmeta("apply", "job.toml", "--yes").code == 0
    assert metrics()["bulkmeta_run_exit_code"] == {(): told()["exit_code"]}
