"""Conditional requests: is the object still what the client thinks it is?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .clock import parse_http_date
from .errors import ServiceError, invalid_argument

if TYPE_CHECKING:
    from .stored import StoredObject
    from .wire import Request


def check_conditions(
    request: Request, found: StoredObject, *, prefix: str = ""
) -> None:
    """Hold the four conditions against an object; each one that fails refuses.

    Raises:
        ServiceError: 412 PreconditionFailed, 304 NotModified, or 400 for a date
            that is none.
    """
    headers = request.headers
    match = headers.get(f"{prefix}if-match")
    if match is not None and not _names(match, found.etag):
        raise _failed(f"{prefix}if-match")
    unmodified = _date(request, f"{prefix}if-unmodified-since")
    if unmodified is not None and found.last_modified > unmodified:
        raise _failed(f"{prefix}if-unmodified-since")
    none_match = headers.get(f"{prefix}if-none-match")
    if none_match is not None and _names(none_match, found.etag):
        raise _not_modified(found)
    modified = _date(request, f"{prefix}if-modified-since")
    if modified is not None and found.last_modified <= modified:
        raise _not_modified(found)


def _names(header: str, etag: str) -> bool:
    tags = (tag.strip().strip('"') for tag in header.split(","))
    return any(tag in {"*", etag} for tag in tags)


def _date(request: Request, name: str) -> float | None:
    text = request.headers.get(name)
    if text is None:
        return None
    date = parse_http_date(text)
    if date is None:
        raise invalid_argument("The date is not in RFC 1123 format.", name, text)
    return date


def _failed(name: str) -> ServiceError:
    return ServiceError(
        412,
        "PreconditionFailed",
        "At least one of the pre-conditions you specified did not hold.",
        ec="0016-00000701",
        details=(("Condition", name),),
    )


def _not_modified(found: StoredObject) -> ServiceError:
    return ServiceError(
        304, "NotModified", "Not modified.", headers=(("ETag", f'"{found.etag}"'),)
    )
