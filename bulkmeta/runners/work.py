"""What a job's words come to: where its objects come from, and what they become."""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Iterator,
    Sequence,
)
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from bulkmeta.engine.worker import Goal
from bulkmeta.errors import SkipError, UsageError
from bulkmeta.journal.files import held_for_reading
from bulkmeta.journal.records import journal_path
from bulkmeta.journal.run_reader import read_header, read_outcomes
from bulkmeta.model.conditions import LISTED_FIELDS, Condition
from bulkmeta.model.item import Item, recorded_of
from bulkmeta.model.key_ranges import Marks
from bulkmeta.model.parts import NOTHING, REWRITE, Parts, parts_between
from bulkmeta.model.plan import UpdatePlan, plan_update
from bulkmeta.model.replay import carry_out_planned, restore_drifted, restore_former
from bulkmeta.model.selection import Selection
from bulkmeta.model.templates import (
    Source,
    depends_on_object,
    fill,
    reads_tags,
)
from bulkmeta.model.transforms import Transform, change_by
from bulkmeta.model.values import required, with_row
from bulkmeta.runners.restart import examine_run
from bulkmeta.runners.transforms import reload_transform
from bulkmeta.sources.filters import admitted, limited, unsettled, without
from bulkmeta.sources.inventory import told_by
from bulkmeta.sources.key_file import list_keys, refuse_changed_file
from bulkmeta.sources.once import once
from bulkmeta.sources.prefix import list_prefix, one_after_another
from bulkmeta.sources.ranges import walk_ranges
from bulkmeta.sources.replay import (
    failed_by_doubt,
    has_failed,
    is_planned,
    may_have_changed,
    replay_run,
    was_updated,
)
from bulkmeta.sources.resume import Behind, behind, take_up
from bulkmeta.sources.values import reopen_values, with_rows

if TYPE_CHECKING:
    from bulkmeta.model.changes import Change
    from bulkmeta.model.job import JobSpec, Parent
    from bulkmeta.model.metadata import ObjectHead
    from bulkmeta.model.outcome import Outcome
    from bulkmeta.model.values import Row
    from bulkmeta.oss.bucket import Bucket
    from bulkmeta.runners.restart import Start
    from bulkmeta.sources.ahead import Ahead
    from bulkmeta.sources.ranges import Note
    from bulkmeta.sources.values import ValuesTable

_WANTED: Final = {
    "failed": has_failed,
    "former": may_have_changed,
    "drifted": was_updated,
    "planned": is_planned,
    "replanned": is_planned,
}


_CHANGED: Final = {"listing", "keys", "inventory", "given", "failed"}
"""Where a job's objects come from if it changes them by their heads, and not by what a
run recorded of them."""


@dataclass(frozen=True, slots=True)
class Listing:
    """How a listing is walked: `spread` key ranges in turn, pages asked for `ahead`.
    `note` is told where ranges are cut. The object `aside` is no part of any job: a
    lock that the run holds."""

    ahead: Ahead
    spread: int
    note: Note
    aside: str | None = None


def source_of(
    job: JobSpec,
    bucket: Bucket,
    start: Start,
    listing: Listing,
    table: ValuesTable | None = None,
    elsewhere: Behind | None = None,
) -> AsyncIterator[Item]:
    """The job's objects, from where the run starts; with the rows of its `table`. Those
    of a program or an inventory come from `elsewhere`.

    Raises:
        UsageError: a program's do not.
    """
    marks = None
    if job.takes in {"given", "inventory"}:
        if elsewhere is None:
            raise UsageError(
                "the run's objects came from a program; run that again: what is done "
                "already stays unchanged"
            )
        source = elsewhere(start.after)
    elif job.keys:
        source = behind(once(list_keys(job.keys)), start.after)
    elif job.parent is None:
        marks = Marks(start.bounds)
        source = _listed(bucket, job, start, listing, marks)
        source = with_rows(source, table, marks, start.left) if table else source
    else:
        path = _parent_file(job.parent)
        _, doubts = examine_run(path)
        source = replay_run(path, _WANTED[job.takes], doubts, after=start.after)
    source = without(source, listing.aside)
    source = unsettled(admitted(source, job.select), condition_of(job), told_of(job))
    if start.done or start.doubts:
        source = take_up(source, done=start.done, doubts=start.doubts, marks=marks)
    return limited(source, job.select, taken=start.counts.total())


def told_of(job: JobSpec) -> Collection[str]:
    """The fields of a condition that the job's source tells of each object."""
    if job.takes == "given":
        return {"key"}  # a program may have left the rest open
    return told_by(job.inventory) if job.inventory else LISTED_FIELDS


def _listed(
    bucket: Bucket, job: JobSpec, start: Start, listing: Listing, marks: Marks
) -> AsyncIterator[Item]:
    """The objects at the job's target; `marks` follow the cuts."""
    spans = [job.select.within(span) for span in start.left]

    def note(bounds: Sequence[str]) -> None:
        marks.cut(bounds)
        listing.note(bounds)

    def under(prefix: str) -> AsyncIterator[Item]:
        near = [span for span in spans if span.meets(prefix)]
        if listing.spread == 1 and len(spans) == len(near) == 1:
            return list_prefix(bucket, prefix, listing.ahead, near[0])
        return walk_ranges(
            bucket, prefix, near, listing.spread, ahead=listing.ahead, note=note
        )

    return one_after_another(map(under, job.target.prefixes))


def condition_of(job: JobSpec) -> Condition | None:
    """What has to hold for an object, if that is said."""
    return Condition(job.where) if job.where else None


class Rows(Protocol):
    """Rows of values by key."""

    def row(self, key: str) -> Row | None: ...


def goal_of(
    job: JobSpec,
    table: Rows | None = None,
    transform: Transform | None = None,
) -> Goal:
    """What the job wants of each object; with what the rows of its `table` say, or its
    `transform`."""
    change_for = _change_by(transform) if transform else _change_of(job, table)
    return Goal(
        _concerns_of(job, table), _requirement_of(job), _decision_of(job, change_for)
    )


def _requirement_of(job: JobSpec) -> Callable[[Item, ObjectHead], object]:
    """What stops at objects that are not meant, by their heads alone."""
    condition = condition_of(job) if job.takes in _CHANGED else None
    if condition is None or condition.reads_tags:
        return lambda _item, _head: None
    return lambda item, head: condition.require(item.key, head)


_ChangeFor = Callable[[Item, "ObjectHead"], "Change"]


def _change_by(transform: Transform) -> _ChangeFor:
    return lambda item, head: change_by(transform, item.key, head)


def _change_of(job: JobSpec, table: Rows | None) -> _ChangeFor:
    each = depends_on_object(job.change)

    def change_for(item: Item, head: ObjectHead) -> Change:
        change = fill(job.change, Source(item.key, head)) if each else job.change
        return with_row(change, required(table.row(item.key))) if table else change

    return change_for


def _decision_of(
    job: JobSpec, change_for: _ChangeFor
) -> Callable[[Item, ObjectHead], UpdatePlan]:
    """What the job wants an object to become, by its head."""
    condition = condition_of(job)

    def changed(item: Item, head: ObjectHead) -> UpdatePlan:
        if condition:
            condition.require(item.key, head)
        return plan_update(item.key, head, change_for(item, head))

    def former(item: Item, head: ObjectHead) -> UpdatePlan:
        rewritten_too = job.rules.allow_rewritten
        return restore_former(recorded_of(item), head, rewritten_too=rewritten_too)

    def drifted(item: Item, head: ObjectHead) -> UpdatePlan:
        return restore_drifted(recorded_of(item), head)

    def planned(item: Item, head: ObjectHead) -> UpdatePlan:
        return carry_out_planned(recorded_of(item), head)

    def replanned(item: Item, head: ObjectHead) -> UpdatePlan:
        try:
            return planned(item, head)
        except SkipError:
            return changed(item, head)

    return {
        "listing": changed,
        "keys": changed,
        "inventory": changed,
        "given": changed,
        "failed": changed,
        "former": former,
        "drifted": drifted,
        "planned": planned,
        "replanned": replanned,
    }[job.takes]


def _concerns_of(job: JobSpec, table: Rows | None) -> Callable[[Item], Parts]:
    """Which parts of an object the job has to look at: those that it may change, and
    those that its values and conditions are made from."""
    # What a program's change needs shows when it is made.
    own = NOTHING if job.transform else job.parts()
    condition = condition_of(job)
    if reads_tags(job.change) or (condition and condition.reads_tags):
        own |= Parts(tags=True)

    def changed(item: Item) -> Parts:
        if table:
            required(table.row(item.key))  # else there is nothing to look at
        return own

    def recorded(item: Item) -> Parts:
        line = recorded_of(item)
        if line.before is None or line.after is None:
            return REWRITE
        return parts_between(line.before, line.after)

    def replanned(item: Item) -> Parts:
        return own | recorded(item)

    return {
        "listing": changed,
        "keys": changed,
        "inventory": changed,
        "given": changed,
        "failed": changed,
        "former": recorded,
        "drifted": recorded,
        "planned": recorded,
        "replanned": replanned,
    }[job.takes]


def _parent_file(parent: Parent) -> Path:
    path = Path(parent.path)
    if not path.exists():
        raise UsageError(
            f"{parent.path!r}, which this run takes its objects from, is missing; "
            "put it back"
        )
    header = read_header(path)
    if (header.job_hash, header.started) != (parent.job_hash, parent.started):
        raise UsageError(f"{parent.path!r} is another run's file now")
    if path.stat().st_size != parent.size_bytes:
        raise UsageError(
            f"{parent.path!r} is not as it was when this run began; begin a new one"
        )
    return path


def refuse_changed(job: JobSpec, given: Transform | None = None) -> None:
    """Stop where what a run goes by here is not as it was when that began: its file of
    keys or values, its parent, or its function, if that is not `given`.

    Raises:
        UsageError: it is not, or cannot be read.
    """
    if job.keys:
        refuse_changed_file(job.keys.path, job.keys.sha256)
    if job.values:
        refuse_changed_file(job.values.path, job.values.sha256)
    if job.parent:
        _parent_file(job.parent)
    transform_of(job, given)


@asynccontextmanager
async def rows_of(
    job: JobSpec, given: ValuesTable | None
) -> AsyncIterator[ValuesTable | None]:
    """The rows of the job's file, for as long as the body lasts; those `given`, if they
    have been read already.

    Raises:
        UsageError: the file is not as it was when the job was made.
    """
    table, file = given, job.values
    if table is None and file:
        table = await asyncio.to_thread(reopen_values, file, job.target.prefixes)
    try:
        yield table
    finally:
        if table:
            table.close()


def transform_of(job: JobSpec, given: Transform | None) -> Transform | None:
    """The function that the job's transform names, if it is not `given` already.

    Raises:
        UsageError: it is not there any more, or another one.
    """
    if given or job.transform is None:
        return given
    return reload_transform(job.transform)


@asynccontextmanager
async def parent_held(job: JobSpec) -> AsyncIterator[None]:
    """Let nobody go on with the parent run as long as the body lasts.

    Raises:
        LockedError: somebody is at it.
    """
    with held_for_reading(Path(job.parent.path)) if job.parent else nullcontext():
        yield


def count_lines(job: JobSpec) -> int | None:
    """How many objects the job's file names, or of its parent's lines it takes up; None
    if it has neither."""
    if job.keys:
        found = job.keys.keys
    elif job.parent:
        found = sum(1 for _ in _taken_up(job, job.parent))
    else:
        return None
    return min(found, job.select.limit or found)


def names_others(job: JobSpec) -> bool:
    """Whether the job's file of keys may name some that its selection leaves out."""
    return job.keys is not None and job.select != Selection(limit=job.select.limit)


def takes_nothing(job: JobSpec) -> bool:
    """Whether a job on its parent's lines takes none of them up, nor any update that
    was under way when the parent was interrupted."""
    return job.parent is not None and not any(_taken_up(job, job.parent))


def _taken_up(job: JobSpec, parent: Parent) -> Iterator[Outcome]:
    wanted, path = _WANTED[job.takes], Path(parent.path)
    for outcome in chain(read_outcomes(path), _in_doubt(path)):
        if wanted(outcome) and job.select.admits(outcome.key):
            yield outcome


def _in_doubt(path: Path) -> Iterator[Outcome]:
    """Of an interrupted run, the updates that it may have done."""
    if journal_path(path).exists():
        _, doubts = examine_run(path)
        yield from failed_by_doubt(doubts)
