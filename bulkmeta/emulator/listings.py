"""ListObjects, ListObjectsV2 and ListObjectVersions."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from .clock import iso_date
from .documents import OWNER, Node, document
from .errors import invalid_argument, not_implemented
from .store import AFTER_ALL

if TYPE_CHECKING:
    from collections.abc import Callable

    from .context import Context
    from .store import Store
    from .stored import StoredBucket, StoredObject
    from .wire import Reply, Request

_DEFAULT_KEYS, _MOST_KEYS = 100, 1000


@dataclass(slots=True)
class _Page:
    found: list[StoredObject] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    last: str = ""
    """Where the next page goes on."""
    truncated: bool = False

    def __len__(self) -> int:
        return len(self.found) + len(self.prefixes)


def list_objects(context: Context, request: Request, bucket: StoredBucket) -> Reply:
    """ListObjects, the first version of the call."""
    marker = request.query.get("marker", "")
    page, text = _list(context, request, marker)
    nodes = _common_nodes(request, bucket, page, text)
    nodes.insert(2, ("Marker", text(marker)))
    if page.truncated:
        nodes.append(("NextMarker", text(page.last)))
    nodes += [_contents(found, text, with_owner=True) for found in page.found]
    return document("ListBucketResult", nodes + _prefix_nodes(page, text))


def list_objects_v2(context: Context, request: Request, bucket: StoredBucket) -> Reply:
    """ListObjectsV2."""
    token = request.query.get("continuation-token", "")
    start_after = request.query.get("start-after", "")
    after = _read_token(token) if token else start_after
    page, text = _list(context, request, after)
    nodes = _common_nodes(request, bucket, page, text)
    nodes.append(("KeyCount", len(page)))
    if start_after:
        nodes.append(("StartAfter", text(start_after)))
    if token:
        nodes.append(("ContinuationToken", token))
    if page.truncated:
        nodes.append(("NextContinuationToken", _to_token(page.last)))
    with_owner = request.query.get("fetch-owner") == "true"
    nodes += [_contents(found, text, with_owner=with_owner) for found in page.found]
    return document("ListBucketResult", nodes + _prefix_nodes(page, text))


def _list(
    context: Context, request: Request, after: str
) -> tuple[_Page, Callable[[str], str]]:
    text = _encoder(request)
    limit = max_keys(request)
    if context.options.short_pages:
        limit = max(1, limit * 2 // 3)
    prefix = request.query.get("prefix", "")
    delimiter = request.query.get("delimiter", "")
    return _walk(context.store, request.bucket, (prefix, delimiter), after, limit), text


def _walk(
    store: Store, bucket: str, kind: tuple[str, str], after: str, limit: int
) -> _Page:
    """Collect a page; a common prefix stands for all keys that begin with it."""
    prefix, delimiter = kind
    page = _Page()
    if delimiter and after.endswith(delimiter) and after.startswith(prefix):
        # A marker that is a common prefix was listed for all its keys.
        after += AFTER_ALL
    cursor: str | None = after or None
    while True:
        for found in store.page(bucket, prefix, cursor, limit - len(page) + 1):
            if len(page) == limit:
                page.truncated = True
                return page
            group = _group(found.key, prefix, delimiter)
            if group is None:
                page.found.append(found)
                page.last = cursor = found.key
            else:
                page.prefixes.append(group)
                page.last, cursor = group, group + AFTER_ALL
                break
        else:
            return page


def _group(key: str, prefix: str, delimiter: str) -> str | None:
    if not delimiter:
        return None
    cut = key.find(delimiter, len(prefix))
    return None if cut < 0 else key[: cut + len(delimiter)]


def max_keys(request: Request) -> int:
    """The page size asked for.

    Raises:
        ServiceError: 400 InvalidArgument outside 1..1000.
    """
    text = request.query.get("max-keys") or str(_DEFAULT_KEYS)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= _MOST_KEYS):
        raise invalid_argument(
            "Argument max-keys must be an integer between 1 and 1000.", "max-keys", text
        )
    return int(text)


def _encoder(request: Request) -> Callable[[str], str]:
    encoding = request.query.get("encoding-type", "")
    if encoding == "url":
        return lambda text: quote(text, safe="")
    if encoding:
        raise invalid_argument("Invalid encoding type.", "encoding-type", encoding)
    return str


def _to_token(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def token_key(token: str) -> str | None:
    """Behind which key a continuation token goes on; None if it is not one."""
    try:
        return base64.urlsafe_b64decode(token).decode()
    except ValueError:
        return None


def _read_token(token: str) -> str:
    key = token_key(token)
    if key is None:
        raise invalid_argument(
            "The continuation token provided is incorrect.", "continuation-token", token
        )
    return key


def _common_nodes(
    request: Request, bucket: StoredBucket, page: _Page, text: Callable[[str], str]
) -> list[Node]:
    nodes: list[Node] = [
        ("Name", bucket.name),
        ("Prefix", text(request.query.get("prefix", ""))),
        ("MaxKeys", max_keys(request)),
        ("Delimiter", text(request.query.get("delimiter", ""))),
        ("IsTruncated", "true" if page.truncated else "false"),
    ]
    if request.query.get("encoding-type"):
        nodes.insert(0, ("EncodingType", "url"))
    return nodes


def _prefix_nodes(page: _Page, text: Callable[[str], str]) -> list[Node]:
    return [("CommonPrefixes", (("Prefix", text(p)),)) for p in page.prefixes]


def _contents(
    found: StoredObject, text: Callable[[str], str], *, with_owner: bool
) -> Node:
    nodes: list[Node] = [("Key", text(found.key)), *_facts(found)]
    if with_owner:
        nodes.append(OWNER)
    return ("Contents", nodes)


def _facts(found: StoredObject) -> list[Node]:
    nodes: list[Node] = [
        ("LastModified", iso_date(found.last_modified)),
        ("ETag", f'"{found.etag}"'),
        ("Type", found.object_type),
        ("Size", found.size),
        ("StorageClass", found.storage_class),
    ]
    if found.restore:
        nodes.append(("RestoreInfo", found.restore))
    return nodes


def list_object_versions(
    context: Context, request: Request, bucket: StoredBucket
) -> Reply:
    """ListObjectVersions, without delimiter."""
    if request.query.get("delimiter"):
        raise not_implemented("delimiter")
    text = _encoder(request)
    limit = max_keys(request)
    prefix = request.query.get("prefix", "")
    after = _version_cursor(context, request)
    found = context.store.version_page(bucket.name, prefix, after, limit + 1)
    page = _Page(found[:limit], truncated=len(found) > limit)
    nodes = _common_nodes(request, bucket, page, text)
    nodes += [
        ("KeyMarker", text(after[0])),
        ("VersionIdMarker", request.query.get("version-id-marker", "")),
    ]
    if page.truncated:
        nodes += [
            ("NextKeyMarker", text(page.found[-1].key)),
            ("NextVersionIdMarker", page.found[-1].version_id),
        ]
    nodes += [_version(version, text) for version in page.found]
    return document("ListVersionsResult", nodes)


def _version_cursor(context: Context, request: Request) -> tuple[str, int | None]:
    key = request.query.get("key-marker", "")
    version_id = request.query.get("version-id-marker")
    if not version_id:
        return key, None
    found = context.store.find(request.bucket, key, version_id)
    return key, None if found is None else found.number


def _version(found: StoredObject, text: Callable[[str], str]) -> Node:
    nodes: list[Node] = [
        ("Key", text(found.key)),
        ("VersionId", found.version_id),
        ("IsLatest", "true" if found.is_latest else "false"),
        OWNER,
    ]
    if found.is_marker:
        return (
            "DeleteMarker",
            [*nodes, ("LastModified", iso_date(found.last_modified))],
        )
    return ("Version", nodes + _facts(found))
