"""The decision about one object: what an update would change, exactly. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from bulkmeta.errors import ObjectError
from bulkmeta.model import limits
from bulkmeta.model.applying import apply_change
from bulkmeta.model.metadata import (
    DISPOSITION,
    Metadata,
    ObjectHead,
    without_disposition,
)
from bulkmeta.model.parts import Parts, parts_between

if TYPE_CHECKING:
    from bulkmeta.model.changes import Change


class Difference(msgspec.Struct, frozen=True):
    """One thing that differs: added `+`, changed `~` or removed `-`."""

    sign: Literal["+", "~", "-"]
    field: str
    name: str
    old: str | None
    new: str | None


class UpdatePlan(msgspec.Struct, frozen=True):
    """What one update does, and the state of the object that it was made for; on
    buckets that keep versions, of that version."""

    key: str
    before: Metadata
    after: Metadata
    etag: str
    last_modified: str
    version_id: str | None = None

    def is_noop(self) -> bool:
        return self.before == self.after

    def parts(self) -> Parts:
        """The parts of the object that it changes."""
        return parts_between(self.before, self.after)

    def rewrites_content(self) -> bool:
        """Whether it has the service write the content anew: class or encryption are
        other ones."""
        before, after = self.before, self.after
        return before.storage_class != after.storage_class or before.sse != after.sse

    def in_class(self, storage_class: str | None) -> Metadata:
        """The state it leads to, if the storage class has become this one since."""
        if self.before.storage_class != self.after.storage_class:
            return self.after
        return msgspec.structs.replace(self.after, storage_class=storage_class)


def plan_update(key: str, head: ObjectHead, change: Change) -> UpdatePlan:
    """The update that brings `change` to the object that `head` describes.

    Raises:
        ObjectError: the result would not be accepted, or would lose something.
    """
    before = _own_metadata(head, change)
    after = apply_change(before, change)
    plan = UpdatePlan(
        key, before, after, head.etag, head.last_modified, head.version_id
    )
    if plan.is_noop():
        return plan
    if plan.parts().rewrite:
        _refuse_oversize(plan.after)
        _refuse_forced(head, change)
        _refuse_large(plan, head.size_bytes)
    if len(plan.after.tags or ()) > limits.TAGS:
        raise ObjectError(
            "too_many_tags",
            f"the object would have {len(plan.after.tags or ())} tags; "
            f"OSS holds {limits.TAGS}",
        )
    return plan


def _own_metadata(head: ObjectHead, change: Change) -> Metadata:
    """What the head shows, less a header that is the service's: one that the change
    sets has to be sent even if it is shown so already."""
    if not (head.forced_download and DISPOSITION in change.set_headers):
        return head.metadata
    return without_disposition(head.metadata)


def _refuse_forced(head: ObjectHead, change: Change) -> None:
    """What the service hides is not overwritten unless the change says with what."""
    named = DISPOSITION in change.set_headers or DISPOSITION in change.unset_headers
    if head.forced_download and not named:
        raise ObjectError(
            "forced_download",
            "on this endpoint OSS answers images with a Content-Disposition of its "
            "own, which hides the object's: use the bucket's custom domain as "
            "--endpoint, or decide with --header content-disposition=… or "
            "--unset-header content-disposition",
        )


def with_acl(plan: UpdatePlan, acl: str, *, was_read: bool) -> UpdatePlan:
    """The same plan, carrying an access control list along; if it was not read from the
    object, what that had before stays unknown."""
    before = plan.before
    if was_read:
        before = msgspec.structs.replace(before, acl=acl)
    after = msgspec.structs.replace(plan.after, acl=acl)
    return msgspec.structs.replace(plan, before=before, after=after)


def differences(before: Metadata, after: Metadata) -> list[Difference]:
    """What differs between two states, in a stable order: metadata, headers, then what
    was read or named of the rest."""
    found = [
        *_map_differences("meta", before.meta, after.meta),
        *_map_differences("header", before.headers, after.headers),
    ]
    if not before.same_tags(after):
        found += _map_differences("tag", before.tags or {}, after.tags or {})
    if not before.same_acl(after):
        found += _map_differences("acl", _one(before.acl), _one(after.acl))
    classes = _one(before.storage_class), _one(after.storage_class)
    found += _map_differences("storage-class", *classes)
    return found + _map_differences("encryption", before.sse, after.sse)


def _one(value: str | None) -> dict[str, str]:
    """A part that is one value, as a map of one nameless entry."""
    return {} if value is None else {"": value}


def _map_differences(
    field: str, before: dict[str, str], after: dict[str, str]
) -> list[Difference]:
    found = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        sign: Literal["+", "~", "-"] = (
            "+" if old is None else "-" if new is None else "~"
        )
        found.append(Difference(sign, field, name, old, new))
    return found


def _refuse_large(plan: UpdatePlan, size_bytes: int) -> None:
    """A copy rewrites content of up to 1 GB only (CopyObject); one in parts would give
    it another ETag."""
    if plan.rewrites_content() and size_bytes > limits.REWRITTEN_BYTES:
        raise ObjectError(
            "too_large",
            f"the object has {size_bytes:,} bytes; OSS changes class or encryption of "
            f"at most {limits.REWRITTEN_BYTES:,}",
        )


def _refuse_oversize(after: Metadata) -> None:
    size = limits.user_meta_bytes(after.meta)
    if size > limits.USER_META_BYTES:
        raise ObjectError(
            "metadata_too_large",
            f"the object would have {size} bytes of user metadata; "
            f"OSS holds {limits.USER_META_BYTES}",
        )
