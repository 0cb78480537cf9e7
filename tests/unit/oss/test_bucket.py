"""A bucket's operations over a transport that plays a script, in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from multidict import CIMultiDict
from oss2.exceptions import AccessDenied

from bulkmeta.errors import (
    AmbiguousWriteError,
    ErrorDetail,
    ObjectError,
    RunFatalError,
    ServiceError,
    TransportError,
    Verdict,
)
from bulkmeta.model.metadata import ListedObject, Metadata
from bulkmeta.model.plan import UpdatePlan
from bulkmeta.oss.bucket import Bucket, fatal
from bulkmeta.oss.clock import ServiceClock
from bulkmeta.oss.effort import Effort
from bulkmeta.oss.endpoint import resolve_endpoint
from bulkmeta.oss.limiter import RateLimiter
from bulkmeta.oss.page import Page
from bulkmeta.oss.retry import RetryPolicy
from bulkmeta.oss.transport import Request, Response, Transport
from bulkmeta.oss.wire import Written

if TYPE_CHECKING:
    from tests.unit.conftest import VirtualTime

MODIFIED = "Sun, 22 Nov 2026 10:00:00 GMT"
PLAN = UpdatePlan("照片/a", Metadata({}, {}), Metadata({"a": "1"}, {}), "E", MODIFIED)
ID = ("x-oss-request-id", "req")
ENDPOINT = resolve_endpoint("bucket", endpoint=None, region="cn-hangzhou")


def ok(body: bytes = b"", *headers: tuple[str, str]) -> Response:
    return Response(200, CIMultiDict([ID, *headers]), body, timedelta())


def error(status: int, code: str, *headers: tuple[str, str]) -> Response:
    body = f"<Error><Code>{code}</Code><Message>words</Message></Error>".encode()
    return Response(status, CIMultiDict([ID, *headers]), body, timedelta())


HEAD = ok(b"", ("etag", '"E"'), ("last-modified", MODIFIED))
PAGE = ok(
    b"<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t"
    b"</NextContinuationToken><Contents><Key>a</Key></Contents></ListBucketResult>"
)
COPIED = ok(
    b"<CopyObjectResult><LastModified>2026-11-22T10:00:00.000Z</LastModified>"
    b"</CopyObjectResult>"
)
ACL = ok(
    b"<AccessControlPolicy><AccessControlList><Grant>private</Grant>"
    b"</AccessControlList></AccessControlPolicy>"
)
BUSY = error(503, "ServiceUnavailable")
BROKEN = error(500, "InternalError")
LOST = TransportError("timeout", "no answer in time", sent=True)
UNSENT = TransportError("connection", "cannot connect", sent=False)


class ScriptedTransport:
    """Answers from a script; the last answer stays."""

    def __init__(self, answers: list[Response | Exception]) -> None:
        self._answers = answers
        self.sent: list[Request] = []

    async def send(self, request: Request, _into: Any = None) -> Response:
        self.sent.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


Opened = tuple[Bucket, ScriptedTransport]
Open = Callable[..., Opened]


@pytest.fixture
def opened(virtual_time: VirtualTime) -> Open:
    """A bucket over a script, allowed two retries."""

    def open_over(*answers: Response | Exception) -> Opened:
        transport = ScriptedTransport(list(answers))
        bucket = Bucket(
            ENDPOINT,
            cast("Transport", transport),
            clock=ServiceClock(virtual_time.now_s),
            limiter=RateLimiter(None),
            retry=RetryPolicy(2, sleep=virtual_time.sleep),
        )
        return bucket, transport

    return open_over


async def test_list_page(opened: Open) -> None:
    """Full pages, keys encoded, from where the last one ended."""
    bucket, transport = opened(PAGE)
    page = await bucket.list_page("p/", "t0")
    assert (page, transport.sent) == (
        Page([ListedObject("a")], "t"),
        [
            Request(
                "ListObjectsV2",
                "GET",
                params={
                    "list-type": "2",
                    "max-keys": "1000",
                    "encoding-type": "url",
                    "prefix": "p/",
                    "continuation-token": "t0",
                },
            )
        ],
    )


async def test_list_first_page_of_all(opened: Open) -> None:
    """No prefix and no token are not sent as empty ones."""
    bucket, transport = opened(PAGE)
    await bucket.list_page("", None)
    assert [*transport.sent[0].params] == ["list-type", "max-keys", "encoding-type"]


async def test_other_patience(opened: Open) -> None:
    """What a copy with other patience asked for and saw is counted there alone."""
    bucket, _ = opened(PAGE)
    await bucket.list_page("p/", None)
    other = bucket.with_retry(RetryPolicy(0))
    assert (other.requests, other.listed) == ({}, {})
    await other.list_page("q/", None)
    assert (bucket.requests, bucket.listed) == ({"ListObjectsV2": 1}, {"p/": 1})
    assert (other.requests, other.listed) == ({"ListObjectsV2": 1}, {"q/": 1})


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (
            error(403, "AccessDenied"),
            "AccessDenied: words (grant the permission, or use other credentials) "
            "[request req]",
        ),
        (ok(b"<html>"), "the answer is unreadable: not XML: "),
        (LOST, "no answer in time"),
    ],
)
async def test_listing_that_fails_ends_the_run(
    opened: Open, answer: Any, line: str
) -> None:
    """Without a listing there is nothing to do; half a listing would be worse."""
    bucket, _ = opened(answer)
    with pytest.raises(RunFatalError) as caught:
        await bucket.list_page("p", None)
    assert str(caught.value).startswith(line) is True


async def test_head(opened: Open) -> None:
    """A head notes its request id for the object's line."""
    bucket, transport = opened(HEAD)
    effort = Effort()
    head = await bucket.head("照片/a", effort)
    assert (head.etag, effort, transport.sent) == (
        "E",
        Effort(1, 0, "req"),
        [Request("HeadObject", "HEAD", "照片/a")],
    )


async def test_acl_and_versioning(opened: Open) -> None:
    """The two small questions, and their answers."""
    bucket, transport = opened(ACL, ok(b"<VersioningConfiguration/>"))
    answers = (await bucket.acl("a", Effort()), await bucket.versioning())
    assert (answers, transport.sent) == (
        ("private", None),
        [
            Request("GetObjectAcl", "GET", "a", {"acl": ""}),
            Request("GetBucketVersioning", "GET", params={"versioning": ""}),
        ],
    )


@pytest.mark.parametrize("trouble", [BUSY, BROKEN, LOST, UNSENT, ok(b"<html>")])
async def test_reading_is_repeated(opened: Open, trouble: Any) -> None:
    """Whatever goes wrong with a read, it may be asked again."""
    bucket, transport = opened(trouble, ACL)
    effort = Effort()
    acl = await bucket.acl("a", effort)
    assert (acl, len(transport.sent), effort.attempts) == ("private", 2, 2)


async def test_requests_are_counted_by_kind(opened: Open) -> None:
    """Every request sent counts, repeated ones too."""
    bucket, _ = opened(BROKEN, HEAD, COPIED)
    await bucket.head("a", Effort())
    await bucket.replace_metadata(PLAN, Effort())
    assert bucket.requests == {"HeadObject": 2, "CopyObject": 1}


async def test_update(opened: Open) -> None:
    """One PUT with everything that stays; its id and time are noted."""
    bucket, transport = opened(COPIED)
    effort = Effort()
    result = await bucket.replace_metadata(PLAN, effort)
    (sent,) = transport.sent
    assert (result, effort.request_id) == (Written(MODIFIED, None), "req")
    assert (sent.operation, sent.method, sent.key, sent.headers["x-oss-meta-a"]) == (
        "CopyObject",
        "PUT",
        "照片/a",
        "1",
    )


@pytest.mark.parametrize("lost", [LOST, UNSENT])
async def test_no_answer_has_no_id(opened: Open, lost: Exception) -> None:
    """The id of an earlier request is none of one that got no answer."""
    for writes in (False, True):
        (bucket, _), effort = opened(HEAD, lost), Effort()
        await bucket.head("a", effort)
        write, read = bucket.replace_metadata, bucket.acl
        asking = write(PLAN, effort) if writes else read("a", effort)
        with pytest.raises(ObjectError):
            await asking
        assert effort.request_id is None


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (LOST, "timeout"),
        (BROKEN, "server_error"),
        (BUSY, "throttled"),
        (ok(b"<CopyObjectResult>"), "unreadable_answer"),
        (ok(b""), "unreadable_answer"),
    ],
)
async def test_update_of_unknown_fate_is_not_repeated(
    opened: Open, trouble: Any, reason: str
) -> None:
    """What may have landed is sent once; a head has to tell (promise 4)."""
    bucket, transport = opened(trouble, COPIED)
    with pytest.raises(AmbiguousWriteError) as caught:
        await bucket.replace_metadata(PLAN, Effort())
    assert (caught.value.reason, len(transport.sent)) == (reason, 1)


@pytest.mark.parametrize("trouble", [UNSENT, error(429, "QpsLimitExceeded")])
async def test_update_that_did_not_land_is_repeated(opened: Open, trouble: Any) -> None:
    """What cannot have landed may be sent again."""
    bucket, transport = opened(trouble, COPIED)
    await bucket.replace_metadata(PLAN, Effort())
    assert len(transport.sent) == 2


async def test_update_in_conflict(opened: Open) -> None:
    """412 comes out at once, with the service's words."""
    bucket, transport = opened(error(412, "PreconditionFailed"))
    with pytest.raises(ServiceError) as caught:
        await bucket.replace_metadata(PLAN, Effort())
    assert (caught.value.verdict, caught.value.detail, len(transport.sent)) == (
        Verdict.CONFLICT,
        ErrorDetail("PreconditionFailed", 412, "words", "req"),
        1,
    )


@pytest.mark.parametrize(
    ("status", "code", "tries"),
    [
        (403, "InvalidAccessKeyId", 1),
        (404, "NoSuchBucket", 1),
        (403, "SecurityTokenExpired", 3),
    ],
)
async def test_hopeless_errors_end_the_run(
    opened: Open, status: int, code: str, tries: int
) -> None:
    """What no object can escape ends the run; renewable credentials get a chance."""
    bucket, transport = opened(error(status, code))
    with pytest.raises(RunFatalError, match=f"^{code}: words"):
        await bucket.head("a", Effort())
    assert len(transport.sent) == tries


async def test_signature_wrong_from_the_start(opened: Open) -> None:
    """If no request was ever accepted it is the secret that is wrong."""
    bucket, _ = opened(error(403, "SignatureDoesNotMatch"))
    with pytest.raises(RunFatalError, match="check the access key secret"):
        await bucket.head("a", Effort())


async def test_signature_wrong_for_one_object(opened: Open) -> None:
    """After an accepted request it is the object's odd values."""
    bucket, _ = opened(HEAD, error(403, "SignatureDoesNotMatch"))
    await bucket.head("a", Effort())
    with pytest.raises(ServiceError) as caught:
        await bucket.head("b", Effort())
    assert caught.value.reason == "signature"


SKEWED = error(403, "RequestTimeTooSkewed", ("date", "Mon, 01 Jan 2001 00:00:00 GMT"))


async def test_skew_is_corrected(opened: Open) -> None:
    """A clock that is wrong is set by the service's, and the request goes again."""
    bucket, transport = opened(SKEWED, HEAD)
    await bucket.head("a", Effort())
    assert (len(transport.sent), bucket._clock.now().year) == (2, 2001)


async def test_skew_that_cannot_be_corrected(opened: Open) -> None:
    """Without a date to go by the run ends, and the line says what to do."""
    bucket, transport = opened(error(403, "RequestTimeTooSkewed"))
    with pytest.raises(RunFatalError) as caught:
        await bucket.head("a", Effort())
    assert (str(caught.value), len(transport.sent)) == (
        "RequestTimeTooSkewed: words (set this machine's clock) [request req]",
        1,
    )


def test_fatal_line_without_hint() -> None:
    """An error without advice and request id is only itself."""
    assert str(fatal(ObjectError("odd", "words"))) == "words"


async def test_what_the_official_client_would_raise(opened: Open) -> None:
    """It is the cause of an error, of one object's as of the run's."""
    bucket, _ = opened(error(403, "AccessDenied"))
    with pytest.raises(ServiceError) as refused:
        await bucket.head("a", Effort())
    assert isinstance(refused.value.__cause__, AccessDenied)
    with pytest.raises(RunFatalError) as ended:
        await bucket.list_page("p", None)
    assert isinstance(ended.value.__cause__, ServiceError)
    assert isinstance(ended.value.__cause__.__cause__, AccessDenied)
