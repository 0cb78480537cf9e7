"""Where a bucket is reached, and the region its requests are signed for."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from bulkmeta.errors import UsageError
from bulkmeta.model.job import Connection, Network
from bulkmeta.oss.connect import locate
from bulkmeta.oss.endpoint import (
    Endpoint,
    refuse_other_region,
    resolve_endpoint,
)
from bulkmeta.oss.profiles import Settings

ALIYUN = "aliyuncs.com"
NOWHERE = Path("/nowhere")


@pytest.mark.parametrize(
    ("endpoint", "base", "region"),
    [
        (
            f"oss-cn-hangzhou.{ALIYUN}",
            f"https://b1b.oss-cn-hangzhou.{ALIYUN}",
            "cn-hangzhou",
        ),
        (
            f"https://oss-cn-hangzhou.{ALIYUN}",
            f"https://b1b.oss-cn-hangzhou.{ALIYUN}",
            "cn-hangzhou",
        ),
        (
            f"http://oss-us-west-1.{ALIYUN}/",
            f"http://b1b.oss-us-west-1.{ALIYUN}",
            "us-west-1",
        ),
        (
            f"https://oss-cn-hangzhou.{ALIYUN}:443",
            f"https://b1b.oss-cn-hangzhou.{ALIYUN}:443",
            "cn-hangzhou",
        ),
        (
            f"oss-cn-hangzhou-internal.{ALIYUN}",
            f"https://b1b.oss-cn-hangzhou-internal.{ALIYUN}",
            "cn-hangzhou",
        ),
        (
            f"oss-cn-shanghai-finance-1-internal.{ALIYUN}",
            f"https://b1b.oss-cn-shanghai-finance-1-internal.{ALIYUN}",
            "cn-shanghai-finance-1",
        ),
        (
            f"cn-hangzhou.oss.{ALIYUN}",
            f"https://b1b.cn-hangzhou.oss.{ALIYUN}",
            "cn-hangzhou",
        ),
        (
            f"s3.oss-ap-southeast-1.{ALIYUN}",
            f"https://b1b.s3.oss-ap-southeast-1.{ALIYUN}",
            "ap-southeast-1",
        ),
        (
            f"b1b.oss-cn-beijing.{ALIYUN}",
            f"https://b1b.oss-cn-beijing.{ALIYUN}",
            "cn-beijing",
        ),
        (
            f"https://b1b.cn-beijing.oss.{ALIYUN}",
            f"https://b1b.cn-beijing.oss.{ALIYUN}",
            "cn-beijing",
        ),
    ],
)
def test_endpoint_names_its_region(endpoint: str, base: str, region: str) -> None:
    """Names of the service's own endpoints: virtual-hosted, region derived."""
    assert resolve_endpoint("b1b", endpoint=endpoint, region=None) == Endpoint(
        base, "b1b", region, path_style=False
    )


@pytest.mark.parametrize(
    ("endpoint", "base", "path_style"),
    [
        (f"oss-accelerate.{ALIYUN}", f"https://b1b.oss-accelerate.{ALIYUN}", False),
        (
            f"oss-accelerate-overseas.{ALIYUN}",
            f"https://b1b.oss-accelerate-overseas.{ALIYUN}",
            False,
        ),
        ("img.example.com", "https://img.example.com", False),
        ("http://img.example.com:8080", "http://img.example.com:8080", False),
        ("127.0.0.1:9000", "https://127.0.0.1:9000", True),
        ("http://10.1.2.3", "http://10.1.2.3", True),
        ("http://[::1]:9000", "http://[::1]:9000", True),
        ("http://[::1]", "http://[::1]", True),
        ("http://localhost:9000", "http://localhost:9000", True),
    ],
)
def test_endpoint_that_needs_a_region(
    endpoint: str, base: str, path_style: bool
) -> None:
    """Acceleration, own domains and addresses tell no region; addresses: path style."""
    with pytest.raises(UsageError) as caught:
        resolve_endpoint("b1b", endpoint=endpoint, region=None)
    assert str(caught.value) == (
        f"endpoint {endpoint!r} does not tell the region, which signatures need: "
        "give --region (such as cn-hangzhou) or set OSS_REGION"
    )
    found = resolve_endpoint("b1b", endpoint=endpoint, region="cn-hangzhou")
    assert found == Endpoint(base, "b1b", "cn-hangzhou", path_style)


@pytest.mark.parametrize(
    ("region", "network", "base"),
    [
        ("cn-hangzhou", "public", f"https://b1b.oss-cn-hangzhou.{ALIYUN}"),
        ("oss-cn-hangzhou", "public", f"https://b1b.oss-cn-hangzhou.{ALIYUN}"),
        (
            "cn-hangzhou",
            "internal",
            f"https://b1b.oss-cn-hangzhou-internal.{ALIYUN}",
        ),
        ("cn-hangzhou", "accelerate", f"https://b1b.oss-accelerate.{ALIYUN}"),
        ("oss-cn-hangzhou", "dual-stack", f"https://b1b.cn-hangzhou.oss.{ALIYUN}"),
    ],
)
def test_region_names_its_endpoint(region: str, network: Network, base: str) -> None:
    """A region alone is enough; the `oss-` that people write in front is dropped."""
    found = resolve_endpoint("b1b", endpoint=None, region=region, network=network)
    assert found == Endpoint(base, "b1b", "cn-hangzhou", path_style=False)


def test_host_names_ignore_case() -> None:
    """However it is written, it is the service's own name."""
    endpoint = "HTTPS://OSS-cn-hangzhou.Aliyuncs.COM"
    assert resolve_endpoint("b1b", endpoint=endpoint, region=None) == Endpoint(
        f"https://b1b.oss-cn-hangzhou.{ALIYUN}", "b1b", "cn-hangzhou", path_style=False
    )


def test_given_region_wins() -> None:
    """A region that the user names is signed for, whatever the endpoint is called."""
    endpoint = f"oss-cn-hangzhou.{ALIYUN}"
    found = resolve_endpoint("b1b", endpoint=endpoint, region="cn-beijing")
    assert found.region == "cn-beijing"


@pytest.mark.parametrize("region", ["cn hangzhou", "CN", "cn/a", "a.b", "é", "oss-"])
def test_no_region(region: str) -> None:
    """What cannot be part of a host name is no region."""
    with pytest.raises(UsageError) as caught:
        resolve_endpoint("b1b", endpoint="http://localhost", region=region)
    assert str(caught.value) == (
        f"region {region.removeprefix('oss-')!r} is no region: write it as cn-hangzhou"
    )


def test_neither_endpoint_nor_region() -> None:
    """With nothing to go by the line says what to give."""
    with pytest.raises(UsageError) as caught:
        resolve_endpoint("b1b", endpoint=None, region=None)
    assert str(caught.value) == (
        "no endpoint and no region: give --region (such as cn-hangzhou), "
        "or set OSS_REGION or OSS_ENDPOINT"
    )


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "https://",
        "ftp://oss-cn-hangzhou.aliyuncs.com",
        "oss://bucket/prefix",
        "https://host:0",
        "https://host:99999",
        "https://host:port",
        "https://[::1",
        "https://[nonsense]",
    ],
)
def test_no_address(endpoint: str) -> None:
    """What is no address gets a line that shows one."""
    with pytest.raises(UsageError) as caught:
        resolve_endpoint("b1b", endpoint=endpoint, region="cn-hangzhou")
    assert str(caught.value) == (
        f"endpoint {endpoint!r} is no address: write it as "
        "https://oss-cn-hangzhou.aliyuncs.com"
    )


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://host/path",
        "https://host/?a=b",
    ],
)
def test_more_than_an_address(endpoint: str) -> None:
    """A path, query or user would be dropped in silence, so it is refused."""
    with pytest.raises(UsageError) as caught:
        resolve_endpoint("b1b", endpoint=endpoint, region="cn-hangzhou")
    assert str(caught.value) == (
        f"endpoint {endpoint!r}: give the address only, without path or query"
    )


@pytest.mark.parametrize("typo", ["http/", "http//", "http:/"])
def test_a_scheme_mistyped(typo: str) -> None:
    """What was most likely meant is told; a path has nothing to do with it."""
    endpoint = f"{typo}127.0.0.1:9000"
    with pytest.raises(UsageError) as caught:
        resolve_endpoint("b1b", endpoint=endpoint, region="cn-hangzhou")
    assert str(caught.value) == (
        f"endpoint {endpoint!r}: write it as http://127.0.0.1:9000"
    )


@pytest.mark.parametrize("endpoint", ["https://user:pass@host", "https://:pass@host"])
def test_a_password_is_not_repeated(endpoint: str) -> None:
    """A user would be dropped in silence, so it is refused; a password is no output."""
    with pytest.raises(UsageError) as caught:
        resolve_endpoint("b1b", endpoint=endpoint, region="cn-hangzhou")
    assert str(caught.value) == "the endpoint may not hold a user or password"


@pytest.mark.parametrize(
    "endpoint", [f"https://{'x' * 64}.example.com", f"https://{'测' * 64}.example.com"]
)
def test_a_label_that_no_name_server_takes(endpoint: str) -> None:
    """More than 63 characters between dots: refused, not left to the resolver."""
    with pytest.raises(UsageError, match="is no address"):
        resolve_endpoint("b1b", endpoint=endpoint, region="cn-hangzhou")


@given(st.text(max_size=30) | st.text("[]:/@?#.%0a ", max_size=12), st.booleans())
def test_any_endpoint(text: str, with_scheme: bool) -> None:
    """Any text is an address or a UsageError, never another exception."""
    endpoint = f"https://{text}" if with_scheme else text
    try:
        found = resolve_endpoint("b1b", endpoint=endpoint, region="cn-hangzhou")
    except UsageError:
        return
    assert found.base.startswith(("https://", "http://")) is True


@pytest.mark.parametrize(
    ("key", "params", "tail"),
    [
        ("", {}, "/"),
        ("", {"list-type": "2", "prefix": "a/b c"}, "/?list-type=2&prefix=a%2Fb%20c"),
        ("a/b", {"acl": ""}, "/a/b?acl"),
        ("照片/é ?#%+&", {}, "/%E7%85%A7%E7%89%87/%C3%A9%20%3F%23%25%2B%26"),
        ("a/../b//./c", {}, "/a/../b//./c"),
        ("~a-b_c.d", {}, "/~a-b_c.d"),
    ],
)
def test_url(key: str, params: dict[str, str], tail: str) -> None:
    """Keys and parameters are encoded once; dots and slashes in keys stay."""
    hosted = Endpoint("https://b1b.h", "b1b", "r", path_style=False)
    in_path = Endpoint("https://h", "b1b", "r", path_style=True)
    assert (hosted.url(key, params), in_path.url(key, params)) == (
        f"https://b1b.h{tail}",
        f"https://h/b1b{tail}",
    )


@given(st.text(min_size=1, max_size=20))
def test_url_is_not_re_encoded(key: str) -> None:
    """The HTTP library sends the URL as it was made, and it means the same key."""
    text = Endpoint("https://b1b.h", "b1b", "r", path_style=False).url(key, {"a": key})
    url = URL(text, encoded=True)
    assert (str(url), url.raw_path, url.query["a"]) == (
        text,
        text.removeprefix("https://b1b.h").partition("?")[0],
        key,
    )


@pytest.mark.parametrize(
    ("connection", "environment", "region"),
    [
        (Connection(), {"OSS_REGION": "cn-beijing"}, "cn-beijing"),
        (Connection(), {"OSS_ENDPOINT": f"oss-us-west-1.{ALIYUN}"}, "us-west-1"),
        (Connection(region="cn-a"), {"OSS_REGION": "cn-beijing"}, "cn-a"),
        (
            Connection(endpoint=f"oss-cn-b.{ALIYUN}"),
            {"OSS_ENDPOINT": f"oss-us-west-1.{ALIYUN}", "OSS_REGION": ""},
            "cn-b",
        ),
    ],
)
def test_flags_before_environment(
    connection: Connection, environment: dict[str, str], region: str
) -> None:
    """First found wins: flags, then OSS_ENDPOINT and OSS_REGION; empty is not set."""
    assert locate("b1b", connection, Settings(environment, NOWHERE)).region == region


@pytest.mark.parametrize("network", ["internal", "accelerate", "dual-stack"])
def test_a_network_does_not_go_with_an_endpoint(network: Network) -> None:
    """An option that would be ignored is refused."""
    with pytest.raises(UsageError) as caught:
        resolve_endpoint(
            "b", endpoint="oss-cn-hangzhou.aliyuncs.com", region=None, network=network
        )
    assert str(caught.value) == (
        f"--{network} goes with a region alone, not with an endpoint (--endpoint, "
        "OSS_ENDPOINT or a profile's)"
    )


@pytest.mark.parametrize("network", ["internal", "accelerate", "dual-stack"])
def test_a_network_needs_a_region(network: Network) -> None:
    """Signatures do, even where the address does not."""
    with pytest.raises(UsageError, match="no endpoint and no region"):
        resolve_endpoint("b1b", endpoint=None, region=None, network=network)


@pytest.mark.parametrize(
    ("connection", "words"),
    [
        (Connection(internal=True, accelerate=True), "--internal and --accelerate"),
        (Connection(internal=True, dual_stack=True), "--internal and --dual-stack"),
        (Connection(accelerate=True, dual_stack=True), "--accelerate and --dual-stack"),
    ],
)
def test_one_network(connection: Connection, words: str) -> None:
    """Of several none would be the meant one."""
    with pytest.raises(UsageError) as caught:
        locate("b1b", connection, Settings({"OSS_REGION": "cn-a"}, NOWHERE))
    assert str(caught.value) == f"{words} name different endpoints; give one of them"


@pytest.mark.parametrize(
    "base",
    [
        f"https://b1b.oss-accelerate.{ALIYUN}",
        f"https://b1b.oss-accelerate-overseas.{ALIYUN}",
        f"https://b1b.cn-hangzhou.oss.{ALIYUN}",
        f"https://b1b.oss-cn-hangzhou-internal.{ALIYUN}",
    ],
)
def test_an_address_leads_to_itself(base: str) -> None:
    """A run file keeps the bucket's address, by which the run is resumed."""
    found = resolve_endpoint("b1b", endpoint=base, region="cn-hangzhou")
    assert found == Endpoint(base, "b1b", "cn-hangzhou", path_style=False)


def test_bucket_named_like_its_region() -> None:
    """A dual-stack host that happens to begin with the bucket's name is not its own."""
    found = resolve_endpoint(
        "cn-hangzhou", endpoint="cn-hangzhou.oss.aliyuncs.com", region=None
    )
    assert found.base == "https://cn-hangzhou.cn-hangzhou.oss.aliyuncs.com"


@pytest.mark.parametrize(
    ("region", "endpoint"),
    [
        (None, None),
        (None, f"oss-cn-b.{ALIYUN}"),
        ("cn-a", None),
        ("cn-a", "https://my.own.domain"),
        ("cn-b", f"OSS-CN-B.{ALIYUN}"),
        ("oss-cn-b", f"oss-cn-b-internal.{ALIYUN}"),
    ],
)
def test_a_region_that_goes_with_the_variable(
    region: str | None, endpoint: str | None
) -> None:
    """Nothing is refused where nothing is contradicted."""
    refuse_other_region(region, endpoint)


def test_a_region_that_loses_against_the_variable() -> None:
    """`--region` beside an OSS_ENDPOINT of another one is not ignored in silence."""
    environment = {"OSS_ENDPOINT": f"oss-us-west-1.{ALIYUN}"}
    with pytest.raises(UsageError) as caught:
        locate("b1b", Connection(region="cn-a"), Settings(environment, NOWHERE))
    assert str(caught.value) == (
        "--region cn-a does not go with OSS_ENDPOINT, which names us-west-1; "
        "unset one of them"
    )


@pytest.mark.parametrize("bucket", ["evil.com/", "a.b", "evil.com#", "../..", "b", "@"])
def test_no_bucket(bucket: str) -> None:
    """A bucket's name becomes part of the host's: it can lead to no other one."""
    with pytest.raises(UsageError, match="a bucket name has 3 to 63"):
        resolve_endpoint(
            bucket, endpoint="https://oss-cn-hangzhou.aliyuncs.com", region=None
        )
