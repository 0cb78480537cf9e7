"""How one object ended: the value that becomes its line in the run file."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Literal, get_args

import msgspec

from bulkmeta.errors import ErrorDetail
from bulkmeta.model.metadata import Metadata

Status = Literal["updated", "unchanged", "planned", "skipped", "failed"]
STATUSES: tuple[Status, ...] = get_args(Status)

OTHER_CONTENT: Final = "the content is another one now"
"""What a drift is called that no state shows."""

AS_BEFORE: Final = "it is as it was before the run"
"""And one that only goes back, as an undo does."""


class PaceSeen(msgspec.Struct, frozen=True):
    """What the service let through at one moment of a run: requests under way, how many
    a second might leave, and how many answers had asked for fewer (429, 503) since the
    run began or was taken up again."""

    in_flight: int
    rate: float
    throttled: int


class Outcome(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="object"
):
    """One object's line: whatever happened to it, it has exactly one.

    `attempts` counts tries of requests beyond the needed ones plus one; `conflicts` how
    often another writer came in between. `confirmed` says that an update whose answer
    was lost was found in effect by a head. `last_modified` is the state's own after an
    update, and the one planned for otherwise.

    `bounds` is there only where a listing in key ranges is cut: from this line on there
    are ranges that end with these keys, which need not exist, besides those of earlier
    lines. `pace` is on the first line after each full second, and tells of that moment,
    not of the object.
    """

    seq: int
    key: str
    status: Status
    reason: str | None = None
    before: Metadata | None = None
    after: Metadata | None = None
    etag: str | None = None
    last_modified: str | None = None
    version_id: str | None = None
    confirmed: bool = False
    error: ErrorDetail | None = None
    request_id: str | None = None
    attempts: int = 1
    conflicts: int = 0
    elapsed_ms: float = 0.0
    at: str = ""
    bounds: list[str] | msgspec.UnsetType = msgspec.UNSET
    pace: PaceSeen | msgspec.UnsetType = msgspec.UNSET


def timestamp(epoch_s: float) -> str:
    """A moment (Unix time) as it stands in run files: in UTC, with milliseconds."""
    second = int(epoch_s)
    return _whole_second(second) + _MILLISECONDS[int((epoch_s - second) * 1000)]


_MILLISECONDS = tuple(f".{number:03}Z" for number in range(1000))


@lru_cache(maxsize=2)
def _whole_second(epoch_s: int) -> str:
    return f"{datetime.fromtimestamp(epoch_s, UTC):%Y-%m-%dT%H:%M:%S}"
