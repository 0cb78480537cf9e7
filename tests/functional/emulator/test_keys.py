"""Keys address exactly the object of that name, whatever is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from oss2 import exceptions

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS
    from tests.functional.emulator.conftest import RawClient

ODD_KEYS = [
    "a/../b",
    "a/./b",
    "a//b",
    "dir/",
    "dir//",
    ".",
    "..",
    "a b+c%20/ü/文件.txt",
    "a?b=c&d",
    "a#b",
    "new\nline",
    "tab\tand\x01control",
    "%2F",
    "\U0001f600",
    "'\"<>&;",
    "-/health",
    "k" * 1023,
    "测" * 341,
]


@pytest.mark.parametrize("key", ODD_KEYS)
def test_odd_keys_are_taken_as_they_are(
    raw: RawClient, oss: EmbeddedOSS, key: str
) -> None:
    """PUT, HEAD, COPY, LIST and DELETE meet the very same key."""
    source = {"x-oss-copy-source": f"/bucket/{percent(key)}"}

    assert raw.send("PUT", key, body=b"x").status == 200
    assert raw.send("HEAD", key).status == 200
    assert raw.send("PUT", key, headers=source).status == 200
    assert [found.key for found in oss.store.objects("bucket")] == [key]
    assert [logged.key for logged in oss.log.requests()] == [key] * 3
    assert raw.send("DELETE", key).status == 204
    assert list(oss.store.objects("bucket")) == []


def percent(key: str) -> str:
    """Every byte percent-encoded."""
    return "".join(f"%{byte:02X}" for byte in key.encode())


def test_a_path_is_not_normalised(raw: RawClient, oss: EmbeddedOSS) -> None:
    """Dot segments and slashes that are not encoded stay what they are, too."""
    assert raw.send("PUT", "a/../b//c/.", path="/bucket/a/../b//c/.").status == 200

    assert [found.key for found in oss.store.objects("bucket")] == ["a/../b//c/."]


@pytest.mark.parametrize("key", ["/x", "//x", "\\x", "k" * 1024, "测" * 342])
def test_names_the_service_refuses(bucket: Any, raw: RawClient, key: str) -> None:
    """A leading slash or backslash, or more than 1023 bytes, is InvalidObjectName."""
    reply = raw.send("PUT", key)

    assert (reply.status, b"InvalidObjectName" in reply.body) == (400, True)
    with pytest.raises(exceptions.InvalidObjectName):
        bucket.put_object(key, b"")


def test_a_name_that_is_not_utf8_is_refused(raw: RawClient) -> None:
    """A key has to be UTF-8."""
    reply = raw.send("PUT", "a", path="/bucket/%FF")

    assert (reply.status, b"InvalidObjectName" in reply.body) == (400, True)


@pytest.mark.parametrize("key", ["a b+c%20/ü/文件.txt", "a//b", "tab\tx", "a?b#c"])
def test_the_official_client_agrees(bucket: Any, key: str) -> None:
    """oss2 puts, heads, copies and lists odd keys as well."""
    bucket.put_object(key, b"")
    bucket.update_object_meta(key, {"x-oss-meta-v": "1"})

    assert bucket.head_object(key).headers["x-oss-meta-v"] == "1"
    assert [found.key for found in bucket.list_objects_v2().object_list] == [key]
