"""Everything that a first run may founder on, looked at one by one.

Reading needs no consent. What writing takes is tried on a temporary object, which is
removed again.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable
from contextlib import AbstractAsyncContextManager, aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bulkmeta.errors import (
    BulkmetaError,
    ObjectError,
    RunFatalError,
    ServiceError,
    UsageError,
)
from bulkmeta.model.checkup import (
    Check,
    accepted,
    check_certificate,
    check_clock,
    check_plain,
    check_retention,
    check_versioning,
    refused,
)
from bulkmeta.model.metadata import DEFAULT_ACL, parse_http_date
from bulkmeta.oss.bucket import fatal
from bulkmeta.oss.connect import locate, open_bucket, settings_of
from bulkmeta.oss.credentials import find_credentials
from bulkmeta.oss.effort import Effort
from bulkmeta.oss.facts import BucketInfo, date_of, read_info, read_retention
from bulkmeta.oss.proxies import proxy_for
from bulkmeta.oss.reach import Unreached, addresses_of, reach
from bulkmeta.oss.retry import RetryPolicy
from bulkmeta.runners.preflight import versions_kept
from bulkmeta.runners.probing import Left, cancelled_by_signals, scratch

if TYPE_CHECKING:
    from bulkmeta.model.job import Connection, Target
    from bulkmeta.oss.bucket import Bucket
    from bulkmeta.oss.profiles import Settings
    from bulkmeta.oss.scratch import Scratch

_RETRIES: Final = 2
_TIMEOUT_S: Final = 15.0

NO_OBJECT: Final = "no object to try it on; name one with --object KEY"

Checks = AsyncGenerator[Check, None]


async def check_reading(
    target: Target, connection: Connection, key: str | None
) -> Checks:
    """All that takes no writing; reading an object is tried on `key`, or on the first
    that a listing shows. Ends early where nothing further can be looked at.

    Raises:
        UsageError: a setting cannot be read.
    """
    async with aclosing(_reading(target, connection, key)) as checks:
        async for check in checks:
            yield check
            if check.vital and check.state == "failed":
                return


async def _reading(target: Target, connection: Connection, key: str | None) -> Checks:
    settings = settings_of(connection)
    yield await _credentials(settings)
    try:
        endpoint = locate(target.bucket, connection, settings)
    except UsageError as error:
        yield Check("address", "failed", str(error), vital=True)
        return
    yield Check("address", "ok", f"{endpoint.base} (region {endpoint.region})")
    async for check in _network(endpoint.base):
        yield check
    async with (
        _opened(target, connection) as bucket,
        aclosing(_bucket(bucket)) as of_bucket,
        aclosing(_objects(bucket, target.prefix, key)) as of_objects,
    ):
        async for check in of_bucket:
            yield check
        async for check in of_objects:
            yield check


def _opened(
    target: Target, connection: Connection
) -> AbstractAsyncContextManager[Bucket]:
    return open_bucket(
        target.bucket,
        connection,
        rate=None,
        retry=RetryPolicy(_RETRIES, patient=False),
        connections=1,
        answer_timeout_s=_TIMEOUT_S,
    )


async def _credentials(settings: Settings) -> Check:
    """Where they are, and that they can be had; never what they are."""
    try:
        source = find_credentials(settings)
        async with source.opened() as provider:
            temporary = bool(provider.get_credentials().get_security_token())
    except BulkmetaError as error:
        advice = "see docs/credentials.md for where they are looked for"
        return Check("credentials", "failed", str(error), advice, vital=True)
    kind = "temporary, from" if temporary else "from"
    return Check("credentials", "ok", f"{kind} {source.words}")


async def _network(base: str) -> Checks:
    """Names and connections; a proxy does both by itself."""
    proxy = proxy_for(base)
    if proxy:
        through = urlsplit(proxy)
        words = f"through {through.hostname}:{through.port or 80}; not looked at"
        yield Check("proxy", "ok", words)
        return
    found = await addresses_of(base)
    if isinstance(found, Unreached):
        yield _unreached(found)
        return
    yield Check("DNS", "ok", ", ".join(found[:3]))
    reached = await reach(base)
    if isinstance(reached, Unreached):
        yield _unreached(reached)
    elif reached.protocol and reached.expires:
        yield check_certificate(reached.protocol, reached.expires, datetime.now(UTC))
    else:
        yield check_plain(reached.address)


def _unreached(found: Unreached) -> Check:
    advice = _NETWORK[found.step]
    return Check(found.step, "failed", found.why, advice, vital=True)


_NETWORK: Final = {
    "DNS": "check --endpoint and --region, and this machine's name servers",
    "TLS": "check --endpoint; behind a proxy that looks into connections, let this "
    "machine trust its certificate (SSL_CERT_FILE)",
    "connection": "check --endpoint (inside a VPC: --internal), firewalls and "
    "HTTPS_PROXY",
}


async def _bucket(bucket: Bucket) -> Checks:
    """The bucket itself: is it there, and how is it set up."""
    try:
        info = await read_info(bucket)
    except RunFatalError as error:
        yield Check("bucket", "failed", str(error), vital=True)
        return
    except ObjectError as error:
        if date := date_of(error):
            yield check_clock(parse_http_date(date), datetime.now(UTC))
        if error.reason != "access_denied":
            yield Check("bucket", "failed", str(fatal(error)), vital=True)
            return
        yield refused("bucket", error)
    else:
        if info.date:
            yield check_clock(parse_http_date(info.date), datetime.now(UTC))
        yield Check("bucket", "ok", _info_words(info))
    async for check in _protection(bucket):
        yield check


def _info_words(info: BucketInfo) -> str:
    words = [
        info.location,
        info.storage_class,
        f"ACL {info.acl}" if info.acl else "",
        f"encrypts with {info.encryption}" if info.encryption else "",
        "with directories (hierarchical namespace)" if info.hierarchical else "",
    ]
    return ", ".join(filter(None, words))


async def _protection(bucket: Bucket) -> Checks:
    """What stands in the way of changes in the whole bucket."""
    try:
        yield check_versioning(await bucket.versioning())
    except ObjectError as error:
        yield refused("versions", error)
    try:
        policy = await read_retention(bucket)
        yield check_retention(policy.state, policy.days)
    except ObjectError as error:
        yield refused("retention", error)


async def _objects(bucket: Bucket, prefix: str, key: str | None) -> Checks:
    """Listing, and reading one object in all its parts."""
    try:
        page = await bucket.list_page(prefix, None)
    except RunFatalError as error:
        yield refused("list", _cause_of(error))
    else:
        more = " or more" if page.next_token else ""
        if page.objects:
            yield Check("list", "ok", f"{len(page.objects):,}{more} objects")
        else:
            yield Check("list", "warning", f"no key begins with {prefix!r}")
        readable = (o.key for o in page.objects if o.object_type != "Symlink")
        key = key or next(readable, None)
    if key is None:
        yield Check("head", "skipped", NO_OBJECT)
        return
    head = await _tried("head", bucket.head(key, Effort()))
    yield head
    if head.state == "ok":
        yield await _tried("acl", bucket.acl(key, Effort()))
        yield await _tried("tags", bucket.tags(key, Effort()))


def _cause_of(error: RunFatalError) -> BulkmetaError:
    """The service's answer behind an error that would end a run."""
    return error.__cause__ if isinstance(error.__cause__, ServiceError) else error


async def _tried(name: str, request: Awaitable[object]) -> Check:
    """Whether a request is accepted."""
    try:
        await request
    except ObjectError as error:
        return refused(name, error)
    return accepted(name)


async def check_writing(
    target: Target, connection: Connection, left: Left, *, reads: bool
) -> Checks:
    """What writing takes, on a temporary object under the target's prefix; and what
    reading takes (`reads`), if it could not be tried. `left` is told if the object
    could not be removed.

    Raises:
        RunFatalError: no request succeeds.
    """
    with cancelled_by_signals():
        async with _opened(target, connection) as bucket:
            keeps_versions = await versions_kept(bucket)
            async with scratch(
                bucket, target.prefix, left, keeps_versions=keeps_versions
            ) as made:
                async for check in _writing(made, reads=reads):
                    yield check


async def _writing(made: Scratch, *, reads: bool) -> Checks:
    name = "object"
    put = await _tried("put", made.put(name, {}))
    yield put
    if put.state == "ok":
        if reads:
            yield await _tried("head", made.head(name))
            yield await _tried("acl", made.acl(name))
            yield await _tried("tags", made.tags(name))
        yield await _tried("copy", made.copy(name, {}))
        yield await _tried("put acl", made.put_acl(name, DEFAULT_ACL))
        yield await _tried("put tags", made.put_tags(name, {"a": "b"}))
