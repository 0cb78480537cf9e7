"""Run files and plans that somebody else wrote or changed: where they may send
requests; and what is said of ways on which others can read."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from bulkmeta.model.run_file import RunHeader

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS
    from bulkmeta.model.job import JobSpec

Command = Callable[..., Any]
FOREIGN = [
    "https://oss.example.com",
    "https://oss-cn-hangzhou.aliyuncs.com.example.com",
    "https://evil.cn-hangzhou.fc.aliyuncs.com",
    "http://bucket.oss-cn-hangzhou.aliyuncs.com",
    "http://10.0.0.1",
    "https://[::1",
]
COMMANDS = [
    ("undo", "--yes"), ("undo", "--dry-run"), ("retry", "--yes"), ("verify",),
    ("resume",), ("apply", "--yes"),
]  # fmt: skip


@pytest.fixture
def made(oss: EmbeddedOSS, bulkmeta: Command) -> Callable[[str], Path]:
    """The file that a command takes: of a run, of one that was cut short, or a plan."""
    oss.store.put_object("bucket", "p/a")
    assert (
        bulkmeta("plan", "oss://bucket/p/", "--set", "a=1", "--out", "plan.jsonl").code
        == 0
    )
    applied = bulkmeta(
        "apply", "oss://bucket/p/", "--set", "a=1", "--yes", "--run-file", "run.jsonl"
    )
    assert applied.code == 0, applied.err
    lines = Path("run.jsonl").read_text().splitlines(keepends=True)
    Path("cut.jsonl").write_text("".join(lines[:1]))
    names = {"apply": "plan.jsonl", "resume": "cut.jsonl"}
    return lambda command: Path(names.get(command, "run.jsonl"))


def altered(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """The file, its first line changed."""
    first, rest = path.read_text().split("\n", 1)
    header = json.loads(first)
    change(header)
    path.write_text(json.dumps(header) + "\n" + rest)
    return path


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("address", FOREIGN)
def test_a_file_alone_sends_nothing_elsewhere(
    oss: EmbeddedOSS,
    bulkmeta: Command,
    made: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    address: str,
) -> None:
    """An address that only the file names is refused in one line, before anything is
    sent, also where nothing else names one."""
    path = altered(made(command[0]), lambda header: header.update(endpoint=address))
    monkeypatch.setattr("bulkmeta.oss.connect.open_session", None)  # nothing is opened
    for endpoint in (oss.endpoint, None):
        if endpoint is None:
            monkeypatch.delenv("OSS_ENDPOINT")
        result = bulkmeta(command[0], str(path), *command[1:])
        assert result.code == 2, result.err
        assert result.err == (
            f"bulkmeta: '{path}' says that its bucket is at {address!r}, which is no "
            "https address of OSS, nor that of OSS_ENDPOINT: it would be sent signed "
            f"requests; if you know it, pass --endpoint {address}\n"
        )


@pytest.mark.parametrize("how", ["variable", "flag"])
def test_an_address_that_was_named(
    oss: EmbeddedOSS,
    bulkmeta: Command,
    made: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    """Who names the address himself gets there, whatever it is: the private one of the
    embedded OSS's machine, say, as it is here."""
    address = oss.endpoint.replace("127.0.0.1", "localhost.localdomain")
    path = altered(made("verify"), lambda header: header.update(endpoint=address))
    monkeypatch.setattr(
        "bulkmeta.oss.connect.open_session", _refuse_with(RuntimeError("got there"))
    )
    if how == "variable":
        monkeypatch.setenv("OSS_ENDPOINT", address)
        result = bulkmeta("verify", str(path))
    else:
        result = bulkmeta("verify", str(path), "--endpoint", address)
    assert "got there" in result.err


def _refuse_with(error: Exception) -> Callable[..., Any]:
    def refuse(*_: object, **__: object) -> Any:
        raise error

    return refuse


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_bucket_that_is_an_address(
    bulkmeta: Command,
    made: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
) -> None:
    """A bucket's name is put in front of the service's: it may hold no other host's,
    though the job's fingerprint is that of this very job."""

    def elsewhere(header: dict[str, Any]) -> None:
        header["job"]["target"]["bucket"] = "example.com/"
        header["bucket"] = "example.com/"
        header["endpoint"] = "https://oss-cn-hangzhou.aliyuncs.com"
        header["job_hash"] = _job_of(header).hash()

    monkeypatch.setattr("bulkmeta.oss.connect.open_session", None)
    path = altered(made(command[0]), elsewhere)
    result = bulkmeta(command[0], str(path), *command[1:])
    assert result.code == 2, result.err
    assert result.err == (
        f"bulkmeta: '{path}', line 1: bucket 'example.com/' is none of a run\n"
    )


def _job_of(header: dict[str, Any]) -> JobSpec:
    return msgspec.convert(header, RunHeader).job


@pytest.mark.parametrize(
    ("endpoint", "warned"),
    [
        ("http://oss.example.com", True),
        ("http://bucket.oss-cn-hangzhou.aliyuncs.com", True),
        ("http://8.8.8.8", True),
        ("https://oss.example.com", False),
        ("http://bucket.oss-cn-hangzhou-internal.aliyuncs.com", False),
        ("http://10.0.0.1", False),
        ("http://localhost:1", False),
    ],
)
@pytest.mark.parametrize(
    "command",
    [
        ("plan", "--set", "a=1"),
        ("apply", "--set", "a=1", "--yes"),
        ("show",),
        ("shards", "--into", "2", "--out", "cut.json"),
        ("probe", "--yes"),
    ],
    ids=lambda command: command[0],
)
def test_a_way_that_others_can_read(
    bulkmeta: Command,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    endpoint: str,
    warned: bool,
) -> None:
    """What is not encrypted is told once, before anything is sent, but of networks that
    are one's own."""
    monkeypatch.setenv("OSS_ENDPOINT", endpoint)
    monkeypatch.setattr(
        "bulkmeta.oss.connect.open_session", _refuse_with(RuntimeError("got there"))
    )
    result = bulkmeta(command[0], "oss://bucket/p/", *command[1:])
    first, *rest = result.err.splitlines()
    assert ("warning" in first and " is not encrypted: " in first) is warned
    assert "got there" in result.err
    assert " is not encrypted" not in "".join(rest)


# Where links lie in the place of files


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """A file that nothing may touch."""
    path = tmp_path / "precious"
    path.write_text("dear")
    return path


@pytest.mark.parametrize("name", ["state/lock", "state/state.json.new"])
def test_links_in_a_state_folder(
    oss: EmbeddedOSS, bulkmeta: Command, tmp_path: Path, precious: Path, name: str
) -> None:
    """What is kept of a job is its owner's alone, and overwrites nothing that a link in
    its folder leads to."""
    oss.store.put_object("bucket", "p/a")
    folder = tmp_path / "state"
    folder.mkdir(mode=0o755)
    (tmp_path / name).symlink_to(precious)
    result = bulkmeta(
        "apply", "oss://bucket/p/", "--set", "a=1", "--yes", "--state", "state",
        "--since-last-run", "--progress", "none",
    )  # fmt: skip
    assert precious.read_text() == "dear"
    if name == "state/lock":
        assert (result.code, result.err.count("\n")) == (2, 1)
        assert "cannot use folder" in result.err
    else:
        assert result.code == 0, result.err
        kept = folder / "state.json"
        assert (kept.is_symlink(), stat.S_IMODE(kept.stat().st_mode)) == (False, 0o600)


@pytest.mark.usefixtures("made")
def test_a_page_is_its_owners(bulkmeta: Command, precious: Path) -> None:
    """It holds metadata, as the run file does; and a link is no place for it."""
    assert bulkmeta("report", "run.jsonl", "--html", "run.html").code == 0
    assert stat.S_IMODE(Path("run.html").stat().st_mode) == 0o600

    Path("link.html").symlink_to(precious)
    assert bulkmeta("report", "run.jsonl", "--html", "link.html").code == 2
    assert precious.read_text() == "dear"
