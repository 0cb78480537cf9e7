"""Decisions about objects that a run file or a plan speaks of. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from bulkmeta.errors import ObjectError, SkipError
from bulkmeta.model import limits
from bulkmeta.model.metadata import SSE_HEADERS, STANDARD_HEADERS
from bulkmeta.model.plan import UpdatePlan

if TYPE_CHECKING:
    from bulkmeta.model.metadata import Metadata, ObjectHead
    from bulkmeta.model.outcome import Outcome

_TOKEN: Final = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")


def restore_former(recorded: Outcome, head: ObjectHead) -> UpdatePlan:
    """The update that takes a recorded one back, if the object still is as it left it.

    Nothing is left to do if the object is back already, or never was changed.

    Raises:
        ObjectError: somebody else changed the object since.
    """
    before, after = _states(recorded, head)
    _refuse_hidden(head, before, after)
    if head.shows(before):
        return _to(recorded.key, head, head.metadata)
    if not (head.shows(after) and _is_same_object(recorded, head)):
        raise _changed_since_run()
    return _to(recorded.key, head, before)


def restore_drifted(recorded: Outcome, head: ObjectHead) -> UpdatePlan:
    """The update that takes back a recorded one whose result is not what was recorded,
    though nobody wrote the object since: then the update itself made it so.

    Raises:
        SkipError: the object is as the run left it.
        ObjectError: somebody else changed the object since.
    """
    before, after = _states(recorded, head)
    _refuse_hidden(head, before, after)
    if head.shows(after) and head.etag == recorded.etag:
        raise SkipError("as_run_left_it", "the object is as the run left it")
    if head.shows(before):
        return _to(recorded.key, head, head.metadata)
    if not _is_same_object(recorded, head):
        raise _changed_since_run()
    return _to(recorded.key, head, before)


def carry_out_planned(recorded: Outcome, head: ObjectHead) -> UpdatePlan:
    """The update that a plan file holds, if the object still is as planned for.

    Raises:
        SkipError: somebody changed the object since the plan was made.
    """
    before, after = _states(recorded, head)
    if head.shows(after) and not _is_hidden(head, before, after):
        return _to(recorded.key, head, head.metadata)
    if not (head.shows(before) and _is_same_object(recorded, head)):
        raise SkipError(
            "changed_since_plan", "the object is not as it was when it was planned"
        )
    return _to(recorded.key, head, after)


def _changed_since_run() -> ObjectError:
    return ObjectError(
        "changed_since_run", "the object is not as the run left it; it was left alone"
    )


def _refuse_hidden(head: ObjectHead, before: Metadata, after: Metadata) -> None:
    if _is_hidden(head, before, after):
        raise ObjectError(
            "forced_download",
            "on this endpoint OSS hides the object's Content-Disposition, so the "
            "former one is not known; use the bucket's custom domain as --endpoint",
        )


def _is_hidden(head: ObjectHead, before: Metadata, after: Metadata) -> bool:
    """Whether the two states differ in what the head does not show."""
    name = "content-disposition"
    return head.forced_download and before.headers.get(name) != after.headers.get(name)


def _states(recorded: Outcome, head: ObjectHead) -> tuple[Metadata, Metadata]:
    before, after = recorded.before, recorded.after
    if before is None or after is None:
        raise ObjectError("unrecorded", "the line does not hold both states")
    if not (_is_possible(before) and _is_possible(after)):
        raise ObjectError("unrecorded", "the line holds what no run can have written")
    if (before.storage_class, before.sse) != (after.storage_class, after.sse):
        raise ObjectError("unrecorded", "the line holds a change that no run makes")
    # A lifecycle rule may have moved the object since; it stays where it is.
    there = head.metadata.storage_class
    return (
        msgspec.structs.replace(before, storage_class=there),
        msgspec.structs.replace(after, storage_class=there),
    )


def _is_possible(state: Metadata) -> bool:
    """Whether a head can have shown it: a file may have been edited since."""
    return (
        state.headers.keys() <= STANDARD_HEADERS
        and all(map(_TOKEN.fullmatch, state.meta))
        and state.sse.keys() <= SSE_HEADERS
        and limits.user_meta_bytes(state.meta) <= limits.USER_META_BYTES
    )


def _is_same_object(recorded: Outcome, head: ObjectHead) -> bool:
    """The content, and the moment of the last write. That of an update without an
    answer is not known; one without a moment was written over by somebody else."""
    if head.etag != recorded.etag:
        return False
    answered = recorded.status in {"updated", "planned"}
    return not answered or recorded.last_modified == head.last_modified


def _to(key: str, head: ObjectHead, wanted: Metadata) -> UpdatePlan:
    """An update to `wanted`; its ACL is read anew, as for any update."""
    after = msgspec.structs.replace(wanted, acl=None, tags=None)
    return UpdatePlan(key, head.metadata, after, head.etag, head.last_modified)
