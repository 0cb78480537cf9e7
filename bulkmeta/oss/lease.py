"""A lock that is an object: one owner makes it, renews it, and removes it at the end.

Who has it stands in its metadata; when that was last renewed is its Last-Modified. One
that was not renewed for as long as its lease says is anybody's to take over. Whatever
becomes of the answer to a write: who has the lock, only a head tells.

Facts: OSS API reference of PutObject (`x-oss-forbid-overwrite`: 409 FileAlreadyExists;
without effect in a bucket that keeps versions) and CopyObject (conditions on the
source: 412 PreconditionFailed). Last-Modified and Date have whole seconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from bulkmeta.errors import (
    AmbiguousWriteError,
    LockedError,
    ObjectError,
    RunFatalError,
    ServiceError,
    UsageError,
)
from bulkmeta.model.holder import Holder
from bulkmeta.model.metadata import STANDARD_CLASS, USER_META_PREFIX, parse_http_date
from bulkmeta.model.outcome import timestamp
from bulkmeta.oss import wire
from bulkmeta.oss.effort import Effort
from bulkmeta.oss.retry import backoff_s
from bulkmeta.oss.transport import Request

if TYPE_CHECKING:
    from bulkmeta.model.metadata import ObjectHead
    from bulkmeta.oss.bucket import Bucket
    from bulkmeta.oss.transport import Response

SLACK_S: Final = 2.0
"""A lease is over for others so much later than it says: both times that this is seen
by have whole seconds, and servers of the service need not agree to the second."""

KEPT: Final = 0.9
"""An owner takes its lease for over after this share of it, so that what it has under
way can come to its end."""

BEATS: Final = 3
"""How often a lease is renewed in its own time."""

_TRUNCATED_S: Final = 1.0
_TRIES: Final = 4
_LONGEST_S: Final = 1e11
_LAST: Final = datetime(9999, 12, 31, tzinfo=UTC)
_FIELD: Final = f"{USER_META_PREFIX}lock-"
_SOMEBODY_WAS_QUICKER: Final = {"conflict", "gone", "overwrite_forbidden"}

_PERMISSIONS: Final = {
    "PutObject": "oss:PutObject",
    "CopyObject": "oss:GetObject and oss:PutObject",
    "DeleteObject": "oss:DeleteObject",
}

if hasattr(time, "CLOCK_BOOTTIME"):  # which goes on while a machine sleeps
    clock_s: Callable[[], float] = partial(time.clock_gettime, time.CLOCK_BOOTTIME)
else:
    clock_s = time.monotonic


class Owner(Holder, frozen=True, kw_only=True):
    """A holder of a lock object. No other has its `id`; it has the lock for `lease_s`
    seconds from each renewal."""

    id: str
    lease_s: float


class Seen(msgspec.Struct, frozen=True):
    """A lock object as a head showed it: nobody's (None) if it is none. Its age is by
    the service's clock, and when it was asked for (`asked_s`) by this machine's."""

    owner: Owner | None
    etag: str
    last_modified: str
    age_s: float
    asked_s: float

    def is_stale(self) -> bool:
        """Whether its lease is over, for all that can be seen."""
        return self.owner is not None and self.age_s >= self.owner.lease_s + SLACK_S

    @property
    def ends(self) -> str:
        """When its lease is over, by the service's clock."""
        lease_s = int(self.owner.lease_s) if self.owner else 0
        modified = parse_http_date(self.last_modified)
        left = _LAST - modified  # more than this a file may say, but no date can
        return (
            (modified + min(timedelta(seconds=lease_s), left))
            .isoformat()
            .replace("+00:00", "Z")
        )

    def __str__(self) -> str:
        word = "ended" if self.is_stale() else "ends"
        return f"{self.owner or 'nobody'}, whose lease {word} at {self.ends}"


def metadata_of(owner: Owner) -> dict[str, str]:
    """The headers that say who has a lock."""
    fields = msgspec.structs.asdict(owner).items()
    return {f"{_FIELD}{name.replace('_', '-')}": str(value) for name, value in fields}


def owner_of(meta: dict[str, str]) -> Owner | None:
    """Who has a lock, by its user metadata; None if that is not a lock's."""
    found = {
        name.removeprefix("lock-").replace("-", "_"): value
        for name, value in meta.items()
        if name.startswith("lock-")
    }
    try:
        owner = msgspec.convert(found, Owner, strict=False)
    except msgspec.ValidationError:
        return None
    return owner if 0 < owner.lease_s <= _LONGEST_S else None


def seen_by(head: ObjectHead, asked_s: float) -> Seen:
    """The lock that a head describes."""
    modified, date = parse_http_date(head.last_modified), parse_http_date(head.date)
    age_s = (date - modified).total_seconds()
    owner = owner_of(head.metadata.meta)
    return Seen(owner, head.etag, head.last_modified, age_s, asked_s)


class Lease:
    """A lock object, as one owner has it or wants it. Renewing and releasing are for
    who acquired it. What the service refuses for good (a permission, for one) is raised
    as `RunFatalError`, what may pass as `ObjectError`."""

    def __init__(
        self,
        bucket: Bucket,
        key: str,
        owner: Owner,
        *,
        now_s: Callable[[], float] = clock_s,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.owner = owner
        self.name = f"oss://{bucket.name}/{key}"
        self.other: Seen | None = None
        self.taken_from: Seen | None = None
        self._bucket = bucket
        self._key = key
        self._now_s = now_s
        self._sleep = sleep
        self._seen: Seen | None = None
        self._until_s = float("-inf")
        self._wrote = False

    def left_s(self) -> float:
        """How long it is this owner's for sure, by this machine's clock; 0 or less: not
        any more."""
        return self._until_s - self._now_s()

    def due_s(self) -> float:
        """In how many seconds it is to be renewed."""
        return self.left_s() - (KEPT - 1 / BEATS) * self.owner.lease_s

    def lost(self, why: str) -> LockedError:
        """What ends the run that had it, from now on."""
        self._until_s, self._wrote = float("-inf"), False
        return LockedError(
            f"stopped: the lock {self.name} {why}; `bulkmeta resume` goes on with the "
            "run"
        )

    async def refuse_versions(self) -> None:
        """Stop where the bucket would let everybody have it at once.

        Raises:
            UsageError: it keeps versions, or did so once.
        """
        try:
            with self._needing("oss:GetBucketVersioning"):
                status = await self._bucket.versioning()
        except ObjectError as error:
            if error.reason != "unsupported":
                raise
            return
        if status:
            raise UsageError(
                f"--lock-object {self.name!r}: its bucket keeps versions ({status}), "
                "where OSS lets an object be made twice; name one in a bucket without "
                "versions"
            )

    async def acquire(self) -> bool:
        """Try to have it; if that fails, `other` is how somebody else has it.

        Raises:
            UsageError: there is an object that is no lock.
            ObjectError: nobody knows; it may be tried again.
        """
        lost: AmbiguousWriteError | None = None
        for attempt in range(_TRIES):
            if lost:
                await self._sleep(backoff_s(attempt))
            self.other = seen = await self._look()
            if seen and not seen.owner:
                raise UsageError(
                    f"--lock-object {self.name!r}: the object that is there is no "
                    "lock; name another"
                )
            if seen and self._is_mine(seen):
                self._have(seen)
                if self.left_s() > 0:
                    return True
            elif seen and not seen.is_stale():
                return False
            lost = await self._claim(seen)
        if lost:
            raise lost
        return False

    async def renew(self) -> None:
        """Have it for another lease from now on.

        Raises:
            LockedError: it is somebody else's, or gone.
            ObjectError: it was not renewed, as far as is known; it may be tried again.
        """
        assert self._seen is not None  # noqa: S101 it was acquired
        former, sent_s = self._seen, self._now_s()
        try:
            answer = await self._write(self._copy(former))
            etag, modified = _copied(answer)
        except ObjectError as error:
            seen = await self._look()
            if seen is None:
                raise self.lost("was removed by somebody else") from error
            if not self._is_mine(seen):
                raise self.lost(f"was taken over by {seen}") from error
            self._have(seen)
            if seen.last_modified == former.last_modified:
                raise
            return
        self._seen = Seen(self.owner, etag, modified, 0.0, sent_s)
        self._until_s = sent_s + KEPT * self.owner.lease_s

    async def release(self) -> None:
        """Remove it, if it surely is this owner's. That is sent once at most: a second
        request could meet the lock of whoever comes next.

        Raises:
            ObjectError: it is still there, as far as is known.
        """
        if not self._wrote:
            return
        seen = await self._look()
        if seen is None or not self._is_mine(seen):
            return
        self._have(seen)
        if self.left_s() <= 0:
            return
        try:
            await self._write(Request("DeleteObject", "DELETE", self._key))
        except AmbiguousWriteError:
            left = await self._look()
            if left and self._is_mine(left):
                raise

    async def _look(self) -> Seen | None:
        asked_s = self._now_s()
        try:
            with self._needing("oss:GetObject"):
                head = await self._bucket.head(self._key, Effort())
        except ServiceError as error:
            if error.reason == "gone":
                return None
            raise
        return seen_by(head, asked_s)

    def _is_mine(self, seen: Seen) -> bool:
        return seen.owner is not None and seen.owner.id == self.owner.id

    def _have(self, seen: Seen) -> None:
        """It is this owner's, for what is left of its lease at least."""
        age_s = max(seen.age_s, 0.0) + _TRUNCATED_S
        self._until_s = seen.asked_s + KEPT * self.owner.lease_s - age_s
        self._seen = seen

    async def _claim(self, stale: Seen | None) -> AmbiguousWriteError | None:
        """Make it, or take it over; an error if nobody knows what came of that."""
        since = timestamp(time.time())
        self.owner = msgspec.structs.replace(self.owner, since=since)
        self.taken_from = stale
        try:
            await self._write(self._copy(stale) if stale else self._create())
        except AmbiguousWriteError as error:
            return error
        except ServiceError as error:
            if error.reason not in _SOMEBODY_WAS_QUICKER:
                raise
        return None

    async def _write(self, request: Request) -> Response:
        self._wrote = True
        with self._needing(_PERMISSIONS[request.operation]):
            return await self._bucket.write(request, Effort())

    def _create(self) -> Request:
        headers = {**self._headers(), "x-oss-forbid-overwrite": "true"}
        body = msgspec.json.format(msgspec.json.encode(self.owner)) + b"\n"
        return Request("PutObject", "PUT", self._key, {}, headers, body)

    def _copy(self, seen: Seen) -> Request:
        """Make it this owner's from now on, if nobody was quicker."""
        headers = {
            **self._headers(),
            "x-oss-copy-source": wire.copy_source(self._bucket.name, self._key),
            "x-oss-metadata-directive": "REPLACE",
            "x-oss-copy-source-if-match": f'"{seen.etag}"',
            "x-oss-copy-source-if-unmodified-since": seen.last_modified,
        }
        return Request("CopyObject", "PUT", self._key, {}, headers)

    def _headers(self) -> dict[str, str]:
        # In a bucket of a colder class by default it could not be copied.
        return {
            **metadata_of(self.owner),
            "content-type": "application/json",
            wire.CLASS_HEADER: STANDARD_CLASS,
        }

    @contextmanager
    def _needing(self, permission: str) -> Iterator[None]:
        """A refused request names the permission that it takes."""
        try:
            yield
        except ServiceError as error:
            if error.reason != "access_denied":
                raise
            request_id = error.detail.request_id
            raise RunFatalError(
                f"{error} (grant {permission} on it, or use other credentials)"
                f"{f' [request {request_id}]' if request_id else ''}"
            ) from error


def _copied(answer: Response) -> tuple[str, str]:
    """ETag and Last-Modified of an accepted copy.

    Raises:
        AmbiguousWriteError: the answer does not tell them.
    """
    try:
        etag = wire.parse_xml(answer.body, "CopyObjectResult").findtext("ETag")
        modified = wire.parse_copy_result(answer).last_modified
    except ValueError:
        etag = modified = None
    if not (etag and modified):
        raise AmbiguousWriteError(
            ObjectError("unreadable_answer", "the answer to a renewal is unreadable")
        )
    return etag.strip('"'), modified
