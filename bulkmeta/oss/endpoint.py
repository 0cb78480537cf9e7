"""Where a bucket is reached: the URL of each request, and the region it is signed for.

Path style is for loopback and IP addresses only; OSS itself refuses it (help page
"overview-24", 403 SecondLevelDomainForbidden).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

import msgspec

from bulkmeta.errors import UsageError
from bulkmeta.model import limits

if TYPE_CHECKING:
    from bulkmeta.model.job import Network

_REGION_IN_HOST = (
    re.compile(r"(?:s3\.)?oss-(?P<region>[a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com"),
    re.compile(r"(?P<region>[a-z0-9-]+)\.oss(?:-internal)?\.aliyuncs\.com"),
)
_INTERNAL = re.compile(r"[.-]internal\.aliyuncs\.com$")
_REGION = re.compile(r"[a-z0-9-]+")
_HOST = re.compile(r"[\w.:%-]+")  # letters of any script; colons of an IPv6 address
_NOT_REGIONS = {"accelerate", "accelerate-overseas"}
_SERVICES: Final[dict[Network, str]] = {
    "public": "oss-{region}.aliyuncs.com",
    "internal": "oss-{region}-internal.aliyuncs.com",
    "accelerate": "oss-accelerate.aliyuncs.com",
    "dual-stack": "{region}.oss.aliyuncs.com",
}
"""Each network's endpoint (help page "Regions and endpoints")."""


encoded_key = lru_cache(maxsize=1024)(quote)
"""A key percent-encoded for a path; each is asked for several times in a row."""


class Endpoint(msgspec.Struct, frozen=True):
    """One bucket's address; `base` has no trailing slash."""

    base: str
    bucket: str
    region: str
    path_style: bool

    def path(self, key: str) -> str:
        """The path of a request, percent-encoded; nothing may re-encode it."""
        path = encoded_key(key)
        return f"/{self.bucket}/{path}" if self.path_style else f"/{path}"

    def url(self, key: str, params: Mapping[str, str]) -> str:
        """The exact URL of a request, percent-encoded; nothing may re-encode it."""
        query = "&".join(
            f"{quote(name, safe='')}={quote(value, safe='')}"
            if value
            else quote(name, safe="")
            for name, value in params.items()
        )
        url = f"{self.base}{self.path(key)}"
        return f"{url}?{query}" if query else url


def resolve_endpoint(
    bucket: str,
    *,
    endpoint: str | None,
    region: str | None,
    network: Network = "public",
) -> Endpoint:
    """The address of `bucket` from what the user gave; each part can imply the other.

    Raises:
        UsageError: neither names the region, the endpoint is no address, or the bucket
            can have no such name.
    """
    region = region.removeprefix("oss-") if region else None
    if region is not None and not _REGION.fullmatch(region):
        raise UsageError(f"region {region!r} is no region: write it as cn-hangzhou")
    if endpoint and network != "public":
        raise UsageError(
            f"--{network} goes with a region alone, not with an endpoint (--endpoint, "
            "OSS_ENDPOINT or a profile's)"
        )
    if endpoint is None:
        endpoint = _service_in(region, network)
    scheme, host = _split(endpoint)
    name = host.partition(":")[0] if not host.startswith("[") else host
    region = region or _region_of(name)
    if region is None:
        raise UsageError(
            f"endpoint {endpoint!r} does not tell the region, which signatures need: "
            "give --region (such as cn-hangzhou) or set OSS_REGION"
        )
    if fault := limits.bucket_fault(bucket):  # it becomes part of the host's name
        raise UsageError(f"bucket {bucket!r}: {fault}")
    path_style = _takes_path_style(name)
    if not path_style and name.endswith(".aliyuncs.com"):
        host = host if _names_bucket(name, bucket) else f"{bucket}.{host}"
    return Endpoint(f"{scheme}://{host}", bucket, region, path_style)


def _service_in(region: str | None, network: Network) -> str:
    if region is None:
        raise UsageError(
            "no endpoint and no region: give --region (such as cn-hangzhou), "
            "or set OSS_REGION or OSS_ENDPOINT"
        )
    return _SERVICES[network].format(region=region)


def tells_region(endpoint: str) -> bool:
    """Whether an address names the region that it is in."""
    return _region_of(endpoint.lower()) is not None


def is_of_service(address: str) -> bool:
    """Whether an address is one of OSS by its name, and who has it can prove it."""
    scheme, host = _scheme_and_host(address)
    names = (host, host.partition(".")[2])
    known = any(p.fullmatch(name) for p in _REGION_IN_HOST for name in names)
    return scheme == "https" and known


def is_here(address: str) -> bool:
    """Whether an address is this machine."""
    _, host = _scheme_and_host(address)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_readable(address: str) -> bool:
    """Whether what is sent to an address can be read on the way, by others than those
    of a private network."""
    scheme, host = _scheme_and_host(address)
    try:
        is_private = ipaddress.ip_address(host).is_private
    except ValueError:
        is_private = bool(_INTERNAL.search(host))
    return scheme == "http" and not (is_private or is_here(address))


def _scheme_and_host(address: str) -> tuple[str, str]:
    try:
        url = urlsplit(address)
    except ValueError:
        return "", ""
    return url.scheme, url.hostname or ""


def refuse_other_region(region: str | None, endpoint: str | None) -> None:
    """Stop where a region that was asked for would lose against a variable.

    Raises:
        UsageError: OSS_ENDPOINT names another region.
    """
    named = _region_of(endpoint.lower()) if endpoint else None
    if region and named and named != region.removeprefix("oss-"):
        raise UsageError(
            f"--region {region} does not go with OSS_ENDPOINT, which names {named}; "
            "unset one of them"
        )


_SCHEME_TYPO: Final = re.compile(r"(https?)(?::/|//?)(?!/)([^@]+)$", re.IGNORECASE)
"""An address whose scheme lacks its colon or a slash."""


def _split(endpoint: str) -> tuple[str, str]:
    try:
        url = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
        valid_port = url.port != 0
    except ValueError:  # a port out of range, or brackets without an IPv6 address
        url, valid_port = urlsplit(""), False
    valid = (
        valid_port
        and _is_idna(url.hostname or "")
        and _HOST.fullmatch(url.hostname or "")
    )
    if url.scheme not in {"http", "https"} or not valid:
        raise UsageError(
            f"endpoint {endpoint!r} is no address: write it as "
            "https://oss-cn-hangzhou.aliyuncs.com"
        )
    if "@" in url.netloc:
        raise UsageError("the endpoint may not hold a user or password")
    if found := _SCHEME_TYPO.match(endpoint):
        scheme, rest = found.groups()
        raise UsageError(f"endpoint {endpoint!r}: write it as {scheme}://{rest}")
    if url.path.strip("/") or url.query:
        raise UsageError(
            f"endpoint {endpoint!r}: give the address only, without path or query"
        )
    return url.scheme, url.netloc.lower()


def _is_idna(host: str) -> bool:
    """Whether the host's labels have lengths that a name server takes."""
    try:
        return bool(host.encode("idna"))
    except UnicodeError:
        return False


def _region_of(host: str) -> str | None:
    for pattern in _REGION_IN_HOST:
        found = pattern.search(host)
        if found and found["region"] not in _NOT_REGIONS:
            return found["region"]
    return None


def _names_bucket(host: str, bucket: str) -> bool:
    """Whether `host` is the bucket's own name below a service's name."""
    service = host.removeprefix(f"{bucket}.")
    known = any(pattern.fullmatch(service) for pattern in _REGION_IN_HOST)
    return service != host and known


def _takes_path_style(host: str) -> bool:
    if host == "localhost" or host.startswith("["):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
