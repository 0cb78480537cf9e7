"""Opening a bucket: address, credentials, connections and pace put together."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bulkmeta.oss.bucket import Bucket
from bulkmeta.oss.clock import ServiceClock
from bulkmeta.oss.credentials import CredentialSource, find_credentials
from bulkmeta.oss.endpoint import (
    Endpoint,
    refuse_other_region,
    resolve_endpoint,
    tells_region,
)
from bulkmeta.oss.limiter import RateLimiter
from bulkmeta.oss.profiles import Settings
from bulkmeta.oss.proxies import proxy_for, without_password
from bulkmeta.oss.signing import make_signer
from bulkmeta.oss.trace import traced
from bulkmeta.oss.transport import ANSWER_TIMEOUT_S, Transport, open_session

if TYPE_CHECKING:
    from bulkmeta.model.job import Connection
    from bulkmeta.oss.pace import Pace
    from bulkmeta.oss.retry import RetryPolicy

_LOG: Final = logging.getLogger(__name__)


def settings_of(connection: Connection) -> Settings:
    """What is set outside of the command line for a connection."""
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 never raises
    return Settings(os.environ, home, connection.profile)


def locate(bucket: str, connection: Connection, settings: Settings) -> Endpoint:
    """The bucket's address: from flags, then `OSS_ENDPOINT` and `OSS_REGION`, then the
    files of other tools. A named profile goes before variables.

    Raises:
        UsageError: no region, or an endpoint that is no address.
    """
    environment = {} if settings.named else settings.environment
    endpoint = connection.endpoint or environment.get("OSS_ENDPOINT") or None
    region = connection.region or environment.get("OSS_REGION") or None
    if not connection.endpoint:
        refuse_other_region(connection.region, endpoint)
    if not (region or (endpoint and tells_region(endpoint))):
        profile = next((p for p in settings.profiles() if p.tells_address()), None)
        if profile:
            endpoint = endpoint or profile.endpoint_of(bucket)
            region = profile.get("region", "regionid") or None
    return resolve_endpoint(
        bucket, endpoint=endpoint, region=region, network=connection.network
    )


@asynccontextmanager
async def open_bucket(  # noqa: PLR0913 one argument per setting, all but two by name
    name: str,
    connection: Connection,
    *,
    rate: float | None,
    retry: RetryPolicy,
    connections: int,
    answer_timeout_s: float = ANSWER_TIMEOUT_S,
    provider: Any = None,
    pace: Pace | None = None,
) -> AsyncIterator[Bucket]:
    """A bucket to work with, at no more than `rate` requests a second, or at a `pace`
    set elsewhere, over so many `connections` at most. Credentials come from an oss2
    `provider`, or from the first place that has some (`oss.credentials`).

    Raises:
        UsageError: the address is not clear.
        RunFatalError: there are no credentials.
    """
    settings = settings_of(connection)
    endpoint, clock = locate(name, connection, settings), ServiceClock()
    source = _given(provider) if provider else find_credentials(settings)
    proxy = proxy_for(endpoint.base)
    _tell(endpoint, source, proxy)
    async with (
        source.opened() as found,
        open_session(connections, proxy=proxy) as session,
    ):
        transport = Transport(
            session,
            endpoint,
            make_signer(found, connection.sign_version),
            clock,
            answer_timeout_s=answer_timeout_s,
            request_payer=connection.request_payer,
        )
        sender, limiter = traced(transport, name), RateLimiter(rate, pace=pace)
        yield Bucket(endpoint, sender, clock=clock, limiter=limiter, retry=retry)


def _given(provider: Any) -> CredentialSource:
    words = f"the program ({type(provider).__name__})"
    return CredentialSource(words, partial(nullcontext, provider))


def _tell(endpoint: Endpoint, source: CredentialSource, proxy: str | None) -> None:
    _LOG.debug(
        "bucket %s at %s, region %s; proxy: %s; credentials from %s",
        endpoint.bucket,
        endpoint.base,
        endpoint.region,
        without_password(proxy) if proxy else "none",
        source.words,
    )
