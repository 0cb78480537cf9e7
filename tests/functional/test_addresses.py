"""Each way to name a bucket's address: where requests go, and what they are signed for.

Names of the real service lead to the embedded OSS by a resolver of the tests' own, and
TLS is left out on the way; URL, Host and signature are as they would be.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

import bulkmeta as library
from bulkmeta.emulator.faults import Fault
from bulkmeta.emulator.options import Credential, EmulatorOptions
from bulkmeta.emulator.server import EmbeddedOSS

Command = Callable[..., Any]
TARGET = "oss://bucket/p/"
RUN = ("--set", "a=1", "--yes", "--run-file", "run.jsonl")
OWNER = Credential("owner-key-id", "owner-key-secret")
GUEST = Credential("guest-key-id", "guest-key-secret", is_owner=False)
REGIONAL = "bucket.oss-cn-hangzhou"
NAMES = {
    "bucket.oss-accelerate.aliyuncs.com": "bucket",
    "bucket.oss-accelerate-overseas.aliyuncs.com": "bucket",
    f"{REGIONAL}.aliyuncs.com": "bucket",
    f"{REGIONAL}-internal.aliyuncs.com": "bucket",
    "bucket.cn-hangzhou.oss.aliyuncs.com": "bucket",
    "bucket.oss-cn-beijing.aliyuncs.com": "bucket",
    "photos.example.com": "bucket",
}


@pytest.fixture
def oss() -> Iterator[EmbeddedOSS]:
    """An embedded OSS with the names of the real one, and two accounts."""
    options = EmulatorOptions(
        credentials=(OWNER, GUEST), cnames=tuple(NAMES.items()), log_size=1000
    )
    with EmbeddedOSS(options) as embedded:
        embedded.store.create_bucket("bucket")
        for key in ("p/a", "p/b c+%2F"):
            embedded.store.put_object("bucket", key, body=b"")
        yield embedded


@pytest.fixture
def asked(oss: EmbeddedOSS, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Names and ports that were looked up, all of which are the embedded OSS's."""
    there, names = urlsplit(oss.endpoint), list[tuple[str, int]]()

    class Resolver(AbstractResolver):
        async def resolve(
            self,
            host: str,
            port: int = 0,
            family: socket.AddressFamily = socket.AF_INET,
        ) -> list[ResolveResult]:
            names.append((host, port))
            return [
                ResolveResult(
                    hostname=host,
                    host=there.hostname or "",
                    port=there.port or 0,
                    family=socket.AF_INET,
                    proto=0,
                    flags=0,
                )
            ]

        async def close(self) -> None:
            """Nothing is open."""

    made = aiohttp.TCPConnector.__init__

    def make(connector: aiohttp.TCPConnector, **more: Any) -> None:
        made(connector, resolver=Resolver(), **more)

    monkeypatch.setattr(aiohttp.TCPConnector, "__init__", make)
    monkeypatch.setattr(aiohttp.TCPConnector, "_get_ssl_context", lambda *_: None)
    return names


@pytest.fixture
def far(
    bulkmeta: Command, asked: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> Command:
    """The command line of the owner, with no address but the real service's."""
    del asked
    monkeypatch.delenv("OSS_ENDPOINT")
    become(OWNER, monkeypatch)
    return bulkmeta


def become(who: Credential, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSS_ACCESS_KEY_ID", who.access_key_id)
    monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", who.access_key_secret)


@pytest.mark.parametrize(
    ("flags", "host", "port"),
    [
        ((), f"{REGIONAL}.aliyuncs.com", 443),
        (("--internal",), f"{REGIONAL}-internal.aliyuncs.com", 443),
        (("--accelerate",), "bucket.oss-accelerate.aliyuncs.com", 443),
        (("--dual-stack",), "bucket.cn-hangzhou.oss.aliyuncs.com", 443),
        (
            ("--endpoint", "oss-accelerate-overseas.aliyuncs.com"),
            "bucket.oss-accelerate-overseas.aliyuncs.com",
            443,
        ),
        (("--endpoint", "https://photos.example.com"), "photos.example.com", 443),
        (("--endpoint", "http://photos.example.com"), "photos.example.com", 80),
        (
            ("--endpoint", "oss-cn-beijing.aliyuncs.com"),
            "bucket.oss-cn-beijing.aliyuncs.com",
            443,
        ),
    ],
)
def test_an_address(
    oss: EmbeddedOSS,
    far: Command,
    asked: list[tuple[str, int]],
    flags: tuple[str, ...],
    host: str,
    port: int,
) -> None:
    """The name that is looked up, the Host, and a signature that the service takes:
    of the region that was named, whatever the address is called."""
    result = far("apply", TARGET, *RUN, "--region", "cn-hangzhou", *flags)
    assert (result.code, "2 updated" in result.out) == (0, True), result.err
    assert {*asked} == {(host, port)}
    for sent in oss.log.requests():
        assert (sent.status, sent.headers["host"], sent.bucket) == (200, host, "bucket")
        assert "/cn-hangzhou/oss/aliyun_v4_request" in sent.headers["authorization"]

    oss.clock.offset_s += 5
    named = flags if "example.com" in host else ()  # a run file alone may not say that
    again = far("undo", "run.jsonl", "--yes", "--run-file", "undo.jsonl", *named)
    assert again.code == 0, again.err
    assert {r.headers["host"] for r in oss.log.requests()} == {host}


def test_an_endpoint_of_another_region(
    oss: EmbeddedOSS, far: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its region is signed for where no other is named; the service says no."""
    monkeypatch.delenv("OSS_REGION")
    flags = ("--endpoint", "oss-cn-beijing.aliyuncs.com", "--progress", "none")
    result = far("plan", TARGET, "--set", "a=1", *flags)
    assert (result.code, "(check --region)" in result.err) == (4, True), result.err
    (sent,) = oss.log.requests()
    assert "/cn-beijing/oss/aliyun_v4_request" in sent.headers["authorization"]


def test_an_ipv6_address(bulkmeta: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A literal stands in brackets, with the bucket in the path."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    become(OWNER, monkeypatch)
    with EmbeddedOSS(EmulatorOptions(host="::1", credentials=(OWNER,))) as oss:
        oss.store.create_bucket("bucket")
        oss.store.put_object("bucket", "p/a", body=b"")
        result = bulkmeta("apply", TARGET, *RUN, "--endpoint", oss.endpoint)
        assert result.code == 0, result.err
        hosts = {r.headers["host"] for r in oss.log.requests()}
    assert hosts == {oss.endpoint.removeprefix("http://")}
    assert "[::1]:" in oss.endpoint


def test_acceleration_that_is_off(oss: EmbeddedOSS, far: Command) -> None:
    """The run ends, and the line says what to do about it."""
    code = "TransferAccelerationDisabled"
    oss.faults.add(Fault("error", status=403, code=code, message="Not enabled."))
    result = far("plan", TARGET, "--set", "a=1", "--accelerate", "--progress", "none")
    assert result.code == 4
    line = result.err.splitlines()[-1]
    assert f"{code}: Not enabled. (switch transfer acceleration on for the" in line
    assert "or leave --accelerate out)" in line


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--accelerate", "--internal"), "--internal and --accelerate name different"),
        (("--accelerate", "--endpoint", "http://h"), "--accelerate and --endpoint"),
        (("--dual-stack",), "--dual-stack goes with a region alone"),
    ],
)
def test_addresses_that_contradict(
    bulkmeta: Command, oss: EmbeddedOSS, flags: tuple[str, ...], words: str
) -> None:
    """One line, nothing sent; the last case has OSS_ENDPOINT set."""
    result = bulkmeta("apply", TARGET, *RUN, *flags)
    assert (result.code, words in result.err) == (2, True), result.err
    assert (oss.log.requests(), Path("run.jsonl").exists()) == ([], False)


def test_in_a_job_file(oss: EmbeddedOSS, far: Command) -> None:
    """By the flags' names; a contradiction names its lines."""
    text = '[source]\ntarget = "oss://bucket/p/"\naccelerate = true\n'
    change = "[change]\nset = { a = '1' }\n"
    Path("job.toml").write_text(text + "request-payer = true\n" + change)
    assert far("plan", "job.toml").code == 0
    sent = oss.log.requests()
    assert {r.headers["host"] for r in sent} == {"bucket.oss-accelerate.aliyuncs.com"}
    assert {r.headers["x-oss-request-payer"] for r in sent} == {"requester"}

    Path("job.toml").write_text(text + "dual-stack = true\n" + change)
    result = far("plan", "job.toml")
    assert (result.code, "lines 3 and 4: --accelerate" in result.err) == (2, True)


def test_the_requester_pays(
    oss: EmbeddedOSS, bulkmeta: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a command asks for it agrees to pay for, and signs that."""
    oss.store.configure_bucket("bucket", requester_pays=True)
    become(GUEST, monkeypatch)
    oss.faults.add(Fault("error", "CopyObject", "p/a", times=1, status=400, code="No"))
    last = ("--yes", "--run-file")
    for args, code in (
        (("apply", TARGET, "--set", "b=1", *last, "first.jsonl"), 1),
        (("retry", "first.jsonl", *last, "retried.jsonl"), 0),
        (("plan", TARGET, "--set", "c=1", "--out", "plan.jsonl"), 0),
        (("apply", "plan.jsonl", *last, "planned.jsonl"), 0),
        (("apply", TARGET, *RUN, "--tag", "t=1", "--acl", "private"), 0),
        (("verify", "run.jsonl"), 0),
        (("show", TARGET), 0),
        (("undo", "run.jsonl", *last, "undo.jsonl"), 0),
    ):
        oss.clock.offset_s += 5
        result = bulkmeta(*args, "--request-payer")
        assert result.code == code, (args, result.err)
    interrupt("run.jsonl")
    assert bulkmeta("resume", "run.jsonl", "--request-payer").code == 0
    sent = oss.log.requests()
    assert {r.operation for r in sent} >= {"GetBucketVersioning", "GetObjectTagging"}
    assert {r.headers.get("x-oss-request-payer") for r in sent} == {"requester"}


def interrupt(name: str) -> None:
    """Make a run's file that of an interrupted one."""
    lines = Path(name).read_text().splitlines(keepends=True)
    Path(name).write_text("".join(lines[:-2]))
    Path(f"{name}.journal").write_text("")


@pytest.mark.parametrize("version", ["v4", "v1"])
def test_signed_by_both_versions(
    oss: EmbeddedOSS, bulkmeta: Command, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    """The header is part of what is signed."""
    oss.store.configure_bucket("bucket", requester_pays=True)
    become(GUEST, monkeypatch)
    flags = ("--request-payer", "--sign-version", version)
    assert bulkmeta("apply", TARGET, *RUN, *flags).code == 0


@pytest.mark.parametrize("command", ["apply", "plan", "show"])
def test_a_requester_who_does_not_pay(
    oss: EmbeddedOSS, bulkmeta: Command, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """The run ends before it begins, and the line names the option."""
    oss.store.configure_bucket("bucket", requester_pays=True)
    become(GUEST, monkeypatch)
    change = {"apply": RUN, "plan": RUN[:2], "show": ()}[command]
    result = bulkmeta(command, TARGET, *change)
    assert result.code == 4
    line = result.err.splitlines()[-1]
    assert "AccessDenied: Access denied for requester pay bucket (pass" in line
    assert "--request-payer to pay for the requests yourself)" in line
    assert not Path("run.jsonl").exists()


def test_the_owner_pays(
    oss: EmbeddedOSS, bulkmeta: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without being asked, and nothing is sent that was not asked for."""
    oss.store.configure_bucket("bucket", requester_pays=True)
    become(OWNER, monkeypatch)
    assert bulkmeta("apply", TARGET, *RUN).code == 0
    assert not any("x-oss-request-payer" in r.headers for r in oss.log.requests())


async def test_from_python(
    oss: EmbeddedOSS, far: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the same names."""
    del far
    oss.store.configure_bucket("bucket", requester_pays=True)
    become(GUEST, monkeypatch)
    change = library.Change(set_meta={"a": "1"})
    async with library.open_bucket(
        TARGET, dual_stack=True, request_payer=True
    ) as bucket:
        outcomes = [o.status async for o in library.plan(bucket, change)]
    assert outcomes == ["planned"] * 2
    hosts = {r.headers["host"] for r in oss.log.requests()}
    assert hosts == {"bucket.cn-hangzhou.oss.aliyuncs.com"}
    with pytest.raises(library.UsageError, match="--internal and --dual-stack"):
        async with library.open_bucket(TARGET, dual_stack=True, internal=True):
            pass
