"""Opening a bucket: address, credentials, connections and pace put together."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from bulkmeta.oss.bucket import Bucket
from bulkmeta.oss.clock import ServiceClock
from bulkmeta.oss.credentials import EnvironmentProvider
from bulkmeta.oss.endpoint import Endpoint, resolve_endpoint
from bulkmeta.oss.limiter import RateLimiter
from bulkmeta.oss.retry import RetryPolicy
from bulkmeta.oss.signing import make_signer
from bulkmeta.oss.transport import Transport, open_session

if TYPE_CHECKING:
    from bulkmeta.model.job import Connection, Pace


def locate(
    bucket: str, connection: Connection, environment: Mapping[str, str]
) -> Endpoint:
    """The bucket's address, from flags and then `OSS_ENDPOINT` and `OSS_REGION`.

    Raises:
        UsageError: no region, or an endpoint that is no address.
    """
    return resolve_endpoint(
        bucket,
        endpoint=connection.endpoint or environment.get("OSS_ENDPOINT") or None,
        region=connection.region or environment.get("OSS_REGION") or None,
        internal=connection.internal,
    )


@asynccontextmanager
async def open_bucket(
    name: str,
    connection: Connection,
    pace: Pace,
    *,
    patient: bool = True,
    environment: Mapping[str, str] = os.environ,
) -> AsyncIterator[Bucket]:
    """A bucket to work with. `patient`: throttling is waited out, however long.

    Raises:
        UsageError: the address is not clear.
        RunFatalError: there are no credentials.
    """
    endpoint = locate(name, connection, environment)
    provider = EnvironmentProvider(environment)
    provider.get_credentials()
    signer = make_signer(provider, connection.sign_version)
    clock = ServiceClock()
    async with open_session() as session:
        yield Bucket(
            name,
            Transport(session, endpoint, signer, clock),
            clock=clock,
            limiter=RateLimiter(pace.rate),
            retry=RetryPolicy(pace.retries, patient=patient),
        )
