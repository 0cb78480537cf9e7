"""Lines of a log, on a disk that is full for a while."""

from __future__ import annotations

import errno
import logging
import os
from typing import TYPE_CHECKING

from bulkmeta.cli.log import close_log, open_log

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

LOG = logging.getLogger("bulkmeta.tried")


def test_room_again(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What was written by half is not gone on with: later lines are whole. Trouble is
    told once."""
    write, path = os.write, tmp_path / "run.log"
    ways = iter([99, 999, 20, 0, 0, 999])

    def troubled(fd: int, data: bytes) -> int:
        room = next(ways)
        if not room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(fd, data[:room])

    log = open_log(str(path), "info")
    monkeypatch.setattr("bulkmeta.cli.log.os.write", troubled)
    for number in range(4):
        LOG.info("number %d", number)
    close_log(log)
    monkeypatch.undo()
    first, torn, last = path.read_text().splitlines()
    assert ['"number 0"' in first, torn, '"number 3"' in last] == [
        True,
        '{"time":' + torn[8:20],
        True,
    ]
    told = f"warning   cannot write --log-file {str(path)!r}: No space left on device"
    assert capsys.readouterr().err == f"{told}; the run goes on\n"
