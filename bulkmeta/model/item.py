"""One piece of work: an object to be looked at, and what is known of it beforehand."""

from __future__ import annotations

import msgspec

from bulkmeta.errors import ObjectError
from bulkmeta.model.metadata import ListedObject
from bulkmeta.model.outcome import Outcome
from bulkmeta.model.plan import UpdatePlan


class Item(msgspec.Struct, frozen=True):
    """An object by its key. `listed` is there if a listing named it, `recorded` if a
    run file or plan did, and `doubt` if an interrupted run may have updated it. With
    `version` it is meant only as long as that is its current version."""

    key: str
    listed: ListedObject | None = None
    recorded: Outcome | None = None
    doubt: UpdatePlan | None = None
    version: str | None = None


def recorded_of(item: Item) -> Outcome:
    """The line that a run file or plan has for the item.

    Raises:
        ObjectError: it has none.
    """
    if item.recorded is None:
        raise ObjectError("unrecorded", "the parent's run file has no line for it")
    return item.recorded
