"""Whether the service answers at all: said once for each time that it does not.

An object that is not answered fails by itself; here it is about all of them.
"""

from __future__ import annotations

import asyncio
import logging
import math
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
        self._since_s = math.inf
        self._waiting = 0
        self._told = False
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        self._waiting += 1
        self._since_s = min(self._since_s, now_s)
        if self._timer is None and not self._told:
            self._timer = loop.call_at(now_s + self._patience_s, self._look, loop)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        now_s = asyncio.get_running_loop().time()
        self._waiting -= 1
        if kind is None:
            self._told = False
            self._since_s = now_s if self._waiting else math.inf
        elif now_s >= self._since_s + self._patience_s:
            self._tell()

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Tell it, or look again when it may have lasted for too long. It may have
        while nobody asked: that is known by what becomes of the next request."""
        self._timer = None
        end_s = self._since_s + self._patience_s
        if loop.time() >= end_s:
            if self._waiting:
                self._tell()
        elif end_s < math.inf:
            self._timer = loop.call_at(end_s, self._look, loop)

    def _tell(self) -> None:
        if not self._told:
            self._told = True
            _LOG.warning("no answer from %s for %g s", self._address, self._patience_s)
