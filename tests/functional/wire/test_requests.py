"""The very bytes of each request."""

from __future__ import annotations

from collections import Counter
from urllib.parse import unquote_to_bytes

from tests.functional.wire.conftest import Command, WireServer, head, latin

EVERY_REQUEST = {
    b"host",
    b"accept",
    b"accept-encoding",
    b"user-agent",
    b"authorization",
    b"x-oss-date",
    b"x-oss-content-sha256",
    b"x-oss-security-token",
}
EVERY_UPDATE = EVERY_REQUEST | {
    b"content-length",
    b"x-oss-copy-source",
    b"x-oss-metadata-directive",
    b"x-oss-copy-source-if-match",
    b"x-oss-copy-source-if-unmodified-since",
}


def test_headers_are_the_expected_ones(wire: WireServer, apply: Command) -> None:
    """Each request has the headers it must have, once each, and no other."""
    assert apply("--set", "x=1", "--header", "expires=0").code == 0

    assert wire.methods() == ["HEAD", "GET", "PUT"]
    assert len(wire.requests) == 5
    for request in wire.requests:
        assert max(Counter(request.names()).values()) == 1
        if request.method != "PUT":
            assert set(request.names()) == EVERY_REQUEST
    [put] = wire.of("PUT")
    carried = {b"content-type", b"expires", b"x-oss-meta-x", b"x-oss-object-acl"}
    assert set(put.names()) == EVERY_UPDATE | carried
    assert put.value(b"content-length") == b"0"
    assert put.value(b"content-type") == b"text/plain"
    assert put.value(b"x-oss-object-acl") == b"private"


def test_no_content_type_is_added(wire: WireServer, apply: Command) -> None:
    """Where the head shows no Content-Type, the update has none either."""
    wire.heads = [head(without=("Content-Type",))]

    assert apply().code == 0

    [put] = wire.of("PUT")
    assert set(put.names()) == EVERY_UPDATE | {b"x-oss-meta-x", b"x-oss-object-acl"}


VALUES = (
    "测试",
    "é e\u0301",
    "👩‍👩‍👧",
    "a%20b",
    "in\tside",
    "\u3000wide\u3000",
    "\xa0",
    "\x85x",
)


def test_values_go_out_as_they_came_in(wire: WireServer, apply: Command) -> None:
    """Values are raw UTF-8 on the way out, the very bytes of the way in: wide and
    other blanks at their ends, tabs inside and empty ones too."""
    more = [(f"x-oss-meta-{n}", latin(value)) for n, value in enumerate(VALUES)]
    wire.heads = [head(*more, ("x-oss-meta-empty", ""), ("Expires", latin("näch")))]

    assert apply("--set", "x=新 ü").code == 0

    [put] = wire.of("PUT")
    for number, value in enumerate(VALUES):
        assert put.value(f"x-oss-meta-{number}".encode()) == value.encode()
    assert put.value(b"x-oss-meta-empty") == b""
    assert put.value(b"expires") == "näch".encode()
    assert put.value(b"x-oss-meta-x") == "新 ü".encode()


KEYS = (
    "p/a b+c%20/ü/文件.txt",
    "p/a/../b",
    "p/a/./b",
    "p/a/../../..",
    "p/.",
    "p/..",
    "p/...",
    "p///x",
    "p/dir/",
    "p/line\nbreak",
    "p/\r\n\t",
    "p/%2F",
    "p/%2f%",
    "p/+",
    "p/&=;:'()!*",
    "p/?versionId=x#y",
    'p/"<>\\^`{|}[]@$,~',
    "p/😀",
    "p/é",
    "p/e\u0301",
    "p/ ",
    "p/\x7f\x01",
    "p/" + "k" * 1021,
    "p/" + "文" * 340 + "k",
    ".",
    "..",
    "../x",
    "./x",
)
UNRESERVED = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~"
)


def encoded(key: str, safe: bytes) -> bytes:
    """Percent-encoding by RFC 3986, each byte for itself."""
    return b"".join(
        bytes([byte]) if byte in UNRESERVED or byte in safe else b"%%%02X" % byte
        for byte in key.encode()
    )


def test_keys_are_not_rewritten(wire: WireServer, apply: Command) -> None:
    """Each key stands in head, ACL, update and copy source percent-encoded byte by
    byte; nothing resolves its dots, joins its slashes or encodes it twice."""
    wire.keys = KEYS

    assert apply().code == 0

    paths = Counter(b"/bucket/" + encoded(key, b"/") for key in KEYS)
    for method in ("HEAD", "GET", "PUT"):
        assert Counter(request.path for request in wire.of(method)) == paths
    for put in wire.of("PUT"):
        source = put.value(b"x-oss-copy-source")
        key = unquote_to_bytes(put.path.removeprefix(b"/bucket/"))
        assert source == b"/bucket/" + encoded(key.decode(), b"")
