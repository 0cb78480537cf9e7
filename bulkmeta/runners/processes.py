"""Worker processes on this machine."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Final

from bulkmeta.runners.channels import SocketChannel

_COMMAND: Final = (sys.executable, "-P", "-m", "bulkmeta.runners.member")
_LEAVE_S: Final = 2.0


@asynccontextmanager
async def hire_process() -> AsyncIterator[SocketChannel]:
    """A process of its own, away from the terminal and its Ctrl-C, which ends with this
    one whatever happens: it has nothing to do without. On leaving it is gone for good.

    Raises:
        OSError: it cannot be started.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        reader, writer = await asyncio.open_connection(sock=ours)
        try:
            with _started(theirs.fileno()) as process:
                theirs.close()
                yield SocketChannel(reader, writer)
                writer.close()
                with suppress(subprocess.TimeoutExpired):
                    await asyncio.to_thread(process.wait, _LEAVE_S)
        finally:
            writer.close()


@contextmanager
def _started(number: int) -> Iterator[subprocess.Popen[bytes]]:
    """The process, dead at the end. Neither start nor end gives way to other tasks, or
    a cancellation in between could leave one behind."""
    process = subprocess.Popen(  # noqa: S603 this interpreter
        [*_COMMAND, str(number)],
        pass_fds=[number],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        env=_environment(),
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def _environment() -> dict[str, str]:
    """This process's own, and where it finds modules."""
    found = [path or str(Path.cwd()) for path in sys.path]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(found)}
