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
from socket import gethostname
from typing import TYPE_CHECKING, Any, Final

import msgspec

from bulkmeta import __version__
from bulkmeta.engine.attempt import Attempt, begun, failed, unnameable
from bulkmeta.engine.pipeline import Processed
from bulkmeta.errors import ObjectError, RunFatalError, UsageError
from bulkmeta.model.limits import is_utf8
from bulkmeta.model.outcome import timestamp
from bulkmeta.model.quantity import counted
from bulkmeta.oss.sharing import ROUND_S
from bulkmeta.runners.flow import ungrouped
from bulkmeta.runners.messages import Report, Work, error_of, fault_of
from bulkmeta.runners.roster import Held, Member, encode

if TYPE_CHECKING:
    from bulkmeta.engine.shutdown import StopRequest
    from bulkmeta.engine.worker import Record
    from bulkmeta.model.item import Item
    from bulkmeta.model.outcome import Outcome
    from bulkmeta.model.plan import UpdatePlan
    from bulkmeta.oss.bucket import Bucket
    from bulkmeta.oss.sharing import Budget
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
        self._order = encode(order)
        self._hire = hire
        self._bucket = bucket
        self._budget = budget
        self._stop = stop
        self._record = record
        self._rows = rows
        self._say = say
        self._members: list[Member] = []
        self._hiring: set[asyncio.Task[Any]] = set()
        self._waiting: deque[Held] = deque()
        self._ending = False
        stop.on_request(self._pass_stop_on)

    async def process_object(self, seq: int, item: Item) -> Processed[Outcome]:
        """The outcome of one object, from one of the processes."""
        if not is_utf8(item.key):  # no message could carry it either
            return Processed(_stamped(unnameable(Attempt(seq, item))))
        held = Held(seq, item, asyncio.get_running_loop().create_future())
        self._hand_out(held)
        return await held.end

    def _hand_out(self, held: Held) -> None:
        """Give an object to who has the least in hand; without anybody, it waits. One
        that a process died over is given to who has no other such: if it kills, it
        shall not be said of others."""
        if self._stop.is_requested():
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
        while not (self._ending or self._stop.is_requested()):
            member = Member()
            try:
                await self._employ(member)
            except OSError as error:
                self._fail(member, RunFatalError(f"no worker process: {error}"))
            except Exception as error:  # noqa: BLE001 whatever it is, the others end first
                self._fail(member, error)
            if member.gone or (self._ending and not member.held):
                return
            false_starts = 0 if member.done else false_starts + 1
            if false_starts == MOST_FALSE_STARTS:
                words = f"{false_starts} worker processes died one after another"
                hint = "what they said last stands above; --processes 1 has none"
                self._stop.fail(RunFatalError(f"{words}; {hint}"))
            self._take_back(member)

    async def _employ(self, member: Member) -> None:
        """Have a process work until it is gone, one way or the other."""
        place = _this_task()
        self._hiring.add(place)
        try:
            async with self._hire() as channel:
                await channel.send(self._order)
                with ungrouped():
                    async with asyncio.TaskGroup() as group:
                        instructing = group.create_task(member.instruct(channel))
                        await self._listen(member, channel, group)
                        instructing.cancel()
        finally:
            self._hiring.discard(place)
            if member.share:
                self._budget.leave(member.share)
                self._members.remove(member)

    async def _listen(
        self, member: Member, channel: Channel, group: asyncio.TaskGroup
    ) -> None:
        """Take in what the process reports, until it is gone."""
        decoder = msgspec.msgpack.Decoder(Report)
        while frame := await channel.receive():
            report = decoder.decode(frame)
            if report.hello:
                self._welcome(member, report.hello)
            if intents := member.intended(report):
                group.create_task(self._put_on_record(member, intents))
            self._note(member, report)
            if report.gone:
                self._part(member, report)
                return

    def _welcome(self, member: Member, hello: Hello) -> None:
        if hello.version != __version__:
            self._fail(
                member,
                UsageError(
                    f"the worker process on {hello.host!r} has bulkmeta "
                    f"{hello.version} (Python {hello.python}), this is {__version__}: "
                    "install the same everywhere"
                ),
            )
        _LOG.debug("a worker process is there: %s", hello)
        member.host = hello.host
        member.share = self._budget.new_share()
        self._members.append(member)
        self._hiring.discard(_this_task())
        if self._stop.is_requested() or self._ending:
            member.out.stop, member.out.end = self._stop.is_requested(), True
        member.set_pace()
        self._hand_out_waiting()

    def _note(self, member: Member, report: Report) -> None:
        share = member.share
        assert share is not None  # noqa: S101 a hello comes first
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
        self, member: Member, intents: list[tuple[int, UpdatePlan]]
    ) -> None:
        """Tell the process which updates are on record: those it may send."""
        assert self._record is not None  # noqa: S101 a plan has no updates
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

    def _part(self, member: Member, report: Report) -> None:
        """The process ended by itself: what it still had is left as it was."""
        member.gone = True
        if report.fault:
            where = "" if member.host == gethostname() else f" [on {member.host}]"
            self._fail(member, error_of(report.fault, where))
        elif member.held and not self._stop.is_requested():
            words = f"a worker process left {counted(len(member.held))} undone"
            self._fail(member, RunFatalError(words))
        for held in member.held.values():
            held.settle(None)
        member.held.clear()

    def _take_back(self, member: Member) -> None:
        """The process is dead: hand its objects out again."""
        lost = list(member.held.values())
        if not self._stop.is_requested():
            words = f"a worker process died; {counted(len(lost))} are taken up again"
            _LOG.warning(words)
            self._say(words)
        for held in lost:
            held.losses += 1
            if held.losses == MOST_LOSSES:
                held.settle(_given_up(held))
            else:
                self._hand_out(held)
        self._hand_out_waiting()

    def _fail(self, member: Member, error: Exception) -> None:
        """End the run with an error; but not for a process that nobody needs any
        more."""
        if self._ending and not member.held:
            _LOG.warning("of a worker process that is not needed any more: %s", error)
        else:
            self._stop.fail(error)

    def _call_off(self) -> None:
        """Wait for no process that is not there yet."""
        for place in self._hiring:
            place.cancel()

    def _pass_stop_on(self) -> None:
        for member in self._members:
            member.out.stop = True
            member.wake.set()
        self._call_off()
        self._hand_out_waiting()  # which drops them

    def end(self) -> None:
        """Say that nothing more comes: each process may go when it is done."""
        self._ending = True
        for member in self._members:
            member.out.end = True
            member.wake.set()
        self._call_off()

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


def _this_task() -> asyncio.Task[Any]:
    """The task that this is called in."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 there is one inside a coroutine
    return task


def _given_up(held: Held) -> Outcome:
    """The line of an object over which processes keep dying."""
    words = f"{held.losses} worker processes died while they had it in hand"
    error = ObjectError("worker_died", words)
    return _stamped(failed(begun(held.seq, held.item), error))


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
