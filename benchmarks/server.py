"""nginx as a stand-in for OSS: started with its own configuration, asked for counts."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple
from urllib.error import URLError
from urllib.request import urlopen

from benchmarks.pages import write_pages

INSTALL: Final = "apt-get install nginx-light libnginx-mod-http-echo openssl"
LATENCY_S: Final = 0.02
OBJECT_BYTES: Final = 1024

_MODULES: Final = Path("/usr/lib/nginx/modules")
_HERE: Final = Path(__file__).parent
_CERTIFICATE: Final = (
    *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"),
    *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
)


class Counts(NamedTuple):
    """Since the server's start."""

    connections: int
    requests: int


@dataclass(frozen=True, slots=True)
class Server:
    """A server at work. Its endpoints by scenario; a file with its certificate."""

    endpoints: dict[str, str]
    certificate: Path
    status_url: str

    def counts(self) -> Counts:
        """Connections and requests so far, this one not counted."""
        with urlopen(self.status_url) as answer:  # noqa: S310 our own
            words = answer.read().split()
        accepted, _, requests = (int(word) for word in words[7:10])
        return Counts(accepted, requests)


def is_installed() -> bool:
    """Whether there is an nginx that can wait before it answers."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")
    module = _MODULES / "ngx_http_echo_module.so"
    return bool(program and module.exists() and shutil.which("openssl"))


@contextmanager
def serve(folder: Path, buckets: set[int]) -> Iterator[Server]:
    """A server with a bucket of each of these numbers of objects."""
    for objects in buckets:
        write_pages(folder / "pages", objects)
    folder.chmod(0o755)  # its worker may run as another user
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "ca.pem")]
    subprocess.run([*_CERTIFICATE, *files], check=True, capture_output=True)  # noqa: S603
    plain, tls, delayed, status = _free_ports(4)
    _configure(folder, plain=plain, tls=tls, delayed=delayed, status=status)
    command = ["nginx", "-p", str(folder), "-c", "nginx.conf"]
    with subprocess.Popen(command) as process:  # noqa: S603
        try:
            server = Server(
                {
                    "http": f"http://127.0.0.1:{plain}",
                    "https": f"https://127.0.0.1:{tls}",
                    "20ms": f"http://127.0.0.1:{delayed}",
                },
                folder / "ca.pem",
                f"http://127.0.0.1:{status}/status",
            )
            _wait_for(server)
            yield server
        finally:
            process.terminate()


def _configure(folder: Path, **ports: int) -> None:
    text = (_HERE / "nginx.conf").read_text()
    tls = (
        f"listen 127.0.0.1:{ports.pop('tls')} ssl backlog=4096; "
        "ssl_certificate ca.pem; ssl_certificate_key key.pem;"
    )
    values = {name.upper(): str(port) for name, port in ports.items()} | {
        "TLS": tls,
        "MODULES": str(_MODULES),
        "LATENCY_S": f"{LATENCY_S:.3f}",
        "OBJECT": "x" * OBJECT_BYTES,
    }
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    (folder / "nginx.conf").write_text(text)
    shutil.copy(_HERE / "answer.conf", folder)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _wait_for(server: Server) -> None:
    for _ in range(100):
        try:
            server.counts()
        except URLError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit("nginx does not start")
