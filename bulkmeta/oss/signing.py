"""Signatures, made by oss2 itself at the time of sending.

The one module that touches oss2's private names; `tests/unit/oss/test_signing.py` pins
them, so that an upstream release cannot change behaviour unnoticed. They are needed
because oss2 reads the machine's clock inside its signer, where a skew could not be
corrected.
"""

from __future__ import annotations

import logging
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Protocol

import oss2
from oss2.auth import AuthBase, ProviderAuth, ProviderAuthV4

if TYPE_CHECKING:
    from datetime import datetime

    from bulkmeta.model.job import SignatureVersion

# oss2 formats what it signs into debug messages; that holds the security token.
logging.getLogger(oss2.auth.__name__).disabled = True


class Signable(Protocol):
    """What a signer reads of a request; it adds its own headers."""

    @property
    def method(self) -> str: ...
    @property
    def region(self) -> str: ...
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
    """OSS4-HMAC-SHA256; needs the request's region."""

    def sign(self, request: Signable, bucket: str, key: str, now: datetime) -> None:
        credentials = _credentials(self, request)
        stamp = now.strftime("%Y%m%dT%H%M%SZ")
        request.headers["x-oss-date"] = stamp
        request.headers["x-oss-content-sha256"] = "UNSIGNED-PAYLOAD"
        signature = self._ProviderAuthV4__make_signature(
            request, bucket, key, None, credentials, stamp
        )
        scope = f"{stamp[:8]}/{request.region}/oss/aliyun_v4_request"
        request.headers["authorization"] = (
            f"OSS4-HMAC-SHA256 Credential={credentials.get_access_key_id()}/{scope}, "
            f"Signature={signature}"
        )


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
