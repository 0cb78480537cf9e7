"""Listing pages of a bucket with numbered keys, as files for a web server to serve."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import quote

PAGE_KEYS: Final = 1000
_MODIFIED: Final = "2026-10-01T08:00:00.000Z"
_ETAG: Final = "5D41402ABC4B2A76B9719D911017C592"


def key_of(number: int) -> str:
    """The key of object `number`, in order like the numbers."""
    return f"data/obj-{number:010}.bin"


def bucket_of(objects: int) -> str:
    """The name of the bucket that has so many objects."""
    return f"b{objects}"


def write_pages(folder: Path, objects: int) -> None:
    """The pages of one bucket: `folder/BUCKET/VERSION/CURSOR.xml`, for both versions
    of the operation. The cursor is `start`, or the number of the last key before."""
    for version in ("v1", "v2"):
        place = folder / bucket_of(objects) / version
        place.mkdir(parents=True, exist_ok=True)
        for first in range(0, objects, PAGE_KEYS):
            cursor = f"{first - 1:010}" if first else "start"
            page = _page(version, first, min(first + PAGE_KEYS, objects), objects)
            (place / f"{cursor}.xml").write_text(page)


def _page(version: str, first: int, end: int, objects: int) -> str:
    last = key_of(end - 1)
    is_truncated = end < objects
    token = ""
    if is_truncated and version == "v1":
        token = f"  <NextMarker>{quote(last, safe='')}</NextMarker>\n"
    elif is_truncated:
        token = f"  <NextContinuationToken>t{end - 1:010}</NextContinuationToken>\n"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult>\n'
        f"  <Name>bench</Name>\n  <MaxKeys>{PAGE_KEYS}</MaxKeys>\n"
        "  <EncodingType>url</EncodingType>\n"
        f"  <IsTruncated>{str(is_truncated).lower()}</IsTruncated>\n{token}"
        f"{''.join(_entry(key_of(number)) for number in range(first, end))}"
        f"  <KeyCount>{end - first}</KeyCount>\n</ListBucketResult>\n"
    )


def _entry(key: str) -> str:
    return (
        f"  <Contents>\n    <Key>{quote(key, safe='')}</Key>\n"
        f"    <LastModified>{_MODIFIED}</LastModified>\n"
        f'    <ETag>"{_ETAG}"</ETag>\n    <Type>Normal</Type>\n'
        "    <Size>344606</Size>\n    <StorageClass>Standard</StorageClass>\n"
        "  </Contents>\n"
    )
