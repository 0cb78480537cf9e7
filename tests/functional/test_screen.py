"""What somebody sees who runs a command in a terminal, in each state of a run."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyte
import pytest

from bulkmeta.emulator.faults import Fault

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS

ORDER = ("apply", "oss://bucket/p/", "--set", "a=1", "--yes", "--run-file", "run.jsonl")
PATIENCE_S = 20
Terminals = Callable[..., "AbstractContextManager[Terminal]"]


class Terminal:
    """A terminal of so many columns and 24 lines with a command in it."""

    def __init__(self, master: int, process: subprocess.Popen[bytes], columns: int):
        self.process = process
        self._master = master
        self._screen = pyte.Screen(columns, 24)
        self._stream = pyte.ByteStream(self._screen)

    def resize(self, columns: int) -> None:
        """As somebody who draws at the window's corner."""
        _set_size(self._master, columns)
        self._screen.resize(24, columns)
        self.process.send_signal(signal.SIGWINCH)

    def lines(self) -> list[str]:
        """What it shows, without the empty rest."""
        shown = [line.rstrip() for line in self._screen.display]
        while shown and not shown[-1]:
            shown.pop()
        return shown

    def colours(self) -> set[str]:
        """Those that its characters have."""
        cells = (cell for row in self._screen.buffer.values() for cell in row.values())
        return {cell.fg for cell in cells}

    def type(self, text: str) -> None:
        """As somebody at the keyboard."""
        os.write(self._master, text.encode())

    def until(self, so: Callable[[list[str]], bool]) -> list[str]:
        """What it shows as soon as that is so."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not so(self.lines()):
            assert time.monotonic() < deadline_s, "\n".join(self.lines())
            self._read(0.1)
        return self.lines()

    def to_the_end(self) -> list[str]:
        """What is left when the command has ended."""
        deadline_s = time.monotonic() + PATIENCE_S
        while self._read(0.1):
            assert time.monotonic() < deadline_s, "\n".join(self.lines())
        self.process.wait(PATIENCE_S)
        return self.lines()

    def _read(self, wait_s: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], wait_s)
        if not ready:
            return True
        try:
            block = os.read(self._master, 65536)
        except OSError:  # the command has gone
            return False
        self._stream.feed(block)
        return bool(block)


def _keep_output(fd: int) -> None:
    """Ctrl-C drops what was not read of a terminal yet: here nothing, however slow."""
    modes = termios.tcgetattr(fd)
    modes[3] |= termios.NOFLSH
    termios.tcsetattr(fd, termios.TCSANOW, modes)


def _set_size(fd: int, columns: int) -> None:
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


@pytest.fixture
def terminal(oss: EmbeddedOSS, tmp_path: Path) -> Terminals:
    """Runs a command in a terminal, whose size is not that of where tests run."""

    @contextmanager
    def running(
        *args: str, columns: int = 80, **environment: str
    ) -> Iterator[Terminal]:
        master, slave = pty.openpty()
        _set_size(slave, columns)
        _keep_output(slave)
        own = {k: v for k, v in os.environ.items() if k not in {"COLUMNS", "LINES"}}
        process = subprocess.Popen(  # noqa: S603 our own interpreter
            [sys.executable, "-m", "bulkmeta", *args],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=tmp_path,
            env={**own, **oss.environment, "TERM": "xterm", **environment},
            start_new_session=True,
        )
        os.close(slave)
        try:
            yield Terminal(master, process, columns)
        finally:
            process.kill()
            process.wait()
            os.close(master)

    return running


@pytest.fixture(autouse=True)
def _seeded(oss: EmbeddedOSS) -> None:
    oss.store.put_objects("bucket", ({"key": f"p/{n:03}"} for n in range(200)))


def under_way(lines: list[str]) -> bool:
    return any(" updated" in line for line in lines)


def test_running(terminal: Terminals) -> None:
    """Order above, and below it one place that changes."""
    with terminal(*ORDER, "--rate", "60") as shown:
        lines = shown.until(under_way)
        assert lines[0] == "target    oss://bucket/p/"
        assert lines[1] == 'change    set a = "1"'
        place = next(n for n, line in enumerate(lines) if " objects, " in line)
        assert lines[place + 1].endswith(" updated")
        assert "under way, at most 60/s" in lines[place + 2]
        later = shown.until(lambda now: now[place] != lines[place])
        assert later[:place] == lines[:place]
        assert len(later) == len(lines)
        assert "green" in shown.colours()


def test_long_lines(terminal: Terminals) -> None:
    """Are broken between words, below their own text; what is in quotes, or is to be
    copied, is not."""
    name = f"{'n' * 70}.jsonl"
    change = (
        "--set",
        "first=one two three four five",
        "--set",
        "second=six seven eight nine",
    )
    long = [*ORDER[:2], *change, "--yes", "--run-file", name]
    with terminal(*long) as shown:
        lines = shown.to_the_end()
    broken = 'change    set first = "one two three four five"; set second ='
    assert lines[lines.index(broken) + 1] == '          "six seven eight nine"'
    assert lines[-2] == f"undo      bulkmeta undo {name}"[:80]


def test_long_results(oss: EmbeddedOSS, terminal: Terminals) -> None:
    """Sums at the end, and those of a report, are broken between words as well."""
    cold = ({"key": f"p/{n:03}", "storage_class": "IA"} for n in range(200))
    oss.store.put_objects("bucket", cold)
    with terminal(*ORDER, columns=60) as shown:
        lines = shown.to_the_end()
    place = next(n for n, line in enumerate(lines) if "early_rewrite  " in line)
    assert lines[place].endswith("  (IA or colder;")
    assert lines[place + 1] == "          --allow-early-rewrite)"
    with terminal("report", "run.jsonl", columns=50) as shown:
        lines = shown.to_the_end()
    place = next(n for n, line in enumerate(lines) if "early_rewrite  " in line)
    assert lines[place].endswith("  (IA or")
    assert lines[place + 1] == "          colder; --allow-early-rewrite)"


def test_a_long_pace(terminal: Terminals) -> None:
    """Fits in, with all that can be said of it."""
    spread = ("--spread", "20", "--processes", "2")
    with terminal(*ORDER[:4], *spread, "--yes", "--run-file", "run.jsonl") as shown:
        lines = shown.until(lambda now: any("--spread)" in line for line in now))
    place = next(n for n, line in enumerate(lines) if line.startswith("pace"))
    assert lines[place : place + 2] == [
        "pace      2 processes of 64 workers, at most 2,000 requests/s, up to 20 key",
        "          ranges in turn (--processes, --concurrency, --rate, --spread)",
    ]


def test_total_known(terminal: Terminals, tmp_path: Path) -> None:
    """With the keys named there is a bar, and the time that is left."""
    (tmp_path / "keys").write_text("".join(f"p/{n:03}\n" for n in range(200)))
    with terminal(*ORDER, "--rate", "60", "--keys-from", "keys") as shown:
        lines = shown.until(lambda now: any("left" in line for line in now))
        assert any(" of 200 objects (" in line for line in lines)
        assert any("━" in line for line in lines)


def test_total_of_a_former_run(terminal: Terminals) -> None:
    """What is done to the objects of a run file is known to be so many."""
    with terminal(*ORDER) as shown:
        shown.to_the_end()
    for order in (("verify", "--json"), ("undo", "--yes")):
        with terminal(order[0], "run.jsonl", *order[1:], "--rate", "40") as shown:
            shown.until(lambda now: any(" of 200 objects (" in line for line in now))


def test_total_that_was_counted(terminal: Terminals) -> None:
    """What was told before the question is known behind it, too."""
    asked = [word for word in ORDER if word != "--yes"]
    with terminal(*asked, "--rate", "60") as shown:
        shown.until(lambda now: any("objects   200" in line for line in now))
        shown.type("y\n")
        shown.until(lambda now: any(" of 200 objects (" in line for line in now))


def test_total_of_what_a_condition_admits(
    oss: EmbeddedOSS, terminal: Terminals
) -> None:
    """What it leaves out by the listing is not counted, nor taken up."""
    oss.store.put_object("bucket", "p/big", body=b"123456789")
    asked = [word for word in ORDER if word != "--yes"]
    with terminal(*asked, "--rate", "10", "--where", "size < 9") as shown:
        shown.until(lambda now: "objects   200" in now)
        shown.type("y\n")
        shown.until(lambda now: any(" of 200 objects (" in line for line in now))


def test_no_total_of_an_interrupted_run(terminal: Terminals, tmp_path: Path) -> None:
    """Its counters do not tell of the updates that were under way then."""
    with terminal(*ORDER) as shown:
        shown.to_the_end()
    whole = (tmp_path / "run.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "cut.jsonl").write_text("".join(whole[:101]))
    (tmp_path / "cut.jsonl.journal").touch()
    with terminal("undo", "cut.jsonl", "--yes", "--rate", "40") as shown:
        lines = shown.until(under_way)
    assert not any(" of 100 objects (" in line for line in lines)


def test_finished(terminal: Terminals) -> None:
    """What changed is gone; the summary stays."""
    with terminal(*ORDER) as shown:
        lines = shown.to_the_end()
    assert shown.process.returncode == 0
    assert lines[-2].startswith("200 objects in ")
    assert lines[-2].endswith("200 updated")
    assert lines[-1] == "undo      bulkmeta undo run.jsonl"
    assert not any("under way" in line for line in lines)
    assert shown.colours() == {"default"}


def test_failed(oss: EmbeddedOSS, terminal: Terminals) -> None:
    """The latest failures stand below while it runs; what to do at the end."""
    oss.faults.add(Fault("error", "CopyObject", status=403, code="AccessDenied"))
    with terminal(*ORDER, "--rate", "60") as shown:
        lines = shown.until(lambda now: sum(line[:2] == "! " for line in now) == 3)
        assert any("access_denied: " in line for line in lines), lines
        assert "red" in shown.colours()
        shown.process.send_signal(signal.SIGINT)
        lines = shown.to_the_end()
    assert shown.process.returncode == 130
    assert any("failed: access_denied" in line for line in lines)
    assert lines[-1] == "bulkmeta: interrupted"


@pytest.mark.parametrize("typed", ["\x03", "\x03\x03"])
def test_failed_and_interrupted(
    oss: EmbeddedOSS, terminal: Terminals, typed: str
) -> None:
    """What the terminal echoes behind a line that was cut leaves no rest on it."""
    long = f"p/{'x' * 90}/"
    oss.store.put_objects("bucket", ({"key": f"{long}{n:03}"} for n in range(200)))
    oss.faults.add(Fault("error", "CopyObject", status=403, code="AccessDenied"))
    order = (ORDER[0], f"oss://bucket/{long}", *ORDER[2:], "--rate", "60")
    with terminal(*order) as shown:
        shown.until(lambda now: sum(line[:2] == "! " for line in now) == 3)
        shown.type(typed)
        for _ in typed:
            shown.process.send_signal(signal.SIGINT)
            shown.until(lambda now: any(line.startswith("stopping") for line in now))
        lines = shown.to_the_end()
    assert shown.process.returncode == 130
    assert not any(" objects, " in line or line[:2] == "! " for line in lines), lines


def test_throttled(oss: EmbeddedOSS, terminal: Terminals) -> None:
    """That the service is what slows it down is said in words."""
    oss.limits.configure(account_qps=40)
    with terminal(*ORDER) as shown:
        lines = shown.until(lambda now: any("slowed down" in line for line in now))
    assert any("slowed down by the service (" in line for line in lines)


def test_stopping(terminal: Terminals) -> None:
    """A word above what changes, and how to go on at the end."""
    with terminal(*ORDER, "--rate", "30", "--concurrency", "20") as shown:
        shown.until(under_way)
        shown.process.send_signal(signal.SIGINT)
        lines = shown.until(lambda now: any(x.startswith("stopping") for x in now))
        assert any(line.endswith("Ctrl-C (again) ends at once") for line in lines)
        shown.to_the_end()
    assert shown.process.returncode == 130


@pytest.mark.parametrize("columns", [40, 20])
def test_narrow(terminal: Terminals, columns: int) -> None:
    """No line of what changes wraps: that would leave its rests all over the screen."""
    with terminal(*ORDER, "--rate", "60", columns=columns) as shown:
        first = shown.until(under_way)
        place = next(n for n, line in enumerate(first) if " updated" in line)
        later = shown.until(lambda now: now[place] != first[place])
        assert len(later) == len(first)
        assert sum(" updated" in line for line in later) == 1


def test_resized(terminal: Terminals) -> None:
    """It goes on in the new width, once in all."""
    with terminal(*ORDER, "--rate", "150") as shown:
        shown.until(under_way)
        shown.resize(50)
        count = shown.until(under_way)
        shown.until(lambda now: now != count)
        lines = shown.to_the_end()
    assert shown.process.returncode == 0
    assert sum("200 updated" in line for line in lines) == 1


def test_no_colour(terminal: Terminals) -> None:
    """NO_COLOR is obeyed."""
    with terminal(*ORDER, "--rate", "60", NO_COLOR="1") as shown:
        shown.until(under_way)
        assert shown.colours() == {"default"}


def test_asked(terminal: Terminals) -> None:
    """What is about to be done, and the question, on one screen."""
    with terminal(*(part for part in ORDER if part != "--yes")) as shown:
        lines = shown.until(lambda now: any("[y/N]" in line for line in now))
    assert lines[0] == "target    oss://bucket/p/"
    assert "objects   200" in lines
    assert lines[-1] == "Change these objects? [y/N]:"
    assert len(lines) < 24


def test_a_table(oss: EmbeddedOSS, terminal: Terminals) -> None:
    """An object on a line, whatever it holds: nothing wraps, nothing is obeyed."""
    for number in range(8):
        key = f"q/{number}/" + "long-folder/" * number + "照片.jpg"
        meta = {"owner": "Ada Lovelace", "note": "测试 " * 20}
        oss.store.put_object("bucket", key, meta=meta)
    oss.store.put_object("bucket", "q/9\x1b[2J")
    with terminal("show", "oss://bucket/q/") as shown:
        *lines, hint = shown.to_the_end()
    assert shown.process.returncode == 0
    assert hint == "values with … are cut; --format jsonl shows them whole"
    assert len(lines) == 10
    assert lines[0].startswith("key  ")
    assert [line[:2] for line in lines[1:9]] == ["q/"] * 8
    assert all(" Standard  " in line for line in lines[1:])
    assert all(line.endswith("…") for line in lines[1:9])
    assert lines[9].startswith('"q/9\\u001b[2J"')
