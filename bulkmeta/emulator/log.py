"""What was asked of the embedded OSS, for tests to look at."""

from __future__ import annotations

import json
import threading
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request and what came of it."""

    n: int
    """Counts requests in the order of their arrival."""
    at: float
    """Arrival by the emulator's clock, epoch seconds."""
    method: str
    operation: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """By lower-case name."""
    status: int
    """Of the reply, sent or not; 0 when nothing was decided before the reset."""
    code: str
    """The OSS error code, empty on success."""
    request_id: str
    fault: str | None
    """Kinds of the faults that happened, joined by `+`."""


class RequestLog:
    """The latest requests in memory, all of them in a file if there is one."""

    def __init__(self, size: int, file: str | None = None) -> None:
        """Keep `size` requests; append JSON lines to `file`.

        Raises:
            OSError: the file cannot be opened.
        """
        self._kept: deque[LoggedRequest] = deque(maxlen=size)
        self._lock = threading.Lock()
        self._file = None
        if file is not None:
            self._file = Path(file).open(  # noqa: SIM115 - closed in `close`
                "a", encoding="ascii", buffering=1
            )

    def add(self, logged: LoggedRequest) -> None:
        """Keep a request."""
        with self._lock:
            self._kept.append(logged)
        if self._file is not None:
            self._file.write(json.dumps(asdict(logged)) + "\n")

    def requests(self) -> list[LoggedRequest]:
        """The requests kept, in the order of their arrival."""
        with self._lock:
            return sorted(self._kept, key=lambda logged: logged.n)

    def operations(self) -> list[tuple[str, str]]:
        """Operation and key of each request kept."""
        return [(logged.operation, logged.key) for logged in self.requests()]

    def clear(self) -> None:
        """Forget the requests kept in memory."""
        with self._lock:
            self._kept.clear()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
