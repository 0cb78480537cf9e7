"""Worker processes on this machine."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from bulkmeta.runners.channels import SocketChannel

_COMMAND: Final = (sys.executable, "-P", "-m", "bulkmeta.runners.member")
_LEAVE_S: Final = 2.0


@asynccontextmanager
async def hire_process() -> AsyncIterator[SocketChannel]:
    """A process of its own, away from the terminal and its Ctrl-C, which ends with this
    one whatever happens: it has nothing to do without.

    Raises:
        OSError: it cannot be started.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        reader, writer = await asyncio.open_connection(sock=ours)
        try:
            process = await _started(theirs.fileno())
            theirs.close()
            try:
                yield SocketChannel(reader, writer)
                writer.close()
                await _left(process)
            finally:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        finally:
            writer.close()


async def _started(number: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *_COMMAND,
        str(number),
        pass_fds=[number],
        stdin=asyncio.subprocess.DEVNULL,
        start_new_session=True,
        env=_environment(),
    )


async def _left(process: asyncio.subprocess.Process) -> None:
    """Give it the time to leave by itself."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_LEAVE_S):
            await process.wait()


def _environment() -> dict[str, str]:
    """This process's own, and where it finds modules."""
    found = [path or str(Path.cwd()) for path in sys.path]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(found)}
