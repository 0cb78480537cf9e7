"""Everything goes through the proxy that the environment names, and only then."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from bulkmeta.emulator.options import EmulatorOptions
from bulkmeta.emulator.server import EmbeddedOSS

Command = Callable[..., Any]
HOST = "photos.example"


@pytest.fixture
def oss() -> Iterator[EmbeddedOSS]:
    """An embedded OSS whose bucket has a domain that no name server knows."""
    with EmbeddedOSS(EmulatorOptions(cnames=((HOST, "bucket"),))) as embedded:
        embedded.store.create_bucket("bucket")
        for key in ("p/a", "p/b c+%2F"):
            embedded.store.put_object("bucket", key, body=b"")
        yield embedded


@pytest.fixture
def proxied(oss: EmbeddedOSS) -> Iterator[tuple[str, list[str]]]:
    """A proxy's address, and what it was asked for."""
    asked: list[str] = []
    service = urlsplit(oss.endpoint)

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self) -> None:
            asked.append(self.path)
            url = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            there = http.client.HTTPConnection(service.hostname or "", service.port)
            path = f"{url.path}?{url.query}" if url.query else url.path
            there.putrequest(self.command, path, True, True)  # its own headers only
            for name, value in self.headers.items():
                there.putheader(name, value)
            there.endheaders(body or None)
            answer = there.getresponse()
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() != "transfer-encoding":
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.read())
            there.close()

        do_GET = do_PUT = do_HEAD = pass_on  # noqa: N815 the library's names

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_through_the_proxy(
    oss: EmbeddedOSS,
    bulkmeta: Command,
    monkeypatch: pytest.MonkeyPatch,
    proxied: tuple[str, list[str]],
) -> None:
    """Signed for the bucket's own domain, whatever is in between."""
    address, asked = proxied
    monkeypatch.setenv("OSS_ENDPOINT", f"http://{HOST}")
    monkeypatch.setenv("HTTP_PROXY", address)
    result = bulkmeta(
        "apply", "oss://bucket/p/", "--set", "a=1", "--yes", "--run-file", "run.jsonl"
    )
    assert result.code == 0, result.err
    assert "2 updated" in result.out
    assert all(url.startswith(f"http://{HOST}/") for url in asked)
    assert len(asked) == len(oss.log.requests())


def test_around_it(
    oss: EmbeddedOSS,
    bulkmeta: Command,
    monkeypatch: pytest.MonkeyPatch,
    proxied: tuple[str, list[str]],
) -> None:
    """NO_PROXY, and this machine, are reached without it."""
    address, asked = proxied
    monkeypatch.setenv("HTTP_PROXY", address)
    assert bulkmeta("plan", "oss://bucket/p/", "--set", "a=1").code == 0
    monkeypatch.setenv("OSS_ENDPOINT", f"http://{HOST}")
    monkeypatch.setenv("NO_PROXY", HOST)
    monkeypatch.setattr("bulkmeta.oss.retry.backoff_s", lambda _: 0.0)
    result = bulkmeta("plan", "oss://bucket/p/", "--set", "a=1", "--retries", "0")
    assert result.code == 4, result.err
    assert (asked, len(oss.log.requests()) > 0) == ([], True)


def test_a_proxy_that_is_none(
    bulkmeta: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line, without what may be secret in it."""
    monkeypatch.setenv("OSS_ENDPOINT", f"http://{HOST}")
    monkeypatch.setenv("HTTP_PROXY", "socks5://me:s3cret@host:1")
    result = bulkmeta("plan", "oss://bucket/p/", "--set", "a=1")
    assert (result.code, "HTTP_PROXY names no HTTP proxy" in result.err) == (2, True)
    assert "s3cret" not in result.err
