"""Decisions about objects that a run file or a plan speaks of. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from bulkmeta.errors import ObjectError, SkipError
from bulkmeta.model.plan import UpdatePlan

if TYPE_CHECKING:
    from bulkmeta.model.metadata import Metadata, ObjectHead
    from bulkmeta.model.outcome import Outcome


def restore_former(recorded: Outcome, head: ObjectHead) -> UpdatePlan:
    """The update that takes a recorded one back, if the object still is as it left it.

    Nothing is left to do if the object is back already, or never was changed.

    Raises:
        ObjectError: somebody else changed the object since.
    """
    before, after = _states(recorded)
    if head.metadata.same_state(before):
        return _to(recorded.key, head, head.metadata)
    if not (head.metadata.same_state(after) and _is_same_object(recorded, head)):
        raise _changed_since_run()
    return _to(recorded.key, head, before)


def restore_drifted(recorded: Outcome, head: ObjectHead) -> UpdatePlan:
    """The update that takes back a recorded one whose result is not what was recorded,
    though nobody wrote the object since: then the update itself made it so.

    Raises:
        SkipError: the object is as the run left it.
        ObjectError: somebody else changed the object since.
    """
    before, after = _states(recorded)
    dated = recorded.status == "updated" and recorded.last_modified is not None
    ours = dated and _is_same_object(recorded, head)
    if head.metadata.same_state(after) and ours:
        raise SkipError("as_run_left_it", "the object is as the run left it")
    if head.metadata.same_state(before):
        return _to(recorded.key, head, head.metadata)
    if not ours:
        raise _changed_since_run()
    return _to(recorded.key, head, before)


def carry_out_planned(recorded: Outcome, head: ObjectHead) -> UpdatePlan:
    """The update that a plan file holds, if the object still is as planned for.

    Raises:
        SkipError: somebody changed the object since the plan was made.
    """
    before, after = _states(recorded)
    if head.metadata.same_state(after):
        return _to(recorded.key, head, head.metadata)
    if not (head.metadata.same_state(before) and _is_same_object(recorded, head)):
        raise SkipError(
            "changed_since_plan", "the object is not as it was when it was planned"
        )
    return _to(recorded.key, head, after)


def _changed_since_run() -> ObjectError:
    return ObjectError(
        "changed_since_run", "the object is not as the run left it; it was left alone"
    )


def _states(recorded: Outcome) -> tuple[Metadata, Metadata]:
    if recorded.before is None or recorded.after is None:
        raise ObjectError("unrecorded", "the line does not hold both states")
    return recorded.before, recorded.after


def _is_same_object(recorded: Outcome, head: ObjectHead) -> bool:
    """The content, and the moment of the last write where the record knows it: that of
    a failed update is not known."""
    known = recorded.last_modified if recorded.status != "failed" else None
    return head.etag == recorded.etag and known in {None, head.last_modified}


def _to(key: str, head: ObjectHead, wanted: Metadata) -> UpdatePlan:
    """An update to `wanted`; its ACL is read anew, as for any update."""
    after = msgspec.structs.replace(wanted, acl=None, tags=None)
    return UpdatePlan(key, head.metadata, after, head.etag, head.last_modified)
