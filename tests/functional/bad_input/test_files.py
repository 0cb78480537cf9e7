"""Files that cannot be made, and disks that are full."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from bulkmeta.journal.files import AppendFile
from tests.functional.bad_input.conftest import (
    CHANGE,
    GOOD,
    TARGET,
    Command,
    assert_nothing_written,
    assert_one_line,
    command_process,
)
from tests.functional.conftest import ON_A_FULL_DISK

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS


def test_a_run_file_is_never_overwritten(
    oss: EmbeddedOSS, refused: Command, tmp_path: Path
) -> None:
    """What is there stays as it is, whatever it is."""
    (tmp_path / "run.jsonl").write_text("precious")
    words = ("'run.jsonl'", "exists", "--run-file")
    refused("apply", *GOOD, code=2, words=words)
    assert (tmp_path / "run.jsonl").read_text() == "precious"
    assert oss.log.requests() == []


def test_a_run_file_that_appears_meanwhile_is_not_overwritten(
    bulkmeta: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made by somebody else after the first look: creating it is what decides."""
    monkeypatch.setattr("bulkmeta.cli.session.refuse_existing", lambda *_: None)
    (tmp_path / "run.jsonl").write_text("precious")

    result = bulkmeta("apply", *GOOD)

    assert result.code == 2
    assert "exists; name another" in result.err.splitlines()[-1]
    assert (tmp_path / "run.jsonl").read_text() == "precious"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("there.jsonl", "--out 'there.jsonl' exists; name another file"),
        ("missing/plan.jsonl", "no folder 'missing'"),
        ("", "--out"),
    ],
)
def test_a_plan_that_cannot_be_a_new_file(
    oss: EmbeddedOSS, bulkmeta: Command, tmp_path: Path, path: str, words: str
) -> None:
    """`plan --out` is refused in its own option's name, before anything is sent."""
    (tmp_path / "there.jsonl").write_text("precious")

    result = bulkmeta("plan", TARGET, *CHANGE, "--out", path)

    assert result.code == 2
    assert_one_line(result.err, words, "--out")
    assert "--run-file" not in result.err
    assert (tmp_path / "there.jsonl").read_text() == "precious"
    assert oss.log.requests() == []


def test_a_dangling_link_is_no_run_file(
    oss: EmbeddedOSS, bulkmeta: Command, tmp_path: Path
) -> None:
    """A link to nowhere is not followed: nothing is made at its other end."""
    oss.store.put_object("bucket", "p/0", meta={"is": "old"})
    (tmp_path / "run.jsonl").symlink_to(tmp_path / "target.jsonl")

    result = bulkmeta("apply", *GOOD)

    assert result.code == 2
    assert "exists; name another" in result.err.splitlines()[-1]
    assert not (tmp_path / "target.jsonl").exists()
    assert_nothing_written(oss)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("missing/run.jsonl", ("no folder 'missing'",)),
        ("x" * 300, ("File name too long", "--run-file")),
        (".", ("directory",)),
        ("/dev/null/run.jsonl", ("no folder '/dev/null'",)),
    ],
)
def test_a_run_file_that_cannot_be(
    oss: EmbeddedOSS, refused: Command, path: str, words: tuple[str, ...]
) -> None:
    """A path where no file can be made is told before anything is sent."""
    refused("apply", TARGET, *CHANGE, "--yes", "--run-file", path, code=2, words=words)
    assert oss.log.requests() == []


def test_an_unwritable_folder(
    oss: EmbeddedOSS, bulkmeta: Command, tmp_path: Path
) -> None:
    """A folder in which nothing can be made stops the run before any object is
    asked for."""
    folder = Path("/proc") if os.geteuid() == 0 else tmp_path / "locked"
    if os.geteuid():
        folder.mkdir(mode=0o500)
    oss.store.put_object("bucket", "p/0", meta={"is": "old"})

    result = bulkmeta(
        "apply", TARGET, *CHANGE, "--yes", "--run-file", str(folder / "run.jsonl")
    )

    assert result.code == 2
    complaint = result.err.splitlines()[-1]
    assert complaint.startswith("bulkmeta: ")
    assert "cannot create the run file" in complaint
    assert "name another" in complaint
    assert "\nrun file  " not in result.err
    assert {logged.operation for logged in oss.log.requests()} <= {
        "GetBucketVersioning"
    }
    assert_nothing_written(oss)


def test_a_full_disk_in_mid_run(oss: EmbeddedOSS, tmp_path: Path) -> None:
    """No line can be written any more: exit 4 with the cause, and the lines that are
    on disk are whole, but for the last. Where less is counted than was done, that is
    said."""
    objects = ({"key": f"p/{i:04}", "meta": {"is": "old"}} for i in range(400))
    oss.store.put_objects("bucket", objects)

    process = command_process(
        oss, tmp_path, ON_A_FULL_DISK, "apply", *GOOD, "--concurrency", "8",
        "--progress", "none", "--json",
    )  # fmt: skip
    out, err = process.communicate(timeout=50)

    assert process.returncode == 4, err
    *order, complaint = err.splitlines()
    assert complaint.startswith("bulkmeta: cannot write 'run.jsonl")
    assert complaint.endswith(
        "make room, and resume the run if it had begun: that settles what was under "
        "way, which is not counted here"
    )
    told = msgspec.json.decode(out)
    assert complaint == f"bulkmeta: {told['error']}"
    assert told["counts"]["updated"] < told["requests"]["CopyObject"]
    assert not any(line.startswith("bulkmeta: ") for line in order)
    assert "Traceback" not in err
    content = (tmp_path / "run.jsonl").read_bytes()
    assert len(content) == 20_000
    *whole, _ = content.split(b"\n")
    lines = [msgspec.json.decode(line) for line in whole]
    assert lines[0]["type"] == "run"
    assert {line["type"] for line in lines[1:]} == {"object"}
    assert {line["status"] for line in lines[1:]} == {"updated"}
    changed = [s for s in oss.store.objects("bucket") if "project" in s.meta]
    # The run ends at once: what was under way, and not the rest.
    assert len(changed) < 200


def test_a_disk_that_is_full_from_the_start(
    oss: EmbeddedOSS, bulkmeta: Command
) -> None:
    """Not even the header can be written: no object is touched."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    oss.store.put_object("bucket", "p/0", meta={"is": "old"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "bulkmeta.report.run_file.create_file",
            lambda path, *_: AppendFile(path, os.open("/dev/full", os.O_WRONLY)),
        )
        result = bulkmeta("apply", *GOOD)

    assert result.code == 4
    assert "No space left on device" in result.err.splitlines()[-1]
    assert_nothing_written(oss)


@pytest.mark.parametrize("command", ["apply", "plan"])
def test_a_target_that_nobody_writes_to(refused: Command, command: str) -> None:
    """A pipe is not waited for."""
    os.mkfifo("pipe")
    refused(command, "pipe", *CHANGE, "--log-file", "log.json", code=2, words=("pipe",))
