"""Which parts of an object a change concerns: each has requests of its own. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

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


def parts_between(before: Metadata, after: Metadata) -> Parts:
    """The parts in which two states differ; what was not read in both, does not."""
    return Parts(
        rewrite=_copied(before) != _copied(after),
        tags=not before.same_tags(after),
        acl=not before.same_acl(after),
    )


def _copied(state: Metadata) -> tuple[object, ...]:
    return state.meta, state.headers, state.storage_class, state.sse
