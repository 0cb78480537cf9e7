"""Worker processes on a Ray cluster: each is an actor, and Ray finds it a place.

The driver stays where the command runs, with run file and journal. It asks each actor
for what it has to tell (a call that waits until there is something), and calls it with
what it has to hear. An actor that dies, or whose node does, is replaced by the driver,
so that what it had in hand is taken up with the updates that may have landed; Ray's own
retries know nothing of those.

No credentials travel: each process finds its own, where it is.
"""

from __future__ import annotations

import asyncio
import logging
import os
import warnings
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from bulkmeta.errors import MissingExtraError, RunFatalError, UsageError
from bulkmeta.runners.member import serve

if TYPE_CHECKING:
    from bulkmeta.runners.crew import Hire

LOCAL: Final = "ray"
"""A cluster that the environment names (RAY_ADDRESS), or else one of its own on this
machine."""


class ClusterMember:
    """The actor: a worker process, and the two ends of its channel."""

    def __init__(self) -> None:
        self._heard: asyncio.Queue[bytes] = asyncio.Queue()
        self._told: list[bytes] = []
        self._wake = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None

    async def take(self, frame: bytes) -> None:
        """Hear a frame; the first one is the order."""
        self._heard.put_nowait(frame)
        if self._serving is None:
            self._serving = asyncio.create_task(serve(self))
            self._serving.add_done_callback(_end_if_failed)

    async def frames(self) -> list[bytes]:
        """What there is to tell, as soon as there is something."""
        await self._wake.wait()
        self._wake.clear()
        told, self._told = self._told, []
        return told

    async def send(self, frame: bytes) -> None:
        """As a worker process's end of the channel."""
        self._told.append(frame)
        self._wake.set()

    async def receive(self) -> bytes | None:
        """The same. Whoever is alone gets nothing to send, and is ended by Ray."""
        return await self._heard.get()


def _end_if_failed(serving: asyncio.Task[None]) -> None:
    """A process that nobody listens to any more is no use: let the driver see that."""
    if not serving.cancelled() and serving.exception():
        os._exit(1)


class ActorChannel:
    """The driver's end of the channel."""

    def __init__(self, ray: Any, actor: Any) -> None:
        # The client tells in words of its own that the cluster is gone.
        self._gone = (ray.exceptions.RayError, ConnectionError)
        self._actor = actor
        self._frames: deque[bytes] = deque()

    async def send(self, frame: bytes) -> None:
        """Return when the frame has arrived; one to nobody is dropped."""
        with suppress(*self._gone):
            await _answer(self._actor.take.remote(frame))

    async def receive(self) -> bytes | None:
        """The next frame; None if the actor is gone.

        Raises:
            UsageError: it could not even begin.
        """
        while not self._frames:
            try:
                self._frames.extend(await _answer(self._actor.frames.remote()))
            except self._gone as error:
                self._refuse_unready(error)
                return None
        return self._frames.popleft()

    def _refuse_unready(self, error: Exception) -> None:
        words = str(error)
        if "ModuleNotFoundError" in words or "RuntimeEnvSetupError" in words:
            last = words.strip().splitlines()[-1].strip()
            raise UsageError(
                f"a worker process of the cluster cannot begin: {last}; the same "
                "bulkmeta, with its extra `ray`, has to be installed on all nodes"
            ) from error


async def _answer(call: Any) -> Any:
    """What a call comes to. It is left alone if nobody waits any more: Ray's client
    complains of calls that are cancelled."""
    waiting = asyncio.ensure_future(_awaited(call))
    waiting.add_done_callback(lambda done: done.cancelled() or done.exception())
    return await asyncio.shield(waiting)


async def _awaited(call: Any) -> Any:
    return await call


@asynccontextmanager
async def hiring_on(cluster: str) -> AsyncIterator[Hire]:
    """How to start worker processes on a cluster, as long as the body lasts.

    Raises:
        UsageError: Ray is not installed, or another version than the cluster's.
        RunFatalError: the cluster cannot be reached.
    """
    ray = _imported(cluster)
    own = not ray.is_initialized()
    if own:
        await asyncio.to_thread(_connect, ray, cluster)
    kind = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(ClusterMember)

    @asynccontextmanager
    async def hire() -> AsyncIterator[ActorChannel]:
        try:
            actor = kind.options(scheduling_strategy="SPREAD").remote()
        except Exception as error:
            words = f"the cluster gives no worker process: {error}"
            raise RunFatalError(words) from error
        try:
            yield ActorChannel(ray, actor)
        finally:
            with suppress(ray.exceptions.RayError, ConnectionError):
                ray.kill(actor)

    try:
        yield hire
    finally:
        if own:
            await asyncio.to_thread(ray.shutdown)


def _is_own(cluster: str) -> bool:
    return cluster == LOCAL and not os.environ.get("RAY_ADDRESS")


def require_ray() -> None:
    """Stop before anything is done where Ray is not installed.

    Raises:
        UsageError: it is not.
    """
    if find_spec("ray") is None:
        raise MissingExtraError("--on ray", "ray")


def _imported(cluster: str) -> Any:
    require_ray()
    # Nothing of what runs is told to anybody, unless its owner wants that.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if _is_own(cluster):  # others on the network are not to use it
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    import ray

    return ray


def _connect(ray: Any, cluster: str) -> None:
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if cluster != LOCAL:
        quiet["address"] = cluster
    elif _is_own(cluster):
        quiet["include_dashboard"] = False
    # Ray prints on stdout what becomes of nodes; that is where results go.
    ray._private.worker._worker_logs_enabled = False  # noqa: SLF001 nothing public
    try:
        with warnings.catch_warnings(action="ignore"):  # an error says it all
            ray.init(**quiet)
    except ConnectionError as error:
        raise RunFatalError(f"--on {cluster}: no cluster answers: {error}") from error
    except (RuntimeError, ValueError) as error:
        words = " ".join(str(error).split())
        raise UsageError(f"--on {cluster}: {words}") from error
