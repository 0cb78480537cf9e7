"""An error answer as an exception: read by oss2, judged by the table of verdicts."""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import TYPE_CHECKING, Final

from oss2.exceptions import ServerError, make_exception

from bulkmeta.errors import ErrorDetail, ServiceError
from bulkmeta.oss.verdicts import judge
from bulkmeta.oss.wire import declares_entities

if TYPE_CHECKING:
    from bulkmeta.oss.transport import Response

_PACKED: Final = "x-oss-err"
_KEPT_DETAILS: Final = (
    "Code",
    "Message",
    "RequestId",
    "HostId",
    "EC",
    "Endpoint",
    "RecommendDoc",
)
_KEPT_HEADERS: Final = (
    "date",
    "server",
    "x-oss-request-id",
    "x-oss-ec",
    "retry-after",
    "x-oss-next-append-position",
)


class _ReadResponse:
    """What `make_exception` wants of a response, with the body already read."""

    def __init__(self, response: Response) -> None:
        self.status = response.status
        self.headers = {name.lower(): v for name, v in response.headers.items()}
        self.headers.pop(_PACKED, None)  # oss2 would read it without these checks
        body = response.body or _body_of_head(response)
        self._body = b"" if declares_entities(body) else body

    def read(self, limit: int) -> bytes:
        # Whatever a proxy answered: oss2 decodes it as UTF-8 without mercy.
        return self._body[:limit].decode("utf-8", "replace").encode()


def _body_of_head(response: Response) -> bytes:
    """A HEAD answer has no body: OSS puts the XML, in base64, into `x-oss-err`."""
    try:
        return b64decode(response.header(_PACKED) or "")
    except (binascii.Error, ValueError):
        return b""


def _read_by_oss2(response: _ReadResponse) -> ServerError:
    try:
        return make_exception(response)
    except (LookupError, ValueError):  # XML in an encoding that nobody knows
        return ServerError(response.status, response.headers, b"", {})


def _without_secrets(error: ServerError) -> ServerError:
    """The same without what it may repeat of the request: what was signed, which holds
    the session token, and the signature (as SignatureDoesNotMatch does)."""
    headers = {n: v for n, v in error.headers.items() if n in _KEPT_HEADERS}
    details = {n: v for n, v in error.details.items() if n in _KEPT_DETAILS}
    return type(error)(error.status, headers, b"", details)


def service_error(response: Response) -> ServiceError:
    """The error that `response` reports; oss2's own exception is its cause."""
    cause = _read_by_oss2(_ReadResponse(response))
    details = cause.details
    code = _line(details.get("Code")) or f"HTTP{response.status}"
    message = _line(details.get("Message")) or "no message"
    detail = ErrorDetail(
        code=code,
        http_status=response.status,
        message=message,
        request_id=_text(cause.request_id),
        ec=_text(details.get("EC") or response.header("x-oss-ec")),
    )
    error = ServiceError(*judge(response.status, code, message), detail)
    error.retry_after_s = _seconds(response.header("retry-after"))
    error.__cause__ = _without_secrets(cause)
    return error


def _line(text: str | None) -> str:
    return " ".join((text or "").split())


def _text(raw: str | None) -> str | None:
    """A header as it can be written down: its bytes need not be UTF-8."""
    return raw.encode("utf-8", "backslashreplace").decode() if raw else None


def _seconds(text: str | None) -> float:
    return float(text) if text and text.isdecimal() else 0.0
