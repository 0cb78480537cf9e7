"""What is asked of the bucket before a run: is it there, may it be changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from bulkmeta.errors import ObjectError, UsageError
from bulkmeta.model.item import Item
from bulkmeta.model.key_ranges import Span
from bulkmeta.oss.bucket import fatal
from bulkmeta.oss.connect import open_bucket, settings_of
from bulkmeta.oss.facts import read_time
from bulkmeta.oss.probes import load_probe
from bulkmeta.oss.retry import RetryPolicy
from bulkmeta.runners.missing import Missing, missing
from bulkmeta.runners.restart import Start
from bulkmeta.runners.work import condition_of, told_of
from bulkmeta.sources.filters import admitted, recently, unsettled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bulkmeta.model.job import JobSpec, RunSpec
    from bulkmeta.model.probe import Probed
    from bulkmeta.oss.bucket import Bucket
    from bulkmeta.oss.page import Page

_RETRIES: Final = 2
_TIMEOUT_S: Final = 15.0
"""Somebody is waiting, and what fails now will mostly fail for good."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What preflight saw.

    `keeps_versions` is None if the bucket does not tell; `listed` counts the objects of
    the first page that the job may be about, `at_most` says that it need not be about
    each, and `more` that there may be further ones; `missing` is what was looked for in
    vain; `copies` is what a probe saw the bucket keep on copies, if the run relies on
    that.
    """

    keeps_versions: bool | None
    listed: int | None = None
    more: bool = False
    copies: Probed | None = None
    at_most: bool = False
    missing: Missing = Missing()  # noqa: RUF009 immutable


async def inspect_bucket(spec: RunSpec, *, sample: bool) -> Findings:
    """Look at the bucket with two requests at most; `sample` asks for the second.
    Throttling is not waited out: somebody waits for the answer.

    Raises:
        RunFatalError: no such bucket, wrong credentials, no connection.
    """
    target = spec.job.target
    async with open_bucket(
        target.bucket,
        spec.connection,
        rate=None,
        retry=_policy(spec, patient=False),
        connections=1,
        answer_timeout_s=_TIMEOUT_S,
    ) as bucket:
        findings = await _findings(bucket, spec)
        if not sample:
            return findings
        span = spec.job.select.within(Span())
        page = await bucket.list_page(target.prefix, None, start_after=span.after)
        found = await admitted_of(page, spec)
        seen = found.listed > 0 or found.more
        vain = missing(spec.job, Start(), bucket.listed, seen=seen)
        return replace(findings, missing=vain, **found._asdict())


class Admitted(NamedTuple):
    """How many objects of a page a job may be about, whether it may be about fewer of
    them, and whether there may be more behind the page."""

    listed: int
    at_most: bool = False
    more: bool = False


async def admitted_of(page: Page, spec: RunSpec) -> Admitted:
    """What of the first page of its listing a run takes up, as far as that tells."""
    job, select = spec.job, spec.job.select
    condition, told = condition_of(job), told_of(job)
    meant = unsettled(admitted(_items(page), select), condition, told)
    found = [item.listed async for item in recently(meant, spec.recent) if item.listed]
    at_most = condition and not all(condition.holds(each, told) for each in found)
    if select.limit and len(found) >= select.limit:
        return Admitted(select.limit, bool(at_most))
    span = select.within(Span())
    ended = bool(page.objects) and not span.reaches(page.objects[-1].key)
    more = bool(job.target.more) or (page.next_token is not None and not ended)
    return Admitted(len(found), bool(at_most), more)


async def _items(page: Page) -> AsyncIterator[Item]:
    for listed in page.objects:
        yield Item(listed.key, listed=listed)


async def look_at(bucket: Bucket, spec: RunSpec) -> Findings:
    """The same over the run's own connections, where nobody is waiting for an answer.

    Raises:
        RunFatalError: as above.
    """
    return await _findings(bucket.with_retry(_policy(spec, patient=True)), spec)


async def _findings(bucket: Bucket, spec: RunSpec) -> Findings:
    keeps_versions, copies = await versions_kept(bucket), known_copies(bucket, spec)
    same = copies is not None and copies.keeps_versions == keeps_versions
    return Findings(keeps_versions, copies=copies if same else None)


def known_copies(bucket: Bucket, spec: RunSpec) -> Probed | None:
    """What a probe saw the bucket keep on copies, of late, if it matters to the run.

    Raises:
        UsageError: what it wrote down is damaged.
    """
    if spec.job.rules.acl != "auto" or not spec.job.parts().rewrite:
        return None
    home = settings_of(spec.connection).home
    probed = load_probe(home, bucket.name, bucket.address)
    now = datetime.now(UTC)
    useful = probed is not None and probed.keeps_acl() and probed.is_current(now)
    return probed if useful else None


def _policy(spec: RunSpec, *, patient: bool) -> RetryPolicy:
    return RetryPolicy(min(spec.pace.retries, _RETRIES), patient=patient)


def refuse_unwanted(job: JobSpec, findings: Findings) -> None:
    """Stop a job that would do to this bucket what it was not allowed to.

    Raises:
        UsageError: the bucket keeps versions, and new ones were not allowed.
    """
    adds_versions = findings.keeps_versions and job.parts().rewrite
    if adds_versions and not job.rules.allow_new_versions:
        raise UsageError(
            f"bucket {job.target.bucket!r} keeps versions: each update adds one, "
            "billed as a full object; pass --allow-new-versions if that is meant"
        )


async def versions_kept(bucket: Bucket) -> bool | None:
    """Whether an update would add a version. Optional by the service's own permissions:
    an answer that says nothing is no reason not to run."""
    try:
        return await bucket.versioning() is not None
    except ObjectError as error:
        if error.reason in {"access_denied", "unsupported"}:
            return None
        raise fatal(error) from error


async def service_time(spec: RunSpec) -> str:
    """What time it is at the service, by any answer of the bucket; ISO 8601.

    Raises:
        RunFatalError: there is no answer, or none that tells.
    """
    async with open_bucket(
        spec.job.target.bucket,
        spec.connection,
        rate=None,
        retry=_policy(spec, patient=True),
        connections=1,
        answer_timeout_s=_TIMEOUT_S,
    ) as bucket:
        return (await read_time(bucket)).isoformat()
