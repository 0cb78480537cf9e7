"""Opening a bucket: address, credentials, connections and pace put together."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from bulkmeta.oss.bucket import Bucket
from bulkmeta.oss.clock import ServiceClock
from bulkmeta.oss.credentials import EnvironmentProvider
from bulkmeta.oss.endpoint import Endpoint, refuse_other_region, resolve_endpoint
from bulkmeta.oss.limiter import RateLimiter
from bulkmeta.oss.signing import make_signer
from bulkmeta.oss.transport import ANSWER_TIMEOUT_S, Transport, open_session

if TYPE_CHECKING:
    from bulkmeta.model.job import Connection
    from bulkmeta.oss.retry import RetryPolicy


def _locate(
    bucket: str, connection: Connection, environment: Mapping[str, str]
) -> Endpoint:
    """The bucket's address, from flags and then `OSS_ENDPOINT` and `OSS_REGION`.

    Raises:
        UsageError: no region, or an endpoint that is no address.
    """
    endpoint = connection.endpoint or environment.get("OSS_ENDPOINT") or None
    if not connection.endpoint:
        refuse_other_region(connection.region, endpoint)
    return resolve_endpoint(
        bucket,
        endpoint=endpoint,
        region=connection.region or environment.get("OSS_REGION") or None,
        internal=connection.internal,
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
) -> AsyncIterator[Bucket]:
    """A bucket to work with, at no more than `rate` requests a second, over so many
    `connections` at most. Credentials come from an oss2 `provider`, or the environment.

    Raises:
        UsageError: the address is not clear.
        RunFatalError: there are no credentials.
    """
    endpoint = _locate(name, connection, os.environ)
    provider = provider or EnvironmentProvider(os.environ)
    provider.get_credentials()
    signer = make_signer(provider, connection.sign_version)
    clock = ServiceClock()
    async with open_session(connections) as session:
        yield Bucket(
            endpoint,
            Transport(
                session, endpoint, signer, clock, answer_timeout_s=answer_timeout_s
            ),
            clock=clock,
            limiter=RateLimiter(rate),
            retry=retry,
        )
