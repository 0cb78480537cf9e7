"""Putting, reading and deleting objects."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from .clock import http_date
from .conditions import check_conditions
from .content import describe_content
from .context import version_headers
from .errors import ServiceError, immutable
from .rules import (
    check_key,
    check_put_headers,
    persistent_headers,
    sent_object,
    sent_sse,
)
from .wire import Reply

if TYPE_CHECKING:
    from .context import Context
    from .stored import StoredBucket, StoredObject
    from .wire import Request

_HELD_LIMIT_BYTES = 64 * 1024 * 1024
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def put_object(context: Context, request: Request, bucket: StoredBucket) -> Reply:
    """PutObject."""
    check_key(request.key)
    check_put_headers(request)
    made = replace(
        sent_object(request, bucket, context.now()),
        sse=sent_sse(request) or bucket.encryption,
        extra=persistent_headers(request),
        **describe_content(request.bucket, request.key, request.body),
    )
    context.refuse_overwrite(request, bucket)
    made = context.store.save(made, request.body)
    headers = [
        ("ETag", f'"{made.etag}"'),
        ("x-oss-hash-crc64ecma", str(made.crc64)),
        ("Content-MD5", made.content_md5 or ""),
        *version_headers(bucket, made),
    ]
    return Reply(200, headers)


def head_object(context: Context, request: Request, bucket: StoredBucket) -> Reply:
    """HeadObject."""
    found, target = _resolve(context, request)
    check_conditions(request, target)
    headers = object_headers(bucket, found, target)
    return Reply(200, headers, length=target.size)


def get_object_meta(context: Context, request: Request, bucket: StoredBucket) -> Reply:
    """GetObjectMeta: of a symlink, the link itself."""
    found = context.existing(request)
    headers = [
        ("ETag", f'"{found.etag}"'),
        ("Last-Modified", http_date(found.last_modified)),
        ("x-oss-hash-crc64ecma", str(found.crc64)),
        *version_headers(bucket, found),
    ]
    return Reply(200, headers, length=found.size)


def get_object(context: Context, request: Request, bucket: StoredBucket) -> Reply:
    """GetObject."""
    found, target = _resolve(context, request)
    refuse_cold(target)
    check_conditions(request, target)
    headers = object_headers(bucket, found, target)
    start, end = _wanted_range(request, target.size)
    body = _content(context, target, start, end)
    if len(body) == target.size:
        return Reply(200, headers, body)
    headers.append(("Content-Range", f"bytes {start}-{end - 1}/{target.size}"))
    return Reply(206, headers, body)


def _wanted_range(request: Request, size: int) -> tuple[int, int]:
    match = _RANGE.fullmatch(request.headers.get("range", ""))
    if match is None:
        return 0, size
    first, last = match.groups()
    if not first:
        return max(0, size - int(last or 0)), size
    # A range that cannot be served is ignored: the whole object is sent.
    if int(first) >= size:
        return 0, size
    return int(first), min(size, int(last) + 1) if last else size


def _content(context: Context, found: StoredObject, start: int, end: int) -> bytes:
    body = context.store.body(found)
    if body is not None:
        return body[start:end]
    if end - start > _HELD_LIMIT_BYTES:
        message = "Only the size of this object is known; read it in ranges."
        raise ServiceError(400, "NotImplemented", message)
    return bytes(end - start)


def _resolve(context: Context, request: Request) -> tuple[StoredObject, StoredObject]:
    """The object and what it points to: itself, unless it is a symlink."""
    found = context.existing(request)
    if found.symlink_target is None:
        return found, found
    target = context.store.find(found.bucket, found.symlink_target)
    if target is None or target.is_marker:
        message = "The symlink target object does not exist."
        raise ServiceError(404, "SymlinkTargetNotExist", message, ec="0026-00000011")
    if target.symlink_target is not None:
        message = "The symlink target type is invalid."
        raise ServiceError(400, "InvalidTargetType", message)
    return found, target


def refuse_cold(found: StoredObject) -> None:
    """Refuse to touch content that has not been restored.

    Raises:
        ServiceError: 403 InvalidObjectState.
    """
    if found.is_cold:
        raise ServiceError(
            403,
            "InvalidObjectState",
            "The operation is not valid for the object's state",
            ec="0016-00000404",
            details=(("ObjectName", found.key),),
        )


def object_headers(
    bucket: StoredBucket, found: StoredObject, target: StoredObject
) -> list[tuple[str, str]]:
    """What HEAD and GET say; content matters come from a symlink's target."""
    modified = max(found.last_modified, target.last_modified)
    headers = [
        ("Content-Type", found.content_type),
        ("ETag", f'"{target.etag}"'),
        ("Last-Modified", http_date(modified)),
        ("Accept-Ranges", "bytes"),
        ("x-oss-object-type", found.object_type),
        ("x-oss-hash-crc64ecma", str(target.crc64)),
        ("x-oss-storage-class", target.storage_class),
        *((name.title(), value) for name, value in found.headers.items()),
        *((f"x-oss-meta-{name}", value) for name, value in found.meta.items()),
        *found.sse.items(),
        *found.extra.items(),
        *version_headers(bucket, found),
    ]
    if target.content_md5 and target.object_type == "Normal":
        headers.append(("Content-MD5", target.content_md5))
    if found.tags:
        headers.append(("x-oss-tagging-count", str(len(found.tags))))
    if target.restore:
        headers.append(("x-oss-restore", target.restore))
    if found.object_type == "Appendable":
        headers.append(("x-oss-next-append-position", str(found.size)))
    return headers


def delete_object(context: Context, request: Request, bucket: StoredBucket) -> Reply:
    """DeleteObject: 204 whether there was anything or not."""
    check_key(request.key)
    removed = delete_one(context, bucket, request.key, request.version_id)
    headers = []
    if removed is not None:
        headers = version_headers(bucket, removed)
        if removed.is_marker:
            headers.append(("x-oss-delete-marker", "true"))
    return Reply(204, headers)


def delete_one(
    context: Context, bucket: StoredBucket, key: str, version_id: str | None
) -> StoredObject | None:
    """Delete a key or one of its versions, unless a retention policy holds it.

    Raises:
        ServiceError: 409 FileImmutable.
    """
    if bucket.worm and context.store.find(bucket.name, key, version_id) is not None:
        raise immutable()
    return context.store.delete_object(bucket.name, key, version_id)
