"""No secret in anything that is told or kept: whichever credentials, whatever fails,
and with `--debug` (promise 11)."""

from __future__ import annotations

import json
import logging
import os
import socketserver
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import oss2
import pytest
from oss2.credentials import StaticCredentialsProvider

import bulkmeta as library
from bulkmeta.emulator.faults import Fault
from bulkmeta.emulator.options import Credential, EmulatorOptions
from bulkmeta.emulator.server import EmbeddedOSS
from bulkmeta.errors import BulkmetaError
from bulkmeta.model.job import Connection
from bulkmeta.oss.connect import locate, open_bucket, settings_of
from bulkmeta.oss.credentials import find_credentials
from bulkmeta.oss.retry import RetryPolicy
from tests.functional.conftest import FIRST, Service

Command = Callable[..., Any]
KEPT = Credential("LTAI.kept", "s3cret-kept")
EXPIRED = Credential("STS.expired", "s3cret-expired", "t0ken-expired", expires_at=1.0)
TARGET = "oss://bucket/p/"
SET = ("--set", "a=1")
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


@pytest.mark.usefixtures("time_jumps")
@pytest.mark.parametrize("way", WAYS)
def test_a_whole_life(
    oss: EmbeddedOSS,
    ear: Ear,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    """Planned, applied with failures, cut short, resumed, tried again, verified, shown,
    undone, and a page made of it."""
    service.hardened = True
    become(way, monkeypatch)
    yes = (*SET, "--yes", "--run-file", "run.jsonl")
    ear("plan", TARGET, *SET, "--out", "plan.jsonl")
    oss.faults.add(Fault("reset_after", "CopyObject", "p/01", times=1))
    oss.faults.add(Fault("error", "CopyObject", "p/02", times=1))
    oss.faults.add(Fault("html", "HeadObject", "p/03", times=1))
    oss.faults.add(Fault("error", "CopyObject", "p/04", status=400, code="Odd"))
    cut = Fault("error", "HeadObject", "p/08", status=403, code="InvalidAccessKeyId")
    oss.faults.add(replace(cut, times=1))
    ear("apply", TARGET, *yes, "--concurrency", "1", code=4)
    told = ear("resume", "run.jsonl", code=1)
    assert "CopyObject 'bucket/p/09': 200, " in told
    oss.faults.clear()
    ear("retry", "run.jsonl", "--yes", "--run-file", "again.jsonl")
    ear("verify", "run.jsonl")
    ear("report", "run.jsonl", "--html", "page.html")
    ear("show", TARGET)
    ear("undo", "run.jsonl", "--yes", "--run-file", "undo.jsonl")
    ear("apply", "plan.jsonl", "--yes", "--run-file", "planned.jsonl")
    ear.refuse("metadata-t0ken", "cluster")


@pytest.mark.parametrize("version", ["v4", "v1"])
@pytest.mark.parametrize(
    "trouble", ["secret", "token", "key", "expired", "403", "garbage", "closed"]
)
def test_refused(
    oss: EmbeddedOSS,
    ear: Ear,
    monkeypatch: pytest.MonkeyPatch,
    trouble: str,
    version: str,
) -> None:
    """Wrong or expired credentials, and a service that does not answer as it should."""
    sign_as(EXPIRED if trouble == "expired" else FIRST, monkeypatch)
    wrong = {
        "secret": ("OSS_ACCESS_KEY_SECRET", "s3cret-wrong"),
        "token": ("OSS_SESSION_TOKEN", "t0ken-wrong"),
        "key": ("OSS_ACCESS_KEY_ID", "STS.wrong"),
    }
    faults = {
        "403": Fault("error", status=403, code="AccessDenied"),
        "garbage": Fault("html"),
        "closed": Fault("reset_before"),
    }
    if trouble in wrong:
        monkeypatch.setenv(*wrong[trouble])
    if trouble in faults:
        oss.faults.add(faults[trouble])
    flags = ("--retries", "1", "--sign-version", version)
    ear("plan", TARGET, *SET, *flags, code=4)
    yes = ("--yes", "--run-file", "run.jsonl")
    ear("apply", TARGET, *SET, *yes, *flags, code=4)
    ear("show", TARGET, *flags, code=4)
    assert oss.log.requests()
    ear.refuse()


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


@pytest.mark.parametrize("kind", ECHOES)
def test_what_repeats_the_request(
    ear: Ear,
    monkeypatch: pytest.MonkeyPatch,
    serve: Callable[[Callable[[bytes], bytes]], str],
    kind: str,
) -> None:
    """Whatever stands there answers with what it was sent."""
    sign_as(FIRST, monkeypatch)
    monkeypatch.setenv("OSS_ENDPOINT", f"http://{serve(ECHOES[kind])}")
    ear("plan", TARGET, *SET, "--retries", "0", code=4)
    ear("show", TARGET, "--retries", "1", code=4)
    ear.refuse()


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "HTTP_PROXY"])
def test_a_proxy_with_a_password(
    ear: Ear,
    monkeypatch: pytest.MonkeyPatch,
    serve: Callable[[Callable[[bytes], bytes]], str],
    name: str,
) -> None:
    """It refuses, or is not there; its address is told, its password is not."""
    sign_as(FIRST, monkeypatch)
    refusing = serve(lambda sent: _answer(b"407 Proxy Authentication Required", sent))
    scheme = name.partition("_")[0].lower()
    monkeypatch.setenv("OSS_ENDPOINT", f"{scheme}://photos.example")
    for proxy in (refusing, "127.0.0.1:9"):
        monkeypatch.setenv(name, f"http://me:p4ssword@{proxy}")
        told = ear("plan", TARGET, *SET, "--retries", "1", code=4)
        assert f"proxy: http://{proxy};" in told
    ear.refuse()


@pytest.mark.parametrize("way", ["oidc", "ecs", "address"])
@pytest.mark.parametrize(
    "answer",
    [
        (500, '{"Code": "Down", "Message": "s3cret"}'),
        (200, '{"AccessKeySecret": "s3cret-half"}'),
        (200, "<html>t0ken</html>"),
    ],
)
def test_credentials_that_cannot_be_fetched(
    ear: Ear,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    answer: tuple[int, str],
) -> None:
    """What serves them answers with anything else."""
    service.refusal = answer
    become(way, monkeypatch)
    ear("plan", TARGET, *SET, code=4)
    ear.refuse()


@pytest.mark.parametrize(
    "value", ["v4lue", "v4l{ue", "v4l\\ue", "v4l\nue", "v4l  ue", "v4l'\"ue"]
)
def test_what_a_job_file_took_in(
    oss: EmbeddedOSS, ear: Ear, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """A variable's value is part of keys, and of what is set; people see its name,
    however it would be quoted."""
    sign_as(KEPT, monkeypatch)
    monkeypatch.setenv("PLACE", value)
    oss.store.put_object("bucket", f"q/{value}/1", body=b"")
    put = "1" if "\n" in value else "${PLACE}"  # no header holds a line break
    Path("job.toml").write_text(
        'environment = ["PLACE"]\n[source]\ntarget = "oss://bucket/q/${PLACE}/"\n'
        f'[change]\nset = {{ a = "{put}" }}\n'
    )
    told = ear("plan", "job.toml")
    assert "HeadObject 'bucket/q/${PLACE}/1': 200, " in told.replace('"', "'")
    assert "v4l" not in told + Path("run.log").read_text()
    assert 'prefix="q/${PLACE}/"' in Path("run.prom").read_text()
    assert "v4l" not in Path("run.prom").read_text()


def test_an_error_nobody_thought_of(
    ear: Ear, monkeypatch: pytest.MonkeyPatch, bulkmeta: Command
) -> None:
    """One line; with `--debug` where it arose, and what was the matter before."""
    sign_as(FIRST, monkeypatch)

    def fail(*_: Any, **__: Any) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr("bulkmeta.engine.viewer.Viewed", fail)
    result = bulkmeta("show", TARGET)
    (line,) = result.err.splitlines()
    assert (result.code, line) == (
        4,
        "bulkmeta: unexpected KeyError: 'surprise' (--debug shows where it arose)",
    )
    told = ear("show", TARGET, code=4)
    assert "Traceback (most recent call last):" in told
    assert "in fail" in told
    assert told.splitlines()[-1] == "bulkmeta: unexpected KeyError: 'surprise'"
    ear.refuse()


def words_of(thing: object) -> str:
    return f"{thing!r} {thing!s}"


def chain_of(error: BaseException) -> Iterator[BaseException]:
    """An error and what it came from, as far as a traceback shows it."""
    yield error
    context = None if error.__suppress_context__ else error.__context__
    before = error.__cause__ or context
    if before:
        yield from chain_of(before)


def refuse_in(text: str) -> None:
    assert [s for s in (*SECRETS, "authorization:") if s in text] == []


@pytest.mark.parametrize("way", WAYS)
async def test_objects_keep_it_to_themselves(
    ear: Ear, service: Service, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """`repr` and `str` of all that holds credentials, or something that does."""
    del ear, service
    become(way, monkeypatch)
    monkeypatch.setenv("HTTPS_PROXY", "http://me:p4ssword@host:1")
    connection = Connection()
    settings = settings_of(connection)
    source = find_credentials(settings)
    told = [connection, settings, source, locate("bucket", connection, settings)]
    told += settings.profiles()
    async with source.opened() as provider:
        told += [provider, provider.get_credentials()]
    async with open_bucket(
        "bucket", connection, rate=None, retry=RetryPolicy(0), connections=1
    ) as bucket:
        await bucket.list_page("p/", None)
        transport: Any = bucket._transport
        while hasattr(transport, "_transport"):
            told.append(transport)
            transport = transport._transport
        signer = transport._signer
        told += [bucket, transport, signer, transport._session, signer.__class__]
        told += [transport._session.connector, *bucket.__dict__.values()]
    async with library.open_bucket(TARGET) as opened:
        told.append(opened)
    for thing in told:
        refuse_in(words_of(thing))
    keys = StaticCredentialsProvider("STS.x", "s3cret", "t0ken")
    for given in (
        keys,
        oss2.ProviderAuthV4(keys),
        oss2.StsAuth("a", "s3cret", "t0ken"),
    ):
        async with library.open_bucket(TARGET, credentials=given) as opened:
            refuse_in(words_of(opened) + words_of(given))


@pytest.mark.parametrize("kind", [*ECHOES, "407", "wrong secret", "no service"])
async def test_errors_keep_it_to_themselves(
    ear: Ear,
    monkeypatch: pytest.MonkeyPatch,
    serve: Callable[[Callable[[bytes], bytes]], str],
    kind: str,
) -> None:
    """An error, what it came from, and the traceback that a program prints."""
    del ear
    sign_as(FIRST, monkeypatch)
    if kind in ECHOES:
        monkeypatch.setenv("OSS_ENDPOINT", f"http://{serve(ECHOES[kind])}")
    elif kind == "wrong secret":
        monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", "s3cret-wrong")
    else:
        proxy = serve(lambda s: _answer(b"407 No", s)) if kind == "407" else "host:0"
        monkeypatch.setenv("OSS_ENDPOINT", "https://photos.example")
        proxy = "127.0.0.1:9" if kind == "no service" else proxy
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:p4ssword@{proxy}")
    errors: list[BaseException] = []
    for step in ("list_page", "head"):
        async with open_bucket(
            "bucket", Connection(), rate=None, retry=RetryPolicy(0), connections=1
        ) as bucket:
            try:
                if step == "head":
                    await bucket._read_once(library_request(), lambda a: a, None)
                else:
                    await bucket.list_page("p/", None)
            except BulkmetaError as error:
                errors.append(error)
    assert errors
    for found in errors:
        refuse_in("".join(traceback.format_exception(found)))
        for each in chain_of(found):
            refuse_in(words_of(each))


def library_request() -> Any:
    """A head, whose errors come in a header."""
    from bulkmeta.oss.transport import Request

    return Request("HeadObject", "HEAD", "p/00")


def test_the_log_of_a_program(
    oss: EmbeddedOSS,
    ear: Ear,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The ordinary way of Python switches it on, before a bucket is opened."""
    del ear
    sign_as(FIRST, monkeypatch)
    change = library.Change(set_meta={"a": "1"})

    def plan() -> list[str]:
        caplog.clear()
        outcomes = library.iterate(
            TARGET, lambda bucket: library.plan(bucket, change), endpoint=oss.endpoint
        )
        assert len(list(outcomes)) == 12
        return [r.name for r in caplog.records if r.name.startswith("bulkmeta")]

    caplog.set_level(logging.WARNING)
    assert plan() == []
    caplog.set_level(logging.DEBUG, "bulkmeta.oss.trace")
    assert plan() == ["bulkmeta.oss.trace"] * len(oss.log.requests()[-14:])
    assert json.dumps(caplog.text).count("HEAD HeadObject 'bucket/p/") == 12
    refuse_in(caplog.text)
