"""Answers, and what is read of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from multidict import CIMultiDict

from bulkmeta.oss import wire
from bulkmeta.oss.transport import Response

if TYPE_CHECKING:
    from bulkmeta.model.metadata import ObjectHead

MODIFIED = "Sun, 22 Nov 2026 10:00:00 GMT"
NOW = datetime(2026, 11, 22, 12, 0, 0, 999, UTC)
GUARDS = (("etag", '"E"'), ("last-modified", MODIFIED))


def answer(*headers: tuple[str, str], body: bytes = b"") -> Response:
    return Response(200, CIMultiDict(headers), body, timedelta())


def read(*headers: tuple[str, str]) -> ObjectHead:
    return wire.read_head(answer(*GUARDS, *headers), NOW)
