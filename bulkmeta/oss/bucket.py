"""One bucket's operations, each a request with its retries, pace and error handling.

Updates are the exception to plain retrying: an update whose answer is lost may have
landed, so it is never simply sent again (`AmbiguousWriteError`); a head has to tell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO, Final, TypeVar

from bulkmeta.errors import (
    AmbiguousWriteError,
    ObjectError,
    RunFatalError,
    ServiceError,
    TransportError,
    Verdict,
)
from bulkmeta.model.metadata import DEFAULT_ACL
from bulkmeta.oss import wire
from bulkmeta.oss.effort import Effort
from bulkmeta.oss.endpoint import tells_region
from bulkmeta.oss.page import Page, parse_page
from bulkmeta.oss.service_errors import service_error
from bulkmeta.oss.transport import Request, Response

if TYPE_CHECKING:
    from bulkmeta.model.metadata import ObjectHead
    from bulkmeta.model.plan import UpdatePlan
    from bulkmeta.oss.clock import ServiceClock
    from bulkmeta.oss.endpoint import Endpoint
    from bulkmeta.oss.limiter import RateLimiter
    from bulkmeta.oss.pace import PaceNow
    from bulkmeta.oss.retry import RetryPolicy
    from bulkmeta.oss.sharing import Budget
    from bulkmeta.oss.transport import Sender

T = TypeVar("T")

PAGE_KEYS: Final = 1000
"""Keys per page: the service's maximum; its default of 100 costs ten times as much."""

_ACCEPTED: Final = frozenset({200, 204})
_ACL: Final = {"acl": ""}
_TAGGING: Final = {"tagging": ""}

_HINTS: Final = {
    "credentials": "check the access key, its secret and its session token",
    "signature": "check the access key secret and the region",
    "endpoint": "check --endpoint and --region against the bucket's own",
    "acceleration": "switch transfer acceleration on for the bucket, or leave "
    "--accelerate out",
    "requester_pays": "pass --request-payer to pay for the requests yourself",
    "no_such_bucket": "check the bucket's name and --region",
    "clock": "set this machine's clock",
    "access_denied": "grant the permission, or use other credentials",
}


class Bucket:
    """A bucket as bulkmeta uses it.

    Its methods raise `ObjectError` for what concerns one object, and `RunFatalError`
    for what concerns them all (which includes a listing that fails).
    """

    def __init__(
        self,
        endpoint: Endpoint,
        transport: Sender,
        *,
        clock: ServiceClock,
        limiter: RateLimiter,
        retry: RetryPolicy,
    ) -> None:
        self.name = endpoint.bucket
        self.address = endpoint.base
        self.region = endpoint.region
        self.requests: Counter[str] = Counter()
        self.listed: Counter[str] = Counter()
        """Keys on the pages so far, by the prefix that was asked for."""
        self._transport = transport
        self._clock = clock
        self._limiter = limiter
        self._retry = replace(retry, heard=lambda: self._answered)
        self._answered = self._accepted = False

    def with_retry(self, retry: RetryPolicy) -> Bucket:
        """The same bucket, over the same connections, with other patience."""
        other = copy(self)
        other._retry = replace(retry, heard=lambda: other._answered)  # noqa: SLF001 its own kind
        other.requests, other.listed = Counter(), Counter()
        return other

    def pace(self) -> PaceNow:
        """What the service lets through at present."""
        return self._limiter.seen()

    def shared_pace(self) -> AbstractContextManager[Budget]:
        """The bucket's pace, to be shared with other processes that work on it."""
        return self._limiter.shared()

    def keep_pace(self) -> None:
        """Keep to the pace as it was changed from outside."""
        self._limiter.follow()

    async def list_page(
        self,
        prefix: str,
        token: str | None,
        *,
        start_after: str | None = None,
        keys: int = PAGE_KEYS,
    ) -> Page:
        """The next page of at most `keys` keys under `prefix`, in key order; `token`
        from the last. The first page begins behind key `start_after`."""
        params = {"list-type": "2", "max-keys": str(keys), "encoding-type": "url"}
        if prefix:
            params["prefix"] = prefix
        if token:
            params["continuation-token"] = token
        elif start_after:
            params["start-after"] = start_after
        request = Request("ListObjectsV2", "GET", params=params)
        try:
            page = await self.ask(request, _page)
        except ObjectError as error:
            raise fatal(error) from error
        self.listed[prefix] += len(page.objects)
        return page

    async def versioning(self) -> str | None:
        """`Enabled`, `Suspended` or None (never switched on)."""
        request = Request("GetBucketVersioning", "GET", params={"versioning": ""})
        return await self.ask(request, _versioning)

    async def head(self, key: str, effort: Effort) -> ObjectHead:
        """The object's metadata, and what guards an update of it."""
        head = await self.ask(
            _object_request("HeadObject", "HEAD", key), self._read_head, effort
        )
        effort.request_id = head.request_id
        return head

    def _read_head(self, answer: Response) -> ObjectHead:
        return wire.read_head(answer, self._clock.now())

    async def acl(self, key: str, effort: Effort, version: str | None = None) -> str:
        """The object's own access control list, which no head shows; of one version, if
        it has several."""
        params = _of_version(_ACL, version)
        request = _object_request("GetObjectAcl", "GET", key, params=params)
        return await self.ask(request, _acl, effort)

    async def download(self, key: str, into: BinaryIO) -> None:
        """Write an object's content into a file, from its beginning."""
        request = _object_request("GetObject", "GET", key)
        await self.ask(request, _whole, into=into)

    async def tags(
        self, key: str, effort: Effort, version: str | None = None
    ) -> dict[str, str]:
        """The object's tags, of which a head shows at most the number; of one version,
        if it has several."""
        params = _of_version(_TAGGING, version)
        request = _object_request("GetObjectTagging", "GET", key, params=params)
        return await self.ask(request, _tags, effort)

    async def put_tags(self, plan: UpdatePlan, effort: Effort) -> wire.Written:
        """Make the plan's tags the object's. Last-Modified stays (PutObjectTagging).
        The service has no guard for it.

        Raises:
            AmbiguousWriteError: nobody knows whether they landed.
        """
        answer = await self.write(_tagging_request(plan), effort)
        return wire.Written(plan.last_modified, wire.version_id(answer))

    async def put_acl(self, plan: UpdatePlan, effort: Effort) -> wire.Written:
        """Make the plan's access control list the object's. Last-Modified may move
        (of empty objects, say the pages on lifecycle). The service has no guard for it.

        Raises:
            AmbiguousWriteError: nobody knows whether it landed.
        """
        headers = {wire.ACL_HEADER: plan.after.acl or DEFAULT_ACL}
        params = _of_version(_ACL, plan.version_id)
        request = _object_request(
            "PutObjectAcl", "PUT", plan.key, params=params, headers=headers
        )
        answer = await self.write(request, effort)
        return wire.Written(None, wire.version_id(answer))

    async def replace_metadata(self, plan: UpdatePlan, effort: Effort) -> wire.Written:
        """Copy the object onto itself with the plan's metadata, if it is as planned.

        Raises:
            ServiceError: with `Verdict.CONFLICT` if another writer came in between.
            AmbiguousWriteError: nobody knows whether the update landed.
        """
        request = _object_request(
            "CopyObject", "PUT", plan.key, headers=wire.replace_headers(self.name, plan)
        )
        answer = await self.write(request, effort)
        try:
            result = wire.parse_copy_result(answer)
        except ValueError as error:
            raise AmbiguousWriteError(
                ObjectError("unreadable_answer", f"the answer is unreadable: {error}")
            ) from error
        return result

    async def ask(
        self,
        request: Request,
        parse: Callable[[Response], T],
        effort: Effort | None = None,
        into: BinaryIO | None = None,
    ) -> T:
        """Send a request that may be repeated freely, and `parse` its answer; a body
        that is accepted goes `into` a file, if one is given."""
        effort = effort or Effort()
        try:
            try:
                return await self._read_once(request, parse, into)
            except ObjectError as error:
                again = self._retry.after(error, effort, request)
                repeated: T = await again(self._read_once, request, parse, into)
                return repeated
        except ObjectError as error:
            effort.request_id = error.detail.request_id  # none, if nobody answered
            self._refuse_fatal(error)
            raise

    async def _read_once(
        self, request: Request, parse: Callable[[Response], T], into: BinaryIO | None
    ) -> T:
        answer = await self._send(request, into)
        try:
            return parse(answer)
        except ValueError as error:
            raise TransportError(
                "truncated", f"the answer is unreadable: {error}", sent=True
            ) from error

    async def write(self, request: Request, effort: Effort) -> Response:
        """Send a request that may not be repeated once it may have landed.

        Raises:
            AmbiguousWriteError: nobody knows whether it landed.
        """
        try:
            try:
                answer = await self._write_once(request)
            except ObjectError as error:
                again = self._retry.after(error, effort, request)
                answer = await again(self._write_once, request)
        except ObjectError as error:
            effort.request_id = error.detail.request_id  # none, if nobody answered
            self._refuse_fatal(error)
            raise
        effort.request_id = wire.request_id(answer)
        return answer

    async def _write_once(self, request: Request) -> Response:
        try:
            return await self._send(request)
        except TransportError as error:
            if error.sent:
                raise AmbiguousWriteError(error) from error
            raise
        except ServiceError as error:
            if (error.detail.http_status or 0) >= 500:
                raise AmbiguousWriteError(error) from error
            raise

    async def _send(self, request: Request, into: BinaryIO | None = None) -> Response:
        sent_s = await self._limiter.acquire()
        self.requests[request.operation] += 1
        status = 0
        try:
            answer = await self._transport.send(request, into)
            status, self._answered = answer.status, True
        finally:
            self._limiter.done(request.operation, sent_s, status)
        if answer.status in _ACCEPTED:
            self._accepted = True
            return answer
        error = service_error(answer)
        if error.verdict is Verdict.SKEWED and not self._clock.correct(
            answer.header("date"), signed_with=answer.signed_with
        ):
            raise fatal(error)
        raise error

    def _refuse_fatal(self, error: ObjectError) -> None:
        """Stop at what ends the run, whatever the object.

        A signature may fail on one object's odd values; if no request was ever
        accepted, it is the credentials that are wrong.

        Raises:
            RunFatalError: it is such an error.
        """
        if not isinstance(error, ServiceError):
            return
        hopeless = error.verdict in {Verdict.FATAL, Verdict.EXPIRED, Verdict.SKEWED}
        unsigned = error.reason == "signature" and not self._accepted
        if hopeless or unsigned:
            raise fatal(error) from error


def _page(answer: Response) -> Page:
    return parse_page(answer.body)


def _acl(answer: Response) -> str:
    return wire.parse_acl(answer.body)


def _whole(answer: Response) -> None:
    """The content went into its file."""


def _tags(answer: Response) -> dict[str, str]:
    return wire.parse_tagging(answer.body)


def _versioning(answer: Response) -> str | None:
    return wire.parse_versioning(answer.body)


def fatal(error: ObjectError) -> RunFatalError:
    """A service error as the one line that ends a run."""
    hint = _own_endpoint(error) or _HINTS.get(error.reason) or _hint_by_words(error)
    request_id = error.detail.request_id
    line = f"{error}"
    if hint:
        line += f" ({hint})"
    if request_id:
        line += f" [request {request_id}]"
    return RunFatalError(line)


def _own_endpoint(error: ObjectError) -> str | None:
    """Where the bucket is, if the service says so instead of an answer."""
    if error.reason != "endpoint":
        return None
    details: dict[str, str] = getattr(error.__cause__, "details", {})
    named = details.get("Endpoint")
    return f"it is at --endpoint https://{named}" if named else None


def _hint_by_words(error: ObjectError) -> str | None:
    if error.reason in {"connection", "timeout"}:
        if tells_region(str(error)):
            return "check --endpoint, --region and the network"
        return "check --endpoint and the network"
    if "region" in error.detail.message:
        return "check --region"
    if error.detail.code.startswith("HTTP"):
        return "check --endpoint: this is not how OSS answers"
    return None


def _tagging_request(plan: UpdatePlan) -> Request:
    """Replaces the whole set; an empty one has a request of its own."""
    tags, params = plan.after.tags, _of_version(_TAGGING, plan.version_id)
    if not tags:
        return _object_request("DeleteObjectTagging", "DELETE", plan.key, params=params)
    return Request(
        "PutObjectTagging",
        "PUT",
        plan.key,
        params,
        {"content-type": "application/xml"},
        wire.tagging_body(tags),
    )


def _of_version(params: dict[str, str], version: str | None) -> dict[str, str]:
    """What names one version of an object: another one, uploaded in between, is not to
    get what was meant for the one that was read."""
    return params if version is None else {**params, "versionId": version}


def _object_request(
    operation: str,
    method: str,
    key: str,
    *,
    params: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> Request:
    return Request(operation, method, key, params or {}, headers or {})
