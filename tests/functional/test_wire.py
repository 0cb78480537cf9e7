"""The very bytes on the connection, seen by a bare TCP server with canned answers."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote_to_bytes
from xml.sax.saxutils import escape

import pytest

from bulkmeta.emulator.faults import Fault
from bulkmeta.emulator.options import Credential, EmulatorOptions
from bulkmeta.emulator.server import EmbeddedOSS

if TYPE_CHECKING:
    from typing import Self

Command = Callable[..., Any]

SECRET, TOKEN = "wire-secret-0123456789", "wire-token/+=0123456789"
ACCESS_KEY_ID = "STS.wire-key-id"
ETAG = "900150983CD24FB0D6963F7D28E17F72"
MODIFIED = "Sun, 22 Mar 2026 12:00:00 GMT"
HEAD_BASE: tuple[tuple[str, str], ...] = (
    ("Date", formatdate(usegmt=True)),
    ("x-oss-request-id", "5FFF16F5DCDF0BA1E8C0F4D2"),
    ("ETag", f'"{ETAG}"'),
    ("Last-Modified", MODIFIED),
    ("Content-Type", "text/plain"),
    ("Content-Length", "3"),
)

EVERY_REQUEST = {
    b"host",
    b"accept",
    b"accept-encoding",
    b"user-agent",
    b"authorization",
    b"x-oss-date",
    b"x-oss-content-sha256",
    b"x-oss-security-token",
}
EVERY_UPDATE = EVERY_REQUEST | {
    b"content-length",
    b"x-oss-copy-source",
    b"x-oss-metadata-directive",
    b"x-oss-copy-source-if-match",
    b"x-oss-copy-source-if-unmodified-since",
}


@dataclass(frozen=True)
class Raw:
    """One request as its bytes; `connection` counts connections from 0."""

    connection: int
    method: str
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]

    @property
    def path(self) -> bytes:
        return self.target.partition(b"?")[0]

    @property
    def is_object(self) -> bool:
        """Whether it is about an object and not the bucket."""
        return self.path not in {b"/bucket", b"/bucket/"}

    def names(self) -> list[bytes]:
        """The header names, in lower case, each as often as it was sent."""
        return [name.lower() for name, _ in self.headers]

    def value(self, name: bytes) -> bytes:
        """The one value of a header."""
        [value] = [v for n, v in self.headers if n.lower() == name]
        return value


Headers = tuple[tuple[str, str], ...]
Answer = bytes | None
"""None: close the connection without an answer."""


def response(status: str, headers: Headers = (), body: bytes = b"") -> bytes:
    """An answer's bytes; header values as latin-1 keep any byte that they stand for."""
    if not any(name.lower() == "content-length" for name, _ in headers):
        headers = (*headers, ("Content-Length", str(len(body))))
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode("latin-1") + body


def latin(text: str) -> str:
    """UTF-8 bytes in the form that `response` takes."""
    return text.encode().decode("latin-1")


@dataclass
class WireServer:
    """Records each request's bytes. `heads` and `puts` are used up one by one, the
    last of each for good."""

    keys: tuple[str, ...] = ("p/a",)
    heads: list[Answer] = field(default_factory=list)
    puts: list[Answer] = field(default_factory=list)
    listing: Answer = None
    requests: list[Raw] = field(default_factory=list)
    endpoint: str = ""

    def __enter__(self) -> Self:
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def of(self, method: str) -> list[Raw]:
        """The requests of one method about objects."""
        return [r for r in self.requests if r.method == method and r.is_object]

    def methods(self) -> list[str]:
        """The methods of the requests about objects, in their order."""
        return [r.method for r in self.requests if r.is_object]

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        self._connections = 0
        self._writers: set[asyncio.StreamWriter] = set()
        server = await asyncio.start_server(
            self._talk, "127.0.0.1", 0, limit=1024 * 1024
        )
        port = server.sockets[0].getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{port}"
        self._ready.set()
        await self._stopping.wait()
        server.close()
        for writer in self._writers:
            writer.close()
        await asyncio.sleep(0)

    async def _talk(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        number = self._connections
        self._connections += 1
        self._writers.add(writer)
        while True:
            try:
                block = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            request = _parsed(number, block)
            assert request.names().count(b"transfer-encoding") == 0
            self.requests.append(request)
            answer = self._answer(request)
            if answer is None:
                break
            writer.write(answer)
        self._writers.discard(writer)
        writer.close()

    def _answer(self, request: Raw) -> Answer:
        if not request.is_object:
            return self._about_bucket(request)
        if request.method == "GET":
            grant = "<AccessControlList><Grant>private</Grant></AccessControlList>"
            return xml("AccessControlPolicy", grant)
        if request.method == "HEAD":
            return _next(self.heads) if self.heads else head()
        return _next(self.puts) if self.puts else COPIED

    def _about_bucket(self, request: Raw) -> Answer:
        if b"versioning" in request.target:
            return xml("VersioningConfiguration", "")
        return self.listing or xml(
            "ListBucketResult",
            "<IsTruncated>false</IsTruncated>"
            + "".join(_entry(key) for key in self.keys),
        )


def _next(answers: list[Answer]) -> Answer:
    return answers.pop(0) if len(answers) > 1 else answers[0]


def _parsed(connection: int, block: bytes) -> Raw:
    first, *lines = block[:-4].split(b"\r\n")
    method, target, version = first.split(b" ")
    assert version == b"HTTP/1.1"
    pairs = (line.split(b":", 1) for line in lines)
    headers = tuple((name, value.strip(b" \t")) for name, value in pairs)
    return Raw(connection, method.decode(), target, headers)


def _entry(key: str) -> str:
    """A listed key, encoded as in a URL's path: there a plus sign means itself."""
    return (
        f"<Contents><Key>{escape(quote(key, safe='/+'))}</Key><ETag>&quot;{ETAG}&quot;"
        "</ETag><Type>Normal</Type><Size>3</Size><StorageClass>Standard</StorageClass>"
        "<LastModified>2026-03-22T12:00:00.000Z</LastModified></Contents>"
    )


def xml(tag: str, inner: str) -> bytes:
    """A 200 with a document."""
    body = f'<?xml version="1.0" encoding="UTF-8"?><{tag}>{inner}</{tag}>'.encode()
    return response("200 OK", (("Content-Type", "application/xml"),), body)


def head(*more: tuple[str, str], without: tuple[str, ...] = ()) -> bytes:
    """A HEAD answer: the usual headers and `more`, those of `without` left out."""
    base = tuple(pair for pair in HEAD_BASE if pair[0] not in without)
    return response("200 OK", (*base, *more))


COPIED = xml(
    "CopyObjectResult",
    f"<ETag>{ETAG}</ETag><LastModified>2026-03-22T13:00:00.000Z</LastModified>",
)


@pytest.fixture
def wire() -> Iterator[WireServer]:
    """A server that records bytes and knows one plain object, `p/a`."""
    with WireServer() as server:
        yield server


@pytest.fixture
def apply(
    wire: WireServer,
    bulkmeta: Command,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> Command:
    """`apply` on the recording server; nothing that it says or writes tells secrets."""
    monkeypatch.setenv("OSS_ACCESS_KEY_ID", ACCESS_KEY_ID)
    monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", SECRET)
    monkeypatch.setenv("OSS_SESSION_TOKEN", TOKEN)

    def invoke(*args: str) -> Any:
        with caplog.at_level(logging.DEBUG):
            result = bulkmeta(
                "apply", "oss://bucket/p/", *(args or ("--set", "x=1")), "--yes",
                "--rate", "max", "--endpoint", wire.endpoint, "--run-file", "run",
            )  # fmt: skip
        said = result.out + result.err + caplog.text + run_text()
        sent = [request.value(b"authorization").decode() for request in wire.requests]
        refuse_secrets(said, sent)
        return result

    return invoke


def run_text() -> str:
    """All that the run left behind."""
    files = [p for p in Path().iterdir() if p.is_file()]
    return "".join(path.read_text(encoding="utf-8") for path in files)


def refuse_secrets(said: str, authorizations: list[str]) -> None:
    """Fail when something said holds a secret, or part of an authorization."""
    for secret in (SECRET, TOKEN, quote(TOKEN, safe=""), "OSS4-HMAC-SHA256"):
        assert secret not in said
    for authorization in authorizations:
        mark = "Signature=" if "Signature=" in authorization else ":"
        signature = authorization.rpartition(mark)[2]
        assert len(signature) >= 20
        assert signature not in said


def reason(read_run: Command) -> tuple[str, str | None]:
    """Status and reason of the only object."""
    [line] = read_run("run").objects
    return line["status"], line["reason"]


def test_headers_are_the_expected_ones(wire: WireServer, apply: Command) -> None:
    """Each request has the headers it must have, once each, and no other."""
    assert apply("--set", "x=1", "--header", "expires=0").code == 0

    assert wire.methods() == ["HEAD", "GET", "PUT"]
    assert len(wire.requests) == 5
    for request in wire.requests:
        assert max(Counter(request.names()).values()) == 1
        if request.method != "PUT":
            assert set(request.names()) == EVERY_REQUEST
    [put] = wire.of("PUT")
    carried = {b"content-type", b"expires", b"x-oss-meta-x", b"x-oss-object-acl"}
    assert set(put.names()) == EVERY_UPDATE | carried
    assert put.value(b"content-length") == b"0"
    assert put.value(b"content-type") == b"text/plain"
    assert put.value(b"x-oss-object-acl") == b"private"


def test_no_content_type_is_added(wire: WireServer, apply: Command) -> None:
    """Where the head shows no Content-Type, the update has none either."""
    wire.heads = [head(without=("Content-Type",))]

    assert apply().code == 0

    [put] = wire.of("PUT")
    assert set(put.names()) == EVERY_UPDATE | {b"x-oss-meta-x", b"x-oss-object-acl"}


VALUES = (
    "测试",
    "é e\u0301",
    "👩‍👩‍👧",
    "a%20b",
    "in\tside",
    "\u3000wide\u3000",
    "\xa0",
    "\x85x",
)


def test_values_go_out_as_they_came_in(wire: WireServer, apply: Command) -> None:
    """Values are raw UTF-8 on the way out, the very bytes of the way in: wide and
    other blanks at their ends, tabs inside and empty ones too."""
    more = [(f"x-oss-meta-{n}", latin(value)) for n, value in enumerate(VALUES)]
    wire.heads = [head(*more, ("x-oss-meta-empty", ""), ("Expires", latin("näch")))]

    assert apply("--set", "x=新 ü").code == 0

    [put] = wire.of("PUT")
    for number, value in enumerate(VALUES):
        assert put.value(f"x-oss-meta-{number}".encode()) == value.encode()
    assert put.value(b"x-oss-meta-empty") == b""
    assert put.value(b"expires") == "näch".encode()
    assert put.value(b"x-oss-meta-x") == "新 ü".encode()


KEYS = (
    "p/a b+c%20/ü/文件.txt",
    "p/a/../b",
    "p/a/./b",
    "p/a/../../..",
    "p/.",
    "p/..",
    "p/...",
    "p///x",
    "p/dir/",
    "p/line\nbreak",
    "p/\r\n\t",
    "p/%2F",
    "p/%2f%",
    "p/+",
    "p/&=;:'()!*",
    "p/?versionId=x#y",
    'p/"<>\\^`{|}[]@$,~',
    "p/😀",
    "p/é",
    "p/e\u0301",
    "p/ ",
    "p/\x7f\x01",
    "p/" + "k" * 1021,
    "p/" + "文" * 340 + "k",
    ".",
    "..",
    "../x",
    "./x",
)
UNRESERVED = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~"
)


def encoded(key: str, safe: bytes) -> bytes:
    """Percent-encoding by RFC 3986, each byte for itself."""
    return b"".join(
        bytes([byte]) if byte in UNRESERVED or byte in safe else b"%%%02X" % byte
        for byte in key.encode()
    )


def test_keys_are_not_rewritten(wire: WireServer, apply: Command) -> None:
    """Each key stands in head, ACL, update and copy source percent-encoded byte by
    byte; nothing resolves its dots, joins its slashes or encodes it twice."""
    wire.keys = KEYS

    assert apply().code == 0

    paths = Counter(b"/bucket/" + encoded(key, b"/") for key in KEYS)
    for method in ("HEAD", "GET", "PUT"):
        assert Counter(request.path for request in wire.of(method)) == paths
    for put in wire.of("PUT"):
        source = put.value(b"x-oss-copy-source")
        key = unquote_to_bytes(put.path.removeprefix(b"/bucket/"))
        assert source == b"/bucket/" + encoded(key.decode(), b"")


def test_lost_update_is_settled_by_a_head(
    wire: WireServer, apply: Command, read_run: Command
) -> None:
    """When a used connection is closed upon an update, the update is not sent again
    behind the scenes: a head finds it in effect, and that is the end of it."""
    wire.heads = [head(), head(("x-oss-meta-x", "1"))]
    wire.puts = [None]

    assert apply().code == 0

    assert wire.methods() == ["HEAD", "GET", "PUT", "HEAD"]
    [put] = wire.of("PUT")
    assert put.connection in {r.connection for r in wire.requests if r is not put}
    [line] = read_run("run").objects
    assert (line["status"], line["confirmed"], line["attempts"]) == ("updated", True, 2)


def test_lost_update_is_sent_again_only_after_a_head(
    wire: WireServer, apply: Command, read_run: Command
) -> None:
    """When the head after a lost update shows the old state, one more update is sent,
    and so on: one per attempt, a head between any two."""
    wire.puts = [None, None, COPIED]

    assert apply().code == 0

    assert wire.methods() == ["HEAD", "GET", "PUT"] * 3
    [line] = read_run("run").objects
    assert (line["status"], line["confirmed"], line["attempts"]) == (
        "updated",
        False,
        3,
    )


ATTACHMENT = ("Content-Disposition", "attachment")
FORCED = ("x-oss-force-download", "true")
UNFIT_HEADS = {
    "unknown header": (head(("x-oss-persistent-foo", "1")), "unknown_header"),
    "unknown plain header": (head(("x-custom", "1")), "unknown_header"),
    "metadata not UTF-8": (head(("x-oss-meta-a", "caf\xe9")), "not_utf8"),
    "header not UTF-8": (head(("Cache-Control", "\xff")), "not_utf8"),
    "metadata twice": (
        head(("x-oss-meta-a", "1"), ("X-Oss-Meta-A", "1")),
        "repeated_header",
    ),
    "header twice": (head(("Content-Type", "text/html")), "repeated_header"),
    "SSE twice": (
        head(*[("x-oss-server-side-encryption", "AES256")] * 2),
        "repeated_header",
    ),
    "no ETag": (head(without=("ETag",)), "unguardable"),
    "no Last-Modified": (head(without=("Last-Modified",)), "unguardable"),
    "Last-Modified no date": (
        head(("Last-Modified", "yesterday"), without=("Last-Modified",)),
        "unguardable",
    ),
    "forced download": (head(FORCED, ATTACHMENT), "forced_download"),
}


@pytest.mark.parametrize("name", UNFIT_HEADS)
def test_unfit_head_fails_its_object(
    wire: WireServer, apply: Command, read_run: Command, name: str
) -> None:
    """An object whose head cannot be carried whole, or not guarded, fails with its
    reason; nothing more is sent for it."""
    answer, expected = UNFIT_HEADS[name]
    wire.heads = [answer]

    assert apply().code == 1

    assert reason(read_run) == ("failed", expected)
    assert wire.methods() == ["HEAD"]


@pytest.mark.parametrize("char", ["\x01", "\x0b", "\x1b", "\x7f"])
def test_unsendable_value_fails_its_object(
    wire: WireServer, apply: Command, read_run: Command, char: str
) -> None:
    """A stored value with a character that HTTP forbids fails that object alone; the
    run goes on to the next."""
    wire.keys = ("p/a", "p/b")
    wire.heads = [head(("x-oss-meta-a", f"1{char}2")), head()]

    assert apply("--set", "x=1", "--concurrency", "1").code == 1

    ends = [(v["status"], v["reason"]) for v in read_run("run").objects]
    assert ends == [("failed", "unsendable_value"), ("updated", None)]
    assert [put.path for put in wire.of("PUT")] == [b"/bucket/p/b"]


def test_forced_download_set(wire: WireServer, apply: Command) -> None:
    """`--header content-disposition=…` settles what the object's own shall be."""
    wire.heads = [head(FORCED, ATTACHMENT)]

    assert apply("--header", "content-disposition=inline").code == 0

    [put] = wire.of("PUT")
    assert put.value(b"content-disposition") == b"inline"
    assert b"x-oss-force-download" not in put.names()


def test_forced_download_set_to_the_same(wire: WireServer, apply: Command) -> None:
    """Even `attachment` is sent when asked for: the head does not tell whether it is
    the object's own."""
    wire.heads = [head(FORCED, ATTACHMENT)]

    assert apply("--header", "content-disposition=attachment").code == 0

    [put] = wire.of("PUT")
    assert put.value(b"content-disposition") == b"attachment"


def test_forced_download_unset(wire: WireServer, apply: Command) -> None:
    """`--unset-header content-disposition` sends none, next to another change."""
    wire.heads = [head(FORCED, ATTACHMENT)]

    args = ("--set", "x=1", "--unset-header", "content-disposition")
    assert apply(*args).code == 0

    [put] = wire.of("PUT")
    assert b"content-disposition" not in put.names()
    assert put.value(b"x-oss-meta-x") == b"1"


MOVED = ("301 Moved Permanently", "302 Found", "307 Temporary Redirect")


@pytest.mark.parametrize("status", [*MOVED, "308 Permanent Redirect"])
@pytest.mark.parametrize("method", ["HEAD", "PUT"])
def test_redirects_are_not_followed(
    wire: WireServer, apply: Command, read_run: Command, status: str, method: str
) -> None:
    """A redirect of a head or an update is that object's failure; signed requests do
    not go wherever an answer points."""
    moved = response(status, (("Location", f"{wire.endpoint}/bucket/elsewhere"),))
    answers = wire.heads if method == "HEAD" else wire.puts
    answers.append(moved)

    assert apply().code == 1

    assert reason(read_run)[0] == "failed"
    assert {r.path for r in wire.requests if r.is_object} == {b"/bucket/p/a"}
    assert len(wire.of(method)) == 1


def test_redirect_of_listing_is_not_followed(wire: WireServer, apply: Command) -> None:
    """A redirect of the listing ends the run."""
    location = ("Location", f"{wire.endpoint}/elsewhere/")
    wire.listing = response("307 Temporary Redirect", (location,))

    assert apply().code == 4

    assert {r.path for r in wire.requests} == {b"/bucket/"}


@pytest.mark.parametrize(
    "meta",
    [{"b": "x" * 8191}, {"big": "文" * 2729}, {f"{n:x}": "1" for n in range(2000)}],
    ids=["one value", "one value of three-byte letters", "2000 headers"],
)
def test_large_metadata(wire: WireServer, apply: Command, meta: dict[str, str]) -> None:
    """8 KB of metadata, as one value or as 2,000 headers, is read and sent back."""
    wire.heads = [head(*((f"x-oss-meta-{k}", latin(v)) for k, v in meta.items()))]

    assert apply("--header", "expires=0").code == 0

    [put] = wire.of("PUT")
    prefix = b"x-oss-meta-"
    sent = {n: v for n, v in put.headers if n.lower().startswith(prefix)}
    assert sent == {prefix + k.encode(): v.encode() for k, v in meta.items()}


def leaky_error(status: str, code: str) -> bytes:
    """An error that tells what was sent, as OSS does on a bad signature."""
    body = (
        f"<Error><Code>{code}</Code><Message>no</Message>"
        f"<StringToSign>x-oss-security-token:{TOKEN}</StringToSign>"
        f"<SignatureProvided>OSS4-HMAC-SHA256 {SECRET}</SignatureProvided></Error>"
    )
    return response(status, (), body.encode())


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [
        ("403 Forbidden", "SignatureDoesNotMatch", 1),
        ("403 Forbidden", "AccessDenied", 1),
        ("403 Forbidden", "InvalidAccessKeyId", 4),
        ("400 Bad Request", "Whatever", 1),
        ("409 Conflict", "FileImmutable", 1),
    ],
)
def test_failing_updates_tell_no_secret(
    wire: WireServer, apply: Command, status: str, code: str, exit_code: int
) -> None:
    """Not even an error that repeats what was sent brings a secret into output, log
    or run file (the `apply` fixture looks)."""
    wire.puts = [leaky_error(status, code)]

    result = apply()

    assert result.code == exit_code
    assert code in result.err + run_text()


WRONG = {
    "secret": {"OSS_ACCESS_KEY_SECRET": f"{SECRET}x"},
    "token": {"OSS_SESSION_TOKEN": f"{TOKEN}x"},
    "key": {"OSS_ACCESS_KEY_ID": "STS.other"},
}


@pytest.mark.parametrize("trouble", ["secret", "token", "key", "expired", "fault"])
@pytest.mark.parametrize("version", ["v4", "v1"])
def test_failing_runs_tell_no_secret(
    bulkmeta: Command,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    trouble: str,
    version: str,
) -> None:
    """Wrong, unknown or expired credentials and refused objects: neither output, log
    nor run file tells secret, token or signature."""
    expires_at = 1.0 if trouble == "expired" else None
    credential = Credential(ACCESS_KEY_ID, SECRET, TOKEN, expires_at)
    with EmbeddedOSS(EmulatorOptions(credentials=(credential,))) as oss:
        oss.store.create_bucket("bucket")
        oss.store.put_object("bucket", "p/a")
        oss.faults.add(Fault("error", "CopyObject", status=403, code="AccessDenied"))
        for name, value in {**oss.environment, **WRONG.get(trouble, {})}.items():
            monkeypatch.setenv(name, value)
        with caplog.at_level(logging.DEBUG):
            result = bulkmeta(
                "apply", "oss://bucket/p/", "--set", "x=1", "--yes",
                "--sign-version", version, "--run-file", "run",
            )  # fmt: skip
        sent = [r.headers["authorization"] for r in oss.log.requests()]

    assert result.code == (1 if trouble == "fault" else 4)
    assert sent
    refuse_secrets(result.out + result.err + caplog.text + run_text(), sent)
