"""`--log-file`: what happened, as lines of JSON, in a file or instead of stderr."""

from __future__ import annotations

import json
import logging
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bulkmeta import __version__
from bulkmeta.cli.log import run_name
from bulkmeta.emulator.faults import Fault

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS

Command = Callable[..., Any]
TARGET = "oss://bucket/p/"
CHANGE = (TARGET, "--set", "n=1")
ORDER = ("apply", *CHANGE, "--yes", "--run-file", "night.jsonl")
FILE = ("--log-file", "run.log")
STDERR = ("--log-file", "-")
COUNT = 5
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
DENIED = Fault("error", "CopyObject", key="p/2", status=403, code="AccessDenied")


@pytest.fixture(autouse=True)
def _seeded(oss: EmbeddedOSS) -> None:
    oss.store.put_objects("bucket", ({"key": f"p/{n}"} for n in range(COUNT)))


def lines(text: str | None = None) -> list[dict[str, Any]]:
    """The records of a log, each whole."""
    text = Path("run.log").read_text() if text is None else text
    found = [json.loads(line) for line in text.splitlines()]
    first = ["time", "level", "logger", "message", "run"]
    assert all(list(record)[:5] == first for record in found)
    assert all(TIME.fullmatch(record["time"]) for record in found)
    return found


def messages(found: list[dict[str, Any]], level: str = "") -> list[str]:
    return [line["message"] for line in found if level in {"", line["level"]}]


def one(found: list[dict[str, Any]], message: str) -> dict[str, Any]:
    (record,) = [line for line in found if line["message"] == message]
    return record


def test_a_run(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """What began, what failed and by which request, and how it ended; people are told
    as ever, and nobody else reads the file."""
    oss.faults.add(DENIED)
    silent = bulkmeta("plan", *CHANGE)
    result = bulkmeta(*ORDER, *FILE)

    assert result.code == 1
    header, *objects, summary = map(
        json.loads, Path("night.jsonl").read_text().splitlines()
    )
    failed = next(line for line in objects if line["status"] == "failed")
    began, denied, ended = lines()
    assert {line["run"] for line in lines()} == {"night"}
    assert (began["level"], began["message"]) == ("info", "run began")
    assert {name: began[name] for name in list(began)[5:]} == {
        "command": "apply",
        "target": TARGET,
        "job_hash": header["job_hash"],
        "version": __version__,
        "run_file": "night.jsonl",
    }
    assert denied["level"] == "warning"
    assert denied["logger"] == "bulkmeta.report.failure_log"
    assert denied["message"].startswith("failed: p/2: access_denied: ")
    for name in ("code", "http_status", "request_id", "ec"):
        assert denied[name] == failed["error"][name]
    what = ("p/2", "failed", "access_denied")
    assert (denied["key"], denied["status"], denied["reason"]) == what
    assert (ended["level"], ended["message"]) == ("error", "run ended")
    assert (ended["exit_code"], ended["error"], ended["objects"]) == (1, None, COUNT)
    for name in ("counts", "reasons", "requests", "elapsed_s"):
        assert ended[name] == summary[name]
    assert stat.S_IMODE(Path("run.log").stat().st_mode) == 0o600
    assert result.err.startswith(silent.err.partition("\n")[0])
    assert "run file  night.jsonl" in result.err
    assert '"time"' not in result.err


@pytest.mark.usefixtures("time_jumps")
def test_it_is_appended_to(bulkmeta: Command) -> None:
    """By each run, whichever command it is."""
    assert bulkmeta(*ORDER, *FILE).code == 0
    assert bulkmeta("plan", *CHANGE, *FILE).code == 0
    assert bulkmeta("verify", "night.jsonl", *FILE).code == 0
    undo = ("undo", "night.jsonl", "--yes", "--run-file", "back.jsonl.gz")
    assert bulkmeta(*undo, *FILE).code == 0
    retry = ("retry", "night.jsonl", "--yes", "--run-file", "again.jsonl")
    assert bulkmeta(*retry, *FILE).code == 0
    header = Path("night.jsonl").read_text().splitlines()[0]
    Path("night.jsonl").write_text(header + "\n")
    assert bulkmeta("resume", "night.jsonl", *FILE).code == 0

    assert messages(lines()) == ["run began", "run ended"] * 6
    began = [line for line in lines() if line["message"] == "run began"]
    assert [(line["command"], line["run"]) for line in began] == [
        ("apply", "night"),
        ("plan", None),
        ("verify", "night"),
        ("undo", "back"),
        ("retry", "again"),
        ("resume", "night"),
    ]


@pytest.mark.parametrize(
    ("level", "found"),
    [
        ("error", {"error"}),
        ("warning", {"warning", "error"}),
        ("info", {"info", "warning", "error"}),
        ("debug", {"debug", "info", "warning", "error"}),
    ],
)
def test_levels(
    oss: EmbeddedOSS, bulkmeta: Command, level: str, found: set[str]
) -> None:
    """The least grave that is wanted; requests are traced only for `debug`."""
    oss.faults.add(DENIED)
    result = bulkmeta(*ORDER, *FILE, "--log-level", level)
    assert (result.code, "debug " in result.err) == (1, False)
    assert {line["level"] for line in lines()} == found
    traced = [line for line in lines() if line["logger"] == "bulkmeta.oss.trace"]
    sent = oss.log.requests() if level == "debug" else []
    assert {line["request_id"] for line in traced} == {r.request_id for r in sent}


def test_beside_debug(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Each takes what it wants."""
    result = bulkmeta(*ORDER, *FILE, "--debug")
    assert result.code == 0
    assert result.err.count("HEAD HeadObject") == COUNT
    assert messages(lines()) == ["run began", "run ended"]


def test_instead_of_stderr(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Nothing else is written there; results stay on stdout."""
    oss.faults.add(DENIED)
    plain = bulkmeta("plan", *CHANGE).err.replace("warning   ", "")
    result = bulkmeta("plan", *CHANGE, *STDERR)
    assert (result.code, result.out.splitlines()[0]) == (0, "p/0")
    told = messages(lines(result.err))
    assert [line for line in plain.splitlines() if line not in told] == []
    result = bulkmeta(*ORDER, *STDERR)
    found = lines(result.err)
    assert result.code == 1
    assert "run file  night.jsonl" in messages(found, "info")
    assert len(messages(found, "warning")) == 1
    assert messages(found, "error") == ["run ended"]
    assert "objects in " in result.out


def test_warnings_and_errors(bulkmeta: Command, oss: EmbeddedOSS) -> None:
    """Are told as what they are, without what would name them to people."""
    oss.store.configure_bucket("bucket", versioning="Enabled")
    found = lines(bulkmeta(*ORDER, "--allow-new-versions", *STDERR).err)
    words = "the bucket keeps versions: each update adds one"
    assert any(line.startswith(words) for line in messages(found, "warning"))
    result = bulkmeta(*ORDER, *STDERR)
    found = lines(result.err)
    words = "--run-file 'night.jsonl' exists; name another file"
    assert (result.code, messages(found)) == (2, [words, "run ended"])
    assert {line["level"] for line in found} == {"error"}
    assert one(found, "run ended")["error"] == words


def test_all_of_it_instead_of_stderr(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """With `--debug` each request once, and where an error arose."""
    result = bulkmeta(*ORDER, *STDERR, "--debug")
    traced = [r for r in lines(result.err) if r["logger"] == "bulkmeta.oss.trace"]
    assert (result.code, len(traced)) == (0, len(oss.log.requests()))


def test_an_error_nobody_thought_of(
    bulkmeta: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One record; or where it arose as well."""

    def fail(*_: Any, **__: Any) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr("bulkmeta.cli.session.run_job", fail)
    for more, at_least in (((), 1), (("--debug",), 5)):
        result = bulkmeta(*ORDER, *STDERR, *more)
        found = lines(result.err)
        assert result.code == 4
        assert "unexpected KeyError: 'surprise'" in one(found, "run ended")["error"]
        assert len(found) > at_least


@pytest.mark.parametrize("progress", ["auto", "none", "plain"])
def test_progress(oss: EmbeddedOSS, bulkmeta: Command, progress: str) -> None:
    """Is told only where it was asked for, as records."""
    oss.faults.add(DENIED)
    order = (*ORDER, *STDERR, "--max-failures", "0", "--progress", progress)
    result = bulkmeta(*order)
    told = "\n".join(messages(lines(result.err)))
    assert result.code == 3
    stopping = re.search(r"--max-failures 0\); .* under way.*; Ctrl-C ends at o", told)
    assert bool(stopping) == (progress == "plain")


def test_no_screen_instead_of_stderr(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    result = bulkmeta(*ORDER, *STDERR, "--progress", "bar")
    words = "--progress bar and --log-file - both take stderr; give one"
    assert (result.code, one(lines(result.err), words)["level"]) == (2, "error")
    assert oss.log.requests() == []


def test_why_it_stopped(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """When it is decided, and at the end; a stop in time is no error."""
    oss.faults.add(DENIED)
    assert bulkmeta(*ORDER, *FILE, "--max-failures", "0").code == 3
    words = "stopped: more than 0 objects failed (--max-failures 0)"
    assert one(lines(), f"stop requested: {words}")["level"] == "info"
    ended = one(lines(), "run ended")
    assert (ended["level"], ended["error"]) == ("error", words)

    Path("run.log").unlink()
    late = ("--run-file", "late.jsonl", "--rate", "1", "--max-duration", "0.2s")
    assert bulkmeta("apply", *CHANGE, "--yes", *late, *FILE).code == 6
    words = "--max-duration is over"
    assert one(lines(), f"stop requested: {words}")["level"] == "info"
    ended = one(lines(), "run ended")
    assert (ended["level"], ended["why"], ended["exit_code"]) == ("info", words, 6)


def test_throttling(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """One line for what happens within a minute."""
    oss.faults.add(Fault("error", "HeadObject", times=4))
    assert bulkmeta(*ORDER, *FILE).code == 0
    told = [line for line in lines() if line["logger"] == "bulkmeta.oss.pace"]
    assert [(line["level"], line["throttled"]) for line in told] == [("info", 1)]


OTHERS = {
    "night.jsonl": '{"type":"run","schema":1}\n',
    "notes.txt": "what to do\n",
}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "none/x.log",
            "cannot open --log-file 'none/x.log': No such file or directory",
        ),
        ("/dev/null/x", "cannot open --log-file '/dev/null/x': Not a directory"),
        ("night.jsonl", "--log-file 'night.jsonl' is no log of bulkmeta; name another"),
        ("notes.txt", "--log-file 'notes.txt' is no log of bulkmeta; name another"),
    ],
)
def test_it_cannot_be_opened(
    oss: EmbeddedOSS, bulkmeta: Command, name: str, words: str
) -> None:
    """Before anything is done; what another file holds is left alone."""
    for other, text in OTHERS.items():
        Path(other).write_text(text)
    order = ("apply", *CHANGE, "--yes", "--run-file", "new.jsonl")
    result = bulkmeta(*order, "--log-file", name)
    assert (result.code, result.err) == (2, f"bulkmeta: {words}\n")
    assert oss.log.requests() == []
    assert {path.name: path.read_text() for path in Path().iterdir()} == OTHERS


def test_a_job_file_names_it(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """By the option's name; what is wrong with it is told by its line."""
    job = f'[source]\ntarget = "{TARGET}"\n[change]\nset = {{ n = "1" }}\n[report]\n'
    Path("job.toml").write_text(job + 'log-file = "run.log"\nlog-level = "error"\n')
    assert bulkmeta("apply", "job.toml", "--yes").code == 0
    assert lines() == []
    Path("job.toml").write_text(job + 'log-file = "none/x"\n')
    result = bulkmeta("apply", "job.toml", "--yes")
    words = "bulkmeta: job.toml, line 6: cannot open --log-file 'none/x'"
    assert (result.code, result.err.startswith(words)) == (2, True)


def test_a_full_disk(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """It is told once, and the run is not held up."""
    oss.faults.add(DENIED)
    result = bulkmeta(*ORDER, "--log-file", "/dev/full")
    words = "warning   cannot write --log-file '/dev/full': No space left on device"
    assert (result.code, result.err.count(words)) == (1, 1)
    assert "n" in oss.store.get_object("bucket", "p/0").meta


def test_it_ends_with_the_command(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Whatever the end: nobody listens any more, and stderr is what it was."""
    oss.faults.add(Fault("error", status=403, code="InvalidAccessKeyId"))
    tree = logging.getLogger("bulkmeta")
    for more in (FILE, STDERR, (*STDERR, "--debug")):
        assert bulkmeta("plan", *CHANGE, *more).code == 4
        assert {*map(type, tree.handlers)} <= {logging.NullHandler}
        assert tree.level == logging.NOTSET
    assert bulkmeta("plan", *CHANGE).err.startswith("target    ")


def test_names_of_files_that_are_no_text(bulkmeta: Command) -> None:
    """Every record can be written."""
    odd = ("--run-file", "\udcff.jsonl", "--on-finish", "cat", "--json")
    result = bulkmeta("apply", *CHANGE, "--yes", *odd, *STDERR)
    *_, ended, heard = lines(result.err)
    assert (result.code, ended["run"]) == (0, "\\udcff")
    assert json.loads(heard["message"])["run_file"] == "\\udcff.jsonl"
    assert json.loads(result.out)["run_file"] == "\\udcff.jsonl"


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("a/night.jsonl", "night"),
        ("night.jsonl.gz", "night"),
        ("a.b.jsonl.zst", "a.b"),
        ("night", "night"),
    ],
)
def test_what_a_run_is_known_by(file: str, name: str) -> None:
    """Its file, however that is written."""
    assert run_name(Path(file)) == name
