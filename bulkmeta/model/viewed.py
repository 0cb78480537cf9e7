"""One object as it is shown: what the listing and further requests say of it."""

from __future__ import annotations

import msgspec

from bulkmeta.errors import ErrorDetail
from bulkmeta.model.metadata import ListedObject, ObjectHead


class Needs(msgspec.Struct, frozen=True):
    """What is wanted of each object beyond what a listing tells: each a request."""

    head: bool = True
    tags: bool = False
    acl: bool = False


class Viewed(msgspec.Struct, frozen=True):
    """What was read of one object. One that is `left_out` turned out not to be meant.
    `acl` and `tags` are None where they were not read."""

    seq: int
    listed: ListedObject
    head: ObjectHead | None = None
    error: ErrorDetail | None = None
    acl: str | None = None
    tags: dict[str, str] | None = None
    left_out: bool = False
