"""A stand-in for whatever serves credentials, and for a disk that is full."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest

from bulkmeta.emulator.options import Credential
from bulkmeta.oss import temporary

# The limit is lifted before the interpreter ends, so that others can write at its exit.
ON_A_FULL_DISK = """
import resource, sys
sys.dont_write_bytecode = True  # it would be cut off, too
free = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, free[1]))
from bulkmeta.cli.main import run
code = run()
resource.setrlimit(resource.RLIMIT_FSIZE, free)
sys.exit(code)
"""

FIRST = Credential("STS.first", "s3cret-first", "t0ken-first")


class Service:
    """What serves credentials: the metadata service, STS, or an address."""

    def __init__(self) -> None:
        self.served: list[tuple[Credential, float]] = []
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.hardened = False
        self.refusal: tuple[int, str] | None = None

    def answer(
        self, method: str, path: str, headers: Any, body: str
    ) -> tuple[int, str]:
        sent = {name: values[0] for name, values in parse_qs(body).items()}
        self.asked.append((method, path, sent))
        if self.refusal and path != "/latest/api/token":
            return self.refusal
        if path == "/latest/api/token":
            return (200, "metadata-t0ken") if self.hardened else (404, "")
        token = headers.get("X-aliyun-ecs-metadata-token")
        if path.startswith("/latest") and self.hardened and token != "metadata-t0ken":
            return 403, ""
        if path.endswith("/security-credentials/"):
            return 200, "some-role"
        credential, life_s = (
            self.served.pop(0) if len(self.served) > 1 else self.served[0]
        )
        ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + life_s))
        found = {
            "AccessKeyId": credential.access_key_id,
            "AccessKeySecret": credential.access_key_secret,
            "SecurityToken": credential.security_token,
            "Expiration": ends,
            "Code": "Success",
        }
        return 200, json.dumps({"Credentials": found} if sent else found)

    def fetches(self) -> int:
        """How often credentials were asked for."""
        return len([path for _, path, _ in self.asked if path.endswith(("role", "/"))])


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A service that gives the first identity for an hour."""
    fake = Service()
    fake.served = [(FIRST, 3600)]

    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            code, text = fake.answer(
                self.command, self.path, self.headers, body.decode()
            )
            self.send_response(code)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_PUT = do_POST = respond  # noqa: N815 the library's names

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setattr(temporary, "METADATA", address)
    monkeypatch.setenv("STAND_IN", address)
    yield fake
    server.shutdown()
    thread.join()
    server.server_close()
