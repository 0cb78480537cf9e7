"""ListObjects, ListObjectsV2 and ListObjectVersions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import oss2
import pytest
from oss2 import exceptions

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS
    from tests.functional.emulator.conftest import Connect, RawClient, Start

KEYS = ["a", "b/1", "b/2", "b/c/3", "d", "Z", "é", "文件", "\U0001f600"]
IN_ORDER = sorted(KEYS, key=str.encode)


@pytest.fixture
def filled(oss: EmbeddedOSS) -> EmbeddedOSS:
    """An embedded OSS with `KEYS` in the bucket."""
    oss.store.put_objects("bucket", ({"key": key} for key in KEYS))
    return oss


def keys(result: Any) -> list[str]:
    """The keys of a page."""
    return [found.key for found in result.object_list]


def test_keys_come_in_byte_order(bucket: Any, filled: EmbeddedOSS) -> None:
    """Both calls list in the order of the keys' UTF-8 bytes."""
    assert keys(bucket.list_objects_v2()) == IN_ORDER
    assert keys(bucket.list_objects()) == IN_ORDER


@pytest.mark.parametrize("size", [1, 2, 3, 8, 9, 10])
def test_paging_meets_every_key_once(
    bucket: Any, filled: EmbeddedOSS, size: int
) -> None:
    """The client's iterators see each key once, whatever the page size."""
    second = oss2.ObjectIteratorV2(bucket, max_keys=size)
    first = oss2.ObjectIterator(bucket, max_keys=size)

    assert [found.key for found in second] == IN_ORDER
    assert [found.key for found in first] == IN_ORDER


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_paging_with_a_delimiter(bucket: Any, filled: EmbeddedOSS, size: int) -> None:
    """Common prefixes count as keys and are listed once."""
    found = [o.key for o in oss2.ObjectIteratorV2(bucket, delimiter="/", max_keys=size)]
    older = [o.key for o in oss2.ObjectIterator(bucket, delimiter="/", max_keys=size)]

    assert found == ["Z", "a", "b/", "d", "é", "文件", "\U0001f600"]
    assert older == found


def test_prefix_and_delimiter_together(bucket: Any, filled: EmbeddedOSS) -> None:
    """Below a prefix only what follows it is grouped."""
    page = bucket.list_objects_v2(prefix="b/", delimiter="/")

    assert (keys(page), page.prefix_list) == (["b/1", "b/2"], ["b/c/"])


def test_start_after_and_marker(bucket: Any, filled: EmbeddedOSS) -> None:
    """Listing begins behind a key, whether it exists or not."""
    assert keys(bucket.list_objects_v2(start_after="b/1"))[0] == "b/2"
    assert keys(bucket.list_objects(marker="b/15"))[0] == "b/2"
    assert keys(bucket.list_objects_v2(prefix="b/", start_after="a")) == [
        "b/1",
        "b/2",
        "b/c/3",
    ]
    assert keys(bucket.list_objects_v2(prefix="b/", start_after="c")) == []


def test_a_page_says_what_is_in_it(raw: RawClient, filled: EmbeddedOSS) -> None:
    """KeyCount, IsTruncated, StartAfter and the token echo are all there."""
    first = raw.send(
        "GET", params={"list-type": "2", "max-keys": "2", "start-after": "Z"}
    ).body.decode()

    assert "<KeyCount>2</KeyCount>" in first
    assert "<IsTruncated>true</IsTruncated>" in first
    assert "<StartAfter>Z</StartAfter>" in first
    token = first.partition("<NextContinuationToken>")[2].partition("<")[0]
    second = raw.send(
        "GET", params={"list-type": "2", "continuation-token": token}
    ).body.decode()
    assert f"<ContinuationToken>{token}</ContinuationToken>" in second
    assert "<IsTruncated>false</IsTruncated>" in second


def test_an_entry_tells_all_it_can(bucket: Any, oss: EmbeddedOSS) -> None:
    """Size, ETag, time, type, class and restore state are listed."""
    restore = 'ongoing-request="true"'
    seeded = oss.store.put_object(
        "bucket",
        "a",
        body=b"hello",
        storage_class="Archive",
        object_type="Multipart",
        restore=restore,
        last_modified=1_700_000_000.9,
    )

    (found,) = bucket.list_objects_v2(fetch_owner=True).object_list

    assert (found.size, found.etag) == (5, seeded.etag)
    assert (found.type, found.storage_class) == ("Multipart", "Archive")
    assert (found.last_modified, found.restore_info) == (1_700_000_000, restore)
    assert found.owner.display_name == "embedded"


def test_owner_is_listed_only_when_asked_for(bucket: Any, filled: EmbeddedOSS) -> None:
    """The second version leaves the owner out, the first does not."""
    assert bucket.list_objects_v2().object_list[0].owner is None
    assert bucket.list_objects().object_list[0].owner is not None


def test_without_encoding_control_characters_break_xml(
    raw: RawClient, oss: EmbeddedOSS
) -> None:
    """Only encoding-type=url makes a key with a control character readable."""
    oss.store.put_object("bucket", "a\x01b")

    plain = raw.send("GET", params={"list-type": "2"}).body
    encoded = raw.send("GET", params={"list-type": "2", "encoding-type": "url"}).body

    assert b"<Key>a\x01b</Key>" in plain
    assert b"<Key>a%01b</Key>" in encoded
    assert b"<EncodingType>url</EncodingType>" in encoded


def test_a_page_has_at_most_1000_keys_and_by_default_100(
    bucket: Any, oss: EmbeddedOSS, raw: RawClient
) -> None:
    """The default and the largest page size are the service's."""
    oss.store.put_objects("bucket", ({"key": f"{i:05}"} for i in range(1100)))

    assert len(bucket.list_objects_v2(max_keys=1000).object_list) == 1000
    body = raw.send("GET", params={"list-type": "2"}).body
    assert b"<KeyCount>100</KeyCount>" in body


@pytest.mark.parametrize("max_keys", ["0", "1001", "-1", "x", "１"])
def test_max_keys_is_checked(raw: RawClient, max_keys: str) -> None:
    """max-keys is 1 to 1000."""
    reply = raw.send("GET", params={"list-type": "2", "max-keys": max_keys})

    assert (reply.status, b"InvalidArgument" in reply.body) == (400, True)


@pytest.mark.parametrize(
    "params",
    [
        {"list-type": "2", "continuation-token": "§"},
        {"list-type": "2", "continuation-token": "_w=="},
        {"list-type": "2", "encoding-type": "base64"},
        {"encoding-type": "base64"},
    ],
)
def test_bad_list_arguments(raw: RawClient, params: dict[str, str]) -> None:
    """A token or an encoding that is none is InvalidArgument."""
    reply = raw.send("GET", params=params)

    assert (reply.status, b"InvalidArgument" in reply.body) == (400, True)


def test_short_pages(start: Start, connect: Connect) -> None:
    """Pages may be shorter than asked for although more follow; none is missed."""
    oss = start(short_pages=True)
    oss.store.put_objects("bucket", ({"key": f"{i:03}"} for i in range(100)))
    client = connect(oss)

    page = client.list_objects_v2(max_keys=50)

    assert (len(page.object_list), page.is_truncated) == (33, True)
    assert sum(1 for _ in oss2.ObjectIteratorV2(client, max_keys=50)) == 100
    assert sum(1 for _ in oss2.ObjectIteratorV2(client, max_keys=1)) == 100


def test_a_large_bucket_is_listed_quickly(bucket: Any, oss: EmbeddedOSS) -> None:
    """A page deep in the key space is found by the index, not by walking there."""
    oss.store.put_objects("bucket", ({"key": f"{i:06}"} for i in range(20_000)))

    page = bucket.list_objects_v2(start_after="019000", max_keys=1000)

    assert (keys(page)[0], keys(page)[-1]) == ("019001", "019999")
    query = (
        "EXPLAIN QUERY PLAN SELECT key FROM objects WHERE bucket = 'bucket'"
        " AND is_latest = 1 AND is_marker = 0 AND key > 'x' ORDER BY key LIMIT 9"
    )
    (step,) = oss.store._db.execute(query).fetchall()
    assert "USING INDEX current_objects (bucket=? AND key>?)" in step[3]


def test_listing_versions(connect: Connect, oss: EmbeddedOSS) -> None:
    """Versions and delete markers come by key, newest first, in pages."""
    oss.store.create_bucket("versions", versioning="Enabled")
    client = connect(oss, name="versions")
    for key in ("a", "a", "b"):
        client.put_object(key, b"x")
    client.delete_object("a")

    whole = client.list_object_versions()
    first = client.list_object_versions(max_keys=2)
    second = client.list_object_versions(
        key_marker=first.next_key_marker,
        versionid_marker=first.next_versionid_marker,
    )

    assert [(v.key, v.is_latest) for v in whole.versions] == [
        ("a", False),
        ("a", False),
        ("b", True),
    ]
    assert [(m.key, m.is_latest) for m in whole.delete_marker] == [("a", True)]
    assert first.is_truncated
    assert [v.versionid for v in second.versions] == [
        v.versionid for v in whole.versions[1:]
    ]
    behind = client.list_object_versions(key_marker="a")
    assert [v.key for v in behind.versions] == ["b"]
    with pytest.raises(exceptions.NotImplemented):
        client.list_object_versions(delimiter="/")
