"""The service's headers and XML, to and from model values. Pure.

Facts: OSS API reference of HeadObject, CopyObject, ListObjectsV2 and GetObjectAcl.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote
from xml.etree import ElementTree

import msgspec

from bulkmeta.errors import ObjectError
from bulkmeta.model.changes import USER_META_PREFIX
from bulkmeta.model.limits import is_utf8
from bulkmeta.model.metadata import (
    DEFAULT_ACL,
    SSE_HEADERS,
    STANDARD_CLASS,
    STANDARD_HEADERS,
    ListedObject,
    Metadata,
    ObjectHead,
    parse_http_date,
)

if TYPE_CHECKING:
    from bulkmeta.model.plan import UpdatePlan
    from bulkmeta.oss.transport import Response

_PREFIX_LENGTH: Final = len(USER_META_PREFIX)
CLASS_HEADER: Final = "x-oss-storage-class"

# As the service writes it, to the last byte; each update's answer is one.
_COPY_RESULT: Final = re.compile(
    rb"<\?xml version=\"1.0\" encoding=\"UTF-8\"\?>\s*<CopyObjectResult>\s*"
    rb"<ETag>[^<&]*</ETag>\s*<LastModified>(?P<modified>[0-9T:.Z-]+)</LastModified>\s*"
    rb"</CopyObjectResult>\s*",
)

# Facts about the object or the reply that no update can or may carry.
VOLATILE_HEADERS: Final = frozenset(
    {
        "accept-ranges",
        "connection",
        "content-length",
        "content-md5",
        "date",
        "etag",
        "keep-alive",
        "last-modified",
        "server",
        "strict-transport-security",
        "transfer-encoding",
        "vary",
        "x-oss-delete-marker",
        "x-oss-ec",
        "x-oss-expiration",
        "x-oss-force-download",
        "x-oss-hash-crc64ecma",
        "x-oss-last-access-time",
        "x-oss-next-append-position",
        "x-oss-object-type",
        "x-oss-process-status",
        "x-oss-qos-delay-time",
        "x-oss-request-charged",
        "x-oss-request-id",
        "x-oss-restore",
        "x-oss-sealed-time",
        "x-oss-server-time",
        "x-oss-symlink-target",
        "x-oss-tagging-count",
        "x-oss-transition-time",
        "x-oss-version-id",
    }
)
_VOLATILE_PREFIX: Final = "access-control-"

# On its default domain OSS adds `Content-Disposition: attachment` of its own to images
# (help page 0048-00000101), and this header tells that it did.
_FORCED_DOWNLOAD: Final = "x-oss-force-download"


lower_name = lru_cache(maxsize=4096)(str.lower)


class Page(msgspec.Struct, frozen=True):
    """One page of a listing; `next_token` is None on the last one."""

    objects: list[ListedObject]
    next_token: str | None


class CopyResult(msgspec.Struct, frozen=True):
    """What an accepted update says; `last_modified` as a head will give it."""

    last_modified: str | None
    version_id: str | None
    request_id: str | None


def read_head(response: Response, now: datetime) -> ObjectHead:
    """The object that a HEAD answer describes; `now` is for one that has no date.

    Raises:
        ObjectError: a header that is not known to be carried or to be volatile, that
            comes twice, or that is not UTF-8; or one needed as a guard is missing.
    """
    meta: dict[str, str] = {}
    headers: dict[str, str] = {}
    sse: dict[str, str] = {}
    storage_class = STANDARD_CLASS
    facts: dict[str, str] = {}
    for given, value in response.headers.items():
        name = lower_name(given)
        if name.startswith(USER_META_PREFIX):
            _put(meta, name[_PREFIX_LENGTH:], value)
        elif name in VOLATILE_HEADERS:
            facts[name] = value
        elif name in STANDARD_HEADERS:
            _put(headers, name, value)
        elif name in SSE_HEADERS:
            _put(sse, name, value)
        elif name == CLASS_HEADER:
            storage_class = clean(value)
        elif not name.startswith(_VOLATILE_PREFIX):
            raise _unknown_header(name)
    metadata = Metadata(meta, headers, None, None, storage_class, sse)
    return _head(metadata, facts, now)


def clean(text: str) -> str:
    """Text that can be recorded, whatever bytes a header had."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _clean_header(response: Response, name: str) -> str | None:
    value = response.header(name)
    return None if value is None else clean(value)


def _put(into: dict[str, str], name: str, value: str) -> None:
    if name in into:
        raise ObjectError(
            "repeated_header", f"the answer holds {name!r} twice; it cannot be sent so"
        )
    if not (value.isascii() or is_utf8(value)):
        raw = value.encode("utf-8", "surrogateescape")
        raise ObjectError(
            "not_utf8",
            f"the value of {name!r} is not UTF-8 ({quote(raw)}); "
            "sending it back would damage it",
        )
    into[name] = value


def _unknown_header(name: str) -> ObjectError:
    return ObjectError(
        "unknown_header",
        f"the object has a header {name!r} that an update might lose",
    )


def _head(metadata: Metadata, facts: dict[str, str], now: datetime) -> ObjectHead:
    etag, last_modified = facts.get("etag"), facts.get("last-modified")
    if not etag or not _is_http_date(last_modified):
        raise ObjectError(
            "unguardable",
            "the answer lacks ETag or Last-Modified; an update could not be guarded",
        )
    assert last_modified is not None  # noqa: S101 narrows for the type checker
    date = facts.get("date")
    return ObjectHead(
        metadata=metadata,
        etag=clean(etag.strip('"')),
        last_modified=last_modified,
        date=date if date and _is_http_date(date) else _http_text(now),
        size_bytes=int(facts.get("content-length", "0")),
        object_type=clean(facts.get("x-oss-object-type", "Normal")),
        version_id=_clean_fact(facts, "x-oss-version-id"),
        request_id=_clean_fact(facts, "x-oss-request-id"),
        restore=_clean_fact(facts, "x-oss-restore"),
        forced_download=facts.get(_FORCED_DOWNLOAD) == "true",
    )


def _clean_fact(facts: dict[str, str], name: str) -> str | None:
    value = facts.get(name)
    return None if value is None else clean(value)


def _is_http_date(text: str | None) -> bool:
    try:
        return parse_http_date(text or "") is not None
    except ValueError:
        return False


def replace_headers(bucket: str, plan: UpdatePlan) -> dict[str, str]:
    """The headers of the update: all that stays, and the guards of promise 3.

    Tags are not among them: a copy keeps them by the default directive. The conditions
    are ANDed by the service; the ETag alone would not notice a change of metadata.
    """
    after = plan.after
    headers = {
        **after.headers,
        **{f"{USER_META_PREFIX}{name}": value for name, value in after.meta.items()},
        **after.sse,
        "x-oss-copy-source": f"/{bucket}/{quote(plan.key, safe='')}",
        "x-oss-metadata-directive": "REPLACE",
        "x-oss-copy-source-if-match": f'"{plan.etag}"',
        "x-oss-copy-source-if-unmodified-since": plan.last_modified,
    }
    if after.acl not in {None, DEFAULT_ACL}:
        headers["x-oss-object-acl"] = str(after.acl)
    if after.storage_class not in {None, STANDARD_CLASS}:
        headers[CLASS_HEADER] = str(after.storage_class)
    return headers


def parse_copy_result(response: Response) -> CopyResult:
    """What the service says of an update that it accepted.

    Raises:
        ValueError: the body is not a complete CopyObjectResult.
    """
    modified = _copy_time(response.body)
    return CopyResult(
        last_modified=_http_date(modified) if modified else None,
        version_id=_clean_header(response, "x-oss-version-id"),
        request_id=_clean_header(response, "x-oss-request-id"),
    )


def _copy_time(body: bytes) -> str | None:
    """LastModified of a CopyObjectResult: by its usual form, else by the parser."""
    usual = _COPY_RESULT.fullmatch(body)
    if usual:
        return usual["modified"].decode()
    return _parse(body, "CopyObjectResult").findtext("LastModified")


def parse_page(body: bytes) -> Page:
    """One page of ListObjectsV2, asked for with `encoding-type=url`.

    Raises:
        ValueError: the body is not a complete page.
    """
    root = _parse(body, "ListBucketResult")
    objects = [_listed(entry) for entry in root.iterfind("Contents")]
    if root.findtext("IsTruncated") != "true":
        return Page(objects, None)
    token = root.findtext("NextContinuationToken")
    if not token:
        raise ValueError("a truncated page without NextContinuationToken")
    return Page(objects, token)


def _listed(entry: ElementTree.Element) -> ListedObject:
    text = {child.tag: child.text or "" for child in entry}
    if "Key" not in text:
        raise ValueError("an entry without Key")
    return ListedObject(
        key=unquote(text["Key"], errors="surrogateescape"),
        size_bytes=int(text.get("Size", "0")),
        etag=text.get("ETag", "").strip('"'),
        last_modified=text.get("LastModified", ""),
        object_type=text.get("Type", "Normal"),
        storage_class=text.get("StorageClass", STANDARD_CLASS),
        restore_info=text.get("RestoreInfo"),
    )


def parse_acl(body: bytes) -> str:
    """The object's own access control list: `default`, `private`, `public-read`, …

    Raises:
        ValueError: the body is not an AccessControlPolicy with a grant.
    """
    grant = _parse(body, "AccessControlPolicy").findtext("AccessControlList/Grant")
    if not grant:
        raise ValueError("an AccessControlPolicy without Grant")
    return grant


def parse_versioning(body: bytes) -> str | None:
    """`Enabled`, `Suspended`, or None where versioning was never switched on.

    Raises:
        ValueError: the body is not a VersioningConfiguration.
    """
    return _parse(body, "VersioningConfiguration").findtext("Status")


def _parse(body: bytes, tag: str) -> ElementTree.Element:
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 expat >= 2.4.1 bounds entities
    except (ElementTree.ParseError, LookupError) as error:  # or an unknown encoding
        raise ValueError(f"not XML: {error}") from error
    if root.tag != tag:
        raise ValueError(f"<{root.tag}> where <{tag}> was expected")
    return root


@lru_cache(maxsize=1024)
def _http_date(iso: str) -> str:
    try:
        moment = datetime.fromisoformat(iso).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"no date: {iso!r}") from error
    return _http_text(moment)


def _http_text(moment: datetime) -> str:
    return format_datetime(moment.replace(microsecond=0), usegmt=True)
