"""Signatures: the same as oss2's own, byte for byte, at a time of our choosing."""

from __future__ import annotations

import hashlib
import inspect
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

import oss2.auth
import oss2.utils
import pytest
from oss2.auth import ProviderAuth, ProviderAuthV4
from oss2.credentials import StaticCredentialsProvider

from bulkmeta.oss.signing import SignerV1, SignerV4, make_signer

REQUESTS: Final = 6000
NOW: Final = datetime(2026, 11, 22, 10, 11, 12, tzinfo=UTC)
ALPHABET: Final = "ab/Z09-_.~ %&=+?#:é测试😀\u2028\x7f"
NAMES: Final = (
    *("acl", "tagging", "list-type", "prefix", "continuation-token", "versionId"),
    *("max-keys", "encoding-type", "versioning", "a/b", "é"),
)
HEADERS: Final = (
    *("content-type", "content-md5", "cache-control", "expires", "x-oss-meta-a"),
    *("x-oss-meta-b-c", "x-oss-copy-source", "x-oss-object-acl", "X-Oss-Mixed"),
)


@dataclass
class Signable:
    """A request as both signers see it."""

    method: str
    region: str
    headers: dict[str, str]
    params: dict[str, str]
    product: str = "oss"
    cloudbox_id: str | None = None
    uri: str = ""
    url: str = field(default="", repr=False)


def text(source: random.Random) -> str:
    return "".join(source.choices(ALPHABET, k=source.randrange(12)))


def some(source: random.Random, names: tuple[str, ...]) -> dict[str, str]:
    chosen = source.sample(names, source.randrange(len(names)))
    return {name: text(source) for name in chosen}


def a_request(source: random.Random) -> tuple[Signable, str, str]:
    request = Signable(
        source.choice(("HEAD", "PUT", "GET", "POST")),
        source.choice(("cn-hangzhou", "us-west-1", "")),
        some(source, HEADERS),
        some(source, NAMES),
    )
    return request, source.choice(("bucket", "b-1")), text(source)


class FrozenDatetime(datetime):
    """oss2's own V4 signer asks this for the time."""

    @classmethod
    def utcnow(cls) -> FrozenDatetime:
        return cls(2026, 11, 22, 10, 11, 12)


@pytest.fixture
def frozen_oss2(monkeypatch: pytest.MonkeyPatch) -> None:
    """oss2 reads the clock inside its signers; here it stands still."""
    monkeypatch.setattr(oss2.auth, "datetime", FrozenDatetime)
    monkeypatch.setattr(
        oss2.utils, "http_date", lambda: "Sun, 22 Nov 2026 10:11:12 GMT"
    )


@pytest.mark.no_cover
@pytest.mark.usefixtures("frozen_oss2")
@pytest.mark.parametrize("token", [None, "token+/=测"])
@pytest.mark.parametrize(
    ("version", "reference"), [("v4", ProviderAuthV4), ("v1", ProviderAuth)]
)
def test_same_headers_as_oss2(version: Any, reference: Any, token: str | None) -> None:
    """Random requests get the same headers in the same order from both."""
    source = random.Random(f"{version} {token}")  # noqa: S311 repeatable, not secret
    provider = StaticCredentialsProvider("key-id", "secret-é", token)
    ours, theirs = make_signer(provider, version), reference(provider)
    for _ in range(REQUESTS):
        request, bucket, key = a_request(source)
        expected = Signable(
            request.method, request.region, dict(request.headers), dict(request.params)
        )
        theirs._sign_request(expected, bucket, key)
        request.uri = quote(f"/{bucket}/{key}")
        ours.sign(request, bucket, key, NOW)
        assert list(request.headers.items()) == list(expected.headers.items())
        assert request.params == expected.params


def test_v4_of_a_known_request() -> None:
    """A signature kept here: neither oss2 nor bulkmeta may change what it means."""
    request = Signable("HEAD", "cn-hangzhou", {}, {}, uri=quote("/bucket/照片/a b"))
    signer = make_signer(StaticCredentialsProvider("id", "secret"))
    signer.sign(request, "bucket", "照片/a b", NOW)
    assert request.headers == {
        "x-oss-date": "20261122T101112Z",
        "x-oss-content-sha256": "UNSIGNED-PAYLOAD",
        "authorization": (
            "OSS4-HMAC-SHA256 "
            "Credential=id/20261122/cn-hangzhou/oss/aliyun_v4_request, "
            "Signature=9c17a15d235d8238eeea51bfde2b90b92e76e40620eb99bf4f865a5ddd6c3c47"
        ),
    }


def test_v1_of_a_known_request() -> None:
    """The same for the old signature."""
    request = Signable("GET", "", {}, {"acl": ""})
    signer = make_signer(StaticCredentialsProvider("id", "secret", "t"), "v1")
    signer.sign(request, "bucket", "照片/a b", NOW)
    assert request.headers == {
        "x-oss-security-token": "t",
        "date": "Sun, 22 Nov 2026 10:11:12 GMT",
        "authorization": "OSS id:/XVBmDHccNNgttawrvt+MrMxSrw=",
    }


def test_credentials_are_asked_for_each_request() -> None:
    """A token that was renewed is in the very next signature."""
    tokens = iter(("one", "two"))

    class Provider:
        def get_credentials(self) -> Any:
            return StaticCredentialsProvider("id", "s", next(tokens)).get_credentials()

    signer = make_signer(Provider())
    seen = []
    for _ in range(2):
        request = Signable("GET", "r", {}, {})
        signer.sign(request, "bucket", "a", NOW)
        seen.append(request.headers["x-oss-security-token"])
    assert seen == ["one", "two"]


def test_oss2_does_not_log_what_it_signs() -> None:
    """oss2 would write the security token into its debug log."""
    assert oss2.auth.logger.disabled is True


# Pins: what `signing` relies on inside oss2. If one of these fails, oss2 has changed:
# read the new source, make sure that `signing` still does the same, and renew the pin.


def source_hash(owner: type, names: tuple[str, ...]) -> str:
    sources = "".join(inspect.getsource(getattr(owner, name)) for name in names)
    return hashlib.sha256(sources.encode()).hexdigest()


V4_PREFIX: Final = "_ProviderAuthV4__"
V4_METHODS: Final = (
    "_sign_request",
    *(
        V4_PREFIX + name
        for name in (
            *("make_signature", "get_additional_signed_headers", "get_canonical_uri"),
            *("param_to_query", "get_canonical_query", "is_sign_header"),
            *("get_canonical_headers_bytes", "get_canonical_request_bytes"),
            *("get_canonical_additional_signed_headers", "get_canonical_hash_payload"),
            *("get_region", "get_product", "get_scope", "get_string_to_sign_bytes"),
            *("get_signing_key", "v4_uri_encode"),
        )
    ),
)
V1_PREFIX: Final = "_ProviderAuth__"
V1_METHODS: Final = (
    "_sign_request",
    *(
        V1_PREFIX + name
        for name in (
            *("make_signature", "get_bytes_to_sign", "get_headers_bytes"),
            *("get_resource_string", "get_subresource_string", "param_to_query"),
        )
    ),
)


def test_pin_signatures_of_private_methods() -> None:
    """The two private methods that are called take what we give them."""
    v4 = inspect.signature(getattr(ProviderAuthV4, V4_PREFIX + "make_signature"))
    v1 = inspect.signature(getattr(ProviderAuth, V1_PREFIX + "make_signature"))
    assert (list(v4.parameters), list(v1.parameters)) == (
        [
            *("self", "req", "bucket_name", "key"),
            *("additional_signed_headers", "credentials", "date_time"),
        ],
        ["self", "req", "bucket_name", "key", "credentials"],
    )


def test_pin_source_of_v4() -> None:
    """No line of oss2's V4 signer has changed."""
    assert (
        source_hash(ProviderAuthV4, V4_METHODS)
        == "a936667f63e8b8178199bef886e1c6cf3cabd424ae5452c58adf53c0e2a08768"
    )


def test_pin_source_of_v1() -> None:
    """No line of oss2's V1 signer has changed."""
    assert (
        source_hash(ProviderAuth, V1_METHODS)
        == "64defc2de3b843f6af5237dac465d9453d47280b995efd3f801b518ad8dfd272"
    )


def test_pin_signed_sub_resources() -> None:
    """The parameters that V1 signs, among them those that bulkmeta sends."""
    names = sorted(ProviderAuth._subresource_key_set)
    assert (
        hashlib.sha256("\n".join(names).encode()).hexdigest()
        == "f73fc4bb34410d65454e9a12edb10c968c1f3f7823841780005dbc8c7b47e6ef"
    )


def test_signers_are_oss2_auths() -> None:
    """Whoever wants an oss2 auth object may have ours."""
    assert (
        issubclass(SignerV4, ProviderAuthV4),
        issubclass(SignerV1, ProviderAuth),
    ) == (True, True)
