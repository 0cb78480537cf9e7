"""Which operation a request is, and which function answers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from . import buckets, copying, listings, objects, subresources

if TYPE_CHECKING:
    from collections.abc import Callable

    from .context import Context
    from .stored import StoredBucket
    from .wire import Reply, Request

Handler: TypeAlias = "Callable[[Context, Request, StoredBucket], Reply]"
ServiceHandler: TypeAlias = "Callable[[Context, Request], Reply]"

# (method, sub-resource) -> operation, for requests about a bucket and about an object.
_BUCKET = {
    ("GET", "acl"): "GetBucketAcl",
    ("PUT", "acl"): "PutBucketAcl",
    ("GET", "bucketInfo"): "GetBucketInfo",
    ("POST", "delete"): "DeleteMultipleObjects",
    ("GET", "encryption"): "GetBucketEncryption",
    ("PUT", "encryption"): "PutBucketEncryption",
    ("DELETE", "encryption"): "DeleteBucketEncryption",
    ("GET", "location"): "GetBucketLocation",
    ("GET", "versioning"): "GetBucketVersioning",
    ("PUT", "versioning"): "PutBucketVersioning",
    ("GET", "versions"): "ListObjectVersions",
    ("GET", "worm"): "GetBucketWorm",
}
_OBJECT = {
    ("GET", "acl"): "GetObjectAcl",
    ("PUT", "acl"): "PutObjectAcl",
    ("POST", "append"): "AppendObject",
    ("HEAD", "objectMeta"): "GetObjectMeta",
    ("POST", "restore"): "RestoreObject",
    ("GET", "symlink"): "GetSymlink",
    ("PUT", "symlink"): "PutSymlink",
    ("GET", "tagging"): "GetObjectTagging",
    ("PUT", "tagging"): "PutObjectTagging",
    ("DELETE", "tagging"): "DeleteObjectTagging",
}
# Sub-resources the service has and this stand-in has not.
_FOREIGN = frozenset(
    [
        "accessMonitor",
        "asyncFetch",
        "callback",
        "cname",
        "cors",
        "inventory",
        "inventoryId",
        "lifecycle",
        "live",
        "logging",
        "metaQuery",
        "objectWorm",
        "overwriteConfig",
        "policy",
        "policyStatus",
        "publicAccessBlock",
        "qosInfo",
        "referer",
        "replication",
        "requestPayment",
        "resourceGroup",
        "seal",
        "stat",
        "style",
        "tagging",
        "transferAcceleration",
        "uploadId",
        "uploads",
        "website",
        "wormId",
        "x-oss-process",
    ]
)
_KNOWN_BUCKET = frozenset(name for _, name in _BUCKET)
_KNOWN_OBJECT = frozenset(name for _, name in _OBJECT)
_PLAIN_OBJECT = {
    "DELETE": "DeleteObject",
    "GET": "GetObject",
    "HEAD": "HeadObject",
}
UNKNOWN = "Unknown"

SERVICE_HANDLERS: dict[str, ServiceHandler] = {
    "ListBuckets": buckets.list_buckets,
    "PutBucket": buckets.put_bucket,
}
HANDLERS: dict[str, Handler] = {
    "AppendObject": subresources.append_object,
    "CopyObject": copying.copy_object,
    "DeleteBucket": buckets.delete_bucket,
    "DeleteBucketEncryption": buckets.delete_bucket_encryption,
    "DeleteMultipleObjects": buckets.delete_objects,
    "DeleteObject": objects.delete_object,
    "DeleteObjectTagging": subresources.delete_object_tagging,
    "GetBucketAcl": buckets.get_bucket_acl,
    "GetBucketEncryption": buckets.get_bucket_encryption,
    "GetBucketInfo": buckets.get_bucket_info,
    "GetBucketLocation": buckets.get_bucket_location,
    "GetBucketVersioning": buckets.get_bucket_versioning,
    "GetBucketWorm": buckets.get_bucket_worm,
    "GetObject": objects.get_object,
    "GetObjectAcl": subresources.get_object_acl,
    "GetObjectMeta": objects.get_object_meta,
    "GetObjectTagging": subresources.get_object_tagging,
    "GetSymlink": subresources.get_symlink,
    "HeadObject": objects.head_object,
    "ListObjectVersions": listings.list_object_versions,
    "ListObjects": listings.list_objects,
    "ListObjectsV2": listings.list_objects_v2,
    "PutBucketAcl": buckets.put_bucket_acl,
    "PutBucketEncryption": buckets.put_bucket_encryption,
    "PutBucketVersioning": buckets.put_bucket_versioning,
    "PutObject": objects.put_object,
    "PutObjectAcl": subresources.put_object_acl,
    "PutObjectTagging": subresources.put_object_tagging,
    "PutSymlink": subresources.put_symlink,
    "RestoreObject": subresources.restore_object,
}


def operation_of(request: Request) -> str:
    """The name of the API call, `Unknown` for what this stand-in does not serve."""
    if request.key:
        return _object_operation(request)
    if request.bucket:
        return _bucket_operation(request)
    return "ListBuckets" if request.method == "GET" else UNKNOWN


def _object_operation(request: Request) -> str:
    for name in request.query:
        if name in _KNOWN_OBJECT:
            return _OBJECT.get((request.method, name), UNKNOWN)
        if name in _FOREIGN:
            return UNKNOWN
    if request.method == "PUT":
        copied = "x-oss-copy-source" in request.headers
        return "CopyObject" if copied else "PutObject"
    return _PLAIN_OBJECT.get(request.method, UNKNOWN)


def _bucket_operation(request: Request) -> str:
    for name in request.query:
        if name in _KNOWN_BUCKET:
            return _BUCKET.get((request.method, name), UNKNOWN)
        if name in _FOREIGN:
            return UNKNOWN
    if request.method == "GET":
        is_v2 = request.query.get("list-type") == "2"
        return "ListObjectsV2" if is_v2 else "ListObjects"
    return {"PUT": "PutBucket", "DELETE": "DeleteBucket"}.get(request.method, UNKNOWN)
