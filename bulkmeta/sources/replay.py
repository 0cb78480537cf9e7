"""Objects that a run file or a plan file speaks of, in the order of its lines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bulkmeta.errors import UsageError
from bulkmeta.journal.run_reader import read_outcomes
from bulkmeta.model.item import Item
from bulkmeta.model.outcome import Outcome

if TYPE_CHECKING:
    from bulkmeta.model.plan import UpdatePlan

_LINES_AT_ONCE: Final = 200
Wanted = Callable[[Outcome], bool]


async def replay_run(
    path: Path,
    wanted: Wanted,
    doubts: dict[str, UpdatePlan],
    *,
    after: str | None = None,
) -> AsyncIterator[Item]:
    """The wanted lines of a run file, from behind that of key `after`.

    `doubts` are updates of that run that its journal holds without a line: they count
    as lines of failed updates, behind the others.

    Raises:
        UsageError: a line cannot be read, or there is none of key `after`.
    """
    passed = after is None
    for number, outcome in enumerate(_outcomes(path, doubts)):
        if number % _LINES_AT_ONCE == 0:
            await asyncio.sleep(0)  # others have to have their turn in a long file
        if passed and wanted(outcome):
            yield Item(outcome.key, recorded=outcome, version=_named_version(outcome))
        passed = passed or outcome.key == after
    if not passed:
        raise UsageError(f"{str(path)!r} has no line of {after!r}; it was altered")


def _named_version(outcome: Outcome) -> str | None:
    """The version that the run was told to change, if it surely did not."""
    untouched = outcome.status == "failed" and outcome.after is None
    return outcome.version_id if untouched else None


def _outcomes(path: Path, doubts: dict[str, UpdatePlan]) -> Iterator[Outcome]:
    yield from read_outcomes(path)
    yield from failed_by_doubt(doubts)


def failed_by_doubt(doubts: dict[str, UpdatePlan]) -> Iterator[Outcome]:
    """The lines that updates in doubt count as."""
    for plan in doubts.values():
        yield Outcome(
            seq=0,
            key=plan.key,
            status="failed",
            reason="interrupted",
            before=plan.before,
            after=plan.after,
            etag=plan.etag,
        )


def may_have_changed(outcome: Outcome) -> bool:
    """Whether the run changed the object, as far as it knows."""
    changing = {"updated", "failed", "skipped"}
    return outcome.after is not None and outcome.status in changing


def was_updated(outcome: Outcome) -> bool:
    return outcome.status == "updated"


def has_failed(outcome: Outcome) -> bool:
    """Whether it is worth another try: a key that no request can carry is not."""
    return outcome.status == "failed" and outcome.reason != "invalid_key"


def is_planned(outcome: Outcome) -> bool:
    return outcome.status == "planned"
