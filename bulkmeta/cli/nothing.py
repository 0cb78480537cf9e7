"""Why nothing was done, or less than was meant, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import msgspec

from bulkmeta.model.job import SCHEME
from bulkmeta.model.quantity import counted
from bulkmeta.model.selection import Selection
from bulkmeta.report.text import printable

if TYPE_CHECKING:
    from bulkmeta.model.changes import Change
    from bulkmeta.model.job import JobSpec
    from bulkmeta.runners.host import RunEnd
    from bulkmeta.runners.missing import Missing

_NOTHING_TO_RESTORE: Final = {"skipped: gone", "skipped: as_run_left_it"}


def missing_words(job: JobSpec, missing: Missing) -> Iterator[str]:
    """That there is nothing under a prefix, or nothing as it was asked for: it may be
    mistyped, or a pattern or number in the wrong place."""
    for prefix in missing.barren:
        mark = next((mark for mark in "*?" if mark in prefix), None)
        hint = f" (a {mark} in a target stands for itself; --include takes patterns)"
        where = printable(f"{SCHEME}{job.target.bucket}/{prefix}")
        yield f"no key begins with {where}{hint if mark else ''}"
    if missing.unmatched:
        includes = any(rule.wanted for rule in job.select.keys)
        hint = "; --include goes by the whole key, such as '*/3.jpg'"
        yield f"no key matches{hint if includes else ''}"
    if missing.unmet:
        yield (
            f"{_none_meets(job, missing.told)} the conditions (those of --where, "
            "--min-size, --modified-after and the like)"
        )


def _none_meets(job: JobSpec, told: int | None) -> str:
    if told is None:
        where = printable(str(job.target))
        return f"no object that the inventory has under {where} meets"
    how = "named" if job.keys else "listed"
    if told == 1:
        return f"the only key that was {how} does not meet"
    return f"none of the {counted(told, 'key')} that were {how} meets"


def nothing_words(end: RunEnd) -> Iterator[str]:
    """Why nothing was done, or less than was named: no such keys, the same ones again,
    or, for an undo, none that is still there. Of a run that was interrupted it is not
    known."""
    if end.interrupted:
        return
    yield from missing_words(end.spec.job, end.missing)
    yield from _repeated_words(end)
    yield from _left_words(end)
    yield from _outdated_words(end)
    yield from _lacking_words(end)
    gone = end.stats.reasons["skipped: gone"]
    if gone and gone == end.stats.objects and end.spec.job.restores():
        are = "is" if gone == 1 else "are"
        yield f"{counted(gone)} {are} gone; nothing could be put back"


def left_alone(end: RunEnd) -> int:
    """How many objects an undo left as the run made them, by one of its rules."""
    if not end.spec.job.restores():
        return 0
    return sum(
        count
        for reason, count in end.stats.reasons.items()
        if reason.startswith("skipped: ") and reason not in _NOTHING_TO_RESTORE
    )


def _left_words(end: RunEnd) -> Iterator[str]:
    """That an undo did nothing else; a dry one tells it with what it came to."""
    counts, left = end.stats.counts, left_alone(end)
    if left and end.spec.command != "plan" and not counts["updated"] + counts["failed"]:
        yield f"nothing was put back: {counted(left)} left alone"


def _outdated_words(end: RunEnd) -> Iterator[str]:
    """That all that is left of a plan to do was for objects as they are no more."""
    counts, changed = end.stats.counts, end.stats.reasons["skipped: changed_since_plan"]
    if changed and not counts["updated"] + counts["failed"]:
        was = "was" if changed == 1 else "were"
        yield (
            f"nothing was changed: {counted(changed)} {was} written since the plan was "
            "made; plan again, or apply it with --replan"
        )


def _lacking_words(end: RunEnd) -> Iterator[str]:
    """That no object has what was to be taken from it, or given another name. Of those
    that are new since the last run, none need have it."""
    counts, job, recent = end.stats.counts, end.spec.job, end.spec.recent
    if job.restores() or job.values or (recent and recent.since):
        return
    if counts["updated"] + counts["planned"]:
        return
    if counts["unchanged"] and _only_takes(job.change):
        all_ = counts["unchanged"] == end.stats.objects
        which = "object" if all_ else "unchanged object"
        if job.select != Selection():
            which += " that was looked at"
        what = " or ".join(_taken(job.change))
        yield f"no {which} has {what} (mistyped, or done before)"


def _only_takes(change: Change) -> bool:
    """Whether it does nothing to an object that lacks what it names."""
    rest = msgspec.structs.replace(
        change,
        unset_meta=(),
        rename_meta={},
        sub_meta={},
        unset_headers=(),
        unset_tags=(),
    )
    return rest.is_empty() and not change.is_empty()


def _taken(change: Change) -> Iterator[str]:
    """What it takes from an object, kind by kind."""
    kinds = {
        "user metadata {}": [*change.rename_meta, *change.unset_meta],
        "user metadata {} that --sub would change": change.sub_meta,
        "header {}": change.unset_headers,
        "tag {}": change.unset_tags,
    }
    for kind, names in kinds.items():
        if names:
            yield kind.format(" or ".join(map(repr, names)))


def _repeated_words(end: RunEnd) -> Iterator[str]:
    """That a file named keys again, where each that it named was to be done."""
    job = end.spec.job
    if job.takes != "keys" or not job.keys or job.where or job.select != Selection():
        return  # others may be left out
    again = job.keys.keys - end.stats.objects
    if again > 0:
        were = "was" if again == 1 else "were"
        yield (
            f"{again:,} of the {counted(job.keys.keys, 'key')} {were} named before; "
            "each object was done once"
        )
