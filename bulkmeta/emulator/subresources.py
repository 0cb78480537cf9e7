"""What hangs on an object: tags, ACL, symlink, appending, restore."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from .content import describe_content
from .context import version_headers
from .documents import OWNER, child_text, document, malformed, parse
from .errors import ServiceError, already_exists, invalid_argument
from .rules import (
    check_digest,
    check_key,
    check_put_headers,
    check_tags,
    sent_acl,
    sent_object,
    sent_sse,
)
from .stored import COLD_CLASSES
from .wire import Reply

if TYPE_CHECKING:
    from .context import Context
    from .stored import StoredBucket, StoredObject
    from .wire import Request

_ONGOING = 'ongoing-request="true"'


def get_object_tagging(
    context: Context, request: Request, bucket: StoredBucket
) -> Reply:
    """GetObjectTagging."""
    found = context.existing(request)
    tags = [("Tag", (("Key", k), ("Value", v))) for k, v in found.tags.items()]
    reply = document("Tagging", (("TagSet", tags),))
    reply.headers += version_headers(bucket, found)
    return reply


def put_object_tagging(
    context: Context, request: Request, bucket: StoredBucket
) -> Reply:
    """PutObjectTagging: replaces the whole set, leaves Last-Modified alone."""
    check_digest(request)
    tag_set = parse(request.body).find("TagSet")
    if tag_set is None:
        raise malformed()
    tags = check_tags(
        (child_text(tag, "Key"), child_text(tag, "Value"))
        for tag in tag_set.findall("Tag")
    )
    return _keep_tags(context, request, bucket, tags)


def delete_object_tagging(
    context: Context, request: Request, bucket: StoredBucket
) -> Reply:
    """DeleteObjectTagging."""
    reply = _keep_tags(context, request, bucket, {})
    reply.status = 204
    return reply


def _keep_tags(
    context: Context, request: Request, bucket: StoredBucket, tags: dict[str, str]
) -> Reply:
    if bucket.hns and request.key.endswith("/"):
        raise already_exists()
    found = context.store.update_object(context.existing(request), tags=tags)
    return Reply(200, version_headers(bucket, found))


def get_object_acl(context: Context, request: Request, bucket: StoredBucket) -> Reply:
    """GetObjectAcl."""
    found = context.existing(request)
    grants = ("AccessControlList", (("Grant", found.acl),))
    reply = document("AccessControlPolicy", (OWNER, grants))
    reply.headers += version_headers(bucket, found)
    return reply


def put_object_acl(context: Context, request: Request, bucket: StoredBucket) -> Reply:
    """PutObjectAcl: moves Last-Modified of an empty object only."""
    if "x-oss-object-acl" not in request.headers:
        raise invalid_argument("no such object access control", "x-oss-object-acl")
    acl = sent_acl(request, bucket, "default")
    found = context.existing(request)
    modified = found.last_modified if found.size else context.now()
    context.store.update_object(found, acl=acl, last_modified=modified)
    return Reply(200, version_headers(bucket, found))


def put_symlink(context: Context, request: Request, bucket: StoredBucket) -> Reply:
    """PutSymlink: replaces the link with all its metadata."""
    check_key(request.key)
    check_put_headers(request)
    target = unquote(request.headers.get("x-oss-symlink-target", ""))
    if not target:
        raise invalid_argument("A symlink needs a target.", "x-oss-symlink-target")
    context.refuse_overwrite(request, bucket)
    made = replace(
        sent_object(request, bucket, context.now()),
        object_type="Symlink",
        symlink_target=target,
        **describe_content(request.bucket, request.key, None),
    )
    made = context.store.save(made, b"")
    return Reply(200, version_headers(bucket, made))


def get_symlink(context: Context, request: Request, bucket: StoredBucket) -> Reply:
    """GetSymlink."""
    found = context.existing(request)
    if found.symlink_target is None:
        message = "The specified object is not a symlink."
        raise ServiceError(400, "NotSymlink", message)
    headers = [
        ("x-oss-symlink-target", quote(found.symlink_target, safe="")),
        ("ETag", f'"{found.etag}"'),
        *version_headers(bucket, found),
    ]
    return Reply(200, headers)


def append_object(context: Context, request: Request, bucket: StoredBucket) -> Reply:
    """AppendObject: creates an appendable object or lengthens one."""
    check_key(request.key)
    found = context.store.find(request.bucket, request.key)
    if found is None or found.is_marker:
        found, held = _new_appendable(context, request, bucket), b""
    else:
        if found.object_type != "Appendable":
            message = "The object is not appendable"
            raise ServiceError(409, "ObjectNotAppendable", message)
        held = context.store.body(found) or b""
    _check_position(request, len(held))
    body = held + request.body
    content = describe_content(request.bucket, request.key, body)
    content["content_md5"] = None
    made = replace(found, last_modified=context.now(), **content)
    made = context.store.save(made, body)
    headers = [
        ("ETag", f'"{made.etag}"'),
        ("x-oss-next-append-position", str(made.size)),
        ("x-oss-hash-crc64ecma", str(made.crc64)),
        *version_headers(bucket, made),
    ]
    return Reply(200, headers)


def _new_appendable(
    context: Context, request: Request, bucket: StoredBucket
) -> StoredObject:
    return replace(
        sent_object(request, bucket, context.now()),
        object_type="Appendable",
        sse=sent_sse(request) or bucket.encryption,
    )


def _check_position(request: Request, length: int) -> None:
    if request.query.get("position") != str(length):
        raise ServiceError(
            409,
            "PositionNotEqualToLength",
            "Position is not equal to file length",
            headers=(("x-oss-next-append-position", str(length)),),
        )


def restore_object(context: Context, request: Request, bucket: StoredBucket) -> Reply:
    """RestoreObject: 202 when it begins, 200 when the object is restored already."""
    found = context.existing(request)
    if found.storage_class not in COLD_CLASSES:
        message = "The operation is not supported for this resource"
        raise ServiceError(400, "OperationNotSupported", message)
    headers = version_headers(bucket, found)
    if not found.is_cold:
        return Reply(200, headers)
    if found.restore == _ONGOING:
        message = "The restore operation is in progress."
        raise ServiceError(409, "RestoreAlreadyInProgress", message)
    context.store.update_object(found, restore=_ONGOING)
    return Reply(202, headers)
