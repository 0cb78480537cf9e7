"""Error answers, whatever they look like."""

from __future__ import annotations

from base64 import b64encode
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict
from oss2.exceptions import NoSuchKey, ServerError

from bulkmeta.errors import ErrorDetail, ServiceError, Verdict
from bulkmeta.oss.bucket import fatal
from bulkmeta.oss.service_errors import service_error
from bulkmeta.oss.transport import Response

NO_SUCH_KEY = b"""<?xml version="1.0" encoding="UTF-8"?>
<Error>
  <Code>NoSuchKey</Code>
  <Message>The specified key does not exist.</Message>
  <RequestId>5C3D8D2A0ACA54D87B43****</RequestId>
  <HostId>bucket.oss-cn-hangzhou.aliyuncs.com</HostId>
  <Key>object</Key>
  <EC>0026-00000001</EC>
</Error>"""
REQUEST_ID = ("x-oss-request-id", "5C3D8D2A0ACA54D87B43****")
BOMB = (
    b"""<?xml version="1.0"?>
<!DOCTYPE Error [<!ENTITY a "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa">"""
    + b"".join(
        b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(20)
    )
    + b"]><Error><Code>&u;</Code></Error>"
)


def answer(status: int, body: bytes = b"", *headers: tuple[str, str]) -> Response:
    return Response(status, CIMultiDict(headers), body, timedelta())


def shown(error: ServiceError) -> tuple[Verdict, str, ErrorDetail]:
    return error.verdict, error.reason, error.detail


EXPECTED = (
    Verdict.SKIP,
    "gone",
    ErrorDetail(
        "NoSuchKey",
        404,
        "The specified key does not exist.",
        "5C3D8D2A0ACA54D87B43****",
        "0026-00000001",
    ),
)


def test_error_in_the_body() -> None:
    """The usual form; oss2's own exception is the cause."""
    error = service_error(answer(404, NO_SUCH_KEY, REQUEST_ID))
    assert (shown(error), type(error.__cause__)) == (EXPECTED, NoSuchKey)


def test_error_of_a_head() -> None:
    """A HEAD has no body; the same XML comes as base64 in a header."""
    packed = ("x-oss-err", b64encode(NO_SUCH_KEY).decode())
    error = service_error(answer(404, b"", packed, REQUEST_ID))
    assert (shown(error), str(error)) == (
        EXPECTED,
        "NoSuchKey: The specified key does not exist.",
    )


def test_head_without_words() -> None:
    """A bare 404 may be a proxy's or the bucket's: nothing is concluded from it."""
    error = service_error(answer(404, b"", REQUEST_ID, ("x-oss-ec", "0026-1")))
    assert shown(error) == (
        Verdict.REFUSED,
        "service_error",
        ErrorDetail("HTTP404", 404, "no message", REQUEST_ID[1], "0026-1"),
    )


@pytest.mark.parametrize(
    "body",
    [
        b"<html><head><title>502 Bad Gateway</title></head></html>",
        b"<html><br></html>",
        b"\x00\xff\xfe\x80garbage",
        b"upstream connect error",
        b"<Error/>",
        b'<?xml version="1.0" encoding="nonsense"?><Error/>',
        b'<?xml version="1.0" encoding="utf-32"?><Error/>',
        b'<?xml version="1.0" encoding="idna"?><Error/>',
        "网关".encode("gbk"),
    ],
)
def test_proxys_answer(body: bytes) -> None:
    """Whatever a proxy says with a 502 is passing trouble, in readable words."""
    assert shown(service_error(answer(502, body))) == (
        Verdict.RETRY,
        "server_error",
        ErrorDetail("HTTP502", 502, "no message"),
    )


@pytest.mark.parametrize("packed", ["!", "AAA", "é", "\udcff", "PEVycm9yPg==", ""])
def test_bad_base64(packed: str) -> None:
    """A damaged x-oss-err is as good as none."""
    error = service_error(answer(403, b"", ("x-oss-err", packed)))
    assert shown(error) == (
        Verdict.REFUSED,
        "service_error",
        ErrorDetail("HTTP403", 403, "no message"),
    )


def test_truncated_xml() -> None:
    """Half an error is none: nothing is concluded from the words that are there."""
    error = service_error(answer(404, NO_SUCH_KEY[:-1]))
    assert (error.verdict, error.detail.code) == (Verdict.REFUSED, "HTTP404")


def test_damaged_but_complete_xml() -> None:
    """Code and message are found in XML that does not parse."""
    error = service_error(answer(404, NO_SUCH_KEY + b"<br>", REQUEST_ID))
    detail = msgspec.structs.replace(EXPECTED[2], ec=None)
    assert shown(error) == (*EXPECTED[:2], detail)


def test_entity_bomb() -> None:
    """What declares entities is not read at all, wherever it stands and however it is
    encoded; nor by oss2 behind our back."""
    packed = ("x-oss-err", b64encode(BOMB).decode())
    for body in (BOMB, BOMB.decode().encode("utf-16-le"), b""):
        assert shown(service_error(answer(502, body, packed))) == (
            Verdict.RETRY,
            "server_error",
            ErrorDetail("HTTP502", 502, "no message"),
        )


def test_message_on_one_line() -> None:
    """Line breaks in the service's words would break ours."""
    body = b"<Error><Code>InternalError</Code><Message> a\n  b\tc </Message></Error>"
    assert service_error(answer(500, body)).detail.message == "a b c"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7.0), ("0", 0.0), ("", 0.0), ("soon", 0.0), ("-1", 0.0), ("1.5", 0.0)],
)
def test_retry_after(text: str, seconds: float) -> None:
    """A wait in whole seconds is understood; anything else is not guessed at."""
    error = service_error(answer(503, b"", ("retry-after", text)))
    assert error.retry_after_s == seconds


def test_cause_of_the_unknown() -> None:
    """An unknown code has oss2's general exception as its cause."""
    assert type(service_error(answer(502)).__cause__) is ServerError


HEADER_NAMES = st.sampled_from(
    ("x-oss-err", "x-oss-ec", "x-oss-request-id", "retry-after", "date")
)
HEADER_TEXT = st.binary(max_size=40).map(
    lambda raw: raw.decode("utf-8", "surrogateescape")
)
BODIES = st.binary(max_size=200) | st.builds(
    lambda cut, noise: NO_SUCH_KEY[:cut] + noise,
    st.integers(0, len(NO_SUCH_KEY)),
    st.binary(max_size=20),
)


@given(st.integers(100, 999), st.lists(st.tuples(HEADER_NAMES, HEADER_TEXT)), BODIES)
def test_any_answer(status: int, headers: list[tuple[str, str]], body: bytes) -> None:
    """No answer makes reading it fail, and each can be written to the run file."""
    error = service_error(answer(status, body, *headers))
    assert (
        msgspec.json.decode(msgspec.json.encode(error.detail), type=ErrorDetail)
        == error.detail
    )


def test_where_the_bucket_is() -> None:
    """An answer from another region says where to go; so does the line of the error."""
    body = (
        b"<Error><Code>AccessDenied</Code><Message>The bucket you are attempting to "
        b"access must be addressed using the specified endpoint.</Message>"
        b"<Endpoint>oss-cn-beijing.aliyuncs.com</Endpoint></Error>"
    )
    line = str(fatal(service_error(answer(403, body))))
    assert line.endswith("(it is at --endpoint https://oss-cn-beijing.aliyuncs.com)")


def test_nothing_of_the_request_is_kept() -> None:
    """OSS repeats what was signed, with the token; the cause does not hold it."""
    told = (
        b"<Error><Code>SignatureDoesNotMatch</Code><Message>no</Message><StringToSign>"
        b"x-oss-security-token:t0ken</StringToSign><SignatureProvided>s3cret"
        b"</SignatureProvided><EC>0002-1</EC></Error>"
    )
    packed = ("x-oss-err", b64encode(told).decode())
    for error in (
        service_error(answer(403, told, REQUEST_ID)),
        service_error(answer(403, b"", packed, REQUEST_ID)),
    ):
        cause = error.__cause__
        assert isinstance(cause, ServerError)
        assert (cause.code, cause.ec, cause.request_id) == (
            "SignatureDoesNotMatch",
            "0002-1",
            REQUEST_ID[1],
        )
        words = f"{cause!r} {cause} {vars(cause)}"
        assert [s for s in ("t0ken", "s3cret", packed[1]) if s in words] == []
