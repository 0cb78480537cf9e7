"""The bucket that a program works with: opening it, with settings that can be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from bulkmeta.errors import UsageError
from bulkmeta.model.job import (
    CONCURRENCY,
    RANGE_RATE,
    RETRIES,
    SCHEME,
    Connection,
    Pace,
    SignatureVersion,
    parse_target,
    spread_for,
)
from bulkmeta.oss import connect
from bulkmeta.oss.credentials import provider_of
from bulkmeta.oss.retry import RetryPolicy

if TYPE_CHECKING:
    from bulkmeta.api.streaming import Streamed
    from bulkmeta.oss.bucket import Bucket

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OpenBucket:
    """A bucket that is connected, and the prefix in it that is worked on."""

    name: str
    prefix: str
    connection: Connection
    pace: Pace
    bucket: Bucket = field(repr=False)
    runs: set[Streamed] = field(default_factory=set, repr=False)
    closed: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    def at(self, prefix: str) -> OpenBucket:
        """The same bucket at another prefix, over the same connections and with one
        budget of requests."""
        return replace(self, prefix=prefix)


@asynccontextmanager
async def open_bucket(  # noqa: PLR0913 one argument per setting, all but one by name
    target: Any,
    *,
    credentials: Any = None,
    endpoint: str | None = None,
    region: str | None = None,
    profile: str | None = None,
    internal: bool = False,
    accelerate: bool = False,
    dual_stack: bool = False,
    request_payer: bool = False,
    sign_version: SignatureVersion = "v4",
    concurrency: int = CONCURRENCY,
    rate: float | None = RANGE_RATE,
    retries: int = RETRIES,
    spread: int | None = None,
) -> AsyncIterator[OpenBucket]:
    """Connect to a bucket.

    `target` is `oss://bucket/prefix` or an `oss2.Bucket`, whose address and credentials
    are taken. `credentials` is any oss2 credentials provider or auth; by default they
    come from the environment or other tools' files (`profile` names one of those), as
    does what is not given of `endpoint` and `region`. `internal`, `accelerate` or
    `dual_stack` choose another of the region's endpoints than the public one.
    `request_payer` agrees to pay for requests to a bucket whose owner does not.
    `rate` caps requests a second (None: no cap), `retries` counts tries of one request
    beyond the first, and `spread` is the number of key ranges listed in turn (None: as
    many as the rate needs).

    Raises:
        UsageError: the address is not clear, `credentials` are none, or a setting is
            none that is possible.
        RunFatalError: there are no credentials.
    """
    connection = valid(
        Connection(
            endpoint,
            region,
            internal,
            sign_version,
            profile,
            accelerate,
            dual_stack,
            request_payer,
        )
    )
    name, prefix = _named(target)
    if not isinstance(target, str):
        credentials = credentials or target.auth
        connection = msgspec.structs.replace(
            connection,
            endpoint=endpoint or target.endpoint,
            region=region or target.region or None,
        )
    pace = _pace(concurrency, rate, retries, spread)
    async with connect.open_bucket(
        name,
        connection,
        rate=rate,
        retry=RetryPolicy(retries),
        connections=concurrency,
        provider=None if credentials is None else provider_of(credentials),
    ) as bucket:
        opened = OpenBucket(name, prefix, connection, pace, bucket)
        try:
            yield opened
        finally:
            opened.closed.set()
            for run in list(opened.runs):  # such as one left by a `break`
                await run.leave()


def _pace(
    concurrency: int, rate: float | None, retries: int, spread: int | None
) -> Pace:
    pace = valid(Pace(concurrency, rate, retries, 1 if spread is None else spread))
    if spread is not None:
        return pace
    return msgspec.structs.replace(pace, spread=spread_for(rate))


def valid(settings: T) -> T:
    """The same settings, if every one of them can be.

    Raises:
        UsageError: one is of another type, or out of range.
    """
    try:
        return msgspec.convert(msgspec.to_builtins(settings), type(settings))
    except (msgspec.ValidationError, TypeError) as error:
        raise UsageError(str(error)) from error


def _named(target: Any) -> tuple[str, str]:
    """The bucket and prefix of a target."""
    if isinstance(target, str):
        found = parse_target(target, allow_all=True)
        return found.bucket, found.prefix
    name = getattr(target, "bucket_name", None)
    if not isinstance(name, str):
        raise UsageError(
            f"{target!r} is no bucket: give {SCHEME}bucket/prefix or an oss2.Bucket"
        )
    return name, ""
