"""Files that only grow: private, exclusive, locked, and loud when they cannot."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from bulkmeta.errors import LockedError, OutputError, UsageError
from bulkmeta.journal.files import create_file, new_text, reopen_file
from bulkmeta.journal.lines import Line, read_lines

HOLD = """
import sys
from pathlib import Path
from bulkmeta.journal.files import reopen_file
file = reopen_file(Path(sys.argv[1]))
file.lock()
print("locked", flush=True)
sys.stdin.read()
"""


def test_created_for_the_owner_only(tmp_path: Path) -> None:
    """Whatever the umask, nobody else may read the file (promise 11)."""
    former = os.umask(0)
    try:
        create_file(tmp_path / "f", "file").close()
    finally:
        os.umask(former)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("raised", "seen"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt),
        (asyncio.CancelledError(), asyncio.CancelledError),
        (UsageError("no"), UsageError),
        (OSError(28, "No space left on device"), OutputError),
    ],
)
def test_a_text_that_is_not_whole_goes(
    tmp_path: Path, raised: BaseException, seen: type[BaseException]
) -> None:
    """Whatever came in between: half a page is taken for one by nobody."""

    def cut_short() -> None:
        with new_text(tmp_path / "f", 0o600) as file:
            file.write("half")
            raise raised

    with pytest.raises(seen):
        cut_short()
    assert [*tmp_path.iterdir()] == []


def test_a_text_that_is_whole_stays(tmp_path: Path) -> None:
    """A later one does not take its place, nor away."""
    with new_text(tmp_path / "f", 0o600) as file:
        file.write("whole")
    with pytest.raises(FileExistsError), new_text(tmp_path / "f", 0o600):
        pass
    assert (tmp_path / "f").read_text() == "whole"


def test_a_text_has_its_name_when_it_is_whole(tmp_path: Path) -> None:
    """What dies while it is written, as by kill -9, leaves none of that name."""
    path = tmp_path / "f"
    with new_text(path, 0o600) as file:
        file.write("whole")
        (beside,) = tmp_path.iterdir()
        assert re.fullmatch(r"f\.[0-9a-f]{6}\.part", beside.name)
    assert ([*tmp_path.iterdir()], path.stat().st_mode & 0o777) == ([path], 0o600)


def _no_links(*_: object) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


def test_a_text_where_no_file_has_two_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Has its name all the same."""
    monkeypatch.setattr(Path, "hardlink_to", _no_links)
    with new_text(tmp_path / "f", 0o600) as file:
        file.write("whole")
    assert ([*tmp_path.iterdir()], (tmp_path / "f").read_text()) == (
        [tmp_path / "f"],
        "whole",
    )


@pytest.mark.parametrize("links", [True, False])
def test_a_name_that_others_take_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    """Is theirs, however late they come; where no file has two names, nearly so."""
    path = tmp_path / "f"
    if links:
        monkeypatch.setattr("bulkmeta.journal.files._refuse_existing", lambda _: None)
    else:
        monkeypatch.setattr(Path, "hardlink_to", _no_links)

    def be_late() -> None:
        with new_text(path, 0o600) as file:
            file.write("ours")
            path.write_text("theirs")

    with pytest.raises(OutputError, match="File exists"):
        be_late()
    assert ([*tmp_path.iterdir()], path.read_text()) == ([path], "theirs")


def test_created_only_once(tmp_path: Path) -> None:
    """What is there is not touched."""
    (tmp_path / "f").write_text("precious")
    with pytest.raises(UsageError, match="exists; name another"):
        create_file(tmp_path / "f", "file")
    assert (tmp_path / "f").read_text() == "precious"


def test_reopened_to_append(tmp_path: Path) -> None:
    """A file goes on behind what a cut left of it."""
    path = tmp_path / "f"
    file = create_file(path, "file")
    file.write(b"one\ntw")
    file.close()
    file = reopen_file(path)
    file.cut(4)
    file.write(bytearray(b"three\n"))
    file.sync()
    file.close()
    assert path.read_bytes() == b"one\nthree\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_full_disk() -> None:
    """No room: an error that says what to do."""
    file = reopen_file(Path("/dev/full"))
    with pytest.raises(OutputError) as caught:
        file.write(b"line\n")
    file.close()
    assert str(caught.value) == (
        "cannot write '/dev/full': No space left on device; "
        "make room, and resume the run if it had begun: that settles what was under "
        "way, which is not counted here"
    )


def test_sync_that_fails(tmp_path: Path) -> None:
    """A system that cannot say that it is stored is not believed."""
    file = create_file(tmp_path / "f", "file")
    file.close()
    with pytest.raises(OutputError, match="Bad file descriptor"):
        file.sync()


def test_locked_by_another_process(tmp_path: Path) -> None:
    """A second process is refused, until the first one dies."""
    path = tmp_path / "f"
    file = create_file(path, "file")
    with subprocess.Popen(  # noqa: S603 our own interpreter
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        with pytest.raises(LockedError, match="another process is working on"):
            file.lock()
        holder.kill()
        holder.communicate()
    file.lock()
    file.close()


def test_torn_tail_is_no_line(tmp_path: Path) -> None:
    """Lines with their numbers and ends; what has no end was never finished."""
    path = tmp_path / "f"
    path.write_bytes("one\n照\n\ntor".encode())
    assert list(read_lines(path)) == [
        Line(1, b"one", 4),
        Line(2, "照".encode(), 8),
        Line(3, b"", 9),
    ]


def test_unreadable(tmp_path: Path) -> None:
    """A file that is not there is an error in the command."""
    with pytest.raises(UsageError, match="cannot read"):
        list(read_lines(tmp_path / "f"))
