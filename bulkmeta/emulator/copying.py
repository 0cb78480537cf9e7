"""CopyObject: the only way to change metadata in place, with all its losses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from .clock import iso_date
from .conditions import check_conditions
from .context import version_headers
from .documents import document
from .errors import ServiceError, already_exists, invalid_argument
from .objects import refuse_cold
from .rules import (
    check_key,
    check_meta,
    check_put_headers,
    parse_tagging,
    persistent_headers,
    sent_acl,
    sent_class,
    sent_sse,
)
from .stored import STANDARD_HEADERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .context import Context
    from .stored import StoredBucket, StoredObject
    from .wire import Reply, Request

_REWRITE_LIMIT_BYTES = 1024**3
_COPY_LIMIT_BYTES = 5 * 1024**3
_CONDITIONS = "x-oss-copy-source-"


def copy_object(context: Context, request: Request, bucket: StoredBucket) -> Reply:
    """CopyObject onto another key or, to change metadata, onto itself."""
    check_key(request.key)
    check_put_headers(request)
    source = _source(context, request)
    _refuse_hns(bucket, request.key)
    refuse_cold(source)
    if context.options.conditions_on_copy == "hold":
        check_conditions(request, source, prefix=_CONDITIONS)
    context.refuse_overwrite(request, bucket)
    _refuse_type(request, bucket, source)
    _refuse_size(request, bucket, source)
    body = context.store.body(source)
    made = context.store.save(_copied(context, request, bucket, source), body)
    return _result(context, bucket, source, made)


def _result(
    context: Context, bucket: StoredBucket, source: StoredObject, made: StoredObject
) -> Reply:
    fields = (
        ("ETag", f'"{made.etag}"'),
        ("LastModified", iso_date(made.last_modified)),
    )
    reply = document("CopyObjectResult", fields)
    reply.headers += [
        ("ETag", f'"{made.etag}"'),
        ("x-oss-hash-crc64ecma", str(made.crc64)),
        *version_headers(bucket, made),
    ]
    if context.bucket(source.bucket).versioning is not None:
        reply.headers.append(("x-oss-copy-source-version-id", source.version_id))
    return reply


def _source(context: Context, request: Request) -> StoredObject:
    text = request.headers["x-oss-copy-source"]
    path, _, query = text.partition("?")
    bucket, slash, key = _decoded(path).removeprefix("/").partition("/")
    if not (bucket and slash and key):
        raise invalid_argument(
            "Copy Source must mention the source bucket and key.",
            "x-oss-copy-source",
            text,
        )
    version_id = query.removeprefix("versionId=") or None
    context.bucket(bucket)
    return context.version(bucket, key, version_id)


def _decoded(path: str) -> str:
    encoded = path.encode("utf-8", "surrogateescape")
    return unquote_to_bytes(encoded).decode("utf-8", "replace")


def _is_self(request: Request, source: StoredObject) -> bool:
    return (request.bucket, request.key) == (source.bucket, source.key)


def _refuse_hns(bucket: StoredBucket, key: str) -> None:
    if bucket.hns and key.endswith("/"):
        raise already_exists()


def _refuse_type(request: Request, bucket: StoredBucket, source: StoredObject) -> None:
    if source.object_type == "Appendable" and (
        bucket.versioning is not None or not _is_self(request, source) or _sse(request)
    ):
        message = "The operation is not supported for an appendable object."
        raise ServiceError(400, "OperationNotSupported", message)
    if source.object_type == "Symlink" and _sse(request):
        raise invalid_argument("A symlink cannot be encrypted.")


def _sse(request: Request) -> bool:
    return "x-oss-server-side-encryption" in request.headers


def _refuse_size(request: Request, bucket: StoredBucket, source: StoredObject) -> None:
    # A class or an encryption that is sent counts as changed, even when it is not:
    # the content is then rewritten.
    if _sse(request) or "x-oss-storage-class" in request.headers:
        limit = _REWRITE_LIMIT_BYTES
    elif _is_self(request, source) and bucket.versioning is None:
        return
    else:
        limit = _COPY_LIMIT_BYTES
    if source.size > limit:
        message = "Your proposed copy object size exceeds the maximum allowed."
        raise ServiceError(400, "EntityTooLarge", message, ec="0026-00000019")


def _copied(
    context: Context, request: Request, bucket: StoredBucket, source: StoredObject
) -> StoredObject:
    storage_class, restore = _class(context, request, bucket, source)
    made = replace(
        source,
        bucket=request.bucket,
        key=request.key,
        last_modified=context.now(),
        tags=_tags(request, source),
        acl=_acl(context, request, bucket, source),
        sse=_encryption(context, request, bucket, source),
        storage_class=storage_class,
        restore=restore,
    )
    # Without versions, the metadata of an object copied onto itself is ignored
    # whatever the directive says.
    ignored = _is_self(request, source) and bucket.versioning is None
    if _directive(request, "metadata") == "REPLACE" or ignored:
        made = replace(
            made,
            meta=check_meta(request.meta()),
            headers=request.some(STANDARD_HEADERS),
            content_type=request.headers.get("content-type", source.content_type),
            extra=persistent_headers(request),
        )
    return made


def _directive(request: Request, name: str) -> str:
    header = f"x-oss-{name}-directive"
    value = request.headers.get(header, "COPY")
    if value.upper() not in {"COPY", "REPLACE"}:
        raise invalid_argument(f"Invalid {name} directive.", header, value)
    return value.upper()


def _tags(request: Request, source: StoredObject) -> Mapping[str, str]:
    if _directive(request, "tagging") == "COPY":
        return source.tags
    return parse_tagging(request.headers.get("x-oss-tagging", ""))


def _acl(
    context: Context, request: Request, bucket: StoredBucket, source: StoredObject
) -> str:
    kept = context.options.acl_on_copy == "keep" and _is_self(request, source)
    return sent_acl(request, bucket, source.acl if kept else "default")


def _class(
    context: Context, request: Request, bucket: StoredBucket, source: StoredObject
) -> tuple[str, str | None]:
    kept = context.options.class_on_copy == "keep" and _is_self(request, source)
    default = source.storage_class if kept else bucket.storage_class
    storage_class = sent_class(request, default)
    # A rewritten copy of restored content is cold again.
    restore = source.restore if kept and storage_class == default else None
    return storage_class, restore


def _encryption(
    context: Context, request: Request, bucket: StoredBucket, source: StoredObject
) -> Mapping[str, str]:
    kept = context.options.sse_on_copy == "keep" and _is_self(request, source)
    return sent_sse(request) or (source.sse if kept else bucket.encryption)
