"""Pages of a listing, read from the service's XML. Pure.

Facts: OSS API reference of ListObjectsV2, asked for with `encoding-type=url`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

import msgspec

from bulkmeta.model.metadata import STANDARD_CLASS, ListedObject
from bulkmeta.oss.wire import parse_xml

if TYPE_CHECKING:
    from xml.etree import ElementTree

# An entry as the service writes nearly all of them: printable ASCII without entities
# (those of the ETag's quotes aside). Reading XML took longer than all else about a key.
_TEXT: Final = r"([ -%'-;=-~]*)"
_QUOTE: Final = r"(?:\"|&quot;|&#34;)?"
_USUAL_ENTRY: Final = re.compile(
    rf"<Contents>\s*<Key>{_TEXT}</Key>\s*<LastModified>{_TEXT}</LastModified>\s*"
    rf"<ETag>{_QUOTE}([ !#-%'-;=-~]*){_QUOTE}</ETag>\s*<Type>{_TEXT}</Type>\s*"
    rf"<Size>([0-9]{{1,18}})</Size>\s*<StorageClass>{_TEXT}</StorageClass>\s*"
    r"</Contents>",
    re.ASCII,
)
_GROUPS: Final = _USUAL_ENTRY.groups


class Page(msgspec.Struct, frozen=True):
    """One page of a listing; `next_token` is None on the last one."""

    objects: list[ListedObject]
    next_token: str | None


def parse_page(body: bytes) -> Page:
    """One page of ListObjectsV2.

    Raises:
        ValueError: the body is not a complete page.
    """
    usual, rest = _usual_entries(body)
    root = parse_xml(rest, "ListBucketResult")
    if usual and root.find("Contents") is not None:
        usual, root = [], parse_xml(body, "ListBucketResult")
    objects = usual or [_listed(entry) for entry in root.iterfind("Contents")]
    if root.findtext("IsTruncated") != "true":
        return Page(objects, None)
    token = root.findtext("NextContinuationToken")
    if not token:
        raise ValueError("a truncated page without NextContinuationToken")
    return Page(objects, token)


def _usual_entries(body: bytes) -> tuple[list[ListedObject], bytes]:
    """The entries in the usual form, and the document without them."""
    if not body.isascii() or b"<!" in body:  # an entry may be inside a comment
        return [], body
    parts = _USUAL_ENTRY.split(body.decode())
    columns = (parts[n :: _GROUPS + 1] for n in range(1, _GROUPS + 1))
    entries = [
        ListedObject(_decoded_key(key), int(size), etag, modified, kind, storage_class)
        for key, modified, etag, kind, size, storage_class in zip(*columns, strict=True)
    ]
    return entries, "".join(parts[:: _GROUPS + 1]).encode()


def _listed(entry: ElementTree.Element) -> ListedObject:
    text = {child.tag: child.text or "" for child in entry}
    if "Key" not in text:
        raise ValueError("an entry without Key")
    return ListedObject(
        key=_decoded_key(text["Key"]),
        size_bytes=int(text.get("Size", "0")),
        etag=text.get("ETag", "").strip('"'),
        last_modified=text.get("LastModified", ""),
        object_type=text.get("Type", "Normal"),
        storage_class=text.get("StorageClass", STANDARD_CLASS),
        restore_info=text.get("RestoreInfo"),
    )


def _decoded_key(text: str) -> str:
    """Most keys have nothing encoded but slashes, and `unquote` is slow."""
    text = text.replace("%2F", "/")
    return unquote(text, errors="surrogateescape") if "%" in text else text
