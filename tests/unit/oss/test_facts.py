"""What a bucket says of itself, read from its XML."""

from __future__ import annotations

from datetime import timedelta

import pytest
from multidict import CIMultiDict

from bulkmeta.oss.facts import BucketInfo, Retention, parse_info, parse_retention
from bulkmeta.oss.scratch import parse_versions
from bulkmeta.oss.transport import Response

DATE = "Mon, 23 Nov 2026 08:00:00 GMT"


def answer(body: bytes) -> Response:
    return Response(200, CIMultiDict({"Date": DATE}), body, timedelta())


def test_info() -> None:
    """All that is told of, and empty what is not."""
    body = (
        b"<BucketInfo><Bucket><Location>oss-cn-hangzhou</Location>"
        b"<StorageClass>IA</StorageClass><Versioning>Enabled</Versioning>"
        b"<AccessControlList><Grant>private</Grant></AccessControlList>"
        b"<ServerSideEncryptionRule><SSEAlgorithm>KMS</SSEAlgorithm>"
        b"</ServerSideEncryptionRule>"
        b"<HierarchicalNamespace>Enabled</HierarchicalNamespace>"
        b"</Bucket></BucketInfo>"
    )
    assert parse_info(answer(body)) == BucketInfo(
        DATE, "oss-cn-hangzhou", "IA", "private", "Enabled", "KMS", hierarchical=True
    )
    assert parse_info(answer(b"<BucketInfo><Bucket/></BucketInfo>")) == BucketInfo(DATE)


def test_retention() -> None:
    """State and days of a policy."""
    body = (
        b"<WormConfiguration><WormId>1</WormId><State>InProgress</State>"
        b"<RetentionPeriodInDays>30</RetentionPeriodInDays></WormConfiguration>"
    )
    assert parse_retention(answer(body)) == Retention("InProgress", 30)


def test_versions() -> None:
    """Objects and markers, whatever their keys."""
    body = (
        b"<ListVersionsResult><EncodingType>url</EncodingType>"
        b"<Version><Key>a%2Fb%20c</Key><VersionId>v1</VersionId></Version>"
        b"<DeleteMarker><Key>a%2F%E6%B5%8B</Key><VersionId>null</VersionId>"
        b"</DeleteMarker></ListVersionsResult>"
    )
    assert parse_versions(body) == [("a/b c", "v1"), ("a/测", "null")]


@pytest.mark.parametrize("body", [b"", b"<html/>", b"<BucketInfo/>"])
def test_something_else(body: bytes) -> None:
    """A page of somebody else's is no answer."""
    for parse in (parse_info, parse_retention):
        with pytest.raises(ValueError, match=r"\w"):
            parse(answer(body))
    with pytest.raises(ValueError, match=r"\w"):
        parse_versions(body)
