"""One line per request, for whoever switches the logger of this module on.

That is asked once, when a bucket is opened; if nobody did, requests do not pass here.
Of a request only its operation and its key are told: headers hold the signature and the
token, and answers may repeat them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, Final

from bulkmeta.errors import ObjectError
from bulkmeta.oss.effort import try_number
from bulkmeta.oss.service_errors import service_error
from bulkmeta.oss.wire import request_id

if TYPE_CHECKING:
    from bulkmeta.oss.transport import Request, Response, Sender

_LOG: Final = logging.getLogger(__name__)


def traced(transport: Sender, bucket: str) -> Sender:
    """The transport, behind a tracer if somebody wants to know."""
    if _LOG.isEnabledFor(logging.DEBUG):
        return TracedTransport(transport, bucket)
    return transport


class TracedTransport:
    """Tells of each request what came of it, and how long that took."""

    def __init__(
        self,
        transport: Sender,
        bucket: str,
        *,
        now_s: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._transport = transport
        self._bucket = bucket
        self._now_s = now_s

    async def send(self, request: Request, into: BinaryIO | None = None) -> Response:
        """As the transport does.

        Raises:
            BulkmetaError: as the transport does.
        """
        sent_s = self._now_s()
        try:
            answer = await self._transport.send(request, into)
        except BaseException as error:
            self._tell(request, sent_s, _words_of(error))
            raise
        self._tell(request, sent_s, _status_of(answer), answer)
        return answer

    def _tell(
        self, request: Request, sent_s: float, end: str, answer: Response | None = None
    ) -> None:
        known_as = None if answer is None else request_id(answer)
        fields = {
            "operation": request.operation,
            "key": request.key,
            "http_status": None if answer is None else answer.status,
            "request_id": known_as,
        }
        _LOG.debug(
            "%s %s %r: %s, %.1f ms, attempt %d, request %s",
            request.method,
            request.operation,
            f"{self._bucket}/{request.key}",
            end,
            (self._now_s() - sent_s) * 1000,
            try_number.get(),
            known_as or "-",
            extra={"fields": fields},
        )


def _words_of(error: BaseException) -> str:
    if isinstance(error, ObjectError):
        return f"{error.reason} ({error})"
    return type(error).__name__


def _status_of(answer: Response) -> str:
    if answer.status < 300:
        return str(answer.status)
    return f"{answer.status} {service_error(answer).detail.code}"
