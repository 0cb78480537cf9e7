"""Worker processes for a run: its objects are handed to them, and they do the requests.

Everything that makes a run one run stays with the driver: listing, numbering, journal,
run file, pace, limits. What a process is about to send is put on record here first. If
one dies, another takes its place, and its objects are handed out again, each with the
update that may have landed: just as a resumed run takes them up.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from socket import gethostname
from typing import TYPE_CHECKING, Final

import msgspec

from bulkmeta import __version__
from bulkmeta.engine.attempt import Attempt, Fate, Sent, failed, unnameable
from bulkmeta.engine.pipeline import Processed
from bulkmeta.errors import BulkmetaError, ObjectError, RunFatalError, UsageError
from bulkmeta.model.limits import is_utf8
from bulkmeta.model.outcome import timestamp
from bulkmeta.oss.sharing import ROUND_S
from bulkmeta.runners.flow import ungrouped
from bulkmeta.runners.messages import (
    FRAME_S,
    Instructions,
    Report,
    Work,
    error_of,
    fault_of,
)

if TYPE_CHECKING:
    from bulkmeta.engine.shutdown import StopRequest
    from bulkmeta.engine.worker import Record
    from bulkmeta.model.item import Item
    from bulkmeta.model.outcome import Outcome
    from bulkmeta.model.plan import UpdatePlan
    from bulkmeta.oss.bucket import Bucket
    from bulkmeta.oss.sharing import Budget, Share
    from bulkmeta.runners.messages import Channel, Hello, Order, Said
    from bulkmeta.runners.work import Rows

_LOG: Final = logging.getLogger(__name__)

Hire = Callable[[], AbstractAsyncContextManager["Channel"]]
"""Starts a worker process; it is gone when the context is left."""

MOST_LOSSES: Final = 5
"""How many processes may die over one object before it is given up."""

MOST_FALSE_STARTS: Final = 8
"""How many processes in a row may die that have done nothing; more than over one
object, which may be to blame."""

LEAVE_S: Final = 10.0
"""How long processes may take to leave when all is done."""

_PATIENCE_S: Final = 10.0

_encode = msgspec.msgpack.Encoder().encode


@dataclass(slots=True)
class _Held:
    """An object that is not done: who waits for its end, the last update of it that may
    have been sent, and how many processes died over it."""

    seq: int
    item: Item
    end: asyncio.Future[Processed[Outcome]]
    losses: int = 0

    def settle(self, outcome: Outcome | None) -> None:
        if not self.end.done():  # else whoever waited was cancelled
            self.end.set_result(Processed(outcome))


@dataclass(eq=False, slots=True)
class _Member:
    """One worker process, as the driver sees it; `suspects` are those objects in its
    hands that another died over."""

    channel: Channel
    share: Share
    held: dict[int, _Held] = field(default_factory=dict)
    out: Instructions = field(default_factory=Instructions)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    done: int = 0
    suspects: int = 0
    host: str = ""
    gone: bool = False

    def set_pace(self) -> None:
        self.out.rate, self.out.limit = self.share.rate, self.share.limit
        self.wake.set()

    async def instruct(self) -> None:
        """Send what there is to say, again and again."""
        while True:
            await self.wake.wait()
            await asyncio.sleep(FRAME_S)
            self.wake.clear()
            out, self.out = self.out, Instructions()
            await self.channel.send(_encode(out))


class Crew:
    """The worker processes of a run; `process_object` hands an object to one of them.

    `record` is what each update goes through before it is sent. `say` tells people.
    """

    def __init__(  # noqa: PLR0913 all by name
        self,
        *,
        order: Order,
        hire: Hire,
        bucket: Bucket,
        budget: Budget,
        stop: StopRequest,
        record: Record | None,
        rows: Rows | None,
        say: Callable[[str], object],
    ) -> None:
        self._order = _encode(order)
        self._hire = hire
        self._bucket = bucket
        self._budget = budget
        self._stop = stop
        self._record = record
        self._rows = rows
        self._say = say
        self._members: list[_Member] = []
        self._waiting: deque[_Held] = deque()
        self._ending = False
        stop.on_request(self._pass_stop_on)

    async def process_object(self, seq: int, item: Item) -> Processed[Outcome]:
        """The outcome of one object, from one of the processes."""
        if not is_utf8(item.key):  # no message could carry it either
            return Processed(_stamped(unnameable(Attempt(seq, item))))
        held = _Held(seq, item, asyncio.get_running_loop().create_future())
        self._hand_out(held)
        return await held.end

    def _hand_out(self, held: _Held) -> None:
        """Give an object to who has the least in hand; without anybody, it waits. One
        that a process died over is given to who has no other such: if it kills, it
        shall not be said of others."""
        if self._stop.requested:
            held.settle(None)
            return
        fit = [m for m in self._members if not (held.losses and m.suspects)]
        if not fit:
            self._waiting.append(held)
            return
        member = min(fit, key=lambda member: len(member.held))
        member.held[held.seq] = held
        member.suspects += held.losses > 0
        row = self._rows.row(held.item.key) if self._rows else None
        member.out.work.append(Work(held.seq, held.item, row))
        member.wake.set()

    def _hand_out_waiting(self) -> None:
        waiting, self._waiting = self._waiting, deque()
        for held in waiting:
            self._hand_out(held)

    async def fill_place(self) -> None:
        """Keep one process at work, by others when it dies, until all is done."""
        false_starts = 0
        while not (self._ending or self._stop.requested):
            try:
                member = await self._employ()
            except OSError as error:
                self._stop.fail(RunFatalError(f"no worker process: {error}"))
                return
            except BulkmetaError as error:
                self._stop.fail(error)
                return
            if member.gone or (self._ending and not member.held):
                return
            false_starts = 0 if member.done else false_starts + 1
            if false_starts == MOST_FALSE_STARTS:
                words = f"{false_starts} worker processes died one after another"
                hint = "what they said last stands above; --processes 1 has none"
                self._stop.fail(RunFatalError(f"{words}; {hint}"))
            self._take_back(member)

    async def _employ(self) -> _Member:
        """Have a process work until it is gone, one way or the other."""
        async with self._hire() as channel:
            member = _Member(channel, self._budget.new_share())
            try:
                await channel.send(self._order)
                with ungrouped():
                    async with asyncio.TaskGroup() as group:
                        instructing = group.create_task(member.instruct())
                        await self._listen(member, group)
                        instructing.cancel()
            finally:
                self._budget.leave(member.share)
                if member in self._members:
                    self._members.remove(member)
            return member

    async def _listen(self, member: _Member, group: asyncio.TaskGroup) -> None:
        """Take in what the process reports, until it is gone."""
        decoder = msgspec.msgpack.Decoder(Report)
        while frame := await member.channel.receive():
            report = decoder.decode(frame)
            if report.hello:
                self._welcome(member, report.hello)
            if report.intents:
                group.create_task(self._put_on_record(member, report.intents))
            self._note(member, report)
            if report.gone:
                self._part(member, report)
                return

    def _welcome(self, member: _Member, hello: Hello) -> None:
        if hello.version != __version__:
            self._stop.fail(
                UsageError(
                    f"the worker process on {hello.host!r} has bulkmeta "
                    f"{hello.version} (Python {hello.python}), this is {__version__}: "
                    "install the same everywhere"
                )
            )
        _LOG.debug("a worker process is there: %s", hello)
        member.host = hello.host
        self._members.append(member)
        if self._stop.requested or self._ending:
            member.out.stop, member.out.end = self._stop.requested, True
        member.set_pace()
        self._hand_out_waiting()

    def _note(self, member: _Member, report: Report) -> None:
        share = member.share
        share.report(time.monotonic(), report.answers, report.in_flight)
        share.turn_wanted |= report.turn_wanted
        share.place_wanted |= report.place_wanted
        self._bucket.requests.update(report.requests)
        for said in report.said:
            _pass_on(said)
        for outcome in report.outcomes:
            member.done += 1
            held = member.held.pop(outcome.seq)
            held.settle(outcome)
            if held.losses:
                member.suspects -= 1
                self._hand_out_waiting()

    async def _put_on_record(
        self, member: _Member, intents: list[tuple[int, UpdatePlan]]
    ) -> None:
        """Tell the process which updates are on record: those it may send."""
        assert self._record is not None  # noqa: S101 a plan has no updates
        for seq, plan in intents:
            held = member.held[seq]
            held.item = msgspec.structs.replace(held.item, doubt=plan)
        ends = await asyncio.gather(
            *(self._record(seq, plan) for seq, plan in intents), return_exceptions=True
        )
        for (seq, _), error in zip(intents, ends, strict=True):
            if error is None:
                member.out.recorded.append(seq)
            elif isinstance(error, Exception):
                self._stop.fail(error)
                member.out.refused = fault_of(error)
        member.wake.set()

    def _part(self, member: _Member, report: Report) -> None:
        """The process ended by itself: what it still had is left as it was."""
        member.gone = True
        if report.fault:
            where = "" if member.host == gethostname() else f" [on {member.host}]"
            self._stop.fail(error_of(report.fault, where))
        for held in member.held.values():
            held.settle(None)
        member.held.clear()

    def _take_back(self, member: _Member) -> None:
        """The process is dead: hand its objects out again."""
        lost = list(member.held.values())
        words = f"a worker process died; its {len(lost)} objects are taken up again"
        _LOG.warning(words)
        self._say(words)
        for held in lost:
            held.losses += 1
            if held.losses == MOST_LOSSES:
                held.settle(_given_up(held))
            else:
                self._hand_out(held)
        self._hand_out_waiting()

    def _pass_stop_on(self) -> None:
        for member in self._members:
            member.out.stop = True
            member.wake.set()
        self._hand_out_waiting()  # which drops them

    def end(self) -> None:
        """Say that nothing more comes: each process may go when it is done."""
        self._ending = True
        for member in self._members:
            member.out.end = True
            member.wake.set()

    async def tell(self) -> None:
        """Say so while nobody is there to work."""
        while True:
            await asyncio.sleep(_PATIENCE_S)
            if not (self._members or self._ending):
                self._say("waiting for worker processes: none is there yet")

    async def share_pace(self) -> None:
        """See to it that each process has its share of the requests, from now on."""
        while True:
            await asyncio.sleep(ROUND_S)
            self._budget.divide()
            self._bucket.keep_pace()
            for member in self._members:
                member.set_pace()


def _given_up(held: _Held) -> Outcome:
    """The line of an object over which processes keep dying."""
    attempt = Attempt(held.seq, held.item)
    if held.item.doubt:
        attempt.sent.append(Sent(held.item.doubt, Fate.UNKNOWN))
    words = f"{held.losses} worker processes died while they had it in hand"
    return _stamped(failed(attempt, ObjectError("worker_died", words)))


def _stamped(outcome: Outcome) -> Outcome:
    return msgspec.structs.replace(outcome, at=timestamp(time.time()))


def _pass_on(said: Said) -> None:
    """Tell what stands in the log of a process, as if it were this one's."""
    logger = logging.getLogger(said.logger)
    if logger.isEnabledFor(said.level):
        logger.log(said.level, "%s", said.message, extra={"fields": said.fields})


@asynccontextmanager
async def working(crew: Crew, processes: int) -> AsyncIterator[None]:
    """The crew has so many processes as long as the body lasts; at its end they leave
    by themselves, or are ended if the body was cancelled."""
    async with asyncio.TaskGroup() as group:
        places = [group.create_task(crew.fill_place()) for _ in range(processes)]
        others = [group.create_task(crew.share_pace()), group.create_task(crew.tell())]
        insisted = True
        try:
            yield
            insisted = False
        except Exception:
            insisted = False
            raise
        finally:
            crew.end()
            if not insisted:
                await asyncio.wait(places, timeout=LEAVE_S)
            for task in (*places, *others):
                task.cancel()
