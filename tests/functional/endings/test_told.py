"""`--metrics-file` and `--on-finish`: what others learn of a run, however it ended."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bulkmeta import __version__
from bulkmeta.emulator.faults import Fault
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

STATUSES = ("updated", "unchanged", "planned", "skipped", "failed")
DENIED = Fault("error", "CopyObject", key="p/2", status=403, code="AccessDenied")


def test_what_metrics_tell(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """The numbers of the run file; and whoever reads node_exporter's folder may read
    them."""
    oss.faults.add(DENIED)
    oss.faults.add(Fault("error", "HeadObject", times=2))
    assert bulkmeta(*APPLY, *METRICS).code == 1
    summary = json.loads(Path("night.jsonl").read_text().splitlines()[-1])
    found = metrics()
    took = found.pop("bulkmeta_run_duration_seconds")[()]
    began = found.pop("bulkmeta_run_start_timestamp_seconds")[()]
    ended = found.pop("bulkmeta_run_end_timestamp_seconds")[()]
    assert took == pytest.approx(ended - began)
    assert took >= summary["elapsed_s"]
    assert found == {
        "bulkmeta_run_exit_code": {(): 1},
        "bulkmeta_run_objects": {(s,): summary["counts"][s] for s in STATUSES},
        "bulkmeta_run_failed_objects": {("access_denied",): 1},
        "bulkmeta_run_requests": {(o,): n for o, n in summary["requests"].items()},
        "bulkmeta_run_throttled_answers": {(): 2},
        "bulkmeta_run_success_timestamp_seconds": {},
        "bulkmeta_build_info": {(__version__,): 1},
    }
    mask = os.umask(0)
    os.umask(mask)
    assert Path("night.prom").stat().st_mode & 0o777 == 0o666 & ~mask


def test_when_it_last_went_well(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Stays, until it goes well again; also where nobody knows what it was about."""
    plan = ("plan", *CHANGE, *METRICS)
    success = "bulkmeta_run_success_timestamp_seconds"
    assert bulkmeta(*plan).code == 0
    first = metrics()
    assert first[success] == first["bulkmeta_run_end_timestamp_seconds"]
    oss.faults.add(Fault("error", status=403, code="InvalidAccessKeyId", times=1))
    assert bulkmeta(*plan).code == 4
    assert metrics()[success] == first[success]
    Path("odd.jsonl").write_text("odd\n")
    assert bulkmeta("verify", "odd.jsonl", *METRICS).code == 2
    lines = Path("night.prom").read_text().splitlines()
    (kept,) = [line for line in lines if line.startswith(success)]
    assert kept.startswith(f'{success}{{bucket="bucket",prefix="p/"}} ')
    assert float(kept.split()[-1]) == first[success][()]
    assert 'bulkmeta_run_exit_code{bucket="",prefix=""} 2.0' in lines
    assert bulkmeta(*plan).code == 0
    assert metrics()[success][()] > first[success][()]


@pytest.mark.parametrize(
    "prefix", ['a"b"', "a\\b\\n", "a\nb", "é测😀 {x='1'}", "a,b=c #", "\x00x"]
)
def test_any_prefix(oss: EmbeddedOSS, bulkmeta: Command, prefix: str) -> None:
    """Is read back as it is, by Prometheus' own parser, twice."""
    oss.store.put_object("bucket", f"{prefix}/1", body=b"")
    plan = ("plan", f"oss://bucket/{prefix}", "--set", "n=1", *METRICS, *HOOK)
    for _ in range(2):
        assert bulkmeta(*plan).code == 0
        found = metrics(("bucket", prefix))
        assert found["bulkmeta_run_exit_code"] == {(): 0}
    assert told()["target"] == f"oss://bucket/{prefix}"


def test_several_targets(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    assert bulkmeta("plan", "oss://bucket/q/", *CHANGE, *METRICS).code == 0
    assert metrics(("bucket", "p/ q/"))["bulkmeta_run_exit_code"] == {(): 0}


def test_what_a_command_is_told(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """What `--json` prints; what it says goes to stderr."""
    oss.faults.add(DENIED)
    result = bulkmeta(*APPLY, *HOOK, "--json")
    assert result.code == 1
    assert (told(), told()["exit_code"]) == (json.loads(result.out), 1)
    heard = Path("told.json").read_text()
    assert (heard.count("\n"), heard[-1], result.err.endswith(heard)) == (1, "\n", True)

    result = bulkmeta("plan", *CHANGE, *HOOK, "--json", "--detailed-exitcode")
    assert (result.code, told()["estimate"]["requests"] is not None) == (10, True)
    assert (told(), told()["exit_code"]) == (json.loads(result.out), 10)


def test_no_shell(bulkmeta: Command) -> None:
    """Words are words."""
    hook = """echo '$HOME' "a b" > x ; false"""
    result = bulkmeta("plan", *CHANGE, "--on-finish", hook)
    assert result.code == 0
    assert result.err.splitlines()[-1] == "$HOME a b > x ; false"


ALL = (*METRICS, *HOOK, "--json")


def denied(bulkmeta: Command, oss: EmbeddedOSS) -> Any:
    oss.faults.add(DENIED)
    return bulkmeta(*APPLY, *ALL)


def refused(bulkmeta: Command, oss: EmbeddedOSS) -> Any:
    del oss
    Path("night.jsonl").write_text("")
    return bulkmeta(*APPLY, *ALL)


def misunderstood(bulkmeta: Command, oss: EmbeddedOSS) -> Any:
    del oss
    return bulkmeta(*APPLY, *ALL, "--window", "never")


def too_many(bulkmeta: Command, oss: EmbeddedOSS) -> Any:
    oss.faults.add(DENIED)
    return bulkmeta(*APPLY, *ALL, "--max-failures", "0")


def fatal(bulkmeta: Command, oss: EmbeddedOSS) -> Any:
    oss.faults.add(
        Fault("error", "CopyObject", "p/2", status=403, code="InvalidAccessKeyId")
    )
    return bulkmeta(*APPLY, *ALL, "--concurrency", "1")


def locked(bulkmeta: Command, oss: EmbeddedOSS) -> Any:
    del oss
    Path("s").mkdir()
    with Path("s/lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        return bulkmeta(*APPLY, *ALL)


def under_way(bulkmeta: Command, oss: EmbeddedOSS) -> Any:
    denied(bulkmeta, oss)
    with Path("night.jsonl").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        retry = ("retry", "night.jsonl", "--yes", "--run-file", "again.jsonl")
        return bulkmeta(*retry, *ALL)


def out_of_time(bulkmeta: Command, oss: EmbeddedOSS) -> Any:
    del oss
    slow = ("--rate", "1", "--max-duration", "0.2s")
    return bulkmeta(*APPLY, *ALL, *slow)


def interrupted(bulkmeta: Command, oss: EmbeddedOSS) -> Any:
    del oss

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bulkmeta.cli.session.run_job", interrupt)
        return bulkmeta(*APPLY, *ALL)


def surprised(bulkmeta: Command, oss: EmbeddedOSS) -> Any:
    del oss

    def fail(*_: Any, **__: Any) -> None:
        raise KeyError("surprise")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bulkmeta.cli.session.run_job", fail)
        return bulkmeta(*APPLY, *ALL)


ENDINGS: dict[Callable[..., Any], tuple[int, str | None, dict[str, int]]] = {
    denied: (1, None, {"updated": 4, "failed": 1}),
    refused: (2, "--run-file 'night.jsonl' exists; name another file", {}),
    misunderstood: (2, "--window 'never': write it as ", {}),
    too_many: (3, "more than 0 objects failed", {"failed": 1}),
    fatal: (4, "InvalidAccessKeyId", {"updated": 2}),
    locked: (5, "the job is being run by", {}),
    under_way: (5, "night.jsonl", {}),
    out_of_time: (6, "stopped: --max-duration is over", {}),
    interrupted: (130, "interrupted", {}),
    surprised: (4, "unexpected KeyError: 'surprise'", {}),
}


@pytest.mark.parametrize("way", ENDINGS, ids=lambda way: str(way.__name__))
def test_however_it_ended(
    oss: EmbeddedOSS, bulkmeta: Command, way: Callable[..., Any]
) -> None:
    """Both are there, with the code, the one line, and what was done up to there; and
    so is what `--json` prints, but for what was refused."""
    code, words, counts = ENDINGS[way]
    result = way(bulkmeta, oss)
    assert result.code == code, result.err
    found, heard = metrics(), told()
    assert result.out == ("" if code == 2 else Path("told.json").read_text())
    assert found["bulkmeta_run_exit_code"] == {(): code}
    assert found["bulkmeta_run_success_timestamp_seconds"] == {}
    assert (heard["exit_code"], heard["target"]) == (code, TARGET)
    assert {*heard} >= {"command", "run_file", "why", "requests", "elapsed_s"}
    assert (heard["error"] is None) == (words is None)
    assert (words or "") in (heard["error"] or "")
    assert words is None or f"bulkmeta: {heard['error']}\n" in result.err
    assert not counts or heard["requests"]["CopyObject"] > 0
    assert heard["interrupted"] == (code in {3, 4, 6, 130})
    for status, count in counts.items():
        assert heard["counts"][status] >= count
        assert found["bulkmeta_run_objects"][status,] == heard["counts"][status]
    assert found["bulkmeta_run_requests"] == {
        (operation,): count for operation, count in heard["requests"].items()
    }


def test_every_command_ends_so(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Those that go by a run file, too."""
    assert bulkmeta(*APPLY).code == 0
    oss.clock.offset_s += 10
    for name, more in (
        ("verify", ()),
        ("undo", ("--yes", "--run-file", "undo.jsonl")),
        ("undo", ("--dry-run",)),
        ("retry", ("--yes", "--run-file", "retry.jsonl")),
    ):
        result = bulkmeta(name, "night.jsonl", *more, *METRICS, *HOOK, "--json")
        code = metrics()["bulkmeta_run_exit_code"][()]
        assert (code, told()["exit_code"]) == (result.code, result.code), name
        assert told() == json.loads(result.out)
    header = Path("night.jsonl").read_text().splitlines()[0]
    Path("night.jsonl").write_text(header + "\n")
    oss.clock.offset_s += 10
    assert bulkmeta("resume", "night.jsonl", *METRICS, *HOOK).code == 0
    assert told()["objects"] == metrics()["bulkmeta_run_objects"]["updated",] == COUNT


def test_a_run_that_was_never_made(bulkmeta: Command) -> None:
    """No run file is named that is not there."""
    order = ("apply", "oss://nowhere/p/", "--set", "n=1", "--yes", "--json")
    result = bulkmeta(*order, "--run-file", "none.jsonl", "--rate", "max")
    heard = json.loads(result.out)
    assert (result.code, heard["exit_code"], heard["run_file"]) == (4, 4, None)


def test_an_answer_that_is_no(
    oss: EmbeddedOSS, bulkmeta: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is an end, too."""
    del oss
    for stream in ("stdin", "stderr"):
        monkeypatch.setattr(f"sys.{stream}.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.prompt", lambda *_, **__: "no")
    order = [word for word in APPLY if word != "--yes"]
    assert bulkmeta(*order, *HOOK).code == 130
    assert told()["error"] == "nothing was changed"


def test_a_command_line_that_is_not_understood(bulkmeta: Command) -> None:
    """Nobody is told: it may mean anything."""
    for odd in (("--no-such",), ("--rate", "fast")):
        assert bulkmeta(*APPLY, *METRICS, *HOOK, *odd).code == 2
    assert [*Path().iterdir()] == []
    assert bulkmeta("apply", "--help", *HOOK).code == 0
    assert [*Path().iterdir()] == []


@pytest.mark.parametrize(
    ("hook", "words"),
    [
        ("false", "--on-finish: 'false' ended with exit code 1"),
        ("./odd secret", "--on-finish: './odd': No such file or directory"),
    ],
)
def test_a_command_that_fails(
    oss: EmbeddedOSS, bulkmeta: Command, hook: str, words: str
) -> None:
    """One line, and a run that went well has not; a worse end stays as it is."""
    Path("odd").write_text("#!/no/such/interpreter\n")
    Path("odd").chmod(0o700)
    result = bulkmeta(*APPLY, "--on-finish", hook)
    assert (result.code, result.err.splitlines()[-1]) == (1, f"bulkmeta: {words}")
    assert oss.store.get_object("bucket", "p/0").meta == {"n": "1"}
    Path("run.log").unlink(missing_ok=True)
    order = (*APPLY, "--on-finish", hook, "--log-file", "run.log")
    result = bulkmeta(*order)
    assert (result.code, result.err.splitlines()[-1]) == (2, f"bulkmeta: {words}")
    last = json.loads(Path("run.log").read_text().splitlines()[-1])
    assert (last["level"], last["message"]) == ("error", words)


def test_a_command_that_fails_in_the_line_of_json(bulkmeta: Command) -> None:
    """It is printed last, with the exit code of the process; the command was told how
    it was until then, and what it says does not come in between."""
    hook = "sh -c 'tee told.json; exit 3'"
    result = bulkmeta(*APPLY, "--on-finish", hook, "--json")
    line = json.loads(result.out)
    words = "--on-finish: 'sh' ended with exit code 3"
    assert (result.code, line["exit_code"], line["error"]) == (1, 1, words)
    assert told() == line | {"exit_code": 0, "error": None}
    assert Path("told.json").read_text() in result.err


def test_metrics_that_fail_in_the_line_of_json(
    bulkmeta: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And in what the command is told."""

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bulkmeta.cli.outside.write_metrics", full)
    result = bulkmeta(*APPLY, *METRICS, *HOOK, "--json")
    line = json.loads(result.out)
    assert (result.code, line["exit_code"], told()) == (1, 1, line)
    assert line["error"].startswith("cannot write --metrics-file ")


@pytest.mark.parametrize("step", ["run_hook", "write_metrics"])
def test_ctrl_c_behind_the_run(
    bulkmeta: Command, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Programs are told all the same, once, with the code that it came to."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"bulkmeta.cli.outside.{step}", interrupt)
    result = bulkmeta(*APPLY, *METRICS, *HOOK, "--json")
    line = json.loads(result.out)
    assert (result.code, line["exit_code"], line["error"]) == (130, 130, "interrupted")
    assert (line["interrupted"], line["counts"]["updated"]) == (False, COUNT)


def test_in_a_log_instead_of_stderr(bulkmeta: Command) -> None:
    """What the command says is a record each, and so is its end."""
    script = "print('one\\n\\xe9'); raise SystemExit(3)"
    hook = shlex.join([sys.executable, "-X", "utf8", "-c", script])
    order = ("plan", *CHANGE, "--log-file", "-", "--on-finish", hook)
    result = bulkmeta(*order)
    found = [json.loads(line) for line in result.err.splitlines()][-3:]
    words = f"--on-finish: {sys.executable!r} ended with exit code 3"
    assert [(line["level"], line["message"]) for line in found] == [
        ("info", "one"),
        ("info", "é"),
        ("error", words),
    ]
