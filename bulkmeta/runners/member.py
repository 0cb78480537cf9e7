"""A worker process: the pipeline, with a driver in the place of source and run file.

It processes the objects that it is given. What it is about to send is put on record by
the driver first, so that a process whose driver is gone sends no further update. It
ends when it is told to, or when nobody is there any more to tell it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import msgspec

from bulkmeta.engine.inbox import Inbox
from bulkmeta.engine.pipeline import run_pipeline
from bulkmeta.engine.shutdown import StopRequest
from bulkmeta.engine.verifier import Verifier
from bulkmeta.engine.worker import Worker
from bulkmeta.errors import BulkmetaError
from bulkmeta.oss.connect import open_bucket
from bulkmeta.oss.retry import RetryPolicy
from bulkmeta.oss.sharing import ROUND_S, FollowedPace
from bulkmeta.report.drain import drain
from bulkmeta.runners.channels import SocketChannel
from bulkmeta.runners.flow import ungrouped
from bulkmeta.runners.loop import run_loop
from bulkmeta.runners.messages import (
    FRAME_S,
    Instructions,
    Order,
    Report,
    Said,
    error_of,
    fault_of,
    hello,
)
from bulkmeta.runners.work import goal_of, transform_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bulkmeta.engine.pipeline import Numbered, Process
    from bulkmeta.model.outcome import Outcome
    from bulkmeta.model.plan import UpdatePlan
    from bulkmeta.model.values import Row
    from bulkmeta.oss.bucket import Bucket
    from bulkmeta.runners.messages import Channel, Fault

_TREE: Final = logging.getLogger("bulkmeta")
_LOG: Final = logging.getLogger("bulkmeta.runners.member")  # also as a program
_MOST_WORK: Final = 100_000
"""More than a driver gives at a time; it is what bounds it."""


class DriverGoneError(Exception):
    """There is nobody to work for any more."""


class Desk:
    """What lies between a worker process and its driver, each way."""

    def __init__(self, channel: Channel) -> None:
        self.stop = StopRequest()
        self.pace = FollowedPace()
        self.bucket: Bucket | None = None
        self._channel = channel
        self._work: Inbox[Numbered] = Inbox(_MOST_WORK)
        self._rows: dict[str, Row] = {}
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._report = Report(hello=hello())
        self._wake = asyncio.Event()
        self._wake.set()

    async def items(self) -> AsyncIterator[Numbered]:
        """The work, until there is no more."""
        while numbered := await self._work.take():
            yield numbered

    def row(self, key: str) -> Row | None:
        """What is to be set on the object of that key, which is in hand."""
        return self._rows.get(key)

    async def record(self, seq: int, plan: UpdatePlan) -> None:
        """Return once the driver has the update on record.

        Raises:
            BulkmetaError: it cannot be, or must not be sent any more.
        """
        recorded = self._waiting[seq] = asyncio.get_running_loop().create_future()
        self._report.intents.append((seq, plan))
        self._wake.set()
        await recorded

    def emit(self, result: Outcome) -> None:
        """Tell how an object ended."""
        self._rows.pop(result.key, None)
        self._report.outcomes.append(result)

    def flush(self) -> None:
        self._wake.set()

    def say(self, said: Said) -> None:
        """Tell what stands in the log."""
        self._report.said.append(said)
        self._wake.set()

    def leave(self, fault: Fault | None) -> None:
        """Tell that nothing more comes from here, and why, if not at the driver's
        wish."""
        self._report.gone, self._report.fault = True, fault
        self._wake.set()

    async def report(self) -> None:
        """Send what there is to tell, now and then at least, until all is told."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(ROUND_S):
                    await self._wake.wait()
            await asyncio.sleep(FRAME_S)
            self._wake.clear()
            report, self._report = self._complete(self._report), Report()
            await self._channel.send(msgspec.msgpack.encode(report))
            if report.gone:
                return

    def _complete(self, report: Report) -> Report:
        """With what was asked of the service since the last one."""
        pace = self.pace
        report.answers = pace.take_answers(time.monotonic())
        report.turn_wanted, pace.turn_wanted = pace.turn_wanted, False
        report.place_wanted, pace.place_wanted = pace.place_wanted, False
        if self.bucket:
            report.in_flight = self.bucket.pace().in_flight
            report.requests = dict(self.bucket.requests)
            self.bucket.requests.clear()
        return report

    async def listen(self) -> None:
        """Follow the driver's instructions, as long as it is there.

        Raises:
            DriverGoneError: it is not any more.
        """
        decoder = msgspec.msgpack.Decoder(Instructions)
        while frame := await self._channel.receive():
            told = decoder.decode(frame)
            for seq in told.recorded:
                self._go_on(seq)
            if told.refused:
                self._refuse(told.refused)
            for work in told.work:
                if work.row:
                    self._rows[work.item.key] = work.row
                await self._work.put((work.seq, work.item))
            self._obey(told)
        raise DriverGoneError

    def _go_on(self, seq: int) -> None:
        recorded = self._waiting.pop(seq, None)
        if recorded and not recorded.done():
            recorded.set_result(None)

    def _refuse(self, fault: Fault) -> None:
        waiting, self._waiting = self._waiting, {}
        for recorded in waiting.values():
            if not recorded.done():
                recorded.set_exception(error_of(fault))

    def _obey(self, told: Instructions) -> None:
        if told.rate is not None and told.limit is not None:
            self.pace.rate, self.pace.limit = told.rate, told.limit
            if self.bucket:
                self.bucket.keep_pace()
        if told.stop:
            self.stop.request()
        if told.end:
            self._work.close()


async def serve(channel: Channel) -> None:
    """Work for the driver at the other end of the channel, until it needs no more."""
    order = await channel.receive()
    if order is None:
        return
    desk = Desk(channel)
    with suppress(DriverGoneError), ungrouped():
        async with asyncio.TaskGroup() as group:
            reporting = group.create_task(desk.report())
            listening = group.create_task(desk.listen())
            desk.leave(await _fault_of(order, desk))
            await reporting
            listening.cancel()


async def _fault_of(order: bytes, desk: Desk) -> Fault | None:
    """Do what is ordered; what ended it early, if anything did."""
    try:
        ordered = msgspec.msgpack.decode(order, type=Order)
        with _log_told(desk, ordered.log_level), _failure_told(), ungrouped():
            await _work(ordered, desk)
    except Exception as error:  # noqa: BLE001 the driver decides what becomes of it
        return fault_of(error)
    return None


@contextmanager
def _failure_told() -> Iterator[None]:
    """Say where an error arose that nobody expected."""
    try:
        yield
    except BulkmetaError:
        raise
    except Exception as error:
        _LOG.debug("a worker process failed", exc_info=error)
        raise


async def _work(order: Order, desk: Desk) -> None:
    stop = desk.stop
    async with open_bucket(
        order.job.target.bucket,
        order.connection,
        rate=None,
        retry=RetryPolicy(order.retries, stopping=stop.is_requested, sleep=stop.sleep),
        connections=order.concurrency,
        pace=desk.pace,
    ) as bucket:
        desk.bucket = bucket
        bucket.keep_pace()
        await run_pipeline(
            desk.items(),
            _process_of(order, desk, bucket),
            lambda batches: drain(batches, [desk]),
            workers=order.concurrency,
            stop=stop,
        )


def _process_of(order: Order, desk: Desk, bucket: Bucket) -> Process[Outcome]:
    """What is done with each object."""
    if order.task == "verify":
        return Verifier(bucket).verify_object
    job = order.job
    rows = desk if job.values else None
    return Worker(
        bucket,
        job.rules,
        goal_of(job, rows, transform_of(job, None)),
        record=desk.record if order.task == "change" else None,
        retries=order.retries,
        stop=desk.stop,
        copies=order.copies,
    ).process_object


class _Teller(logging.Handler):
    """Passes the log on to the driver."""

    def __init__(self, desk: Desk, level: int) -> None:
        super().__init__(level)
        self._desk = desk

    def emit(self, record: logging.LogRecord) -> None:
        fields = getattr(record, "fields", {})
        words = self.format(record)
        self._desk.say(Said(record.name, record.levelno, words, fields))


@contextmanager
def _log_told(desk: Desk, level: int) -> Iterator[None]:
    """What the loggers say goes to the driver, as long as the body lasts."""
    handler = _Teller(desk, level)
    _TREE.addHandler(handler)
    _TREE.setLevel(level)
    try:
        yield
    finally:
        _TREE.removeHandler(handler)


async def _serve_socket(number: int) -> None:
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=number))
    await serve(SocketChannel(reader, writer))
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()  # the last words are out


if __name__ == "__main__":
    os.dup2(2, 1)  # what a program's functions print is no result of the run
    run_loop(_serve_socket(int(sys.argv[1])))
