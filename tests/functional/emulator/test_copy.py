"""CopyObject: what a change of metadata keeps, loses, refuses and needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from oss2 import exceptions

from bulkmeta.emulator.clock import http_date

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS
    from tests.functional.emulator.conftest import Connect, RawClient, Start

FULL: dict[str, Any] = {
    "body": b"hello",
    "content_type": "text/x-odd",
    "headers": {
        "cache-control": "max-age=60",
        "content-disposition": "inline",
        "content-encoding": "identity",
        "content-language": "zh",
        "expires": "Fri, 28 Feb 2027 05:38:42 GMT",
    },
    "meta": {"owner": "x"},
    "tags": {"k": "v"},
    "acl": "private",
    "storage_class": "IA",
    "sse": {"x-oss-server-side-encryption": "AES256"},
    "extra": {"x-own": "1"},
}
REPLACE = {"x-oss-metadata-directive": "REPLACE"}


@pytest.fixture
def full(oss: EmbeddedOSS) -> EmbeddedOSS:
    """An embedded OSS with an object `a` that has everything."""
    oss.store.put_object("bucket", "a", **FULL)
    return oss


def test_replace_wipes_metadata_and_five_headers(
    bucket: Any, full: EmbeddedOSS
) -> None:
    """What is not sent again is gone, but for the Content-Type."""
    bucket.update_object_meta("a", {"x-oss-meta-new": "1"})

    found = full.store.get_object("bucket", "a")

    assert (found.meta, found.headers, found.extra) == ({"new": "1"}, {}, {})
    assert found.content_type == "text/x-odd"


def test_replace_without_headers_is_lossy(bucket: Any, full: EmbeddedOSS) -> None:
    """By default ACL, class and encryption fall back; tags stay."""
    bucket.update_object_meta("a", {})

    found = full.store.get_object("bucket", "a")

    assert (found.acl, found.storage_class, found.sse) == ("default", "Standard", {})
    assert found.tags == {"k": "v"}


def test_the_kinder_reading_can_be_chosen(start: Start, connect: Connect) -> None:
    """With `keep`, ACL, class and encryption survive a self-copy."""
    oss = start(acl_on_copy="keep", class_on_copy="keep", sse_on_copy="keep")
    oss.store.put_object("bucket", "a", **FULL)
    connect(oss).update_object_meta("a", {})

    found = oss.store.get_object("bucket", "a")

    assert (found.acl, found.storage_class) == ("private", "IA")
    assert found.sse == {"x-oss-server-side-encryption": "AES256"}


def test_what_is_sent_again_is_kept(bucket: Any, full: EmbeddedOSS) -> None:
    """With all headers repeated nothing is lost."""
    sent = {
        **{name.title(): value for name, value in FULL["headers"].items()},
        "x-oss-meta-owner": "x",
        "x-oss-object-acl": "private",
        "x-oss-storage-class": "IA",
        "x-oss-server-side-encryption": "AES256",
        "x-oss-persistent-headers": "x-own:MQ==",
    }
    before = full.store.get_object("bucket", "a")
    bucket.update_object_meta("a", sent)

    after = full.store.get_object("bucket", "a")

    changed = {"last_modified", "number"}
    for name in set(type(before).__slots__) - changed:
        assert getattr(after, name) == getattr(before, name), name


def test_a_stray_content_type_overwrites(bucket: Any, full: EmbeddedOSS) -> None:
    """A client that adds a type of its own silently changes the object's."""
    bucket.update_object_meta("a", {"Content-Type": "application/octet-stream"})

    found = full.store.get_object("bucket", "a")

    assert found.content_type == "application/octet-stream"


def test_without_versions_the_directive_is_ignored(
    bucket: Any, full: EmbeddedOSS
) -> None:
    """A self-copy loses the source's metadata even when it says COPY."""
    bucket.copy_object("bucket", "a", "a", headers={"x-oss-meta-new": "1"})

    assert full.store.get_object("bucket", "a").meta == {"new": "1"}


def test_a_copy_elsewhere_takes_the_metadata_along(
    bucket: Any, full: EmbeddedOSS
) -> None:
    """With COPY another key gets the source's metadata, not the request's."""
    bucket.copy_object("bucket", "a", "b", headers={"x-oss-meta-new": "1"})

    found = full.store.get_object("bucket", "b")

    assert found.meta == {"owner": "x"}
    assert found.headers == FULL["headers"]
    assert bucket.get_object("b").read() == b"hello"


def test_etag_and_crc_are_stable_and_the_time_moves(
    bucket: Any, full: EmbeddedOSS
) -> None:
    """A metadata change is seen in Last-Modified only, to the second."""
    before = full.store.get_object("bucket", "a")
    bucket.update_object_meta("a", {})

    after = full.store.get_object("bucket", "a")

    assert (after.etag, after.crc64) == (before.etag, before.crc64)
    assert after.last_modified == int(full.log.requests()[-1].at)
    assert before.last_modified <= after.last_modified - 3600


def test_the_reply_is_a_copy_result(bucket: Any, full: EmbeddedOSS) -> None:
    """The body names ETag and time, the headers say ETag and CRC."""
    result = bucket.update_object_meta("a", {})
    found = full.store.get_object("bucket", "a")

    assert result.etag == found.etag
    assert f'"{found.etag}"' in result.resp.read().decode()
    assert b".000Z</LastModified>" in result.resp.response.content


def test_tags_can_be_replaced(bucket: Any, full: EmbeddedOSS) -> None:
    """With the tagging directive REPLACE the header's tags are set."""
    bucket.update_object_meta("a", {"x-oss-tagging": "n=1"})
    assert full.store.get_object("bucket", "a").tags == {"k": "v"}

    headers = {"x-oss-tagging-directive": "Replace", "x-oss-tagging": "n=1"}
    bucket.update_object_meta("a", headers)
    assert full.store.get_object("bucket", "a").tags == {"n": "1"}


@pytest.mark.parametrize(
    "name", ["x-oss-metadata-directive", "x-oss-tagging-directive"]
)
def test_directives_are_checked(bucket: Any, full: EmbeddedOSS, name: str) -> None:
    """A directive is COPY or REPLACE."""
    with pytest.raises(exceptions.InvalidArgument) as caught:
        bucket.copy_object("bucket", "a", "b", headers={name: "MERGE"})

    assert caught.value.name == name


ETAG = "5D41402ABC4B2A76B9719D911017C592"
EARLIER, LATER = http_date(0), http_date(2**31)


@pytest.mark.parametrize(
    ("conditions", "error"),
    [
        ({"if-match": ETAG}, None),
        ({"if-match": f'"{ETAG}"'}, None),
        ({"if-match": "other"}, exceptions.PreconditionFailed),
        ({"if-none-match": "other"}, None),
        ({"if-none-match": ETAG}, exceptions.NotModified),
        ({"if-unmodified-since": LATER}, None),
        ({"if-unmodified-since": EARLIER}, exceptions.PreconditionFailed),
        ({"if-modified-since": EARLIER}, None),
        ({"if-modified-since": LATER}, exceptions.NotModified),
        ({"if-match": ETAG, "if-unmodified-since": LATER}, None),
        (
            {"if-match": ETAG, "if-unmodified-since": EARLIER},
            exceptions.PreconditionFailed,
        ),
        ({"if-unmodified-since": "2026-11-22"}, exceptions.InvalidArgument),
    ],
)
def test_copy_source_conditions(
    bucket: Any, full: EmbeddedOSS, conditions: dict[str, str], error: Any
) -> None:
    """Each condition that fails refuses the copy, and nothing is changed."""
    headers = {f"x-oss-copy-source-{n}": v for n, v in conditions.items()}
    if error is None:
        bucket.update_object_meta("a", headers)
        assert full.store.get_object("bucket", "a").meta == {}
        return

    with pytest.raises(error):
        bucket.update_object_meta("a", headers)

    assert full.store.get_object("bucket", "a").meta == {"owner": "x"}


def test_the_guard_sees_the_second_last_modified_shows(
    bucket: Any, full: EmbeddedOSS
) -> None:
    """The Last-Modified that HEAD gives passes as if-unmodified-since."""
    seen = bucket.head_object("a").headers["Last-Modified"]
    headers = {"x-oss-copy-source-if-unmodified-since": seen}

    bucket.update_object_meta("a", dict(headers))
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.update_object_meta("a", dict(headers))


def test_symlinks_are_copied_as_links(bucket: Any, oss: EmbeddedOSS) -> None:
    """A copy acts on the link, and cannot encrypt it."""
    bucket.put_object("target", b"hello")
    bucket.put_symlink("target", "link")
    bucket.update_object_meta("link", {"x-oss-meta-v": "1"})

    found = oss.store.get_object("bucket", "link")

    assert (found.symlink_target, found.meta) == ("target", {"v": "1"})
    with pytest.raises(exceptions.InvalidArgument):
        bucket.update_object_meta("link", {"x-oss-server-side-encryption": "KMS"})


def test_default_encryption_applies(connect: Connect, oss: EmbeddedOSS) -> None:
    """Where the bucket has a default, a copy without headers gets it."""
    default = {"x-oss-server-side-encryption": "KMS"}
    oss.store.create_bucket("coded", encryption=default)
    connect(oss, name="coded").put_object("a", b"")
    assert oss.store.get_object("coded", "a").sse == default

    sse = {"x-oss-server-side-encryption": "AES256"}
    oss.store.put_object("coded", "a", sse=sse)
    connect(oss, name="coded").update_object_meta("a", {})

    assert oss.store.get_object("coded", "a").sse == default


@pytest.mark.parametrize(
    ("bucket_name", "key", "error"),
    [
        ("bucket", "none", exceptions.NoSuchKey),
        ("no-bucket", "a", exceptions.NoSuchBucket),
        ("bucket", "", exceptions.InvalidArgument),
    ],
)
def test_sources_that_are_not_there(
    bucket: Any, full: EmbeddedOSS, bucket_name: str, key: str, error: Any
) -> None:
    """A copy of nothing is refused with what is missing."""
    with pytest.raises(error):
        bucket.copy_object(bucket_name, key, "b")


@pytest.mark.parametrize("safe", ["", "/"])
def test_both_encodings_of_the_source_are_understood(
    raw: RawClient, oss: EmbeddedOSS, safe: str
) -> None:
    """Slashes in x-oss-copy-source may be encoded or not."""
    key = "a b/文件+%.txt"
    oss.store.put_object("bucket", key, body=b"x")
    source = f"/bucket/{quote(key, safe=safe)}"

    assert raw.send("PUT", "b", headers={"x-oss-copy-source": source}).status == 200

    assert raw.send("GET", "b").body == b"x"


def test_metadata_that_is_too_large_is_refused(bucket: Any, full: EmbeddedOSS) -> None:
    """The 8 KB hold for a copy as for a PUT."""
    with pytest.raises(exceptions.InvalidArgument) as caught:
        bucket.update_object_meta("a", {"x-oss-meta-v": "x" * 8192})

    assert caught.value.ec == "0011-00000002"


def test_chinese_metadata(bucket: Any, full: EmbeddedOSS) -> None:
    """A value given as bytes is stored as the text it is."""
    bucket.update_object_meta("a", {"x-oss-meta-v": "所有者".encode()})

    assert full.store.get_object("bucket", "a").meta == {"v": "所有者"}
