"""Credentials, buckets and addresses that are wrong: one line that says so."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.functional.bad_input.conftest import CHANGE, GOOD, YES, Command

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS


def test_no_credentials(refused: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any, the line names the variables to set."""
    monkeypatch.delenv("OSS_ACCESS_KEY_ID")
    monkeypatch.delenv("OSS_ACCESS_KEY_SECRET")
    words = ("no credentials found", "OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET")
    refused("apply", *GOOD, code=4, words=words)


@pytest.mark.parametrize("value", ["", "  "])
def test_blank_credentials_are_none(
    refused: Command, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """Variables that hold nothing are as good as not set."""
    monkeypatch.setenv("OSS_ACCESS_KEY_ID", value)
    monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", value)
    refused("apply", *GOOD, code=4, words=("no credentials found",))


@pytest.mark.parametrize("missing", ["OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET"])
def test_half_of_the_credentials(
    refused: Command, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    """One of the pair: the line names the other one."""
    monkeypatch.delenv(missing)
    refused("apply", *GOOD, code=4, words=(f"is set, but {missing} is not",))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("OSS_ACCESS_KEY_ID", "wrong", ("InvalidAccessKeyId", "check the access key")),
        ("OSS_ACCESS_KEY_ID", "wröng", ()),
        (
            "OSS_ACCESS_KEY_SECRET",
            "s3cr3t-but-wrong",
            ("SignatureDoesNotMatch", "check the access key secret"),
        ),
        ("OSS_SESSION_TOKEN", "t0k3n", ("Token",)),
        ("OSS_SESSION_TOKEN", "t0k3n\nmore", ("OSS_SESSION_TOKEN", "line breaks")),
        ("OSS_SESSION_TOKEN", "t0k3n\udcff", ("OSS_SESSION_TOKEN", "UTF-8")),
        ("OSS_ACCESS_KEY_ID", "a\nb", ("OSS_ACCESS_KEY_ID", "line breaks")),
        ("OSS_REGION", "cn-beijing", ("region",)),
    ],
)
def test_wrong_credentials(
    refused: Command,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    words: tuple[str, ...],
) -> None:
    """Refused by the service: its words, where to look, and no secret among them."""
    monkeypatch.setenv(name, value)
    result = refused("apply", *GOOD, code=4, words=words)
    assert "s3cr3t" not in result.err
    assert "t0k3n" not in result.err
    assert "embedded-key-secret" not in result.err


@pytest.mark.parametrize("command", ["apply", "plan"])
def test_no_such_bucket(refused: Command, command: str) -> None:
    """A bucket that does not exist, by each command that works on one."""
    rest = YES if command == "apply" else ()
    words = ("NoSuchBucket", "check the bucket's name", "[request ")
    refused(command, "oss://elsewhere/p/", *CHANGE, *rest, code=4, words=words)


def test_no_such_bucket_to_show(refused: Command) -> None:
    """The same for a command that only looks."""
    refused("show", "oss://elsewhere/p/", code=4, words=("NoSuchBucket",))


@pytest.fixture
def closed_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def test_an_unreachable_endpoint(refused: Command, closed_port: int) -> None:
    """Nobody listens there: the address, and what to check."""
    endpoint = f"http://127.0.0.1:{closed_port}"
    words = (f"connect to 127.0.0.1:{closed_port}: Connection refused (check --end",)
    refused("apply", *GOOD, "--endpoint", endpoint, code=4, words=words)


def test_an_unknown_host(refused: Command) -> None:
    """A host without an address."""
    words = ("cannot connect", "no-such-host.invalid", "check --endpoint")
    endpoint = "https://no-such-host.invalid"
    refused("apply", *GOOD, "--endpoint", endpoint, code=4, words=words)


def test_a_region_that_is_none(refused: Command) -> None:
    """It is where the address came from."""
    endpoint = "https://oss-cn-hangzou.aliyuncs.com.invalid"
    words = ("oss-cn-hangzou", "(check --endpoint, --region and the network)")
    refused("apply", *GOOD, "--endpoint", endpoint, code=4, words=words)


def test_https_where_http_is_spoken(oss: EmbeddedOSS, refused: Command) -> None:
    """TLS against a plain port ends like any other connection that fails."""
    endpoint = oss.endpoint.replace("http:", "https:")
    words = ("does not speak TLS; write http:// if that is meant (check --endpoint",)
    refused("apply", *GOOD, "--endpoint", endpoint, code=4, words=words)


def test_a_server_that_is_no_oss(refused: Command) -> None:
    """Something answers, but not in HTTP."""
    with _talking(b"SSH-2.0-OpenSSH_9.2\r\n") as port:
        endpoint = f"http://127.0.0.1:{port}"
        words = ("check --endpoint",)
        refused("apply", *GOOD, "--endpoint", endpoint, code=4, words=words)


def test_a_server_that_answers_with_pages(refused: Command) -> None:
    """A web server's page is no answer to a question about a bucket."""
    page = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>"
    with _talking(page) as port:
        endpoint = f"http://127.0.0.1:{port}"
        refused("apply", *GOOD, "--endpoint", endpoint, code=4, words=("unreadable",))


@contextmanager
def _talking(answer: bytes) -> Iterator[int]:
    """A server that says the same to everyone."""
    code = (
        "import socketserver, sys\n"
        "class Talk(socketserver.BaseRequestHandler):\n"
        "    def handle(self):\n"
        "        self.request.recv(9999)\n"
        f"        self.request.sendall({answer!r})\n"
        "with socketserver.TCPServer(('127.0.0.1', 0), Talk) as server:\n"
        "    print(server.server_address[1], flush=True)\n"
        "    server.serve_forever()\n"
    )
    with subprocess.Popen(  # noqa: S603 the few lines above
        [sys.executable, "-S", "-c", code], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout
        try:
            yield int(server.stdout.readline())
        finally:
            server.kill()
