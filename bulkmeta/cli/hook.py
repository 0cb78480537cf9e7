"""`--on-finish`: a command of the user's own, when a run has ended."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bulkmeta.cli.output import tell
from bulkmeta.errors import UsageError

if TYPE_CHECKING:
    from subprocess import Popen
    from typing import BinaryIO

PATIENCE_S: Final = 300.0
"""How long it may take."""


def hook_words(command: str) -> list[str]:
    """The command and its arguments; no shell takes part.

    Raises:
        UsageError: there is none, or a quote is not closed.
    """
    import shlex

    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"--on-finish {command!r}: {error}") from error
    if not words:
        raise UsageError("--on-finish names no command")
    return words


def refuse_missing(name: str) -> None:
    """Stop where a command of that name could not be run.

    Raises:
        UsageError: nothing that can be executed has it.
    """
    import shutil

    if shutil.which(name) is None:
        raise UsageError(
            f"--on-finish: {name!r} is no command that can be found and executed"
        )


def run_hook(
    words: Sequence[str], told: bytes, patience_s: float = PATIENCE_S
) -> str | None:
    """Run the command with `told` on its stdin, and pass on what it says; what went
    wrong, if something did. Arguments may be secrets, so it is called by its name."""
    called = f"--on-finish: {words[0]!r}"
    try:
        with _ear() as heard:
            fault = _carried_out(words, told, heard, patience_s)
            heard.seek(0)
            for line in heard:
                tell(line.decode("utf-8", "backslashreplace").rstrip("\r\n"))
    except (OSError, ValueError) as error:  # such as of a NUL in the name
        return f"{called}: {getattr(error, 'strerror', None) or error}"
    return f"{called} {fault}" if fault else None


def _ear() -> BinaryIO:
    """A file for what the command says; without room for one, nobody hears it."""
    import tempfile

    try:
        return tempfile.TemporaryFile()
    except OSError:
        return Path(os.devnull).open("w+b")


def _carried_out(
    words: Sequence[str], told: bytes, heard: BinaryIO, patience_s: float
) -> str | None:
    import subprocess

    process = subprocess.Popen(  # noqa: S603 the user's own command
        words,
        stdin=subprocess.PIPE,
        stdout=heard,
        stderr=heard,
        start_new_session=True,
    )
    try:
        process.communicate(told, timeout=patience_s)
    except subprocess.TimeoutExpired:
        _kill(process)
        return f"was killed after {patience_s:g} s"
    except KeyboardInterrupt:
        _kill(process)
        return "was killed, since we were interrupted"
    code = process.returncode
    if code < 0:
        return f"was ended by signal {-code}"
    return f"ended with exit code {code}" if code else None


def _kill(process: Popen[bytes]) -> None:
    """The process, and what it started."""
    process.kill()
    with suppress(OSError, AttributeError):  # there are no groups on Windows
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
