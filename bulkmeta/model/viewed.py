"""One object as it is shown: what the listing and a head say of it."""

from __future__ import annotations

import msgspec

from bulkmeta.errors import ErrorDetail
from bulkmeta.model.metadata import ListedObject, ObjectHead


class Viewed(msgspec.Struct, frozen=True):
    """Exactly one of `head` and `error` is there."""

    seq: int
    listed: ListedObject
    head: ObjectHead | None = None
    error: ErrorDetail | None = None
