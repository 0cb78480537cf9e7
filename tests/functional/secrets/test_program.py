"""No secret in what a program can print, catch or log (promise 11)."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import oss2
import pytest
from oss2.credentials import StaticCredentialsProvider

import bulkmeta as library
from bulkmeta.errors import BulkmetaError
from bulkmeta.model.job import Connection
from bulkmeta.oss.connect import locate, open_bucket, settings_of
from bulkmeta.oss.credentials import find_credentials
from bulkmeta.oss.retry import RetryPolicy
from tests.functional.conftest import FIRST, Service
from tests.functional.secrets.conftest import (
    ECHOES,
    SECRETS,
    TARGET,
    WAYS,
    Ear,
    _answer,
    become,
    sign_as,
)

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS


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
