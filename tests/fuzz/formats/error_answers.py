"""Error answers: XML in a body, in base64 in `x-oss-err`, or pages of a proxy."""

from __future__ import annotations

from base64 import b64encode
from datetime import timedelta

import msgspec
from multidict import CIMultiDict

from bulkmeta.oss.bucket import fatal
from bulkmeta.oss.service_errors import service_error
from bulkmeta.oss.transport import Response
from tests.fuzz.harness import Harness, refuse_lines

_ERROR = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code>'
    b"<Message>no\nright</Message><RequestId>5F</RequestId><EC>0003-00000001</EC>"
    b"<Endpoint>oss-cn-hangzhou.aliyuncs.com</Endpoint></Error>"
)
_LAUGHS = b"".join(
    b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 9)
)


def read(data: bytes) -> None:
    """The first bytes are the status, and say where the error stands: any is read, and
    what is told of it is one line that can be written down."""
    status, where, body = 300 + 2 * (data[:1] or b"\0")[0], data[1:2], data[2:]
    headers = CIMultiDict({"x-oss-request-id": "5F", "retry-after": "1"})
    if where == b"h":
        packed = b64encode(body) if body[:1] == b"<" else body
        headers["x-oss-err"] = packed.decode("utf-8", "surrogateescape")
        headers["x-oss-ec"] = headers["x-oss-err"]
        body = b""
    error = service_error(Response(status, headers, body, timedelta()))
    msgspec.json.encode(error.detail)
    refuse_lines(error)
    fatal(error)


HARNESS = Harness(
    read,
    (),
    (
        b"\x33b" + _ERROR,
        b"\x33h" + _ERROR,
        b"\x64b<html><head><title>502</title></head><body>Bad Gateway</body></html>",
        b"\x64b<!DOCTYPE html><p>",
        b"\x33b" + _ERROR.replace(b"UTF-8", b"utf-7"),
        b"\x33b" + _ERROR[:-8],
        b'\x33b<!DOCTYPE a [<!ENTITY l0 "ha">' + _LAUGHS + b"]><Error><Code>&l8;"
        b"</Code></Error>",
        b"\x33h=?",
        b"\x33b" + _ERROR.replace(b"Denied", b"\rDenied"),
    ),
    (b"<Code>", b"</Code>", b"</Error>", b"&#xFFFF;", b"\xed\xa0\x80", b'"utf-16"'),
)
