"""Which parts of an object a change concerns: each has requests of its own. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from bulkmeta.model.metadata import Metadata


class Parts(msgspec.Struct, frozen=True):
    """Parts of an object. `rewrite` is what only a copy onto itself can change: user
    metadata, standard headers, storage class and encryption. Tags and the access
    control list are written in place too, without a new version or Last-Modified."""

    rewrite: bool = False
    tags: bool = False
    acl: bool = False

    def __or__(self, other: Parts) -> Parts:
        return Parts(
            self.rewrite or other.rewrite,
            self.tags or other.tags,
            self.acl or other.acl,
        )


NOTHING: Final = Parts()
REWRITE: Final = Parts(rewrite=True)


def parts_between(before: Metadata, after: Metadata) -> Parts:
    """The parts in which two states differ; what was not read in both, does not."""
    rewrite = REWRITE if _is_rewritten(before, after) else NOTHING
    if before.tags is after.tags and before.acl is after.acl:
        return rewrite
    return rewrite | Parts(
        tags=not before.same_tags(after), acl=not before.same_acl(after)
    )


def _is_rewritten(before: Metadata, after: Metadata) -> bool:
    return (
        before.meta != after.meta
        or before.headers != after.headers
        or before.storage_class != after.storage_class
        or before.sse != after.sse
    )
