"""The lock of a run that other machines see: had before the run begins, renewed as long
as it lasts, and given back at its end."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar
from urllib.parse import quote

from bulkmeta.errors import (
    AmbiguousWriteError,
    LockedError,
    ObjectError,
    RunFatalError,
)
from bulkmeta.model.holder import until_free
from bulkmeta.oss.bucket import fatal
from bulkmeta.oss.connect import open_bucket
from bulkmeta.oss.lease import Lease, Owner
from bulkmeta.oss.retry import RetryPolicy, is_retriable

if TYPE_CHECKING:
    from bulkmeta.engine.shutdown import StopRequest
    from bulkmeta.model.job import LockObject, RunSpec

P = ParamSpec("P")
T = TypeVar("T")

Say = Callable[[str], object]

_RETRIES: Final = 2
_CONNECTIONS: Final = 2
_POLL_S: Final = 2.0
_POLLS: Final = 5
_TRY_SHARE: Final = 6
"""A request is given this part of a lease, so that others can follow in time."""

_PAUSE_SHARE: Final = 30


@dataclass(frozen=True, slots=True)
class HeldLock:
    """A lock that this run has; `key` is where, if that is in the run's own bucket."""

    lease: Lease
    key: str | None

    def require(self) -> None:
        """Stop where it is not this run's any more, for all that is known without
        asking: a process that was halted goes on with nothing before it has looked.

        Raises:
            LockedError: its lease is over.
        """
        if self.lease.left_s() <= 0:
            raise _over(self.lease, None)


def lock_key(lock: HeldLock | None) -> str | None:
    """The key of a lock that a listing of the run may come across."""
    return lock.key if lock else None


def while_held(
    lock: HeldLock | None, call: Callable[P, Awaitable[T]]
) -> Callable[P, Awaitable[T]]:
    """The same call, made only if the lock is held then."""
    if lock is None:
        return call

    async def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
        lock.require()
        return await call(*args, **kwargs)

    return guarded


def while_still_held(
    lock: HeldLock | None, call: Callable[P, Awaitable[T]]
) -> Callable[P, Awaitable[T]]:
    """The same call, gone on from only if the lock is still held then."""
    if lock is None:
        return call

    async def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
        result = await call(*args, **kwargs)
        lock.require()
        return result

    return guarded


@asynccontextmanager
async def held_lock(
    spec: RunSpec, stop: StopRequest, say: Say
) -> AsyncIterator[HeldLock | None]:
    """The run's lock, had by it alone as long as the body lasts; once it is lost, the
    run is asked to stop. None if none is asked for.

    Raises:
        LockedError: another run has it, still after the time to wait.
        UsageError: its bucket keeps versions, or the object there is no lock.
        RunFatalError: it cannot be had: no such bucket, or a permission is missing.
    """
    lock = spec.lock
    if lock is None:
        yield None
        return
    own = lock.bucket == spec.job.target.bucket
    # Connections of its own: a renewal does not wait in line behind the run's requests.
    async with open_bucket(
        lock.bucket,
        spec.connection,
        rate=None,
        retry=RetryPolicy(_RETRIES, patient=False),
        connections=_CONNECTIONS,
    ) as bucket:
        lease = Lease(bucket, lock.key, _owner(lock))
        try:
            await acquired(lease, lock, say)
            async with _renewed(lease, stop):
                yield HeldLock(lease, lock.key if own else None)
        finally:
            await _released(lease, say)


async def acquired(lease: Lease, lock: LockObject, say: Say) -> None:
    """Return once the lock is had.

    Raises:
        LockedError: another run has it, still after the time to wait.
        UsageError, RunFatalError: it cannot be had.
    """
    until_s, told = time.monotonic() + lock.wait_s, False
    try:
        await lease.refuse_versions()
        while not await _tried(lease, until_s):
            if time.monotonic() >= until_s:
                raise _held(lease, lock.wait_s)
            if lease.other and not told:
                words = f"which is held by {lease.other}"
                say(f"waiting   for the lock {lease.name}, {words}")
                told = True
            await asyncio.sleep(min(_POLL_S, lock.lease_s / _POLLS))
    except ObjectError as error:
        raise RunFatalError(f"lock {lease.name}: {fatal(error)}") from error
    except RunFatalError as error:
        raise RunFatalError(f"lock {lease.name}: {error}") from error
    if lease.taken_from:
        say(f"lock      taken over from {lease.taken_from}")


async def _tried(lease: Lease, until_s: float) -> bool:
    """Whether the lock is had. Whoever waits for it waits for what passes, too."""
    try:
        return await lease.acquire()
    except ObjectError as error:
        passes = isinstance(error, AmbiguousWriteError) or is_retriable(error)
        if passes and time.monotonic() < until_s:
            return False
        raise


def _held(lease: Lease, wait_s: float) -> LockedError:
    seen = lease.other
    who = seen.owner if seen else "others"
    ends = f"its lease ends at {seen.ends} unless it is renewed; " if seen else ""
    return LockedError(
        f"the lock {lease.name} is held by {who}; {ends}{until_free(wait_s)}"
    )


@asynccontextmanager
async def _renewed(lease: Lease, stop: StopRequest) -> AsyncIterator[None]:
    """The lock is renewed as long as the body lasts."""
    renewing = asyncio.create_task(keep_renewing(lease, stop))
    try:
        yield
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)


async def keep_renewing(
    lease: Lease,
    stop: StopRequest,
    *,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> None:
    """Renew the lock time and again; request a stop when it is lost."""
    lease_s = lease.owner.lease_s
    failure: Exception | None = None
    while True:
        await sleep(max(min(lease.due_s(), lease.left_s()), lease_s / _PAUSE_SHARE))
        if lease.left_s() <= 0:
            stop.fail(_over(lease, failure))
            return
        try:
            async with asyncio.timeout(min(lease.left_s(), lease_s / _TRY_SHARE)):
                await lease.renew()
            failure = None
        except (ObjectError, TimeoutError) as error:
            failure = error
        except Exception as error:  # noqa: BLE001 whatever it is, nobody renews the lock
            stop.fail(error)
            return


def _over(lease: Lease, error: Exception | None) -> LockedError:
    """The end of a lease that was not renewed in time."""
    why = f": {error}" if error and str(error) else ""
    return lease.lost(f"could not be renewed before its lease was over{why}")


async def _released(lease: Lease, say: Say) -> None:
    """Give the lock back; if that fails, its lease ends by itself."""
    try:
        async with asyncio.timeout(lease.owner.lease_s / _TRY_SHARE):
            await lease.release()
    except (ObjectError, RunFatalError, TimeoutError) as error:
        words = f": {error}" if str(error) else ""
        say(
            f"warning   the lock {lease.name} was left{words}; nobody has it when its "
            f"lease of {lease.owner.lease_s:g} s is over"
        )


def _owner(lock: LockObject) -> Owner:
    host = quote(socket.gethostname())  # of any bytes, and to be sent in a header
    return Owner(os.getpid(), host, "", id=secrets.token_hex(16), lease_s=lock.lease_s)
