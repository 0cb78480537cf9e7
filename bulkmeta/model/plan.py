"""The decision about one object: what an update would change, exactly. Pure."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from bulkmeta.errors import ObjectError
from bulkmeta.model import limits
from bulkmeta.model.changes import Change, apply_change
from bulkmeta.model.metadata import Metadata, ObjectHead

_DISPOSITION: Final = "content-disposition"


class Difference(msgspec.Struct, frozen=True):
    """One thing that differs: added `+`, changed `~` or removed `-`."""

    sign: Literal["+", "~", "-"]
    field: str
    name: str
    old: str | None
    new: str | None


class UpdatePlan(msgspec.Struct, frozen=True):
    """What one update does, and the state of the object that it was made for."""

    key: str
    before: Metadata
    after: Metadata
    etag: str
    last_modified: str

    def is_noop(self) -> bool:
        return self.before == self.after

    def in_class_of(self, head: ObjectHead) -> Metadata:
        """The state it leads to, if the storage class became that of `head` since."""
        if self.before.storage_class != self.after.storage_class:
            return self.after
        return msgspec.structs.replace(
            self.after, storage_class=head.metadata.storage_class
        )


def plan_update(key: str, head: ObjectHead, change: Change) -> UpdatePlan:
    """The update that brings `change` to the object that `head` describes.

    Raises:
        ObjectError: the result would not be accepted, or would lose something.
    """
    before = _own_metadata(head, change)
    plan = UpdatePlan(
        key, before, apply_change(before, change), head.etag, head.last_modified
    )
    if not plan.is_noop():
        _refuse_oversize(plan.after)
        _refuse_forced(head, change)
    return plan


def _own_metadata(head: ObjectHead, change: Change) -> Metadata:
    """What the head shows, less a header that is the service's: one that the change
    sets has to be sent even if it is shown so already."""
    if not (head.forced_download and _DISPOSITION in change.set_headers):
        return head.metadata
    headers = dict(head.metadata.headers)
    headers.pop(_DISPOSITION, None)
    return msgspec.structs.replace(head.metadata, headers=headers)


def _refuse_forced(head: ObjectHead, change: Change) -> None:
    """What the service hides is not overwritten unless the change says with what."""
    named = _DISPOSITION in change.set_headers or _DISPOSITION in change.unset_headers
    if head.forced_download and not named:
        raise ObjectError(
            "forced_download",
            "on this endpoint OSS answers images with a Content-Disposition of its "
            "own, which hides the object's: use the bucket's custom domain as "
            "--endpoint, or decide with --header content-disposition=… or "
            "--unset-header content-disposition",
        )


def with_acl(plan: UpdatePlan, acl: str) -> UpdatePlan:
    """The same plan, carrying the object's access control list along."""
    return msgspec.structs.replace(
        plan,
        before=msgspec.structs.replace(plan.before, acl=acl),
        after=msgspec.structs.replace(plan.after, acl=acl),
    )


def differences(before: Metadata, after: Metadata) -> list[Difference]:
    """What differs between two states, in a stable order: metadata, then headers."""
    return [
        *_map_differences("meta", before.meta, after.meta),
        *_map_differences("header", before.headers, after.headers),
    ]


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


def _refuse_oversize(after: Metadata) -> None:
    size = limits.user_meta_bytes(after.meta)
    if size > limits.USER_META_BYTES:
        raise ObjectError(
            "metadata_too_large",
            f"the object would have {size} bytes of user metadata; "
            f"OSS holds {limits.USER_META_BYTES}",
        )
