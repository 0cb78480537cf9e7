"""Whether the service answers at all: said once for each time that it does not.

An object that is not answered fails by itself; here it is about all of them.
"""

from __future__ import annotations

import asyncio
import logging
from types import TracebackType
from typing import Final

_LOG: Final = logging.getLogger(__name__)

PATIENCE_S: Final = 10.0
"""For so long a service may say nothing without a word about it."""


class Silence:
    """A context that each request waits for its answer in. If none is answered for so
    long, that is said to the logger: once, until there is an answer again. One timer
    for all requests, as in `oss.deadlines`."""

    def __init__(self, address: str, patience_s: float = PATIENCE_S) -> None:
        self._address = address
        self._patience_s = patience_s
        self._since_s: float | None = None
        self._waiting = 0
        self._told = False
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        self._waiting += 1
        if self._since_s is None or (self._timer is None and not self._told):
            self._listen(asyncio.get_running_loop())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._waiting -= 1
        if kind is None:
            self._told = False
            now_s = asyncio.get_running_loop().time()
            self._since_s = now_s if self._waiting else None

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look again when it may have lasted for too long."""
        if self._since_s is None:
            self._since_s = loop.time()
        if self._timer is None:
            end_s = self._since_s + self._patience_s
            self._timer = loop.call_at(end_s, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        if self._since_s is None or not self._waiting:
            return
        if loop.time() < self._since_s + self._patience_s:
            self._listen(loop)
            return
        self._told = True
        _LOG.warning("no answer from %s for %g s", self._address, self._patience_s)
