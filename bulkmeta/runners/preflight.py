"""What is asked of the bucket before a run: is it there, may it be changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from bulkmeta.errors import ObjectError, UsageError
from bulkmeta.oss.bucket import fatal
from bulkmeta.oss.connect import open_bucket
from bulkmeta.oss.retry import RetryPolicy

if TYPE_CHECKING:
    from bulkmeta.model.job import JobSpec, RunSpec
    from bulkmeta.oss.bucket import Bucket

_RETRIES: Final = 2
_TIMEOUT_S: Final = 15.0
"""Somebody is waiting, and what fails now will mostly fail for good."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What preflight saw.

    `keeps_versions` is None if the bucket does not tell; `listed` counts the objects of
    the first page, and `more` says that there are further ones.
    """

    keeps_versions: bool | None
    listed: int | None = None
    more: bool = False


async def inspect_bucket(spec: RunSpec, *, sample: bool, patient: bool) -> Findings:
    """Look at the bucket with two requests at most; `sample` asks for the second, and
    `patient` waits as long as the service asks for fewer requests.

    Raises:
        RunFatalError: no such bucket, wrong credentials, no connection.
    """
    target = spec.job.target
    async with open_bucket(
        target.bucket,
        spec.connection,
        rate=None,
        retry=_policy(spec, patient=patient),
        connections=1,
        answer_timeout_s=_TIMEOUT_S,
    ) as bucket:
        findings = Findings(await _keeps_versions(bucket))
        if not sample:
            return findings
        page = await bucket.list_page(target.prefix, None)
        more = page.next_token is not None or bool(target.more)
        return replace(findings, listed=len(page.objects), more=more)


async def look_at(bucket: Bucket, spec: RunSpec) -> Findings:
    """The same over the run's own connections, where nobody is waiting for an answer.

    Raises:
        RunFatalError: as above.
    """
    return Findings(
        await _keeps_versions(bucket.with_retry(_policy(spec, patient=True)))
    )


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


async def _keeps_versions(bucket: Bucket) -> bool | None:
    """Whether an update would add a version. Optional by the service's own permissions:
    an answer that says nothing is no reason not to run."""
    try:
        return await bucket.versioning() is not None
    except ObjectError as error:
        if error.reason in {"access_denied", "unsupported"}:
            return None
        raise fatal(error) from error
