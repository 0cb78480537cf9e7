"""What a driver and its worker processes tell each other, a message a frame.

Nothing secret is among it: each process finds its credentials by itself.
"""

from __future__ import annotations

import platform
import socket
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import msgspec

from bulkmeta import __version__, errors
from bulkmeta.model.item import Item
from bulkmeta.model.job import Connection, JobSpec
from bulkmeta.model.outcome import Outcome
from bulkmeta.model.plan import UpdatePlan
from bulkmeta.model.probe import Probed
from bulkmeta.model.values import Row
from bulkmeta.oss.sharing import Answer

if TYPE_CHECKING:
    from collections.abc import Awaitable

FRAME_S: Final = 0.002
"""How long a process gathers what it has to tell: a message costs more than what
stands in it, and an object is under way for longer."""

Task = Literal["plan", "change", "verify"]


class Channel(Protocol):
    """Carries frames, whole and in order, until one side is gone."""

    def send(self, frame: bytes) -> Awaitable[object]:
        """Return when the frame is on its way; one to nobody is dropped."""

    def receive(self) -> Awaitable[bytes | None]:
        """The next frame; None if the other side is gone."""


class Order(msgspec.Struct, frozen=True):
    """The first message to a worker process: what it is to do, and how. `copies` is
    what a probe saw the bucket keep, and `log_level` what of its log is wanted."""

    task: Task
    job: JobSpec
    connection: Connection
    concurrency: int
    retries: int
    copies: Probed | None
    log_level: int


class Work(msgspec.Struct, frozen=True, omit_defaults=True):
    """An object to be processed, and the row of values that it has."""

    seq: int
    item: Item
    row: Row | None = None


class Fault(msgspec.Struct, frozen=True):
    """An error that ends a run, in words."""

    kind: str
    message: str


class Instructions(msgspec.Struct, omit_defaults=True):
    """To a worker process: further work, which intents are on record (or cannot be),
    what it may send, and when to stop (what is under way comes to its end) or to end
    (nothing more comes)."""

    work: list[Work] = []
    recorded: list[int] = []
    refused: Fault | None = None
    rate: float | None = None
    limit: float | None = None
    stop: bool = False
    end: bool = False


class Hello(msgspec.Struct, frozen=True):
    """Who a worker process is."""

    version: str
    python: str
    host: str


class Said(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of a worker process's log."""

    logger: str
    level: int
    message: str
    fields: dict[str, Any] = {}


class Report(msgspec.Struct, omit_defaults=True):
    """From a worker process: updates that it wants on record, how objects ended, and
    what it asked of the service. With the last one it is `gone`; `fault` says why,
    unless it was told to."""

    hello: Hello | None = None
    intents: list[tuple[int, UpdatePlan]] = []
    outcomes: list[Outcome] = []
    requests: dict[str, int] = {}
    answers: list[Answer] = []
    in_flight: int = 0
    turn_wanted: bool = False
    place_wanted: bool = False
    said: list[Said] = []
    gone: bool = False
    fault: Fault | None = None


def hello() -> Hello:
    """Who this process is."""
    return Hello(__version__, platform.python_version(), socket.gethostname())


_KINDS: Final = {
    kind.__name__: kind
    for kind in (
        errors.UsageError,
        errors.LockedError,
        errors.RunFatalError,
        errors.OutputError,
    )
}


def fault_of(error: BaseException) -> Fault:
    """An error in words; by the name of the nearest kind that is known."""
    names = [kind.__name__ for kind in type(error).__mro__]
    known = next((name for name in names if name in _KINDS), names[0])
    return Fault(known, str(error))


def error_of(fault: Fault, where: str = "") -> Exception:
    """The error that the words tell of, and where it arose."""
    if kind := _KINDS.get(fault.kind):
        return kind(fault.message + where)
    return RuntimeError(f"{fault.kind}: {fault.message}{where}")
