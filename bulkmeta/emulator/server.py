"""Serving the embedded OSS: in a thread of its own, or in the running event loop."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import struct
import threading
import weakref
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from .clock import Clock
from .context import Context
from .faults import Faults
from .limits import Limits
from .log import RequestLog
from .options import EmulatorOptions
from .service import Answer, Arrival, Service
from .store import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from types import TracebackType
    from typing import Self

    from aiohttp.abc import AbstractStreamWriter

# 8 KB of user metadata may come in one header or in a thousand.
_LINE_BYTES = 64 * 1024
_HEADER_COUNT = 4096
_SHUTDOWN_S = 0.05
_LINGER_RESET = struct.pack("ii", 1, 0)


class _RawResponse(web.StreamResponse):
    """Bytes for the connection, made elsewhere; or none, to reset it."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self._answer = answer

    @property
    def keep_alive(self) -> bool:
        return self._answer.keep_alive

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the client has left")
        if self._answer.payload is None:
            _reset(transport)
        else:
            transport.write(self._answer.payload)
        return None

    async def write_eof(self, data: object = b"") -> None:
        """Everything was written at once."""


def _reset(transport: asyncio.Transport) -> None:
    sock = transport.get_extra_info("socket")
    # Without lingering, closing sends RST: the client sees its connection reset.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
    transport.abort()


class Emulator:
    """The parts of one embedded OSS, wired up; serves while `serving` is entered."""

    def __init__(self, options: EmulatorOptions) -> None:
        """Open the store and the log.

        Raises:
            sqlite3.Error: the database cannot be used.
            OSError: the log file cannot be opened.
        """
        self.options = options
        self.clock = Clock()
        self.faults = Faults(options.seed)
        self.store = Store(options.database, self.clock)
        self.limits = Limits(self.store)
        self.limits.configure(
            account_qps=options.account_qps,
            range_qps=options.range_qps,
            ranges=options.ranges,
            throttle_status=options.throttle_status,
        )
        try:
            self.log = RequestLog(options.log_size, options.log_file)
        except OSError:
            self.store.close()
            raise
        context = Context(self.store, self.clock, options)
        self._service = Service(context, self.faults, self.limits, self.log)
        self._seen: weakref.WeakSet[asyncio.Transport] = weakref.WeakSet()

    def close(self) -> None:
        """Close the store and the log."""
        self.log.close()
        self.store.close()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Serve in the running loop; gives the endpoint.

        Raises:
            OSError: the address cannot be bound.
        """
        server = web.Server(
            self._handle,
            handler_cancellation=True,
            access_log=None,
            auto_decompress=False,
            max_line_size=_LINE_BYTES,
            max_field_size=_LINE_BYTES,
            max_headers=_HEADER_COUNT,
        )
        loop = asyncio.get_running_loop()
        listening = await loop.create_server(
            server, self.options.host, self.options.port
        )
        try:
            yield _endpoint(listening)
        finally:
            await _stop_accepting(listening)
            server.pre_shutdown()
            await server.shutdown(_SHUTDOWN_S)
            # Closed transports let go of their sockets in the next turn.
            await _turns(2)

    async def _handle(self, incoming: web.BaseRequest) -> web.StreamResponse:
        body = await incoming.content.read() if incoming.can_read_body else b""
        return _RawResponse(await self._service.answer(self._arrival(incoming, body)))

    def _arrival(self, incoming: web.BaseRequest, body: bytes) -> Arrival:
        transport = incoming.transport
        reused = transport in self._seen
        if transport is not None and not reused:
            self._seen.add(transport)
        return Arrival(
            method=incoming.method,
            target=incoming.raw_path.encode("utf-8", "surrogateescape"),
            raw_headers=tuple(incoming.raw_headers),
            body=body,
            keep_alive=incoming.keep_alive,
            reused=reused,
            is_local=ipaddress.ip_address(incoming.remote or "::").is_loopback,
        )


async def _stop_accepting(listening: asyncio.Server) -> None:
    # A connection accepted in the very moment of closing would never be closed: first
    # accept no more, then let those accepted come up, then close.
    for sock in listening.sockets:
        asyncio.get_running_loop().remove_reader(sock.fileno())
    await _turns(5)
    listening.close()


async def _turns(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


def _endpoint(listening: asyncio.Server) -> str:
    host, port = listening.sockets[0].getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def run_forever(
    options: EmulatorOptions,
    on_ready: Callable[[str], None],
    prepare: Callable[[Store], object] = lambda _: None,
) -> None:
    """Serve in the running loop until cancelled.

    `prepare` is given the store before anything is served, `on_ready` the endpoint.

    Raises:
        OSError: the address cannot be bound, or the log file not opened.
        sqlite3.Error: the database cannot be used.
    """
    emulator = Emulator(options)
    try:
        prepare(emulator.store)
        async with emulator.serving() as endpoint:
            on_ready(endpoint)
            await asyncio.Event().wait()
    finally:
        emulator.close()


class EmbeddedOSS:
    """An embedded OSS in a thread of its own, for tests and demonstrations.

    ```python
    with EmbeddedOSS(EmulatorOptions()) as oss:
        oss.store.create_bucket("demo")
        oss.store.put_object("demo", "a.txt", meta={"owner": "x"})
        ...  # talk to oss.endpoint
        assert oss.log.operations() == [("HeadObject", "a.txt")]
    ```
    """

    def __init__(self, options: EmulatorOptions | None = None) -> None:
        """Prepare; nothing is opened before the context is entered."""
        self.options = options or EmulatorOptions()
        self.endpoint = ""

    def __enter__(self) -> Self:
        """Open the store and serve; ready when this returns.

        Raises:
            OSError: the address cannot be bound, or the log file not opened.
            sqlite3.Error: the database cannot be used.
        """
        emulator = Emulator(self.options)
        self._emulator = emulator
        self.clock, self.faults = emulator.clock, emulator.faults
        self.store, self.limits = emulator.store, emulator.limits
        self.log = emulator.log
        self._ready = threading.Event()
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="embedded-oss")
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self._thread.join()
            emulator.close()
            raise self._failure
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop serving and close the store."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._emulator.close()

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that lead a client here."""
        return environment(self.options, self.endpoint)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        try:
            async with self._emulator.serving() as self.endpoint:
                self._ready.set()
                await self._stopping.wait()
        except OSError as error:
            self._failure = error
        finally:
            self._ready.set()


def environment(options: EmulatorOptions, endpoint: str) -> dict[str, str]:
    """The environment variables that lead a client to an endpoint."""
    made = {"OSS_ENDPOINT": endpoint, "OSS_REGION": options.region}
    if options.credentials:
        credential = options.credentials[0]
        made["OSS_ACCESS_KEY_ID"] = credential.access_key_id
        made["OSS_ACCESS_KEY_SECRET"] = credential.access_key_secret
        if credential.security_token is not None:
            made["OSS_SESSION_TOKEN"] = credential.security_token
    return made
