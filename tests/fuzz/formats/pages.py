"""XML of listings: ListObjectsV2."""

from __future__ import annotations

import msgspec

from bulkmeta.oss.page import parse_page
from tests.fuzz.harness import Harness

_ENTRY = (
    b"<Contents><Key>a%2Fb</Key><LastModified>2026-11-22T10:15:00.000Z</LastModified>"
    b"<ETag>&quot;0F&quot;</ETag><Type>Normal</Type><Size>12</Size>"
    b"<StorageClass>Standard</StorageClass></Contents>"
)
_PAGE = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult>%s'
    b"<IsTruncated>%s</IsTruncated>%s</ListBucketResult>"
)


def read(data: bytes) -> None:
    """A page has a token that a next request can carry, or none."""
    page = parse_page(data)
    assert page.next_token is None or page.next_token
    for listed in page.objects:
        msgspec.structs.asdict(listed)


HARNESS = Harness(
    read,
    (ValueError,),
    (
        _PAGE % (_ENTRY * 2, b"false", b""),
        _PAGE % (_ENTRY, b"true", b"<NextContinuationToken>t</NextContinuationToken>"),
        _PAGE % (_ENTRY.replace(b"<Type>Normal</Type>", b"<Owner/>"), b"false", b""),
        _PAGE % (b"<!--" + _ENTRY + b"-->", b"false", b""),
        b'<!DOCTYPE a [<!ENTITY b "c">]><ListBucketResult>&b;</ListBucketResult>',
        (_PAGE % (_ENTRY, b"false", b"")).decode().encode("utf-16"),
    ),
    (
        b"<Contents>",
        b"</Contents>",
        b"<Key>",
        b"<Size>",
        b"<![CDATA[",
        b"&#0;",
        b"&lt;",
        b"%FF",
        b"%2F",
        b"9" * 5000,
        b"<a>" * 300,
        b"<!DOCTYPE",
        b'encoding="utf-7"',
        _ENTRY,
    ),
)
