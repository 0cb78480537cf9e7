"""Who may ask: signatures of both versions, tokens, clocks."""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import TYPE_CHECKING, Any

import oss2
import pytest
from oss2 import exceptions
from oss2.credentials import StaticCredentialsProvider

from bulkmeta.emulator.options import Credential
from tests.functional.emulator.conftest import RawClient, sign

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS
    from tests.functional.emulator.conftest import Connect, Start

KEY, SECRET = "embedded-key-id", "embedded-key-secret"
AUTHS = [oss2.ProviderAuth, oss2.ProviderAuthV4]


def signed_by(kind: Any, key: str = KEY, secret: str = SECRET, token: str = "") -> Any:
    """An oss2 auth of this kind."""
    return kind(StaticCredentialsProvider(key, secret, token or None))


@pytest.mark.parametrize("kind", AUTHS)
def test_both_versions_pass_on_all_kinds_of_calls(
    connect: Connect, oss: EmbeddedOSS, kind: Any
) -> None:
    """Sub-resources, queries, odd keys, metadata and bodies are signed alike."""
    client = connect(oss, auth=signed_by(kind))
    key = "a b+c%20/ü/文件.txt"

    client.put_object(key, b"x", headers={"x-oss-meta-v": "测试".encode()})
    client.update_object_meta(key, {"Content-Type": "text/plain"})
    client.put_object_acl(key, "private")
    client.list_objects_v2(prefix="a b+", delimiter="/", start_after="a")
    client.list_object_versions(prefix="ü")
    client.get_bucket_info()

    assert client.get_object(key).read() == b"x"
    assert {logged.status for logged in oss.log.requests()} == {200}


@pytest.mark.parametrize("kind", AUTHS)
def test_a_wrong_secret_is_refused(
    connect: Connect, oss: EmbeddedOSS, kind: Any
) -> None:
    """SignatureDoesNotMatch says what it signed, so that one can compare."""
    client = connect(oss, auth=signed_by(kind, secret="other"))

    with pytest.raises(exceptions.SignatureDoesNotMatch) as caught:
        client.get_object("a")

    assert "StringToSign" in caught.value.details
    with pytest.raises(exceptions.SignatureDoesNotMatch):
        client.head_object("a")


@pytest.mark.parametrize("kind", AUTHS)
def test_an_unknown_key_id_is_refused(
    connect: Connect, oss: EmbeddedOSS, kind: Any
) -> None:
    """InvalidAccessKeyId for a key id nobody has."""
    with pytest.raises(exceptions.ServerError) as caught:
        connect(oss, auth=signed_by(kind, key="nobody")).get_object("a")

    assert (caught.value.status, caught.value.code) == (403, "InvalidAccessKeyId")


def test_unsigned_is_refused(connect: Connect, oss: EmbeddedOSS) -> None:
    """An anonymous call is AccessDenied, on HEAD as well."""
    client = connect(oss, auth=oss2.AnonymousAuth())

    with pytest.raises(exceptions.AccessDenied):
        client.list_objects_v2()
    with pytest.raises(exceptions.AccessDenied):
        client.head_object("a")


@pytest.mark.parametrize("kind", AUTHS)
@pytest.mark.parametrize("minutes", [-16, 16])
def test_a_stale_clock_is_refused(
    connect: Connect, oss: EmbeddedOSS, kind: Any, minutes: int
) -> None:
    """More than 15 minutes apart is RequestTimeTooSkewed; Date tells the time."""
    client = connect(oss, auth=signed_by(kind))
    oss.clock.offset_s = minutes * 60

    with pytest.raises(exceptions.ServerError) as caught:
        client.get_object("a")

    assert (caught.value.status, caught.value.code) == (403, "RequestTimeTooSkewed")
    date = oss2.utils.http_to_unixtime(caught.value.headers["Date"])
    assert abs(date - time.time() - minutes * 60) < 5
    oss.clock.offset_s = minutes * 60 * 14 // 16
    with pytest.raises(exceptions.NoSuchKey):
        client.get_object("a")


def test_several_credentials(start: Start, connect: Connect) -> None:
    """Each of the configured identities is let in."""
    oss = start(credentials=(Credential("one", "1"), Credential("two", "2")))
    for key, secret in (("one", "1"), ("two", "2")):
        auth = signed_by(oss2.ProviderAuthV4, key, secret)
        assert connect(oss, auth=auth).put_object("a", b"").status == 200


@pytest.mark.parametrize("kind", AUTHS)
def test_temporary_credentials(start: Start, connect: Connect, kind: Any) -> None:
    """The right token passes, none or another is refused, and it expires."""
    expires_at = time.time() + 100
    credential = Credential("sts", "secret", "token", expires_at)
    oss = start(credentials=(credential,))

    def client(token: str) -> Any:
        return connect(oss, auth=signed_by(kind, "sts", "secret", token))

    assert client("token").put_object("a", b"").status == 200
    for token in ("", "other"):
        with pytest.raises(exceptions.ServerError) as caught:
            client(token).put_object("a", b"")
        assert (caught.value.status, caught.value.code) == (403, "InvalidSecurityToken")
    oss.clock.offset_s = 101
    with pytest.raises(exceptions.ServerError) as caught:
        client("token").put_object("a", b"")
    assert (caught.value.status, caught.value.code) == (403, "SecurityTokenExpired")


def test_another_region_is_refused(connect: Connect, oss: EmbeddedOSS) -> None:
    """Version 4 names the region, and it has to be the bucket's."""
    client = connect(oss, region="cn-beijing")

    with pytest.raises(exceptions.InvalidArgument) as caught:
        client.get_object("a")

    assert (caught.value.value, caught.value.ec) == ("cn-beijing", "0002-00000228")


def test_additional_headers_are_part_of_the_signature(
    raw: RawClient, oss: EmbeddedOSS
) -> None:
    """A header that is signed additionally cannot be changed on the way."""
    request = oss2.http.Request(
        "HEAD",
        "",
        headers={"host": "127.0.0.1", "if-match": "*"},
        region="cn-hangzhou",
        product="oss",
    )
    auth = signed_by(oss2.ProviderAuthV4)
    auth._sign_request(
        request, "bucket", "a", in_additional_headers={"Host", "If-Match"}
    )
    oss.store.put_object("bucket", "a")
    headers = {name: value for name, value in request.headers.items() if value}

    assert raw.exchange("HEAD", "/bucket/a", headers).status == 200
    headers["if-match"] = "other"
    assert raw.exchange("HEAD", "/bucket/a", headers).status == 403


def authorization(raw: RawClient, value: str, **more: str) -> bytes:
    """The reply's body to a GET with this Authorization header."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    headers = {
        "x-oss-date": stamp,
        "x-oss-content-sha256": "UNSIGNED-PAYLOAD",
        "Authorization": value.format(date=stamp[:8]),
        **more,
    }
    return raw.exchange("GET", "/bucket/a", headers).body


GOOD = f"OSS4-HMAC-SHA256 Credential={KEY}/{{date}}/cn-hangzhou/oss/aliyun_v4_request"


@pytest.mark.parametrize(
    ("value", "more", "told"),
    [
        (GOOD + ",AdditionalHeaders=,Signature=0", {}, b"0002-00000209"),
        (GOOD.replace("/oss/", "/s3/") + ",Signature=0", {}, b"signing product"),
        (GOOD.replace("/oss/", "/") + ",Signature=0", {}, b"Invalid Credential"),
        (GOOD.replace("{date}", "20200101") + ",Signature=0", {}, b"signing date"),
        (GOOD + ",Signature=0", {"x-oss-content-sha256": "0"}, b"content-sha256"),
        (GOOD + ",Signature=0", {"x-oss-date": "now"}, b"0002-00000503"),
        (GOOD + ",Signature=0", {}, b"SignatureDoesNotMatch"),
        (GOOD, {}, b"SignatureDoesNotMatch"),
        ("OSS nothing", {}, b"Authorization header is invalid"),
        ("AWS4-HMAC-SHA256 x", {}, b"Authorization header is invalid"),
        ("OSS embedded-key-id:x", {"x-oss-date": "now"}, b"valid Date"),
    ],
)
def test_what_is_wrong_with_a_signature_is_told(
    raw: RawClient, value: str, more: dict[str, str], told: bytes
) -> None:
    """Each malformed Authorization header has its own answer."""
    assert told in authorization(raw, value, **more)


def test_a_signature_without_spaces_passes(raw: RawClient) -> None:
    """The form of other clients, `,Signature=` without a space, is as good."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    date, unsigned = stamp[:8], "UNSIGNED-PAYLOAD"
    lines = f"x-oss-content-sha256:{unsigned}\nx-oss-date:{stamp}\n"
    canonical = f"GET\n/bucket/\nlist-type=2&prefix=a%2Fb\n{lines}\n\n{unsigned}"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    scope = f"{date}/cn-hangzhou/oss/aliyun_v4_request"
    key = f"aliyun_v4{SECRET}".encode()
    for part in (date, "cn-hangzhou", "oss", "aliyun_v4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    to_sign = f"OSS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashed}".encode()
    signature = hmac.digest(key, to_sign, "sha256").hex()
    headers = {
        "x-oss-date": stamp,
        "x-oss-content-sha256": unsigned,
        "Authorization": (
            f"OSS4-HMAC-SHA256 Credential={KEY}/{scope},Signature={signature}"
        ),
    }

    reply = raw.exchange("GET", "/bucket/?prefix=a%2fb&list-type=2", headers)

    assert reply.status == 200


def test_a_header_added_after_signing_breaks_it(raw: RawClient) -> None:
    """A Content-Type that an HTTP library adds on its own is found out."""
    signed = sign("PUT", "bucket", "a", {}, {})
    headers = {name: value for name, value in signed.items() if value}

    assert raw.exchange("PUT", "/bucket/a", headers).status == 200
    headers["Content-Type"] = "application/octet-stream"
    assert raw.exchange("PUT", "/bucket/a", headers).status == 403


def test_text_that_was_signed_in_another_encoding_is_refused(raw: RawClient) -> None:
    """The bytes on the wire are what counts: latin-1 signed, UTF-8 sent."""
    signed = sign("PUT", "bucket", "a", {}, {"x-oss-meta-v": "é".encode()})
    headers = {name: value for name, value in signed.items() if value}

    assert raw.exchange("PUT", "/bucket/a", headers).status == 200
    headers["x-oss-meta-v"] = "é".encode("latin-1")
    assert raw.exchange("PUT", "/bucket/a", headers).status == 403
