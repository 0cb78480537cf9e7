"""The values the store hands out: buckets and object versions."""

from __future__ import annotations

from dataclasses import dataclass, field
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
DEFAULT_TYPE = "application/octet-stream"


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
    requester_pays: bool = False
    """Others than the owner have to agree to pay, in each request."""


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
    content_type: str = DEFAULT_TYPE
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
