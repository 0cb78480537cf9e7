"""What an object's metadata is, as values: read by a head, sent by an update.

Text everywhere; values are UTF-8 and keep their bytes exactly. Names are lower-case, as
the service returns them. Nothing here knows how metadata travels.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Final

import msgspec

STANDARD_HEADERS: Final = frozenset(
    {
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-type",
        "expires",
    }
)
"""The six headers that OSS keeps with an object and lets a user set."""

DISPOSITION: Final = "content-disposition"
"""The one of them that a forced download hides."""

USER_META_PREFIX: Final = "x-oss-meta-"
SSE_HEADER: Final = "x-oss-server-side-encryption"
SSE_KEY_HEADER: Final = "x-oss-server-side-encryption-key-id"
SSE_HEADERS: Final = frozenset(
    {SSE_HEADER, SSE_KEY_HEADER, "x-oss-server-side-data-encryption"}
)
ALGORITHMS: Final = ("AES256", "KMS", "SM4")
DEFAULT_ACL: Final = "default"
ACLS: Final = (DEFAULT_ACL, "private", "public-read", "public-read-write")
STANDARD_CLASS: Final = "Standard"
CLASSES: Final = (STANDARD_CLASS, "IA", "Archive", "ColdArchive", "DeepColdArchive")
TYPES: Final = ("Normal", "Multipart", "Appendable", "Symlink")

SETTLE_S: Final = 2.0
"""Last-Modified has a granularity of 1 s, so a writer within that second is invisible
to `if-unmodified-since`; after 2 s no writer can hide any more."""

_SETTLED: Final = timedelta(seconds=SETTLE_S)


class Metadata(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that an update must carry so that nothing is lost.

    `acl` and `tags` are None where they were not read. `sse` holds the encryption
    headers by their wire names, as the service gave them.
    """

    meta: dict[str, str]
    headers: dict[str, str]
    acl: str | None = None
    tags: dict[str, str] | None = None
    storage_class: str | None = None
    sse: dict[str, str] = {}

    def same_state(self, other: Metadata, unlike: dict[str, str] | None = None) -> bool:
        """Whether both describe one state, as far as both were read; `unlike` is an
        encryption that `other` is to be told from."""
        return (
            self.same_copied(other, unlike)
            and self.same_tags(other)
            and self.same_acl(other)
        )

    def same_copied(
        self, other: Metadata, unlike: dict[str, str] | None = None
    ) -> bool:
        """The same by the fields that a head shows, and that only a copy changes."""
        return (
            self.meta == other.meta
            and self.headers == other.headers
            and self.storage_class == other.storage_class
            and same_encryption(self.sse, other.sse, unlike)
        )

    def same_tags(self, other: Metadata) -> bool:
        """Whether both have the same tags, if both were read."""
        return self.tags is None or other.tags is None or self.tags == other.tags

    def same_acl(self, other: Metadata) -> bool:
        """Whether both have the same access control list, if both were read."""
        return self.acl is None or other.acl is None or self.acl == other.acl


def same_encryption(
    one: dict[str, str], other: dict[str, str], unlike: dict[str, str] | None = None
) -> bool:
    """Whether both are one encryption. KMS without a key is the service's own key for
    the bucket, which a head may or may not name; but what is just as `unlike` is that,
    and not `other`."""
    if one == other:
        return True
    if one == unlike:
        return False
    keyless = SSE_KEY_HEADER not in one or SSE_KEY_HEADER not in other
    named = one.get(SSE_HEADER) == "KMS" and keyless
    return named and _without_key(one) == _without_key(other)


def _without_key(sse: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in sse.items() if name != SSE_KEY_HEADER}


class ListedObject(msgspec.Struct, frozen=True):
    """One entry of a listing; `last_modified` is ISO 8601 as listed, size in bytes. An
    inventory may tell the access control list, too; it `is_snapshot` of former times,
    and does not tell what was restored."""

    key: str
    size_bytes: int = 0
    etag: str = ""
    last_modified: str = ""
    object_type: str = "Normal"
    storage_class: str = STANDARD_CLASS
    restore_info: str | None = None
    acl: str | None = None
    is_snapshot: bool = False


class ObjectHead(msgspec.Struct, frozen=True):
    """What one head said: the metadata, and what guards an update merged from it.

    `forced_download` says that the service may have put its own Content-Disposition in
    the place of the object's.
    """

    metadata: Metadata
    etag: str
    last_modified: str
    date: str
    size_bytes: int
    object_type: str
    version_id: str | None
    request_id: str | None
    restore: str | None = None
    forced_download: bool = False

    def shows(self, state: Metadata, other: Metadata | None = None) -> bool:
        """Whether the object is in `state`, and not in the `other` one, as far as the
        head can tell: a forced download hides the object's own Content-Disposition."""
        unlike = other.sse if other else None
        if not self.forced_download:
            return self.metadata.same_state(state, unlike)
        return without_disposition(self.metadata).same_state(
            without_disposition(state), unlike
        )

    def unsettled_s(self) -> float:
        """Seconds until Last-Modified is old enough to guard an update; 0 if it is."""
        age = parse_http_date(self.date) - self.modified_at()
        return 0.0 if age >= _SETTLED else SETTLE_S - age.total_seconds()

    def modified_at(self) -> datetime:
        return parse_http_date(self.last_modified)


def without_disposition(state: Metadata) -> Metadata:
    """The state less its Content-Disposition."""
    headers = {n: v for n, v in state.headers.items() if n != DISPOSITION}
    return msgspec.structs.replace(state, headers=headers)


_MONTHS: Final = {
    "Jan": "01",
    "Feb": "02",
    "Mar": "03",
    "Apr": "04",
    "May": "05",
    "Jun": "06",
    "Jul": "07",
    "Aug": "08",
    "Sep": "09",
    "Oct": "10",
    "Nov": "11",
    "Dec": "12",
}
_USUAL_DATE: Final = len("Sun, 22 Nov 2026 10:00:00 GMT")


@lru_cache(maxsize=4096)
def parse_http_date(text: str) -> datetime:
    """An RFC 1123 date as an aware datetime.

    Raises:
        ValueError: `text` is no such date.
    """
    month = _MONTHS.get(text[8:11])
    if month and len(text) == _USUAL_DATE and text.endswith(" GMT"):
        # Each object has its own date, and the general parser takes four times as long.
        iso = f"{text[12:16]}-{month}-{text[5:7]}T{text[17:25]}+00:00"
        with suppress(ValueError):
            return datetime.fromisoformat(iso)
    try:
        moment = parsedate_to_datetime(text)
    except OverflowError as error:
        raise ValueError(f"no date: {text!r}") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
