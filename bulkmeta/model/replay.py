"""Decisions about objects that a run file or a plan speaks of. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from bulkmeta.errors import ObjectError, SkipError
from bulkmeta.model import limits
from bulkmeta.model.metadata import (
    ACLS,
    CLASSES,
    DISPOSITION,
    SSE_HEADERS,
    STANDARD_HEADERS,
)
from bulkmeta.model.parts import parts_between
from bulkmeta.model.plan import UpdatePlan

if TYPE_CHECKING:
    from bulkmeta.model.metadata import Metadata, ObjectHead
    from bulkmeta.model.outcome import Outcome
    from bulkmeta.model.parts import Parts

_REWRITTEN: Final = (
    "the object is as the run left it, but was written again since; it was left alone "
    "(--allow-rewritten)"
)
_TOKEN: Final = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")


def restore_former(
    recorded: Outcome, head: ObjectHead, *, rewritten_too: bool = False
) -> UpdatePlan:
    """The update that takes a recorded one back, if the object still is as it left it,
    in all that it changed; what it did not change stays as it is now. What was written
    again since, to the same, is somebody else's, unless `rewritten_too`.

    Nothing is left to do if the object is back already, or never was changed. Of an
    update that failed half-way, each part may be as before or as after.

    Raises:
        ObjectError: somebody else changed the object since, or (`rewritten`) wrote it.
    """
    before, after = _states(recorded, head)
    _refuse_hidden(head, before, after)
    parts = parts_between(before, after)
    wanted = _in_place_back(head, before, after, parts)
    if parts.rewrite and not _shows_copied(head, before, after):
        if not _shows_copied(head, after, before):
            raise _changed_since_run()
        wanted = _copied_back(wanted, before)
        again = _was_written_since(recorded, head) and not rewritten_too
        if again and head.etag == recorded.etag:
            raise ObjectError("rewritten", _REWRITTEN)
    if wanted != head.metadata and head.etag != recorded.etag:
        raise _changed_since_run()
    return _to(recorded.key, head, wanted)


def restore_drifted(recorded: Outcome, head: ObjectHead) -> UpdatePlan:
    """The update that takes back a recorded one whose result is not what was recorded,
    though nobody wrote the object since: then the update itself made it so.

    Raises:
        SkipError: the object is as the run left it.
        ObjectError: somebody else changed the object since.
    """
    before, after = _states(recorded, head)
    _refuse_hidden(head, before, after)
    if head.shows(after, before) and head.etag == recorded.etag:
        raise SkipError("as_run_left_it", "the object is as the run left it")
    wanted = _in_place_back(head, before, after, parts_between(before, after))
    if _shows_copied(head, before, after):
        return _to(recorded.key, head, wanted)
    if not _is_same_object(recorded, head):
        raise _changed_since_run()
    return _to(recorded.key, head, _copied_back(wanted, before))


def carry_out_planned(recorded: Outcome, head: ObjectHead) -> UpdatePlan:
    """The update that a plan file holds, if the object still is as planned for.

    Raises:
        SkipError: somebody changed the object since the plan was made.
    """
    before, after = _states(recorded, head)
    if head.shows(after, before) and not _is_hidden(head, before, after):
        return _to(recorded.key, head, head.metadata)
    if not (head.shows(before, after) and _is_same_object(recorded, head)):
        raise SkipError(
            "changed_since_plan", "the object is not as it was when it was planned"
        )
    return _to(recorded.key, head, after)


def _in_place_back(
    head: ObjectHead, before: Metadata, after: Metadata, parts: Parts
) -> Metadata:
    """What is there now, with the former tags and access control list where the update
    changed them.

    Raises:
        ObjectError: they are neither what the update left nor what it found.
    """
    now = head.metadata
    if parts.tags:
        if now.tags not in (before.tags, after.tags):
            raise _changed_since_run()
        now = msgspec.structs.replace(now, tags=before.tags)
    if parts.acl:
        if now.acl not in (before.acl, after.acl):
            raise _changed_since_run()
        now = msgspec.structs.replace(now, acl=before.acl)
    return now


def _copied_back(now: Metadata, before: Metadata) -> Metadata:
    """The former state, with tags and access control list as they are to be now."""
    return msgspec.structs.replace(before, tags=now.tags, acl=now.acl)


def _shows_copied(head: ObjectHead, state: Metadata, other: Metadata) -> bool:
    return head.shows(msgspec.structs.replace(state, tags=None, acl=None), other)


def was_rewritten(recorded: Outcome, head: ObjectHead) -> bool:
    """Whether the object, which is as the run left it, was written again since, though
    the run had written it as a whole: by a later run that was undone, for one."""
    before, after = recorded.before, recorded.after
    if before is None or after is None or not parts_between(before, after).rewrite:
        return False
    return _was_written_since(recorded, head)


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
    was, became = before.headers.get(DISPOSITION), after.headers.get(DISPOSITION)
    return head.forced_download and was != became


def _states(recorded: Outcome, head: ObjectHead) -> tuple[Metadata, Metadata]:
    before, after = recorded.before, recorded.after
    if before is None or after is None:
        raise ObjectError("unrecorded", "the line does not hold both states")
    if not (_is_possible(before) and _is_possible(after)):
        raise ObjectError("unrecorded", "the line holds what no run can have written")
    if before.storage_class != after.storage_class:
        return before, after
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
        and state.acl in {None, *ACLS}
        and state.storage_class in {None, *CLASSES}
        and _are_possible(state.tags or {})
    )


def _are_possible(tags: dict[str, str]) -> bool:
    return (
        len(tags) <= limits.TAGS
        and not any(map(limits.tag_key_fault, tags))
        and not any(map(limits.tag_value_fault, tags.values()))
    )


def _is_same_object(recorded: Outcome, head: ObjectHead) -> bool:
    """The content, and the moment of the last write."""
    return head.etag == recorded.etag and not _was_written_since(recorded, head)


def _was_written_since(recorded: Outcome, head: ObjectHead) -> bool:
    """By the moment of the last write. That of an update without an answer is not
    known; one without a moment was written over by somebody else."""
    answered = recorded.status in {"updated", "planned"}
    return answered and recorded.last_modified != head.last_modified


def _to(key: str, head: ObjectHead, wanted: Metadata) -> UpdatePlan:
    """An update to `wanted`. Of tags and access control list it concerns only what was
    read now: a list that a copy has to carry is read anew, as for any update."""
    now = head.metadata
    after = msgspec.structs.replace(
        wanted,
        acl=None if now.acl is None else wanted.acl,
        tags=None if now.tags is None else wanted.tags,
    )
    return UpdatePlan(key, now, after, head.etag, head.last_modified, head.version_id)
