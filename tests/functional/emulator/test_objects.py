"""Putting, reading and deleting objects through the official client."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import oss2
import pytest
from oss2 import exceptions

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS
    from tests.functional.emulator.conftest import Connect, RawClient


def text(headers: Any, name: str) -> str:
    """A header as the text its bytes are; `requests` shows them as latin-1."""
    value: str = headers[name]
    return value.encode("latin-1").decode()


def test_put_then_get_gives_the_same_bytes(bucket: Any) -> None:
    """Content survives, and the client's own CRC agrees with the server's."""
    put = bucket.put_object("a.txt", b"hello")

    assert bucket.get_object("a.txt").read() == b"hello"
    assert put.status == 200


def test_put_reports_etag_and_crc(bucket: Any) -> None:
    """The ETag is the MD5 and the CRC is that of oss2's own implementation."""
    body = bytes(range(256)) * 3
    crc = oss2.utils.Crc64(0)
    crc(body)

    put = bucket.put_object("a", body)

    assert put.etag == hashlib.md5(body).hexdigest().upper()  # noqa: S324 - an ETag
    assert put.crc == crc.crc


def test_head_gives_standard_headers_as_they_were_put(bucket: Any) -> None:
    """The six standard headers come back, Expires as the very string sent."""
    sent = {
        "Content-Type": "text/x-odd",
        "Cache-Control": "max-age=60",
        "Content-Disposition": 'attachment; filename="x"',
        "Content-Encoding": "gzip",
        "Content-Language": "zh-CN",
        "Expires": "Fri, 28 Feb 2027 05:38:42 GMT",
    }
    bucket.put_object("a", b"x", headers=sent)

    found = bucket.head_object("a").headers

    assert {name: found[name] for name in sent} == sent


def test_head_lower_cases_metadata_names(bucket: Any) -> None:
    """User metadata names are lower-cased, values kept."""
    bucket.put_object("a", b"", headers={"x-oss-meta-Owner-Name": "O. Henry"})

    assert "x-oss-meta-owner-name" in dict(bucket.head_object("a").headers)


@pytest.mark.parametrize(
    "value", ["测试", "é", "a  b", "100%", "a+b&c=d", "😀", "x" * 2000]
)
def test_metadata_values_round_trip_as_utf8(bucket: Any, value: str) -> None:
    """Values of any script are stored and given back byte for byte."""
    bucket.put_object("a", b"", headers={"x-oss-meta-v": value.encode()})

    assert text(bucket.head_object("a").headers, "x-oss-meta-v") == value


def test_empty_metadata_value_is_kept(bucket: Any, oss: EmbeddedOSS) -> None:
    """An empty value is a value."""
    bucket.put_object("a", b"", headers={"x-oss-meta-v": ""})

    assert oss.store.get_object("bucket", "a").meta == {"v": ""}


def test_bytes_that_are_not_utf8_can_be_seeded(
    oss: EmbeddedOSS, raw: RawClient
) -> None:
    """A seeded value of other bytes reaches the wire as those bytes."""
    odd = b"\xff\xfe caf\xe9"
    oss.store.put_object(
        "bucket", "a", meta={"v": odd.decode("utf-8", "surrogateescape")}
    )

    assert raw.send("HEAD", "a").headers["x-oss-meta-v"] == odd


def test_head_of_a_plain_object(bucket: Any) -> None:
    """HEAD names type, class, checksums, and no tags where there are none."""
    bucket.put_object("a", b"hello")

    found = bucket.head_object("a")

    assert found.content_length == 5
    assert found.object_type == "Normal"
    assert found.headers["x-oss-storage-class"] == "Standard"
    assert found.headers["Content-MD5"] == oss2.utils.content_md5(b"hello")
    assert "x-oss-hash-crc64ecma" in found.headers
    assert "x-oss-tagging-count" not in found.headers
    assert "x-oss-version-id" not in found.headers


def test_head_tells_tags_encryption_class_and_restore(
    bucket: Any, oss: EmbeddedOSS
) -> None:
    """Whatever is special about an object is in its HEAD."""
    sse = {
        "x-oss-server-side-encryption": "KMS",
        "x-oss-server-side-encryption-key-id": "key-1",
        "x-oss-server-side-data-encryption": "SM4",
    }
    restore = 'ongoing-request="false", expiry-date="Sun, 16 Apr 2027 08:12:33 GMT"'
    oss.store.put_object(
        "bucket",
        "a",
        tags={"k": "v"},
        sse=sse,
        storage_class="Archive",
        restore=restore,
    )

    found = bucket.head_object("a").headers

    assert {name: found[name] for name in sse} == sse
    assert found["x-oss-tagging-count"] == "1"
    assert found["x-oss-storage-class"] == "Archive"
    assert found["x-oss-restore"] == restore


@pytest.mark.parametrize("object_type", ["Multipart", "Appendable"])
def test_no_md5_on_other_than_normal_objects(
    bucket: Any, oss: EmbeddedOSS, object_type: str
) -> None:
    """Content-MD5 is given for normal objects only."""
    oss.store.put_object("bucket", "a", body=b"x", object_type=object_type)

    found = bucket.head_object("a")

    assert found.object_type == object_type
    assert "Content-MD5" not in found.headers


def test_object_meta_is_short(bucket: Any) -> None:
    """GetObjectMeta gives size, ETag and time, and no metadata."""
    bucket.put_object("a", b"hello", headers={"x-oss-meta-v": "1"})

    found = bucket.get_object_meta("a")

    assert (found.content_length, len(found.etag)) == (5, 32)
    assert "x-oss-meta-v" not in found.headers


def test_object_exists(bucket: Any) -> None:
    """The client's own test for existence works both ways."""
    bucket.put_object("a", b"")

    assert bucket.object_exists("a")
    assert not bucket.object_exists("b")


@pytest.mark.parametrize(
    ("byte_range", "expected"),
    [((1, 2), b"el"), ((3, None), b"lo"), (None, b"hello"), ((None, 2), b"lo")],
)
def test_ranges(bucket: Any, byte_range: Any, expected: bytes) -> None:
    """A part of an object can be read."""
    bucket.put_object("a", b"hello")

    assert bucket.get_object("a", byte_range=byte_range).read() == expected


def test_range_behind_the_end_gives_all(raw: RawClient, bucket: Any) -> None:
    """A range that cannot be served is ignored."""
    bucket.put_object("a", b"hello")

    reply = raw.send("GET", "a", headers={"Range": "bytes=9-"})

    assert (reply.status, reply.body) == (200, b"hello")


def test_size_can_be_declared_without_bytes(
    bucket: Any, oss: EmbeddedOSS, raw: RawClient
) -> None:
    """An object of 2 GB costs nothing, and is read as zeros in ranges only."""
    oss.store.put_object("bucket", "big", size=2 * 1024**3)

    assert bucket.head_object("big").content_length == 2 * 1024**3
    part = raw.send("GET", "big", headers={"Range": "bytes=0-9"})
    assert (part.status, part.body) == (206, bytes(10))
    with pytest.raises(exceptions.NotImplemented):
        bucket.get_object("big")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-Match": '"5D41402ABC4B2A76B9719D911017C592"'}, 200),
        ({"If-Match": '"other"'}, 412),
        ({"If-None-Match": "*"}, 304),
        ({"If-Modified-Since": "Fri, 01 Jan 2038 00:00:00 GMT"}, 304),
        ({"If-Unmodified-Since": "Sat, 01 Jan 2000 00:00:00 GMT"}, 412),
        ({"If-Unmodified-Since": "Fri, 01 Jan 2038 00:00:00 GMT"}, 200),
        ({"If-Modified-Since": "yesterday"}, 400),
        ({"If-Modified-Since": "Fri, 99 Jan 2038 00:00:00 GMT"}, 400),
    ],
)
def test_conditional_reads(
    bucket: Any, raw: RawClient, headers: dict[str, str], status: int
) -> None:
    """HEAD answers conditions with 412 or 304."""
    bucket.put_object("a", b"hello")

    assert raw.send("HEAD", "a", headers=headers).status == status


def test_not_modified_is_oss2s_exception(bucket: Any) -> None:
    """A GET that was not modified raises the client's NotModified."""
    etag = bucket.put_object("a", b"hello").etag

    with pytest.raises(exceptions.NotModified):
        bucket.get_object("a", headers={"If-None-Match": etag})


def test_content_md5_is_checked(bucket: Any) -> None:
    """A wrong Content-MD5 is refused, a right one taken."""
    bucket.put_object("a", b"x", headers={"Content-MD5": oss2.utils.content_md5(b"x")})
    with pytest.raises(exceptions.InvalidDigest):
        bucket.put_object(
            "a", b"x", headers={"Content-MD5": oss2.utils.content_md5(b"y")}
        )


@pytest.mark.parametrize("name", ["If-Modified-Since", "If-Match", "Range"])
def test_read_conditions_on_a_put_are_not_implemented(bucket: Any, name: str) -> None:
    """A PUT with a header of reads is refused rather than half understood."""
    with pytest.raises(exceptions.NotImplemented):
        bucket.put_object("a", b"", headers={name: "x"})


def test_eight_kilobytes_in_one_header(bucket: Any, raw: RawClient) -> None:
    """The largest metadata passes in a single header, out and in."""
    value = "x" * (8192 - 1)
    bucket.put_object("a", b"", headers={"x-oss-meta-v": value})

    assert raw.send("HEAD", "a").headers["x-oss-meta-v"].decode() == value


def test_eight_kilobytes_in_a_thousand_headers(
    oss: EmbeddedOSS, raw: RawClient
) -> None:
    """The largest metadata passes in a thousand headers, out and in."""
    meta = {f"x-oss-meta-k{i:04}": "abc" for i in range(1000)}

    assert raw.send("PUT", "a", headers=meta).status == 200
    assert len(oss.store.get_object("bucket", "a").meta) == 1000
    found = raw.send("HEAD", "a").headers
    assert {name: found[name].decode() for name in meta} == meta


@pytest.mark.parametrize(
    ("headers", "code", "ec"),
    [
        ({"x-oss-meta-v": "x" * 8192}, "InvalidArgument", "0011-00000002"),
        ({"x-oss-meta-v": "测".encode() * 2731}, "InvalidArgument", "0011-00000002"),
        ({"x-oss-meta-a_b": "1"}, "InvalidArgument", "0011-00000004"),
        ({"x-oss-storage-class": "Frozen"}, "InvalidArgument", "0013-00000101"),
        ({"x-oss-object-acl": "mine"}, "InvalidArgument", ""),
        (
            {"x-oss-server-side-encryption": "ROT13"},
            "InvalidEncryptionAlgorithmError",
            "",
        ),
        (
            {
                "x-oss-server-side-encryption": "AES256",
                "x-oss-server-side-encryption-key-id": "k",
            },
            "InvalidArgument",
            "",
        ),
        ({"x-oss-persistent-headers": "a:?"}, "InvalidArgument", ""),
        ({"x-oss-tagging": "a=1&a=2"}, "InvalidArgument", ""),
        ({"x-oss-tagging": f"{'k' * 129}=1"}, "InvalidTag", "0026-00000113"),
        ({"x-oss-tagging": f"k={'v' * 257}"}, "InvalidTag", "0026-00000113"),
        ({"x-oss-tagging": "k%21=v"}, "InvalidTag", "0026-00000113"),
        (
            {"x-oss-tagging": "&".join(f"k{i}=" for i in range(11))},
            "InvalidTag",
            "0026-00000113",
        ),
    ],
)
def test_refused_headers(
    bucket: Any, headers: dict[str, Any], code: str, ec: str
) -> None:
    """Each header the service cannot take is refused with its own code."""
    with pytest.raises(exceptions.ServerError) as caught:
        bucket.put_object("a", b"", headers=headers)

    assert (caught.value.status, caught.value.code, caught.value.ec) == (400, code, ec)


def test_put_takes_tags_acl_class_and_encryption(bucket: Any, oss: EmbeddedOSS) -> None:
    """One PUT may say all there is to say."""
    bucket.put_object(
        "a",
        b"",
        headers={
            "x-oss-tagging": "a=1&%E6%A0%87=b%20c&e",
            "x-oss-object-acl": "private",
            "x-oss-storage-class": "IA",
            "x-oss-server-side-encryption": "AES256",
            "x-oss-persistent-headers": "x-own:dmFsdWU=",
        },
    )

    found = oss.store.get_object("bucket", "a")

    assert found.tags == {"a": "1", "标": "b c", "e": ""}
    assert (found.acl, found.storage_class) == ("private", "IA")
    assert found.sse == {"x-oss-server-side-encryption": "AES256"}
    assert bucket.head_object("a").headers["x-own"] == "value"


def test_forbid_overwrite(bucket: Any) -> None:
    """With x-oss-forbid-overwrite an existing object is not replaced."""
    headers = {"x-oss-forbid-overwrite": "true"}
    bucket.put_object("a", b"1", headers=headers)

    with pytest.raises(exceptions.ServerError) as caught:
        bucket.put_object("a", b"2", headers=headers)

    assert (caught.value.status, caught.value.code) == (409, "FileAlreadyExists")


def test_public_acl_is_refused_under_block_public_access(
    connect: Connect, oss: EmbeddedOSS
) -> None:
    """Where public access is blocked, a public ACL is refused with 403."""
    oss.store.create_bucket("blocked", block_public_access=True)
    client = connect(oss, name="blocked")

    client.put_object("a", b"", headers={"x-oss-object-acl": "private"})
    with pytest.raises(exceptions.AccessDenied):
        client.put_object("a", b"", headers={"x-oss-object-acl": "public-read"})


def test_delete(bucket: Any) -> None:
    """A deleted object is gone, and deleting nothing is no error."""
    bucket.put_object("a", b"")

    assert bucket.delete_object("a").status == 204
    assert bucket.delete_object("a").status == 204
    with pytest.raises(exceptions.NoSuchKey):
        bucket.get_object("a")


def test_batch_delete(bucket: Any) -> None:
    """Many objects are deleted at once, with Chinese names."""
    for key in ("a", "文件", "c&d"):
        bucket.put_object(key, b"")

    result = bucket.batch_delete_objects(["a", "文件"])

    assert sorted(result.deleted_keys) == ["a", "文件"]
    assert [o.key for o in bucket.list_objects_v2().object_list] == ["c&d"]


@pytest.mark.parametrize(
    "body",
    [b"", b"<Delete></Delete>", b"<Delete><Object></Object></Delete>", b"<!DOCTYPE x>"],
)
def test_malformed_documents_are_refused(raw: RawClient, body: bytes) -> None:
    """A document that is none, or lacks what it needs, is MalformedXML."""
    reply = raw.send("POST", params={"delete": ""}, body=body)

    assert (reply.status, b"MalformedXML" in reply.body) == (400, True)


def test_quiet_delete_says_nothing(raw: RawClient, bucket: Any) -> None:
    """A quiet batch delete has an empty reply."""
    bucket.put_object("a", b"")
    body = b"<Delete><Quiet>true</Quiet><Object><Key>a</Key></Object></Delete>"

    assert raw.send("POST", params={"delete": ""}, body=body).body == b""
    assert not bucket.object_exists("a")
