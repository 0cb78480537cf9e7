"""The service's headers and XML, to and from model values. Pure.

Facts: OSS API reference of HeadObject, CopyObject, GetObjectACL, PutObjectACL,
GetObjectTagging and PutObjectTagging.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote
from xml.etree import ElementTree

import msgspec

from bulkmeta.errors import ObjectError
from bulkmeta.model.limits import is_utf8
from bulkmeta.model.metadata import (
    DEFAULT_ACL,
    SSE_HEADERS,
    STANDARD_CLASS,
    STANDARD_HEADERS,
    USER_META_PREFIX,
    Metadata,
    ObjectHead,
    parse_http_date,
)
from bulkmeta.oss.endpoint import encoded_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkmeta.model.plan import UpdatePlan
    from bulkmeta.oss.transport import Response

    _Pick = Callable[[tuple[str | None, ...]], tuple[str | None, ...]]

CLASS_HEADER: Final = "x-oss-storage-class"
ACL_HEADER: Final = "x-oss-object-acl"

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


class Written(msgspec.Struct, frozen=True):
    """What an accepted update says; `last_modified` as a head will give it, None if
    that is not known."""

    last_modified: str | None
    version_id: str | None


def read_head(response: Response, now: datetime) -> ObjectHead:
    """The object that a HEAD answer describes; `now` is for one that has no date.

    Raises:
        ObjectError: a header that is not known to be carried or to be volatile, that
            comes twice, or that is not UTF-8; or one needed as a guard is missing.
    """
    names, values = tuple(response.headers.keys()), tuple(response.headers.values())
    if len(names) < len(values):  # a name that came twice stands once among the keys
        names = tuple([name for name, _ in response.headers.items()])
    layout, pick_facts = _layout(names)
    meta = {name: values[at] for name, at in layout.meta.items()}
    headers = {name: values[at] for name, at in layout.headers.items()}
    sse = {name: values[at] for name, at in layout.sse.items()}
    facts = pick_facts((*values, None))
    if not "".join(values).isascii():
        _refuse_undecodable({**meta, **headers, **sse})
        facts = tuple([fact and clean(fact) for fact in facts])
    told = _Facts(*facts)
    storage_class = told.storage_class or STANDARD_CLASS
    return _head(Metadata(meta, headers, None, None, storage_class, sse), told, now)


class _Facts(msgspec.Struct, frozen=True):
    """What else a head tells; None for what it does not say."""

    forced_download: str | None
    storage_class: str | None
    size: str | None
    date: str | None
    etag: str | None
    last_modified: str | None
    object_type: str | None
    request_id: str | None
    restore: str | None
    version_id: str | None


_FACT_HEADERS: Final = (
    _FORCED_DOWNLOAD,
    CLASS_HEADER,
    "content-length",
    "date",
    "etag",
    "last-modified",
    "x-oss-object-type",
    "x-oss-request-id",
    "x-oss-restore",
    "x-oss-version-id",
)
"""The headers of these facts, in their order."""


class _Layout(NamedTuple):
    """At which places a head has its headers, by their names: many objects have the
    same ones in the same order."""

    meta: dict[str, int]
    headers: dict[str, int]
    sse: dict[str, int]
    facts: dict[str, int]

    def part(self, name: str) -> dict[str, int] | None:
        """Where a header belongs; None if nothing is to be had from it."""
        if name.startswith(USER_META_PREFIX):
            return self.meta
        if name in STANDARD_HEADERS:
            return self.headers
        if name in SSE_HEADERS:
            return self.sse
        if name in _FACT_HEADERS:
            return self.facts
        if name in VOLATILE_HEADERS or name.startswith(_VOLATILE_PREFIX):
            return None
        raise ObjectError(
            "unknown_header",
            f"the object has a header {name!r} that an update might lose",
        )


@lru_cache(maxsize=256)
def _layout(given: tuple[str, ...]) -> tuple[_Layout, _Pick]:
    """Where the headers are; and what picks the facts from the values and a None."""
    layout = _Layout({}, {}, {}, {})
    for at, name in enumerate(map(str.lower, given)):
        part = layout.part(name)
        plain = name.removeprefix(USER_META_PREFIX)
        if part is None:
            continue
        if plain in part and part is not layout.facts:
            raise ObjectError(
                "repeated_header",
                f"the answer holds {plain!r} twice; it cannot be sent so",
            )
        part[plain] = at
    return layout, itemgetter(*(layout.facts.get(name, -1) for name in _FACT_HEADERS))


def clean(text: str) -> str:
    """Text that can be recorded, whatever bytes a header had."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _clean_header(response: Response, name: str) -> str | None:
    value = response.header(name)
    return None if value is None else clean(value)


def _refuse_undecodable(carried: dict[str, str]) -> None:
    for name, value in carried.items():
        if not is_utf8(value):
            raw = value.encode("utf-8", "surrogateescape")
            raise ObjectError(
                "not_utf8",
                f"the value of {name!r} is not UTF-8 ({quote(raw)}); "
                "sending it back would damage it",
            )


def _head(metadata: Metadata, facts: _Facts, now: datetime) -> ObjectHead:
    etag, last_modified, date = facts.etag, facts.last_modified, facts.date
    if not etag or not _is_http_date(last_modified):
        raise ObjectError(
            "unguardable",
            "the answer lacks ETag or Last-Modified; an update could not be guarded",
        )
    assert last_modified is not None  # noqa: S101 narrows for the type checker
    return ObjectHead(
        metadata,
        etag.strip('"'),
        last_modified,
        date if date and _is_http_date(date) else _http_text(now),
        size_bytes=int(facts.size or 0),
        object_type=facts.object_type or "Normal",
        version_id=facts.version_id,
        request_id=facts.request_id,
        restore=facts.restore,
        forced_download=facts.forced_download == "true",
    )


def _is_http_date(text: str | None) -> bool:
    try:
        return parse_http_date(text or "") is not None
    except ValueError:
        return False


def replace_headers(bucket: str, plan: UpdatePlan) -> dict[str, str]:
    """The headers of the update: all that stays, and the guards of promise 3.

    Tags are among them only if they change: a copy keeps them by the default directive.
    The conditions are ANDed by the service; the ETag alone would not notice a change of
    metadata.
    """
    before, after = plan.before, plan.after
    headers = {**after.headers, **after.sse}
    for name, value in after.meta.items():
        headers[f"{USER_META_PREFIX}{name}"] = value
    headers["x-oss-copy-source"] = copy_source(bucket, plan.key)
    headers["x-oss-metadata-directive"] = "REPLACE"
    headers["x-oss-copy-source-if-match"] = f'"{plan.etag}"'
    headers["x-oss-copy-source-if-unmodified-since"] = plan.last_modified
    if after.acl and not (after.acl == DEFAULT_ACL and before.same_acl(after)):
        headers[ACL_HEADER] = after.acl
    kept = before.storage_class in {None, after.storage_class}
    if after.storage_class and not (kept and after.storage_class == STANDARD_CLASS):
        headers[CLASS_HEADER] = after.storage_class
    if not before.same_tags(after):
        headers["x-oss-tagging-directive"] = "REPLACE"
        headers |= {"x-oss-tagging": _tagging(after.tags)} if after.tags else {}
    return headers


def copy_source(bucket: str, key: str) -> str:
    """An object as a copy names its source."""
    return f"/{bucket}/{encoded_key(key).replace('/', '%2F')}"


def _tagging(tags: dict[str, str]) -> str:
    return "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in tags.items())


def tagging_body(tags: dict[str, str]) -> bytes:
    """The document that makes these an object's tags."""
    root = ElementTree.Element("Tagging")
    tag_set = ElementTree.SubElement(root, "TagSet")
    for key, value in tags.items():
        tag = ElementTree.SubElement(tag_set, "Tag")
        ElementTree.SubElement(tag, "Key").text = key
        ElementTree.SubElement(tag, "Value").text = value
    return ElementTree.tostring(root, "unicode").encode()


def parse_tagging(body: bytes) -> dict[str, str]:
    """An object's tags.

    Raises:
        ValueError: the body is not a Tagging, or has a tag without key.
    """
    tags = {}
    for tag in parse_xml(body, "Tagging").findall("TagSet/Tag"):
        key = tag.findtext("Key")
        if not key:
            raise ValueError("a Tag without Key")
        tags[key] = tag.findtext("Value") or ""
    return tags


def parse_copy_result(response: Response) -> Written:
    """What the service says of an update that it accepted.

    Raises:
        ValueError: the body is not a complete CopyObjectResult.
    """
    modified = _copy_time(response.body)
    return Written(_http_date(modified) if modified else None, version_id(response))


def version_id(response: Response) -> str | None:
    """The version that a request made or changed, where the bucket keeps versions."""
    return _clean_header(response, "x-oss-version-id")


def request_id(response: Response) -> str | None:
    """The name that the service gave to the request."""
    return _clean_header(response, "x-oss-request-id")


def _copy_time(body: bytes) -> str | None:
    """LastModified of a CopyObjectResult: by its usual form, else by the parser."""
    usual = _COPY_RESULT.fullmatch(body)
    if usual:
        return usual["modified"].decode()
    return parse_xml(body, "CopyObjectResult").findtext("LastModified")


def parse_acl(body: bytes) -> str:
    """The object's own access control list: `default`, `private`, `public-read`, …

    Raises:
        ValueError: the body is not an AccessControlPolicy with a grant.
    """
    grant = parse_xml(body, "AccessControlPolicy").findtext("AccessControlList/Grant")
    if not grant:
        raise ValueError("an AccessControlPolicy without Grant")
    return grant


def parse_versioning(body: bytes) -> str | None:
    """`Enabled`, `Suspended`, or None where versioning was never switched on.

    Raises:
        ValueError: the body is not a VersioningConfiguration.
    """
    return parse_xml(body, "VersioningConfiguration").findtext("Status")


def declares_entities(body: bytes) -> bool:
    """Whether XML may grow when it is read: no answer of the service has a DOCTYPE.
    What is between the letters, if it is UTF-16, is left out."""
    return b"<!DOCTYPE" in body.replace(b"\0", b"")


def parse_xml(body: bytes, tag: str) -> ElementTree.Element:
    """The root of a document that is one `tag`.

    Raises:
        ValueError: it is anything else.
    """
    if declares_entities(body):
        raise ValueError("it declares entities")
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 without entities
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
