"""The values the store hands out: buckets and object versions."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

STANDARD_HEADERS = (
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
)
SSE_HEADERS = (
    "x-oss-server-side-encryption",
    "x-oss-server-side-encryption-key-id",
    "x-oss-server-side-data-encryption",
)
COLD_CLASSES = ("Archive", "ColdArchive", "DeepColdArchive")
STORAGE_CLASSES = ("Standard", "IA", *COLD_CLASSES)
OBJECT_ACLS = ("default", "private", "public-read", "public-read-write")
NULL_VERSION = "null"

_CRC_POLY = 0xC96C5795D7870F42
_ALL_ONES = 0xFFFFFFFFFFFFFFFF


@lru_cache(maxsize=1)
def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (_CRC_POLY if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


def crc64(body: bytes) -> int:
    """CRC-64/XZ (ECMA-182 reflected), which OSS gives in x-oss-hash-crc64ecma."""
    table, crc = _crc_table(), _ALL_ONES
    for byte in body:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ _ALL_ONES


def content_etag(body: bytes) -> str:
    """The unquoted ETag of an object made by one PUT: the MD5 of its content."""
    return hashlib.md5(body, usedforsecurity=False).hexdigest().upper()


@dataclass(frozen=True, slots=True)
class StoredBucket:
    """A bucket's configuration."""

    name: str
    created: int
    versioning: str | None = None
    """None (never configured), `Enabled` or `Suspended`."""
    worm: bool = False
    hns: bool = False
    acl: str = "private"
    storage_class: str = "Standard"
    encryption: Mapping[str, str] = field(default_factory=dict)
    """Default encryption as the request headers that would ask for it."""
    block_public_access: bool = False


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One version of an object, or a delete marker, with everything known of it."""

    bucket: str
    key: str
    version_id: str = NULL_VERSION
    is_latest: bool = True
    is_marker: bool = False
    last_modified: int = 0
    size: int = 0
    etag: str = ""
    storage_class: str = "Standard"
    object_type: str = "Normal"
    restore: str | None = None
    """The value of x-oss-restore."""
    content_type: str = "application/octet-stream"
    headers: Mapping[str, str] = field(default_factory=dict)
    """The five standard headers that a REPLACE wipes, by lower-case name."""
    meta: Mapping[str, str] = field(default_factory=dict)
    """User metadata without the prefix; other bytes than UTF-8 as surrogates."""
    tags: Mapping[str, str] = field(default_factory=dict)
    acl: str = "default"
    sse: Mapping[str, str] = field(default_factory=dict)
    """Encryption as the three response headers, by lower-case name."""
    crc64: int = 0
    content_md5: str | None = None
    symlink_target: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    """Further response headers, such as persistent ones."""
    number: int = 0
    """Grows with every version stored: the order in which they came to be."""

    @property
    def is_cold(self) -> bool:
        """Whether its content needs a restore before it can be read or copied."""
        restored = (
            self.restore is not None and 'ongoing-request="false"' in self.restore
        )
        return self.storage_class in COLD_CLASSES and not restored
