"""From a request's bytes to a reply's bytes: faults, quotas, identity, operation, log.

Knows no HTTP library; `server` brings the bytes and takes them away.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING

from .clock import http_date
from .control import Control
from .errors import ServiceError, not_implemented, payer_missing
from .faults import REFUSALS
from .listings import token_key
from .log import LoggedRequest
from .operations import HANDLERS, SERVICE_HANDLERS, UNKNOWN, operation_of
from .signatures import Verifier
from .wire import Reply, Request, parse_request, refuse, render

if TYPE_CHECKING:
    from .context import Context
    from .faults import Fault, Faults
    from .limits import Limits
    from .log import RequestLog
    from .options import Credential

_PAUSES_BEFORE = frozenset({"latency", "hang"})
_PAGE = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
    b"<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n"
)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request as it came off the connection."""

    method: str
    target: bytes
    raw_headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    keep_alive: bool = True
    reused: bool = False
    """Whether the connection has carried a request before."""
    is_local: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes onto the connection; no payload: reset it."""

    payload: bytes | None
    keep_alive: bool


@dataclass(slots=True)
class _Exchange:
    """One request while it is handled."""

    arrival: Arrival
    n: int
    at: float
    request_id: str
    request: Request
    operation: str = UNKNOWN
    fired: tuple[Fault, ...] = ()
    reply: Reply | None = None
    resets: bool = field(default=False)

    @property
    def is_head(self) -> bool:
        return self.arrival.method == "HEAD"

    def has(self, kind: str) -> bool:
        return any(fault.kind == kind for fault in self.fired)


class Service:
    """Answers requests; one per embedded OSS."""

    def __init__(
        self, context: Context, faults: Faults, limits: Limits, log: RequestLog
    ) -> None:
        """Work on the given parts."""
        self._context = context
        self._faults = faults
        self._limits = limits
        self._log = log
        self._control = Control(context, faults, limits, log)
        self._verifier = Verifier(context.options, context.clock)
        self._cnames = dict(context.options.cnames)
        self._numbers = count(1)

    async def answer(self, arrival: Arrival) -> Answer:
        """Handle one request from its first to its last byte."""
        if arrival.target.startswith(b"/-/"):
            reply = self._control.answer(arrival)
            payload = render(
                reply, head=arrival.method == "HEAD", keep_alive=arrival.keep_alive
            )
            return Answer(payload, arrival.keep_alive)
        exchange = self._begin(arrival)
        try:
            await self._handle(exchange)
        finally:
            self._log.add(_logged(exchange))
        return self._finish(exchange)

    def _begin(self, arrival: Arrival) -> _Exchange:
        n, at = next(self._numbers), self._context.clock.time()
        request_id = f"{int(at) & 0xFFFFFFFF:08X}{n & 0xFFFFFFFFFFFFFFFF:016X}"
        unknown = Request(arrival.method, "", "", {}, {})
        exchange = _Exchange(arrival, n, at, request_id, unknown)
        try:
            exchange.request = parse_request(
                arrival.method,
                arrival.target,
                arrival.raw_headers,
                arrival.body,
                self._cnames,
            )
        except ServiceError as error:
            exchange.reply = self._refuse(exchange, error)
            return exchange
        exchange.operation = operation_of(exchange.request)
        exchange.fired = self._faults.fire(
            exchange.operation, exchange.request.key, reused=arrival.reused
        )
        return exchange

    async def _handle(self, exchange: _Exchange) -> None:
        if exchange.reply is not None:
            return
        if self._context.options.latency_s:
            await asyncio.sleep(self._context.options.latency_s)
        for fault in exchange.fired:
            if fault.kind in _PAUSES_BEFORE:
                await asyncio.sleep(fault.seconds)
            elif fault.kind in {"foreign_write", "delete"}:
                self._interfere(exchange.request, fault)
            elif fault.kind in REFUSALS:
                self._fail(exchange, fault)
                return
        exchange.reply = self._decide(exchange)
        for fault in exchange.fired:
            if fault.kind == "hang_after":
                await asyncio.sleep(fault.seconds)
            elif fault.kind == "extra_header":
                exchange.reply.headers += fault.headers.items()

    def _decide(self, exchange: _Exchange) -> Reply:
        request, operation = exchange.request, exchange.operation
        try:
            self._limits.check(request.bucket, _place(request))
            sender = self._verifier.verify(request)
            return self._operate(request, operation, sender)
        except ServiceError as error:
            return self._refuse(exchange, error)

    def _operate(self, request: Request, operation: str, sender: Credential) -> Reply:
        serve = SERVICE_HANDLERS.get(operation)
        if serve is not None:
            return serve(self._context, request)
        bucket = self._context.bucket(request.bucket)
        charged = bucket.requester_pays and not sender.is_owner
        if charged and request.headers.get("x-oss-request-payer") != "requester":
            raise payer_missing()
        if operation == UNKNOWN:
            raise not_implemented(f"{request.method} {','.join(request.query)}")
        reply = HANDLERS[operation](self._context, request, bucket)
        if charged:
            reply.headers.append(("x-oss-request-charged", "requester"))
        return reply

    def _interfere(self, request: Request, fault: Fault) -> None:
        store = self._context.store
        found = store.find(request.bucket, request.key)
        if found is None or found.is_marker:
            return
        if fault.kind == "delete":
            store.delete_object(request.bucket, request.key)
            return
        headers = dict(fault.headers)
        made = replace(
            found,
            last_modified=self._context.now(),
            content_type=headers.pop("content-type", found.content_type),
            headers={**found.headers, **headers},
            meta={**found.meta, **fault.meta},
            tags=found.tags if fault.tags is None else fault.tags,
            acl=fault.acl or found.acl,
        )
        store.save(made, store.body(found))

    def _fail(self, exchange: _Exchange, fault: Fault) -> None:
        if fault.kind == "reset_before":
            exchange.resets = True
        elif fault.kind == "html":
            status = 502 if fault.status == 503 else fault.status
            exchange.reply = Reply(status, [("Content-Type", "text/html")], _PAGE)
        else:
            headers = tuple(fault.headers.items())
            error = ServiceError(
                fault.status, fault.code, fault.message, headers=headers
            )
            exchange.reply = self._refuse(exchange, error)

    def _refuse(self, exchange: _Exchange, error: ServiceError) -> Reply:
        host = exchange.request.host
        return refuse(error, exchange.request_id, host, head=exchange.is_head)

    def _finish(self, exchange: _Exchange) -> Answer:
        reply = exchange.reply
        if reply is None or exchange.resets or exchange.has("reset_after"):
            return Answer(None, keep_alive=False)
        truncated = exchange.has("truncate")
        keep_alive = exchange.arrival.keep_alive and not truncated
        if exchange.has("html"):
            reply.headers = [("Server", "nginx"), *reply.headers]
        else:
            reply.headers = self._common_headers(exchange) + reply.headers
        payload = render(reply, head=exchange.is_head, keep_alive=keep_alive)
        if truncated:
            body_size = 0 if exchange.is_head else len(reply.body)
            payload = payload[: len(payload) - ((body_size or len(payload)) + 1) // 2]
        return Answer(payload, keep_alive)

    def _common_headers(self, exchange: _Exchange) -> list[tuple[str, str]]:
        now = self._context.clock.time()
        return [
            ("Server", "AliyunOSS"),
            ("Date", http_date(int(now))),
            ("x-oss-request-id", exchange.request_id),
            ("x-oss-server-time", str(max(0, int((now - exchange.at) * 1000)))),
        ]


def _place(request: Request) -> str:
    """Where in the key space a request works; a listing, where it begins."""
    query = request.query
    return (
        request.key
        or token_key(query.get("continuation-token", ""))
        or query.get("marker")
        or query.get("start-after")
        or query.get("prefix", "")
    )


def _logged(exchange: _Exchange) -> LoggedRequest:
    request, reply = exchange.request, exchange.reply
    return LoggedRequest(
        n=exchange.n,
        at=exchange.at,
        method=exchange.arrival.method,
        operation=exchange.operation,
        bucket=request.bucket,
        key=request.key,
        query=request.query,
        headers=request.headers,
        status=reply.status if reply else 0,
        code=reply.code if reply else "",
        request_id=exchange.request_id,
        fault="+".join(fault.kind for fault in exchange.fired) or None,
    )
