"""The proxy for an address, by the usual variables."""

from __future__ import annotations

import pytest

from bulkmeta.errors import UsageError
from bulkmeta.oss.proxies import proxy_for

OSS = "https://photos.oss-cn-hangzhou.aliyuncs.com"
NAMES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("url", "environment", "proxy"),
    [
        (OSS, {}, None),
        (OSS, {"HTTPS_PROXY": "http://proxy:3128"}, "http://proxy:3128"),
        (OSS, {"https_proxy": "proxy:3128"}, "http://proxy:3128"),
        (OSS, {"HTTPS_PROXY": "http://me:s3cret@proxy"}, "http://me:s3cret@proxy"),
        (OSS, {"HTTP_PROXY": "http://proxy:3128"}, None),
        ("http://x.oss-cn-a.aliyuncs.com", {"HTTP_PROXY": "http://p:1"}, "http://p:1"),
        (OSS, {"HTTPS_PROXY": "http://p:1", "NO_PROXY": ".aliyuncs.com"}, None),
        (OSS, {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, None),
        (OSS, {"HTTPS_PROXY": "http://p:1", "no_proxy": "b.com"}, "http://p:1"),
        ("http://127.0.0.1:9000", {"HTTP_PROXY": "http://p:1"}, None),
        ("http://[::1]:9000", {"HTTP_PROXY": "http://p:1"}, None),
        ("http://localhost:9000", {"HTTP_PROXY": "http://p:1"}, None),
        ("http://10.1.2.3:9000", {"HTTP_PROXY": "http://p:1"}, "http://p:1"),
    ],
)
def test_which(
    monkeypatch: pytest.MonkeyPatch,
    url: str,
    environment: dict[str, str],
    proxy: str | None,
) -> None:
    """By the scheme of the address; never for this machine."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(url) == proxy


@pytest.mark.parametrize("proxy", ["socks5://me:s3cret@p:1", "http://", "http://p:x"])
def test_no_http_proxy(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    """Said without its user and password."""
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(UsageError, match="HTTPS_PROXY names no HTTP proxy") as caught:
        proxy_for(OSS)
    assert "s3cret" not in str(caught.value)
