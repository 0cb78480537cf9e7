"""Every error that bulkmeta raises, in one tree.

    BulkmetaError
    ├── UsageError             what was asked for cannot be done     exit 2
    │   ├── FolderError        nothing can be kept there
    │   └── MissingExtraError  it needs an extra that is not installed
    ├── LockedError            another process holds the run          exit 5
    ├── ThresholdError         more failed than was put up with      exit 3
    ├── RunFatalError          going on would be senseless           exit 4
    │   └── OutputError        the run file (or another sink) cannot be written
    └── ObjectError            one object's end; becomes an outcome
        ├── SkipError          it is to be left alone
        ├── ServiceError       the service answered with an error
        ├── TransportError     no usable answer came back
        └── AmbiguousWriteError   an update of unknown fate: it may have landed

An error about one object carries a `reason` (a stable word for the run file), and the
service's own words in `detail`.
"""

from __future__ import annotations

from enum import Enum

import msgspec


class Verdict(Enum):
    """What an error answer of the service means for the request, object or run."""

    RETRY = "retry"  # passing trouble: try again after a pause
    THROTTLED = "throttled"  # the service asks for fewer requests
    SKEWED = "skewed"  # this machine's clock is more than 15 minutes off
    EXPIRED = "expired"  # credentials ran out: fetch them again
    CONFLICT = "conflict"  # a condition did not hold: somebody else wrote
    SKIP = "skip"  # nothing to do for this object, and nobody's fault
    REFUSED = "refused"  # permanent for this object
    FATAL = "fatal"  # permanent for every object


class ErrorDetail(msgspec.Struct, frozen=True):
    """The service's own words on an error, as they stand in the run file."""

    code: str
    http_status: int | None
    message: str
    request_id: str | None = None
    ec: str | None = None


class BulkmetaError(Exception):
    """Base of all errors raised by bulkmeta."""


class UsageError(BulkmetaError):
    """What was asked for cannot be done as asked; the message says what to change."""


class MissingExtraError(UsageError):
    """What was asked for needs an extra that is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(
            f"{what} needs the extra `{extra}`; in the folder of the source: pip "
            f"install '.[{extra}]' (other ways: docs/install.md)"
        )


class FolderError(UsageError):
    """A folder in which something is to be kept cannot be used."""


class LockedError(BulkmetaError):
    """Another process is working on the same run or job."""


class ThresholdError(BulkmetaError):
    """More objects failed than the run was to put up with: which `limit` was passed,
    and in `detail` by what."""

    def __init__(self, limit: str, detail: str = "") -> None:
        super().__init__(f"stopped: {limit}{f': {detail}' if detail else ''}")
        self.limit = limit


class RunFatalError(BulkmetaError):
    """The run cannot go on for any object (credentials, bucket, clock, disk)."""


class OutputError(RunFatalError):
    """A result cannot be written down, so no further object may be changed."""


class ObjectError(BulkmetaError):
    """One object cannot be processed; recorded as `failed` (or `skipped`)."""

    def __init__(
        self, reason: str, message: str, *, detail: ErrorDetail | None = None
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.detail = detail or ErrorDetail(reason, None, message)


class SkipError(ObjectError):
    """There is nothing to do for the object, and nobody's fault; becomes `skipped`."""


class ServiceError(ObjectError):
    """The service answered a request with an error."""

    def __init__(self, verdict: Verdict, reason: str, detail: ErrorDetail) -> None:
        super().__init__(reason, f"{detail.code}: {detail.message}", detail=detail)
        self.verdict = verdict
        self.retry_after_s = 0.0


class TransportError(ObjectError):
    """No usable answer came back. `sent` is False if nothing reached the service."""

    def __init__(self, reason: str, message: str, *, sent: bool) -> None:
        super().__init__(reason, message)
        self.sent = sent


class AmbiguousWriteError(ObjectError):
    """An update was sent and its fate is unknown; only a head can tell."""

    def __init__(self, cause: ObjectError) -> None:
        super().__init__(cause.reason, str(cause), detail=cause.detail)
        self.retry_after_s = (
            cause.retry_after_s if isinstance(cause, ServiceError) else 0.0
        )
