"""What is looked at before a first run, and what each answer means. Pure."""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from bulkmeta.errors import BulkmetaError, ObjectError

State = Literal["ok", "warning", "failed", "skipped"]

_PRECISE: Final = timedelta(seconds=2)
"""A service tells whole seconds, and an answer takes its time."""

_SKEW_ALLOWED: Final = timedelta(minutes=15)
"""Beyond it OSS refuses requests (RequestTimeTooSkewed)."""

_EXPIRES_SOON: Final = timedelta(days=7)


class Check(msgspec.Struct, frozen=True):
    """One thing that was looked at: what was found, and what to do about it. If a
    `vital` one failed, nothing behind it could be looked at."""

    name: str
    state: State
    found: str
    advice: str | None = None
    vital: bool = False


def check_clock(service: datetime, here: datetime) -> Check:
    """How far this machine's clock is off the service's."""
    behind = service - here
    if abs(behind) <= _PRECISE:
        return Check("clock", "ok", "as the service's")
    side = "behind" if behind > timedelta() else "ahead of"
    words = f"{_span(behind)} {side} the service's"
    if abs(behind) < timedelta(minutes=1):
        return Check("clock", "ok", words)
    advice = "set this machine's clock"
    if abs(behind) >= _SKEW_ALLOWED:
        advice += "; bulkmeta goes by the service's, but others are refused"
    return Check("clock", "warning", words, advice)


def _span(span: timedelta) -> str:
    seconds = round(abs(span).total_seconds())
    return f"{seconds} s" if seconds < 120 else f"{round(seconds / 60):,} min"


def check_certificate(protocol: str, expires: datetime, now: datetime) -> Check:
    """How a connection is encrypted, and for how long the certificate is good."""
    words = f"{protocol}, certificate good until {expires:%Y-%m-%d}"
    if expires - now < _EXPIRES_SOON:
        return Check("TLS", "warning", words, "whoever runs the endpoint must renew it")
    return Check("TLS", "ok", words)


def check_plain(address: str) -> Check:
    """What it means that a connection is not encrypted."""
    if ipaddress.ip_address(address.partition("%")[0]).is_loopback:
        return Check("TLS", "ok", "not encrypted, but on this machine")
    advice = "give https:// as --endpoint, if the service has it"
    return Check("TLS", "warning", "not encrypted (http)", advice)


def check_versioning(status: str | None) -> Check:
    """What it means that a bucket keeps versions, or not."""
    if status is None:
        return Check("versions", "ok", "none are kept")
    return Check(
        "versions",
        "warning",
        f"versioning is {status}",
        "each update adds a version, billed as a full object: apply needs "
        "--allow-new-versions",
    )


def check_retention(state: str, days: int) -> Check:
    """What it means that objects must be kept."""
    if not state:
        return Check("retention", "ok", "no policy")
    return Check(
        "retention",
        "failed",
        f"policy {state}: for {days} days no object can be changed but in its tags",
        "wait until they are old enough, or use another bucket",
    )


class Need(msgspec.Struct, frozen=True):
    """A permission, what it is to lack it, and how to do without."""

    action: str
    lacking: State = "failed"
    without: str = ""


NEEDS: Final = {
    "bucket": Need("oss:GetBucketInfo", "warning"),
    "versions": Need("oss:GetBucketVersioning", "warning"),
    "retention": Need("oss:GetBucketWorm", "warning"),
    "list": Need("oss:ListObjects", without="name keys with --keys-from"),
    "head": Need("oss:GetObject"),
    "acl": Need("oss:GetObjectAcl", without="pass --acl-policy skip"),
    "tags": Need("oss:GetObjectTagging", "warning", "change no tags"),
    "put": Need("oss:PutObject"),
    "copy": Need("oss:GetObject and oss:PutObject"),
    "put acl": Need("oss:PutObjectAcl", without="pass --acl-policy skip"),
    "put tags": Need("oss:PutObjectTagging", "warning", "change no tags"),
}
"""By the name of the check that asks for it (RAM actions of the OSS API reference)."""


def accepted(name: str) -> Check:
    """That a request was accepted."""
    return Check(name, "ok", NEEDS[name].action)


def refused(name: str, error: BulkmetaError) -> Check:
    """That it was not."""
    need, advice = NEEDS[name], None
    if isinstance(error, ObjectError) and error.reason == "access_denied":
        advice = f"grant {need.action}"
        advice += f", or {need.without}" if need.without else ""
    elif isinstance(error, ObjectError) and error.reason == "gone":
        advice = "name an object that is there"
    return Check(name, need.lacking, str(error), advice)
