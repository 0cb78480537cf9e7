"""Who sent a request: signatures of version 1 and 4, checked on the raw bytes."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING
from urllib.parse import quote_from_bytes

from .clock import parse_basic_date, parse_http_date
from .errors import ServiceError, invalid_argument

if TYPE_CHECKING:
    from .clock import Clock
    from .options import Credential, EmulatorOptions
    from .wire import Request

_SKEW_S = 15 * 60
_V4 = "OSS4-HMAC-SHA256"
_UNSIGNED = "UNSIGNED-PAYLOAD"
_SIGNED_V4 = frozenset({b"content-type", b"content-md5"})
# Query parameters that are part of the resource in version 1.
_SUBRESOURCES = frozenset(
    b"accessPoint accessPointPolicy acl append asyncFetch bucketArchiveDirectRead"
    b" bucketInfo callback callback-var cname comp continuation-token cors delete"
    b" encryption endTime group httpsConfig img inventory inventoryId lifecycle link"
    b" live location logging metaQuery objectInfo objectMeta partNumber policy position"
    b" publicAccessBlock qos qosInfo qosRequester redundancyTransition referer"
    b" regionList replication replicationLocation replicationProgress requestPayment"
    b" requesterQosInfo resourceGroup resourcePool resourcePoolBuckets resourcePoolInfo"
    b" response-cache-control response-content-disposition response-content-encoding"
    b" response-content-language response-content-type response-expires restore"
    b" security-token sequential startTime stat status style styleName symlink tagging"
    b" transferAcceleration uploadId uploads versionId versioning versions vod website"
    b" worm wormExtend wormId x-oss-ac-forward-allow x-oss-ac-source-ip"
    b" x-oss-ac-subnet-mask x-oss-ac-vpc-id x-oss-access-point-name x-oss-async-process"
    b" x-oss-process x-oss-redundancy-transition-taskid x-oss-request-payer"
    b" x-oss-target-redundancy-type x-oss-traffic-limit"
    b" x-oss-write-get-object-response".split()
)


class Verifier:
    """Checks each request against the credentials the emulator knows."""

    def __init__(self, options: EmulatorOptions, clock: Clock) -> None:
        """Know the options' region and credentials; read time from `clock`."""
        self._region = options.region
        self._credentials = {c.access_key_id: c for c in options.credentials}
        self._clock = clock
        self._keys: dict[tuple[str, str], bytes] = {}

    def verify(self, request: Request) -> Credential:
        """Let a rightly signed request pass; gives whose it is.

        Raises:
            ServiceError: it is unsigned, wrongly signed, or signed at another time.
        """
        authorization = request.headers.get("authorization", "")
        scheme, _, rest = authorization.partition(" ")
        if scheme == _V4:
            credential = self._verify_v4(request, rest)
        elif scheme == "OSS":
            credential = self._verify_v1(request, rest)
        elif authorization:
            raise invalid_argument(
                "Authorization header is invalid.", "Authorization", scheme
            )
        else:
            raise _denied("Anonymous access is forbidden for this operation.")
        self._verify_token(request, credential)
        return credential

    def _credential(self, access_key_id: str) -> Credential:
        credential = self._credentials.get(access_key_id)
        if credential is None:
            raise ServiceError(
                403,
                "InvalidAccessKeyId",
                "The OSS Access Key Id you provided does not exist in our records.",
                ec="0002-00000902",
                details=(("OSSAccessKeyId", access_key_id),),
            )
        return credential

    def _verify_token(self, request: Request, credential: Credential) -> None:
        sent = request.headers.get("x-oss-security-token")
        if sent != credential.security_token:
            raise ServiceError(
                403,
                "InvalidSecurityToken",
                "The security token you provided is invalid.",
                ec="0002-00000069",
            )
        expires_at = credential.expires_at
        if expires_at is not None and self._clock.time() >= expires_at:
            raise ServiceError(
                403,
                "SecurityTokenExpired",
                "The security token you provided has expired.",
                ec="0002-00000069",
            )

    def _verify_time(self, sent_at: float | None) -> None:
        if sent_at is None:
            raise _denied("OSS authentication requires a valid Date.", "0002-00000503")
        if abs(self._clock.time() - sent_at) > _SKEW_S:
            raise ServiceError(
                403,
                "RequestTimeTooSkewed",
                "The difference between the request time and the current time is too"
                " large.",
                ec="0002-00000504",
            )

    def _verify_v1(self, request: Request, rest: str) -> Credential:
        access_key_id, colon, signature = rest.strip().partition(":")
        if not colon:
            raise invalid_argument("Authorization header is invalid.")
        credential = self._credential(access_key_id)
        date = request.headers.get("x-oss-date") or request.headers.get("date", "")
        self._verify_time(parse_http_date(date))
        to_sign = string_to_sign_v1(request)
        secret = credential.access_key_secret.encode()
        expected = base64.b64encode(hmac.digest(secret, to_sign, "sha1")).decode()
        _compare(expected, signature, to_sign)
        return credential

    def _verify_v4(self, request: Request, rest: str) -> Credential:
        fields = _authorization_fields(rest)
        access_key_id, date, region, product, end = _scope(fields.get("Credential", ""))
        credential = self._credential(access_key_id)
        additional = _additional_headers(fields)
        self._verify_scope(region, product, end)
        if request.headers.get("x-oss-content-sha256") != _UNSIGNED:
            raise invalid_argument(
                "Invalid x-oss-content-sha256 header.", "x-oss-content-sha256"
            )
        stamp = self._stamp(request)
        if stamp[:8] != date:
            raise invalid_argument("Invalid signing date in Authorization header.")
        scope = f"{date}/{region}/oss/aliyun_v4_request"
        hashed = hashlib.sha256(canonical_request_v4(request, additional)).hexdigest()
        to_sign = f"{_V4}\n{stamp}\n{scope}\n{hashed}".encode()
        key = self._derived_key(credential, date)
        expected = hmac.digest(key, to_sign, "sha256").hex()
        _compare(expected, fields.get("Signature", ""), to_sign)
        return credential

    def _stamp(self, request: Request) -> str:
        stamp = request.headers.get("x-oss-date") or request.headers.get("date", "")
        self._verify_time(parse_basic_date(stamp))
        return stamp

    def _verify_scope(self, region: str, product: str, end: str) -> None:
        if region != self._region:
            raise ServiceError(
                400,
                "InvalidArgument",
                "Invalid signing region in Authorization header.",
                ec="0002-00000228",
                details=(("ArgumentName", "region"), ("ArgumentValue", region)),
            )
        if (product, end) != ("oss", "aliyun_v4_request"):
            raise invalid_argument("Invalid signing product in Authorization header.")

    def _derived_key(self, credential: Credential, date: str) -> bytes:
        cached = self._keys.get((credential.access_key_id, date))
        if cached is None:
            cached = f"aliyun_v4{credential.access_key_secret}".encode()
            for part in (date, self._region, "oss", "aliyun_v4_request"):
                cached = hmac.digest(cached, part.encode(), "sha256")
            self._keys[credential.access_key_id, date] = cached
        return cached


def string_to_sign_v1(request: Request) -> bytes:
    """What version 1 signs."""
    headers = {name.lower(): value.strip() for name, value in request.raw_headers}
    oss = sorted((n, v) for n, v in headers.items() if n.startswith(b"x-oss-"))
    lines = b"".join(name + b":" + value + b"\n" for name, value in oss)
    signed = sorted(pair for pair in request.raw_query if pair[0] in _SUBRESOURCES)
    query = b"&".join(name + (b"=" + value if value else b"") for name, value in signed)
    return b"\n".join(
        [
            request.method.encode(),
            headers.get(b"content-md5", b""),
            headers.get(b"content-type", b""),
            headers.get(b"x-oss-date") or headers.get(b"date", b""),
            lines + request.resource + (b"?" + query if query else b""),
        ]
    )


def canonical_request_v4(request: Request, additional: tuple[bytes, ...]) -> bytes:
    """What version 4 hashes."""
    headers = []
    for raw_name, value in request.raw_headers:
        name = raw_name.lower()
        if name.startswith(b"x-oss-") or name in _SIGNED_V4 or name in additional:
            headers.append(name + b":" + value.strip() + b"\n")
    headers.sort(key=lambda line: line.partition(b":")[0])
    return b"\n".join(
        [
            request.method.encode(),
            quote_from_bytes(request.resource, "/-_.~").encode(),
            _canonical_query(request.raw_query),
            b"".join(headers),
            b";".join(additional),
            request.headers["x-oss-content-sha256"].encode(),
        ]
    )


def _canonical_query(pairs: tuple[tuple[bytes, bytes], ...]) -> bytes:
    if not pairs:
        return b""
    encoded = sorted(
        (quote_from_bytes(name, "-_.~"), quote_from_bytes(value, "-_.~"))
        for name, value in pairs
    )
    return "&".join(n + ("=" + v if v else "") for n, v in encoded).encode()


def _authorization_fields(rest: str) -> dict[str, str]:
    # oss2 puts a space behind each comma, other clients do not.
    parts = (part.strip().partition("=") for part in rest.split(","))
    return {name: value for name, _, value in parts}


def _scope(credential: str) -> list[str]:
    parts = credential.split("/")
    if len(parts) != 5:
        raise invalid_argument("Invalid Credential in Authorization header.")
    return parts


def _additional_headers(fields: dict[str, str]) -> tuple[bytes, ...]:
    names = fields.get("AdditionalHeaders")
    if names is None:
        return ()
    if not names:
        raise ServiceError(
            400,
            "InvalidArgument",
            "Invalid AdditionalHeaders in Authorization header.",
            ec="0002-00000209",
        )
    return tuple(sorted(name.lower().encode() for name in names.split(";")))


def _compare(expected: str, given: str, to_sign: bytes) -> None:
    if not hmac.compare_digest(expected.encode(), given.encode()):
        raise ServiceError(
            403,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you"
            " provided. Check your key and signing method.",
            ec="0002-00000040",
            details=(
                ("SignatureProvided", given),
                ("StringToSign", to_sign.decode("utf-8", "surrogateescape")),
            ),
        )


def _denied(message: str, ec: str = "0003-00000001") -> ServiceError:
    return ServiceError(403, "AccessDenied", message, ec=ec)
