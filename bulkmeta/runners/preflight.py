"""What is asked of the bucket before a run: is it there, may it be changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from bulkmeta.engine.worker import new_versions_refusal
from bulkmeta.errors import ObjectError, UsageError
from bulkmeta.oss.bucket import fatal
from bulkmeta.oss.connect import open_bucket

if TYPE_CHECKING:
    from bulkmeta.model.job import JobSpec, RunSpec
    from bulkmeta.oss.bucket import Bucket

_RETRIES: Final = 2
"""Somebody is waiting, and what fails now will mostly fail for good."""

KEEPS_VERSIONS = "the bucket keeps versions: each update adds one"
UNKNOWN_VERSIONING = (
    "not allowed to read the bucket's versioning (oss:GetBucketVersioning); "
    "a run stops at the first object that shows a version"
)


@dataclass(frozen=True, slots=True)
class Findings:
    """What preflight saw. `warnings` are for people; `listed` counts the first page's
    objects, and `more` says that there are further pages."""

    warnings: tuple[str, ...]
    listed: int | None = None
    more: bool = False


async def inspect_bucket(spec: RunSpec, *, sample: bool) -> Findings:
    """Look at the bucket with two requests at most; `sample` asks for the second.

    Raises:
        RunFatalError: no such bucket, wrong credentials, no connection.
    """
    target = spec.job.target
    pace = msgspec.structs.replace(spec.pace, retries=min(spec.pace.retries, _RETRIES))
    async with open_bucket(
        target.bucket, spec.connection, pace, patient=False
    ) as bucket:
        warnings = await _versioning_warnings(bucket)
        if not sample:
            return Findings(warnings)
        page = await bucket.list_page(target.prefix, None)
        return Findings(warnings, len(page.objects), page.next_token is not None)


def refuse_unwanted(job: JobSpec, findings: Findings) -> None:
    """Stop a job that would do to this bucket what it was not allowed to.

    Raises:
        UsageError: the bucket keeps versions, and new ones were not allowed.
    """
    if KEEPS_VERSIONS in findings.warnings and not job.rules.allow_new_versions:
        raise UsageError(new_versions_refusal(job.target.bucket))


async def _versioning_warnings(bucket: Bucket) -> tuple[str, ...]:
    try:
        status = await bucket.versioning()
    except ObjectError as error:
        if error.reason == "access_denied":
            return (UNKNOWN_VERSIONING,)
        raise fatal(error) from error
    return (KEEPS_VERSIONS,) if status else ()
