"""Identities with secrets, and an ear that hears all that is said of them."""

from __future__ import annotations

import logging
import os
import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bulkmeta.emulator.options import Credential, EmulatorOptions
from bulkmeta.emulator.server import EmbeddedOSS
from tests.functional.conftest import FIRST

Command = Callable[..., Any]
KEPT = Credential("LTAI.kept", "s3cret-kept")
EXPIRED = Credential("STS.expired", "s3cret-expired", "t0ken-expired", expires_at=1.0)
TARGET = "oss://bucket/p/"
SECRETS = ("s3cret", "t0ken", "p4ssword", "Signature=", "OSS4-HMAC-SHA256")
OUTSIDE = (
    *("--log-file", "run.log", "--log-level", "debug"),
    *("--metrics-file", "run.prom", "--on-finish", "tee -a heard"),
)
SEEN = {"plan", "apply", "resume", "retry", "undo", "verify"}
"""Commands whose runs are seen from outside."""
WAYS = ("static", "sts", "oidc", "ecs", "address", "ossutil")


@pytest.fixture
def oss() -> Iterator[EmbeddedOSS]:
    """An embedded OSS that knows these identities, with twelve objects."""
    options = EmulatorOptions(credentials=(KEPT, FIRST, EXPIRED))
    with EmbeddedOSS(options) as embedded:
        embedded.store.create_bucket("bucket")
        for number in range(12):
            embedded.store.put_object("bucket", f"p/{number:02}", body=b"")
        yield embedded


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bulkmeta.oss.retry.backoff_s", lambda _: 0.0)


class Ear:
    """Runs commands with `--debug`, seen from outside by all means, and hears all that
    they say and write."""

    def __init__(
        self, command: Command, oss: EmbeddedOSS, caplog: pytest.LogCaptureFixture
    ) -> None:
        self._command = command
        self._oss = oss
        self._caplog = caplog
        self._heard = ""

    def __call__(self, *args: str, code: int = 0) -> str:
        """What a command said on stderr; it has to end with `code`."""
        debug = ("--debug",) if args[0] != "report" else ()
        outside = OUTSIDE if args[0] in SEEN else ()
        result = self._command(*args, *debug, *outside)
        assert result.code == code, (args, result.err)
        assert not debug or "\ndebug     " in f"\n{result.err}", args
        if outside:
            files = ("run.log", "run.prom", "heard")
            assert all(Path(name).read_text() for name in files)
            assert '"level":"debug"' in Path("run.log").read_text()
        self._heard += result.out + result.err
        return str(result.err)

    def refuse(self, *more: str) -> None:
        """Every secret, in all that was said, logged and kept."""
        kept = [p.read_text("utf-8", "replace") for p in Path().iterdir()]
        text = "\n".join((self._heard, self._caplog.text, *kept))
        sent = [r.headers["authorization"] for r in self._oss.log.requests()]
        signatures = [s.split(":" if s[3] == " " else "Signature=")[1] for s in sent]
        assert all(len(signature) > 20 for signature in signatures)
        assert [s for s in (*SECRETS, *signatures, *more) if s in text] == []
        assert "authorization:" not in text.lower()


@pytest.fixture
def ear(
    bulkmeta: Command,
    oss: EmbeddedOSS,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> Ear:
    """A command line without credentials; whatever anybody logs is heard, too."""
    for name in ("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET"):
        monkeypatch.delenv(name)
    caplog.set_level(logging.DEBUG)
    return Ear(bulkmeta, oss, caplog)


def become(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let there be credentials of that kind."""
    if way == "static":
        sign_as(KEPT, monkeypatch)
    elif way == "sts":
        sign_as(FIRST, monkeypatch)
    elif way == "oidc":
        token = Path.home() / "oidc"
        token.write_text("cluster-t0ken\n")
        monkeypatch.setenv("ALIBABA_CLOUD_STS_ENDPOINT", os.environ["STAND_IN"])
        monkeypatch.setenv("ALIBABA_CLOUD_ROLE_ARN", "acs:ram::1:role/r")
        monkeypatch.setenv("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "acs:ram::1:oidc/p")
        monkeypatch.setenv("ALIBABA_CLOUD_OIDC_TOKEN_FILE", str(token))
    elif way == "ecs":
        monkeypatch.delenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED")
    elif way == "address":
        address = os.environ["STAND_IN"].replace("//", "//me:p4ssword@")
        url = f"{address}/role?key=t0ken-of-address"
        monkeypatch.setenv("ALIBABA_CLOUD_CREDENTIALS_URI", url)
    else:
        (Path.home() / ".ossutilconfig").write_text(
            f"[default]\naccessKeyID={KEPT.access_key_id}\n"
            f"accessKeySecret={KEPT.access_key_secret}\n"
        )


def sign_as(who: Credential, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSS_ACCESS_KEY_ID", who.access_key_id)
    monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", who.access_key_secret)
    if who.security_token:
        monkeypatch.setenv("OSS_SESSION_TOKEN", who.security_token)


ECHOES: dict[str, Callable[[bytes], bytes]] = {
    "request": lambda sent: sent,
    "status line": lambda sent: b"HTTP/1.1 200 " + secret_lines(sent, b" ") + b"\0",
    "header": lambda sent: (
        b"HTTP/1.1 200 OK\r\n\0" + secret_lines(sent, b" ") + b"\r\n"
    ),
    "page": lambda sent: _answer(b"403 No", b"<html>" + sent + b"</html>"),
    "unknown xml": lambda sent: _answer(
        b"400 Bad",
        b"<Error><Code>Odd</Code><Message>no</Message><ArgumentValue>"
        + secret_lines(sent, b" ")
        + b"</ArgumentValue></Error>",
    ),
    "good answer": lambda sent: _answer(b"200 OK", b"<x>" + sent + b"</x>"),
}


def secret_lines(sent: bytes, between: bytes) -> bytes:
    """What is secret in a request."""
    names = (b"authorization", b"x-oss-security-token")
    lines = sent.split(b"\r\n")
    return between.join(line for line in lines if line.lower().startswith(names))


def _answer(status: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[bytes], bytes]], str]]:
    """A TCP server that makes its answers from the very bytes of requests."""
    running: list[socketserver.ThreadingTCPServer] = []

    def start(answer: Callable[[bytes], bytes]) -> str:
        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                received = b""
                while b"\r\n\r\n" not in received:
                    block = self.request.recv(65536)
                    if not block:
                        return
                    received += block
                self.request.sendall(answer(received))

        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        running.append(server)
        threading.Thread(target=server.serve_forever).start()
        return f"127.0.0.1:{server.server_address[1]}"

    yield start
    for server in running:
        server.shutdown()
        server.server_close()
