"""Changes that a program makes, one for each object. Pure."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import msgspec

from bulkmeta.errors import ErrorDetail, ObjectError, UsageError
from bulkmeta.model.changes import Change, checked
from bulkmeta.model.content_types import better_type
from bulkmeta.model.metadata import STANDARD_CLASS
from bulkmeta.model.parts import NOTHING, Parts
from bulkmeta.model.redaction import without_secrets

if TYPE_CHECKING:
    from bulkmeta.model.metadata import ObjectHead

_TRACE_CHARACTERS: Final = 4000


def _nothing() -> Mapping[str, str]:
    return MappingProxyType({})


class UnreadError(BaseException):
    """A part of the object was asked for that has not been read. Not an `Exception`, so
    that a program which catches those does not keep it."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self.parts = parts


@dataclass(frozen=True, slots=True)
class ObjectView:
    """One object as it is: what a transform is given.

    `last_modified` is in UTC, and `etag` without quotes. `meta` is the user metadata,
    `headers` are the standard ones and `sse` those of encryption, all with names in
    lower case. Maps are read-only. `tags` and `acl` cost a request each: they are read
    if a transform asks for them, which is then called once more.
    """

    key: str
    size_bytes: int = 0
    etag: str = ""
    last_modified: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    storage_class: str = STANDARD_CLASS
    object_type: str = "Normal"
    version_id: str | None = None
    meta: Mapping[str, str] = field(default_factory=_nothing)
    headers: Mapping[str, str] = field(default_factory=_nothing)
    sse: Mapping[str, str] = field(default_factory=_nothing)
    read_tags: Mapping[str, str] | None = None
    read_acl: str | None = None

    @property
    def tags(self) -> Mapping[str, str]:
        """The object's tags."""
        if self.read_tags is None:
            raise UnreadError(Parts(tags=True))
        return self.read_tags

    @property
    def acl(self) -> str:
        """The object's own access control list: `default`, `private`, …"""
        if self.read_acl is None:
            raise UnreadError(Parts(acl=True))
        return self.read_acl


Transform = Callable[[ObjectView], Change | None]
"""What an object is to become; None leaves it as it is. Values stand for themselves:
they are no templates."""


class TransformRef(msgspec.Struct, frozen=True):
    """The transform of a job: `module:function`, and a fingerprint of the module."""

    name: str
    sha256: str | None = None


def view_of(key: str, head: ObjectHead) -> ObjectView:
    """The object that a head describes."""
    state = head.metadata
    return ObjectView(
        key,
        head.size_bytes,
        head.etag,
        head.modified_at(),
        state.storage_class or STANDARD_CLASS,
        head.object_type,
        head.version_id,
        MappingProxyType(state.meta),
        MappingProxyType(state.headers),
        MappingProxyType(state.sse),
        None if state.tags is None else MappingProxyType(state.tags),
        state.acl,
    )


def change_by(transform: Transform, key: str, head: ObjectHead) -> Change:
    """What the transform makes of one object.

    Raises:
        UnreadError: it asks, or its change does, for tags or ACL, which were not read.
        ObjectError: it failed, or returned what is no possible change.
    """
    change = _made(transform, view_of(key, head))
    parts, state = change.parts(), head.metadata
    unread = Parts(
        tags=parts.tags and state.tags is None, acl=parts.acl and state.acl is None
    )
    if unread != NOTHING:
        raise UnreadError(unread)
    if not change.content_type_auto:
        return change
    kind = better_type(key, change.types, state.headers.get("content-type"))
    if kind is None:
        return change
    headers = change.set_headers | {"content-type": kind}
    return msgspec.structs.replace(change, set_headers=headers)


def _made(transform: Transform, view: ObjectView) -> Change:
    try:
        change = transform(view)
    except (UnreadError, KeyboardInterrupt):
        raise
    except BaseException as error:  # whatever it is, it is about this object
        own = error.with_traceback(error.__traceback__ and error.__traceback__.tb_next)
        trace = "".join(traceback.format_exception(own))
        raise _failed(repr(error), trace) from error
    try:
        return Change() if change is None else checked(change)
    except (UsageError, TypeError, msgspec.ValidationError) as error:
        raise _failed(str(error), f"it returned no possible change: {error}") from error


def _failed(why: str, detail: str) -> ObjectError:
    """What is kept of it, and shown: words that may hold a URL, but no key to it."""
    told = without_secrets(detail)[-_TRACE_CHARACTERS:]
    return ObjectError(
        "transform_failed",
        f"the transform failed: {without_secrets(why)}",
        detail=ErrorDetail("transform_failed", None, told),
    )
