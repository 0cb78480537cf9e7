"""What the service accepts: names, metadata, tags, classes, encryption. All pure."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from .content import content_md5
from .errors import ServiceError, invalid_argument, not_implemented
from .stored import (
    DEFAULT_TYPE,
    OBJECT_ACLS,
    SSE_HEADERS,
    STANDARD_HEADERS,
    STORAGE_CLASSES,
    StoredObject,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .stored import StoredBucket
    from .wire import Request

META_LIMIT_BYTES = 8192
TAG_LIMIT = 10
_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_META_NAME = re.compile(r"[A-Za-z0-9-]+")
_TAG_TEXT = re.compile(r"[\w +\-=.:/]*")
_UNKNOWN_ON_PUT = (
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
    "range",
)
_ALGORITHMS = ("AES256", "KMS", "SM4")


def check_bucket_name(name: str) -> None:
    """3-63 lower-case letters, digits and hyphens.

    Raises:
        ServiceError: 400 InvalidBucketName.
    """
    if _BUCKET_NAME.fullmatch(name) is None:
        raise ServiceError(
            400, "InvalidBucketName", "The specified bucket is not valid."
        )


def check_key(key: str) -> None:
    """1-1023 bytes, no slash or backslash in front.

    Raises:
        ServiceError: 400 InvalidObjectName.
    """
    if len(key.encode()) > 1023:
        message = "The Length of Object name must be less than 1024."
        raise ServiceError(400, "InvalidObjectName", message, ec="0016-00000001")
    if key[:1] in {"/", "\\"}:
        message = "The specified object is not valid."
        raise ServiceError(400, "InvalidObjectName", message, ec="0016-00000002")


def check_put_headers(request: Request) -> None:
    """Refuse headers that mean something on reads only, and a body of other content.

    Raises:
        ServiceError: 400 NotImplemented or InvalidDigest.
    """
    for name in _UNKNOWN_ON_PUT:
        if name in request.headers:
            raise not_implemented(name)
    check_digest(request)


def check_digest(request: Request) -> None:
    """Hold Content-MD5 against the body received.

    Raises:
        ServiceError: 400 InvalidDigest.
    """
    sent = request.headers.get("content-md5")
    if sent is not None and sent != content_md5(request.body):
        message = "The Content-MD5 you specified was invalid."
        raise ServiceError(400, "InvalidDigest", message, ec="0017-00000001")


def check_meta(meta: Mapping[str, str]) -> dict[str, str]:
    """User metadata as it is kept.

    Raises:
        ServiceError: 400, too large or with a character in a name that is refused.
    """
    size = 0
    for name, value in meta.items():
        if _META_NAME.fullmatch(name) is None:
            raise ServiceError(
                400,
                "InvalidArgument",
                "The key of the user metadata contains invalid characters.",
                ec="0011-00000004",
                details=(("ArgumentName", f"x-oss-meta-{name}"),),
            )
        size += len(name) + len(value.encode("utf-8", "surrogateescape"))
    if size > META_LIMIT_BYTES:
        message = "The size of user metadata exceeds the limit of 8 KB."
        raise ServiceError(400, "InvalidArgument", message, ec="0011-00000002")
    return dict(meta)


def parse_tagging(text: str) -> dict[str, str]:
    """Tags of an `x-oss-tagging` header, `A=1&B=2` in URL encoding.

    Raises:
        ServiceError: 400 InvalidTag or InvalidArgument.
    """
    pairs = (item.partition("=") for item in text.split("&") if item)
    return check_tags((unquote_plus(n), unquote_plus(v)) for n, _, v in pairs)


def check_tags(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """At most ten tags, keys of 1-128 and values of 0-256 characters.

    Raises:
        ServiceError: 400 InvalidTag, or InvalidArgument for a key given twice.
    """
    tags: dict[str, str] = {}
    for key, value in pairs:
        if key in tags:
            raise invalid_argument("The tag keys must be unique.", "TagKey", key)
        if not 1 <= len(key) <= 128 or _TAG_TEXT.fullmatch(key) is None:
            raise _invalid_tag("The TagKey you have provided is invalid.")
        if len(value) > 256 or _TAG_TEXT.fullmatch(value) is None:
            raise _invalid_tag("The TagValue you have provided is invalid.")
        tags[key] = value
    if len(tags) > TAG_LIMIT:
        raise _invalid_tag("Object tags cannot be more than 10.")
    return tags


def _invalid_tag(message: str) -> ServiceError:
    return ServiceError(400, "InvalidTag", message, ec="0026-00000113")


def sent_object(request: Request, bucket: StoredBucket, now: int) -> StoredObject:
    """An object as the headers of a request describe it, without content.

    Raises:
        ServiceError: 400 or 403, as for each of them.
    """
    return StoredObject(
        bucket=request.bucket,
        key=request.key,
        last_modified=now,
        content_type=request.headers.get("content-type", DEFAULT_TYPE),
        headers=request.some(STANDARD_HEADERS),
        meta=check_meta(request.meta()),
        tags=parse_tagging(request.headers.get("x-oss-tagging", "")),
        acl=sent_acl(request, bucket, "default"),
        storage_class=sent_class(request, bucket.storage_class),
    )


def sent_acl(request: Request, bucket: StoredBucket, default: str) -> str:
    """The ACL that `x-oss-object-acl` asks for.

    Raises:
        ServiceError: 400 for a value that is none, 403 for a public one where
            Block Public Access is on.
    """
    acl = request.headers.get("x-oss-object-acl", default)
    if acl not in OBJECT_ACLS:
        raise invalid_argument("no such object access control", "x-oss-object-acl", acl)
    if bucket.block_public_access and acl.startswith("public"):
        message = "Put public object acl is not allowed"
        raise ServiceError(403, "AccessDenied", message, ec="0016-00000604")
    return acl


def sent_class(request: Request, default: str) -> str:
    """The storage class that `x-oss-storage-class` asks for.

    Raises:
        ServiceError: 400 InvalidArgument for a class that is none.
    """
    storage_class = request.headers.get("x-oss-storage-class")
    if storage_class is None:
        return default
    if storage_class not in STORAGE_CLASSES:
        ec = "0013-00000101" if storage_class else "0017-00000131"
        raise ServiceError(
            400, "InvalidArgument", "The storage class is invalid.", ec=ec
        )
    return storage_class


def sent_sse(request: Request) -> dict[str, str]:
    """The encryption headers sent, checked.

    Raises:
        ServiceError: 400, an unknown algorithm or a key without KMS.
    """
    sse = request.some(SSE_HEADERS)
    algorithm = sse.get(SSE_HEADERS[0])
    if not sse:
        return {}
    if algorithm not in _ALGORITHMS:
        raise ServiceError(
            400,
            "InvalidEncryptionAlgorithmError",
            "The encryption algorithm you specified is not supported.",
        )
    if algorithm != "KMS" and len(sse) > 1:
        raise invalid_argument(
            "A KMS key or data encryption needs KMS.", SSE_HEADERS[0], algorithm
        )
    return sse


def persistent_headers(request: Request) -> dict[str, str]:
    """Custom headers of `x-oss-persistent-headers`, `name:base64,name:base64`.

    Raises:
        ServiceError: 400 InvalidArgument when a value is not base64.
    """
    text = request.headers.get("x-oss-persistent-headers", "")
    made = {}
    for item in filter(None, text.split(",")):
        name, _, value = item.partition(":")
        try:
            decoded = base64.b64decode(value, validate=True)
        except ValueError:
            raise invalid_argument(
                "Invalid persistent header.", "x-oss-persistent-headers", item
            ) from None
        made[name.strip().lower()] = decoded.decode("utf-8", "surrogateescape")
    return made
