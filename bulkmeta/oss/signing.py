"""Signatures, made at the time of sending, and equal to oss2's own byte for byte.

oss2 reads the machine's clock inside its signers, where a skew could not be corrected,
and derives the V4 key anew for every request. So V1 goes by oss2's private names (here
alone), and V4 is computed here; `tests/unit/oss/test_signing.py` holds both to oss2's
answers, so that an upstream release cannot change behaviour unnoticed.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from email.utils import format_datetime
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol
from urllib.parse import quote

import oss2
from oss2.auth import DEFAULT_SIGNED_HEADERS, AuthBase, ProviderAuth, ProviderAuthV4

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from bulkmeta.model.job import SignatureVersion

# oss2 formats what it signs into debug messages; that holds the security token.
logging.getLogger(oss2.auth.__name__).disabled = True

_ALGORITHM: Final = "OSS4-HMAC-SHA256"
_PAYLOAD: Final = "UNSIGNED-PAYLOAD"


class Signable(Protocol):
    """What a signer reads of a request; it adds its own headers. `uri` is the bucket
    and the percent-encoded key, in path style."""

    @property
    def method(self) -> str: ...
    @property
    def region(self) -> str: ...
    @property
    def uri(self) -> str: ...
    @property
    def headers(self) -> dict[str, str]: ...
    @property
    def params(self) -> dict[str, str]: ...


class Signer(Protocol):
    """Adds date, token and authorization headers to a request."""

    def sign(self, request: Signable, bucket: str, key: str, now: datetime) -> None: ...


def make_signer(provider: Any, version: SignatureVersion = "v4") -> Signer:
    """A signer over an oss2 credentials provider, asked anew for every request."""
    return SignerV4(provider) if version == "v4" else SignerV1(provider)


class SignerV4(ProviderAuthV4):  # type: ignore[misc]  # oss2 is untyped
    """OSS4-HMAC-SHA256; needs the request's region.

    The hot path: what oss2 computes for every request is kept here for as long as it
    stays the same, the time stamp for a second and the derived key for a day.
    """

    def __init__(self, provider: Any) -> None:
        super().__init__(provider)
        self._now: datetime | None = None
        self._stamp = ""
        self._scope_for = ("", "", "", "")
        self._scope = _make_scope(*self._scope_for)

    def sign(self, request: Signable, bucket: str, key: str, now: datetime) -> None:
        credentials = _credentials(self, request)
        stamp = self._stamp_of(now)
        scope = self._scope_of(credentials, stamp[:8], request.region)
        headers = request.headers
        headers["x-oss-date"] = stamp
        headers["x-oss-content-sha256"] = _PAYLOAD
        canonical = (
            f"{request.method}\n{request.uri}\n{_canonical_query(request.params)}\n"
            f"{_canonical_headers(headers)}\n\n{_PAYLOAD}"
        )
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        to_sign = f"{_ALGORITHM}\n{stamp}\n{scope.name}\n{digest}"
        headers["authorization"] = f"{scope.authorization}{scope.mac.of(to_sign)}"

    def _stamp_of(self, now: datetime) -> str:
        if now is not self._now:
            self._now, self._stamp = now, now.strftime("%Y%m%dT%H%M%SZ")
        return self._stamp

    def _scope_of(self, credentials: Any, date: str, region: str) -> _Scope:
        key_id = credentials.get_access_key_id()
        secret = credentials.get_access_key_secret()
        if self._scope_for != (key_id, secret, date, region):
            self._scope = _make_scope(key_id, secret, date, region)
            self._scope_for = (key_id, secret, date, region)
        return self._scope


class _Scope(NamedTuple):
    """What the signatures of a day have in common: the scope's name, the authorization
    but for the signature, and what makes signatures with the derived key."""

    name: str
    authorization: str
    mac: _Mac


class _Mac:
    """HMAC-SHA256 (RFC 2104) with one key. Both hashes have read their padded key here
    already; `hmac` would copy three for each message, and look their kind up again."""

    def __init__(self, key: bytes) -> None:
        padded = key.ljust(hashlib.sha256().block_size, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded))

    def of(self, message: str) -> str:
        """The code of a message, in hexadecimal."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message.encode())
        outer.update(inner.digest())
        return outer.hexdigest()


def _make_scope(key_id: str, secret: str, date: str, region: str) -> _Scope:
    key = f"aliyun_v4{secret}".encode()
    for part in (date, region, "oss", "aliyun_v4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    name = f"{date}/{region}/oss/aliyun_v4_request"
    authorization = f"{_ALGORITHM} Credential={key_id}/{name}, Signature="
    return _Scope(name, authorization, _Mac(key))


def _canonical_query(params: Mapping[str, str]) -> str:
    if not params:
        return ""
    encoded = {quote(n, safe=""): quote(v, safe="") for n, v in params.items()}
    return "&".join(f"{n}={v}" if v else n for n, v in sorted(encoded.items()))


def _canonical_headers(headers: Mapping[str, str]) -> str:
    template, values_of = _canonical_form(tuple(headers))
    return template % values_of(headers)


@lru_cache(maxsize=256)
def _canonical_form(
    names: tuple[str, ...],
) -> tuple[str, Callable[[Mapping[str, str]], tuple[str, ...]]]:
    """The canonical headers with a gap for each value, and what fills the gaps."""
    signed = sorted((name.lower(), name) for name in names if _is_signed(name.lower()))
    gaps = [f"{lower.replace('%', '%%')}:%s\n" for lower, _ in signed]
    return "".join(gaps), itemgetter(*(name for _, name in signed))


def _is_signed(lower: str) -> bool:
    return lower.startswith("x-oss-") or lower in DEFAULT_SIGNED_HEADERS


class SignerV1(ProviderAuth):  # type: ignore[misc]  # oss2 is untyped
    """HMAC-SHA1, for installations of OSS that know no other."""

    def sign(self, request: Signable, bucket: str, key: str, now: datetime) -> None:
        credentials = _credentials(self, request)
        request.headers["date"] = format_datetime(now, usegmt=True)
        signature = self._ProviderAuth__make_signature(
            request, bucket, key, credentials
        )
        request.headers["authorization"] = (
            f"OSS {credentials.get_access_key_id()}:{signature}"
        )


def _credentials(auth: AuthBase, request: Signable) -> Any:
    credentials = auth.credentials_provider.get_credentials()
    token = credentials.get_security_token()
    if token:
        request.headers["x-oss-security-token"] = token
    return credentials
