"""Buckets: making, configuring, and deleting many objects at once."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from .clock import iso_date
from .documents import OWNER, Node, child_text, document, malformed, parse
from .errors import ServiceError, invalid_argument
from .objects import delete_one
from .rules import check_bucket_name, check_digest
from .stored import SSE_HEADERS
from .wire import Reply

if TYPE_CHECKING:
    from .context import Context
    from .stored import StoredBucket, StoredObject
    from .wire import Request

_ACLS = ("private", "public-read", "public-read-write")
_MOST_DELETES = 1000


def list_buckets(context: Context, request: Request) -> Reply:
    """ListBuckets."""
    prefix = request.query.get("prefix", "")
    buckets: list[Node] = [
        ("Bucket", _bucket_facts(context, bucket))
        for bucket in context.store.buckets()
        if bucket.name.startswith(prefix)
    ]
    return document("ListAllMyBucketsResult", (OWNER, ("Buckets", buckets)))


def _bucket_facts(context: Context, bucket: StoredBucket) -> list[Node]:
    region = context.options.region
    return [
        ("Name", bucket.name),
        ("CreationDate", iso_date(bucket.created)),
        ("Location", f"oss-{region}"),
        ("Region", region),
        ("ExtranetEndpoint", f"oss-{region}.aliyuncs.com"),
        ("IntranetEndpoint", f"oss-{region}-internal.aliyuncs.com"),
        ("StorageClass", bucket.storage_class),
    ]


def put_bucket(context: Context, request: Request) -> Reply:
    """PutBucket; of a bucket that exists, its ACL is set."""
    check_bucket_name(request.bucket)
    storage_class = "Standard"
    if request.body:
        root = parse(request.body)
        storage_class = root.findtext("StorageClass") or storage_class
    context.store.create_bucket(request.bucket, storage_class=storage_class)
    if "x-oss-acl" in request.headers:
        context.store.configure_bucket(request.bucket, acl=_sent_acl(request))
    return Reply(200, [("Location", f"/{request.bucket}")])


def delete_bucket(context: Context, request: Request, bucket: StoredBucket) -> Reply:
    """DeleteBucket, when it is empty."""
    if not context.store.is_empty(bucket.name):
        message = "The bucket you tried to delete is not empty."
        raise ServiceError(409, "BucketNotEmpty", message, ec="0015-00000301")
    context.store.delete_bucket(request.bucket)
    return Reply(204)


def get_bucket_info(context: Context, request: Request, bucket: StoredBucket) -> Reply:
    """GetBucketInfo."""
    nodes = _bucket_facts(context, bucket)
    nodes += [
        OWNER,
        ("AccessControlList", (("Grant", bucket.acl),)),
        ("ServerSideEncryptionRule", _rule(bucket) or (("SSEAlgorithm", "None"),)),
        ("HierarchicalNamespace", "Enabled" if bucket.hns else "Disabled"),
    ]
    if bucket.versioning:
        nodes.append(("Versioning", bucket.versioning))
    return document("BucketInfo", (("Bucket", nodes),))


def get_bucket_location(
    context: Context, request: Request, bucket: StoredBucket
) -> Reply:
    """GetBucketLocation."""
    return document("LocationConstraint", f"oss-{context.options.region}")


def get_bucket_acl(context: Context, request: Request, bucket: StoredBucket) -> Reply:
    """GetBucketAcl."""
    grants = ("AccessControlList", (("Grant", bucket.acl),))
    return document("AccessControlPolicy", (OWNER, grants))


def put_bucket_acl(context: Context, request: Request, bucket: StoredBucket) -> Reply:
    """PutBucketAcl."""
    context.store.configure_bucket(bucket.name, acl=_sent_acl(request))
    return Reply(200)


def _sent_acl(request: Request) -> str:
    acl = request.headers.get("x-oss-acl", "")
    if acl not in _ACLS:
        raise invalid_argument("no such bucket access control", "x-oss-acl", acl)
    return acl


def get_bucket_versioning(
    context: Context, request: Request, bucket: StoredBucket
) -> Reply:
    """GetBucketVersioning: no Status where it was never set."""
    status = [("Status", bucket.versioning)] if bucket.versioning else []
    return document("VersioningConfiguration", status)


def put_bucket_versioning(
    context: Context, request: Request, bucket: StoredBucket
) -> Reply:
    """PutBucketVersioning: Enabled or Suspended, never back to unset."""
    status = child_text(parse(request.body), "Status")
    if status not in {"Enabled", "Suspended"}:
        raise malformed()
    context.store.configure_bucket(bucket.name, versioning=status)
    return Reply(200)


def get_bucket_worm(context: Context, request: Request, bucket: StoredBucket) -> Reply:
    """GetBucketWorm."""
    if not bucket.worm:
        message = "The WORM Configuration does not exist."
        raise ServiceError(404, "NoSuchWORMConfiguration", message)
    nodes = (
        ("WormId", "1666E2CFB2B3418****"),
        ("State", "Locked"),
        ("RetentionPeriodInDays", 1),
        ("CreationDate", iso_date(bucket.created)),
    )
    return document("WormConfiguration", nodes)


def get_bucket_encryption(
    context: Context, request: Request, bucket: StoredBucket
) -> Reply:
    """GetBucketEncryption."""
    if not bucket.encryption:
        message = "The server side encryption rule does not exist."
        raise ServiceError(404, "NoSuchServerSideEncryptionRule", message)
    rule = ("ApplyServerSideEncryptionByDefault", _rule(bucket))
    return document("ServerSideEncryptionRule", (rule,))


_RULE_NAMES = ("SSEAlgorithm", "KMSMasterKeyID", "KMSDataEncryption")


def _rule(bucket: StoredBucket) -> list[Node]:
    pairs = zip(_RULE_NAMES, SSE_HEADERS, strict=True)
    return [(n, bucket.encryption[h]) for n, h in pairs if h in bucket.encryption]


def put_bucket_encryption(
    context: Context, request: Request, bucket: StoredBucket
) -> Reply:
    """PutBucketEncryption."""
    rule = parse(request.body).find("ApplyServerSideEncryptionByDefault")
    if rule is None:
        raise malformed()
    pairs = zip(_RULE_NAMES, SSE_HEADERS, strict=True)
    encryption = {h: text for n, h in pairs if (text := rule.findtext(n))}
    context.store.configure_bucket(bucket.name, encryption=encryption)
    return Reply(200)


def delete_bucket_encryption(
    context: Context, request: Request, bucket: StoredBucket
) -> Reply:
    """DeleteBucketEncryption."""
    context.store.configure_bucket(bucket.name, encryption={})
    return Reply(204)


def delete_objects(context: Context, request: Request, bucket: StoredBucket) -> Reply:
    """DeleteMultipleObjects: up to 1,000 keys or versions."""
    check_digest(request)
    root = parse(request.body)
    asked = [
        (child_text(o, "Key"), o.findtext("VersionId")) for o in root.iter("Object")
    ]
    if not 1 <= len(asked) <= _MOST_DELETES:
        raise malformed()
    nodes = []
    for key, version_id in asked:
        removed = delete_one(context, bucket, key, version_id)
        nodes.append(_deleted(request, key, version_id, removed))
    if root.findtext("Quiet") == "true":
        return Reply(200)
    encoding = (("EncodingType", "url"),) if "encoding-type" in request.query else ()
    return document("DeleteResult", (*encoding, *nodes))


def _deleted(
    request: Request, key: str, version_id: str | None, removed: StoredObject | None
) -> Node:
    shown = quote(key, safe="") if "encoding-type" in request.query else key
    nodes: list[Node] = [("Key", shown)]
    if version_id:
        nodes.append(("VersionId", version_id))
    if removed is not None and removed.is_marker:
        nodes += [
            ("DeleteMarker", "true"),
            ("DeleteMarkerVersionId", removed.version_id),
        ]
    return ("Deleted", nodes)
