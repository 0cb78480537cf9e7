"""One object as it is shown: what the listing and further requests say of it."""

from __future__ import annotations

import msgspec

from bulkmeta.errors import ErrorDetail
from bulkmeta.model.metadata import ListedObject, ObjectHead


class Needs(msgspec.Struct, frozen=True):
    """What is wanted of each object: a head, tags and ACL cost a request each; `listed`
    are fields of a listing (by the names that conditions have for them), which cost one
    where the object's source does not tell them."""

    head: bool = True
    tags: bool = False
    acl: bool = False
    listed: frozenset[str] = frozenset()


class Viewed(msgspec.Struct, frozen=True):
    """What was read of one object. One that is `left_out` turned out not to be meant.
    What was not read, or is not told by any source, is None; with an `error` that is
    what came before it."""

    seq: int
    key: str
    listed: ListedObject | None = None
    head: ObjectHead | None = None
    error: ErrorDetail | None = None
    acl: str | None = None
    tags: dict[str, str] | None = None
    left_out: bool = False
