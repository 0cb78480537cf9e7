"""Makes the pictures of the README from a real run on an embedded OSS.

    python docs/images/make.py           (or: make images)

`running.svg` is a terminal in mid-run, and `report.png` the page of that run in a
browser (Chromium, as `chromium` on the path). The service of this run lets less through
than it could, refuses a few objects and fails now and then, so that there is something
to see.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pyte
from rich.console import Console
from rich.text import Text

from bulkmeta.emulator.dataset import varied_objects
from bulkmeta.emulator.faults import Fault
from bulkmeta.emulator.options import EmulatorOptions
from bulkmeta.emulator.server import EmbeddedOSS

HERE: Final = Path(__file__).parent
COLUMNS, ROWS = 108, 26
OBJECTS, QUOTA = 9_000, 700
SHOWN_AFTER_S, PATIENCE_S = 14.0, 180.0
PREFIX: Final = "2026/"
ORDER: Final = (
    *("bulkmeta", "apply", f"oss://photos/{PREFIX}", "--rename", "owner=team"),
    *("--set", "project=atlas", "--header", "cache-control=no-cache"),
)
FAULTS: Final = (
    Fault(
        "error",
        "CopyObject",
        every=1500,
        status=403,
        code="AccessDenied",
        message="You have no right to access this object.",
    ),
    Fault("error", "HeadObject", every=400, status=500, code="InternalError"),
)
PAGE_SIZE: Final = "1000,840"


class Terminal:
    """What somebody sees who runs a command."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self.screen)
        self._stream.feed(f"$ {' '.join(ORDER)}\r\n".encode())

    def watch(self, until_s: float) -> bool:
        """Take what it shows until then; False once the command has ended."""
        while (left_s := until_s - time.monotonic()) > 0:
            if not select.select([self._fd], [], [], left_s)[0]:
                return True
            try:
                self._stream.feed(os.read(self._fd, 65536))
            except OSError:  # the command has gone
                return False
        return True

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def picture(self) -> str:
        """The screen as SVG, in the fonts of whoever looks at it."""
        console = Console(record=True, width=COLUMNS, file=StringIO())
        for line in (*self._lines(), ""):
            console.print(line, no_wrap=True, crop=False)
        svg = console.export_svg(title="bulkmeta", unique_id="bulkmeta")
        return re.sub(r"@font-face \{.*?\}|<!--.*?-->", "", svg, flags=re.DOTALL)

    def _lines(self) -> Iterator[Text]:
        used = [n for n, text in enumerate(self.screen.display) if text.strip()]
        for row in range(max(used) + 1):
            line = Text()
            for column in range(COLUMNS):
                cell = self.screen.buffer[row][column]
                colour = (
                    "" if cell.fg == "default" else cell.fg.replace("brown", "yellow")
                )
                line.append(
                    cell.data, f"{'bold ' if cell.bold else ''}{colour}".strip()
                )
            line.rstrip()
            yield line


@contextmanager
def in_a_terminal(folder: Path, environment: dict[str, str]) -> Iterator[Terminal]:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    process = subprocess.Popen(  # noqa: S603 our own interpreter
        [sys.executable, "-m", *ORDER],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=folder,
        env={**os.environ, **environment, "TERM": "xterm", "HOME": str(folder)},
        start_new_session=True,
    )
    os.close(slave)
    try:
        yield Terminal(master)
    finally:
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()
        os.close(master)


def run(oss: EmbeddedOSS, folder: Path) -> None:
    """One run, from the question to its end; the picture is taken under way."""
    with in_a_terminal(folder, oss.environment) as shown:
        while "[y/N]" not in "".join(shown.screen.display):
            if not shown.watch(time.monotonic() + 0.2):
                raise SystemExit("\n".join(shown.screen.display))
        shown.type("y\n")
        shown.watch(time.monotonic() + SHOWN_AFTER_S)
        (HERE / "running.svg").write_text(shown.picture())
        shown.watch(time.monotonic() + PATIENCE_S)


def photograph(page: Path, folder: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        raise SystemExit("report.png takes a browser: apt-get install chromium")
    subprocess.run(  # noqa: S603 a browser on a page of our own
        [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update"),
            *("--disable-sync", "--hide-scrollbars", f"--window-size={PAGE_SIZE}"),
            *(
                f"--user-data-dir={folder / 'browser'}",
                f"--screenshot={HERE / 'report.png'}",
            ),
            page.as_uri(),
        ],
        check=True,
        timeout=120,
        stderr=subprocess.DEVNULL,
    )


def main() -> None:
    with TemporaryDirectory() as name, EmbeddedOSS(EmulatorOptions()) as oss:
        folder = Path(name)
        oss.store.create_bucket("photos")
        objects = varied_objects(OBJECTS)
        oss.store.put_objects(
            "photos", ({**each, "key": f"{PREFIX}{each['key']}"} for each in objects)
        )
        oss.limits.configure(account_qps=QUOTA)
        for fault in FAULTS:
            oss.faults.add(fault)
        run(oss, folder)
        [made] = folder.glob("bulkmeta-*.jsonl")
        made.rename(folder / "atlas.jsonl")
        report = ("bulkmeta", "report", "atlas.jsonl", "--html", "atlas.html")
        subprocess.run([sys.executable, "-m", *report], cwd=folder, check=True)  # noqa: S603 the same
        photograph(folder / "atlas.html", folder)


if __name__ == "__main__":
    main()
