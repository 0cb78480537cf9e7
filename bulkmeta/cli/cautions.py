"""What comes with a run besides the change itself: what to know before it is begun."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from bulkmeta.model.content_types import content_type_of
from bulkmeta.model.metadata import parse_http_date
from bulkmeta.model.protection import HAS_MINIMUM, NEEDS_RESTORE
from bulkmeta.model.quantity import counted
from bulkmeta.model.templates import fed_back_names, renewed_names, renewed_tags
from bulkmeta.model.values import with_row
from bulkmeta.report.forecast import Reach

if TYPE_CHECKING:
    from bulkmeta.model.job import JobSpec
    from bulkmeta.runners.preflight import Findings


CHARGED: Final = frozenset({"minimum_duration", "early_undo", "needs_restore"})
"""Codes of what may be charged beyond the requests."""

_EXPIRED: Final = {"0", "-1"}
"""No dates either, but known to mean that it has expired."""

_LEAVES_OUT: Final = "--where can leave out what was written"


class Caution(NamedTuple):
    """One thing to know; the code is a word that stays the same."""

    code: str
    message: str


def likely_reach(job: JobSpec) -> Reach:
    """What a job may touch, by its words alone."""
    parts = job.parts()
    change = with_row(job.change, job.values.sets) if job.values else job.change
    headers = change.set_headers or change.unset_headers or change.content_type_auto
    moved = None if job.restores() else change.storage_class
    return Reach(
        rewrites=None if parts.rewrite else 0,
        early=None if job.rules.allow_early_rewrite else 0,
        headers=None if headers else 0,
        bound=None if moved in HAS_MINIMUM else 0,
        archived=None if moved in NEEDS_RESTORE else 0,
        tags=None if parts.tags else 0,
    )


def cautions(job: JobSpec, findings: Findings, reach: Reach) -> Iterator[Caution]:
    """All that is to be known, each thing once, and only where it applies."""
    yield from standing_cautions(job, findings, reach)
    if reach.rewrites != 0:
        yield from _on_rewrite(reach)
    if reach.headers != 0:
        yield Caution(
            "cached_headers",
            "caches in front, such as a CDN, go on serving the former headers until "
            "they are refreshed",
        )
    if reach.bound != 0:
        yield Caution("early_undo", _undo_words(job, reach))
    if reach.archived != 0:
        yield Caution(
            "needs_restore",
            "an archived object has to be restored before anything but its tags and "
            "ACL is changed again, or undone",
        )
    if reach.tags != 0:
        yield Caution(
            "tags",
            "lifecycle rules and permissions may go by tags; the service guards no "
            "write of tags against another writer",
        )


def unasked_cautions(
    job: JobSpec, findings: Findings, reach: Reach
) -> Iterator[Caution]:
    """What is told where nobody is asked for consent: slips, what the bucket's state
    means, and what may be charged."""
    yield from standing_cautions(job, findings, reach)
    for caution in cautions(job, findings, reach):
        if caution.code in CHARGED:
            yield caution


def standing_cautions(
    job: JobSpec, findings: Findings, reach: Reach
) -> Iterator[Caution]:
    """Slips, and what the bucket's state, or a rule of the job, means for what is
    rewritten."""
    yield from _slips(job)
    if reach.rewrites == 0:
        return
    if findings.keeps_versions is None:
        yield Caution(
            "versions_unknown",
            "the bucket does not tell whether it keeps versions "
            "(oss:GetBucketVersioning); a run stops at the first object that shows one",
        )
    elif findings.keeps_versions:
        many = reach.rewrites is not None and reach.rewrites > 1
        each = f"each of {reach.rewrites:,} updates" if many else "each update"
        words = f"the bucket keeps versions: {each} adds one, billed as a full object"
        refused = "; without --allow-new-versions that is refused"
        allowed = job.rules.allow_new_versions
        yield Caution("new_versions", words if allowed else words + refused)
    if job.rules.acl == "inventory":
        yield Caution(
            "acl_from_inventory",
            "access control lists are set to what the inventory says: one that was "
            "changed since is lost, and no undo brings it back",
        )


def _slips(job: JobSpec) -> Iterator[Caution]:
    """What is possible, and hardly meant."""
    if fault := _type_fault(job):
        yield Caution("content_type", fault)
    if fault := _expiry_fault(job):
        yield Caution("expires", fault)
    for name in job.change.unset_tags:
        tag, assigns, _ = name.partition("=")
        if assigns:
            words = f"untag removes a tag by its name: {name!r} is one, not {tag!r}"
            yield Caution("untag", words)
    if not job.restores():
        yield from _unsettling(job)


def _unsettling(job: JobSpec) -> Iterator[Caution]:
    """That further runs of the job do not come to rest, unless a condition may leave
    out what was written."""
    renewed = _ever_meant(job, renewed_names(job.change))
    fed_back = _ever_meant(job, fed_back_names(job.change))
    if renewed:
        once = set(renewed) <= set(job.change.set_meta)
        hint = "--default sets it once" if once else _LEAVES_OUT
        yield Caution(
            "never_settles",
            f"{_listed(renewed)} made from {{last_modified}}, which the update itself "
            f"renews: a further run writes another value; {hint}",
        )
    late = _ever_meant(job, renewed_tags(job.change)) if job.parts().rewrite else []
    if late:
        yield Caution(
            "settles_late",
            f"{_listed(late)} made from {{last_modified}}, which the rest of the "
            "change renews: a further run writes another value; tags in a run of "
            "their own settle at once",
        )
    if fed_back:
        yield Caution(
            "never_settles",
            f"{_listed(fed_back)} made from the value that it replaces: a further run "
            f"changes it again; {_LEAVES_OUT}",
        )


def _ever_meant(job: JobSpec, names: list[str]) -> list[str]:
    """Those of the names that no condition of the job speaks of."""
    where = "\n".join(job.where)
    if job.select.modified_before or "last_modified" in where:
        return []
    spoken = r"(?<![\w-]){}(?![\w-])"
    return [
        name for name in names if not re.search(spoken.format(re.escape(name)), where)
    ]


def _listed(names: list[str]) -> str:
    are = "is" if len(names) == 1 else "are"
    return f"{' and '.join(map(repr, names))} {are}"


def _type_fault(job: JobSpec) -> str | None:
    """That the content type that is set is none; the service takes any text for one."""
    value = job.change.set_headers.get("content-type", "")
    kind, _, subtype = value.partition("/")
    if not value or "{" in value or job.restores() or (kind and subtype):
        return None
    meant = content_type_of(f"_.{value}", {})
    guess = f"; {meant!r} may be meant" if meant else ""
    return f"content type {value!r} is no type/subtype{guess}"


def _expiry_fault(job: JobSpec) -> str | None:
    """That the time of expiry that is set is none."""
    value = job.change.set_headers.get("expires", "")
    if not value or "{" in value or job.restores() or value in _EXPIRED:
        return None
    try:
        parse_http_date(value)
    except ValueError:
        return (
            f"expires {value!r} is no HTTP date, such as "
            "'Tue, 01 Dec 2026 16:00:00 GMT': caches take it for expired"
        )
    return None


def _undo_words(job: JobSpec, reach: Reach) -> str:
    """What comes with an undo, which has the rules of the run that it takes back."""
    option = "" if job.rules.allow_early_rewrite else "takes --allow-early-rewrite: it "
    many = counted(reach.bound) if reach.bound else "objects"
    return (
        f"undoing it {option}rewrites {many} of class IA or colder, which OSS charges "
        "before the minimum storage duration is over"
    )


def _on_rewrite(reach: Reach) -> Iterator[Caution]:
    yield Caution(
        "last_modified",
        "each update renews Last-Modified, which lifecycle rules count from",
    )
    yield Caution(
        "fan_out",
        "each update is replicated and announced (ObjectCreated) like an upload: a "
        "consumer that writes again can loop",
    )
    if reach.early != 0:
        early = counted(reach.early) if reach.early else "objects"
        yield Caution(
            "minimum_duration",
            f"the minimum storage duration of {early} of class IA or colder "
            "starts anew, and may be charged",
        )
