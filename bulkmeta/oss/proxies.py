"""Which proxy stands between this machine and the service, by the usual variables."""

from __future__ import annotations

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from bulkmeta.errors import UsageError
from bulkmeta.oss.endpoint import is_here


def proxy_for(url: str) -> str | None:
    """The proxy for an address: `HTTPS_PROXY` or `HTTP_PROXY`, unless `NO_PROXY` names
    the host; never for this machine.

    Raises:
        UsageError: the variable names no HTTP proxy.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    proxy = getproxies().get(parts.scheme)
    if not proxy or is_here(url) or proxy_bypass(host):
        return None
    try:
        given = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        usable = given.scheme in {"http", "https"} and bool(given.hostname)
        usable = usable and (given.port is None or given.port > 0)
    except ValueError:
        usable = False
    if not usable:
        raise UsageError(
            f"{parts.scheme.upper()}_PROXY names no HTTP proxy: write it as "
            "http://host:port"
        )
    return given.geturl()


def without_password(url: str) -> str:
    """An address as it can be shown: without user and password."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
