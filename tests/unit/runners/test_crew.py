"""Worker processes as their driver sees them; here they are played by the tests."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from bulkmeta import __version__
from bulkmeta.engine.shutdown import StopRequest
from bulkmeta.errors import OutputError, RunFatalError, UsageError
from bulkmeta.model.item import Item
from bulkmeta.model.job import Connection, JobSpec, Target
from bulkmeta.model.metadata import Metadata
from bulkmeta.model.outcome import Outcome
from bulkmeta.model.plan import UpdatePlan
from bulkmeta.model.values import Row
from bulkmeta.oss.pace import OwnPace, PaceNow
from bulkmeta.oss.sharing import Answer, Budget
from bulkmeta.runners.crew import MOST_FALSE_STARTS, MOST_LOSSES, Crew, working
from bulkmeta.runners.messages import (
    Fault,
    Hello,
    Instructions,
    Order,
    Report,
    Said,
    hello,
)

PLAN = UpdatePlan("k", Metadata({}, {}), Metadata({"a": "b"}, {}), "E", "then")
ORDER = Order(
    "change", JobSpec(Target("bucket", "p/")), Connection(), 4, 10, None, logging.INFO
)


class KilledError(Exception):
    """A process dies."""


class Played:
    """A worker process: what it hears, and what it says."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()
        self.said: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()

    async def send(self, frame: bytes) -> None:
        self.heard.put_nowait(frame)

    async def receive(self) -> bytes | None:
        said = await self.said.get()
        if isinstance(said, Exception):
            raise said
        return said

    def say(self, **fields: Any) -> None:
        self.said.put_nowait(msgspec.msgpack.encode(Report(**fields)))

    async def told(self) -> Instructions:
        """The next instructions that are about more than pace."""
        while True:
            found = msgspec.msgpack.decode(await self.heard.get(), type=Instructions)
            found.rate = found.limit = None
            if found != Instructions():
                return found

    async def works(self) -> AsyncIterator[tuple[int, Item]]:
        """Its work; it leaves when it is told to."""
        while True:
            told = await self.told()
            for work in told.work:
                yield work.seq, work.item
            if told.stop or told.end:
                self.say(gone=True)


def done(seq: int, item: Item) -> Outcome:
    return Outcome(seq=seq, key=item.key, status="updated")


async def well(member: Played) -> None:
    """Does all that it is given."""
    member.say(hello=hello())
    async for seq, item in member.works():
        member.say(outcomes=[done(seq, item)])


class FakeBucket:
    """As much of a bucket as a crew knows."""

    def __init__(self) -> None:
        self.requests = Counter({"HeadObject": 1})

    def keep_pace(self) -> None: ...


class Team:
    """A crew, and the parts that its members play one after the other."""

    def __init__(
        self, *parts: Callable[[Played], Awaitable[None]], rows: Any = None
    ) -> None:
        self.parts = list(parts)
        self.stop = StopRequest()
        self.recorded: list[tuple[int, UpdatePlan]] = []
        self.said: list[str] = []
        self.refusal: Exception | None = None
        self.over = asyncio.Event()
        self.budget = Budget(OwnPace(0.0, 1000.0))
        self.order: Order | None = None
        self.crew = Crew(
            order=ORDER,
            hire=self.hire,
            bucket=FakeBucket(),  # type: ignore[arg-type]
            budget=self.budget,
            stop=self.stop,
            record=self.record,
            rows=rows,
            say=self.said.append,
        )

    async def record(self, seq: int, plan: UpdatePlan) -> None:
        if self.refusal:
            raise self.refusal
        self.recorded.append((seq, plan))

    @asynccontextmanager
    async def hire(self) -> AsyncIterator[Played]:
        member = Played()
        part = self.parts.pop(0) if len(self.parts) > 1 else self.parts[0]

        async def play() -> None:
            self.order = msgspec.msgpack.decode(await member.heard.get(), type=Order)
            try:
                await part(member)
            except KilledError:
                pass
            finally:
                member.said.put_nowait(None)

        playing = asyncio.create_task(play())
        try:
            yield member
        finally:
            playing.cancel()

    async def process(self, count: int, processes: int = 1) -> list[Outcome | None]:
        """What comes of so many objects."""
        async with asyncio.timeout(10), working(self.crew, processes):
            return [
                found.result
                for found in await asyncio.gather(
                    *(self.crew.process_object(n, Item(f"k{n}")) for n in range(count))
                )
            ]


async def test_objects_are_shared_out() -> None:
    """Each goes to who has the least in hand; each outcome comes back to its object."""
    shares: list[int] = []

    async def counting(member: Played) -> None:
        member.say(hello=hello())
        place = len(shares)
        shares.append(0)
        await asyncio.sleep(0.05)
        async for seq, item in member.works():
            shares[place] += 1
            await asyncio.sleep(0.001)
            member.say(outcomes=[done(seq, item)])

    team = Team(counting)
    found = await team.process(40, 2)
    assert [outcome.key for outcome in found if outcome] == [f"k{n}" for n in range(40)]
    assert sum(shares) == 40
    assert team.order == ORDER


async def test_sent_only_when_on_record() -> None:
    """A process hears that its update is on record after it is."""
    seen: list[Any] = []

    async def asking(member: Played) -> None:
        member.say(hello=hello())
        async for seq, item in member.works():
            member.say(intents=[(seq, PLAN)])
            seen.append((await member.told()).recorded)
            seen.append(list(team.recorded))
            member.say(outcomes=[done(seq, item)])

    team = Team(asking)
    await team.process(1)
    assert seen == [[0], [(0, PLAN)]]


async def test_what_cannot_be_recorded_ends_the_run() -> None:
    """The process is told so, and the error is the run's."""
    told: list[Fault | None] = []

    async def asking(member: Played) -> None:
        member.say(hello=hello())
        async for seq, _ in member.works():
            member.say(intents=[(seq, PLAN)])
            while not (refused := (await member.told()).refused):
                pass
            told.append(refused)
            member.say(gone=True, fault=refused)

    team = Team(asking)
    team.refusal = OutputError("the disk is full")
    assert await team.process(1) == [None]
    assert told == [Fault("OutputError", "the disk is full")]
    assert team.stop.error is team.refusal


async def test_who_dies_is_replaced() -> None:
    """Its objects are taken up by another, with the update that it may have sent; the
    others as they were."""
    seen: list[Item] = []

    async def dying(member: Played) -> None:
        member.say(hello=hello())
        async for seq, item in member.works():
            if item.key == "k0":
                member.say(outcomes=[done(seq, item)])
            if item.key == "k1":
                member.say(intents=[(seq, PLAN)])
                assert (await member.told()).recorded == [seq]
                raise KilledError

    async def looking(member: Played) -> None:
        member.say(hello=hello())
        async for seq, item in member.works():
            seen.append(item)
            member.say(outcomes=[done(seq, item)])

    team = Team(dying, looking)
    found = await team.process(3)
    assert [outcome.key for outcome in found if outcome] == ["k0", "k1", "k2"]
    assert seen == [Item("k1", doubt=PLAN), Item("k2")]
    assert "2 objects are taken up again" in team.said[0]


async def test_an_object_that_kills_is_given_up() -> None:
    """It fails, with the update that may have landed; the run goes on."""

    async def killed_by_it(member: Played) -> None:
        member.say(hello=hello())
        async for seq, item in member.works():
            if item.key == "k1":
                member.say(intents=[(seq, PLAN)])
                await member.told()
                raise KilledError
            member.say(outcomes=[done(seq, item)])

    team = Team(killed_by_it)
    found = await team.process(3)
    assert [outcome.status for outcome in found if outcome] == [
        "updated",
        "failed",
        "updated",
    ]
    lost = found[1]
    assert lost
    assert (lost.reason, lost.before, lost.after) == (
        "worker_died",
        PLAN.before,
        PLAN.after,
    )
    assert len(team.said) == MOST_LOSSES


async def test_processes_that_cannot_begin_end_the_run() -> None:
    """What is wrong then is not the objects."""
    starts = []

    async def stillborn(member: Played) -> None:
        starts.append(member)
        raise KilledError

    team = Team(stillborn)
    assert await team.process(2) == [None, None]
    assert len(starts) == MOST_FALSE_STARTS
    assert isinstance(team.stop.error, RunFatalError)


async def test_no_process_at_all() -> None:
    """The system refuses to start one: that ends the run, with its words."""
    team = Team(well)

    @asynccontextmanager
    async def refuse() -> AsyncIterator[Played]:
        raise OSError("Resource temporarily unavailable")
        yield Played()

    team.crew._hire = refuse
    assert await team.process(2) == [None, None]
    assert "Resource temporarily unavailable" in str(team.stop.error)


async def test_another_version_is_refused() -> None:
    """One that may understand the job in another way is given nothing to do."""

    async def other(member: Played) -> None:
        member.say(hello=Hello("0.0.1", "3.99", "far-away"))
        async for _ in member.works():
            pytest.fail("it was given work")

    team = Team(other)
    assert await team.process(2) == [None, None]
    assert isinstance(team.stop.error, UsageError)
    assert f"0.0.1 (Python 3.99), this is {__version__}" in str(team.stop.error)


async def test_a_stop_reaches_all() -> None:
    """What is under way comes to its end; the rest is left as it was."""

    async def slow(member: Played) -> None:
        member.say(hello=hello())
        first = await anext(aiter(member.works()))
        team.stop.request()
        assert (await member.told()).stop
        member.say(outcomes=[done(*first)])
        member.say(gone=True)

    team = Team(slow)
    found = await team.process(3)
    assert [outcome.key if outcome else None for outcome in found] == ["k0", None, None]


async def test_an_error_ends_the_run() -> None:
    """The first error that a process comes to is the run's."""

    async def failing(member: Played) -> None:
        member.say(hello=hello())
        async for _ in member.works():
            fault = Fault("RunFatalError", "the bucket is gone")
            member.say(gone=True, fault=fault)

    team = Team(failing)
    assert await team.process(2) == [None, None]
    assert str(team.stop.error) == "the bucket is gone"


async def test_what_a_process_asked_and_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its requests, answers and words are the run's own."""
    caplog.set_level(logging.INFO, "bulkmeta")

    async def telling(member: Played) -> None:
        member.say(hello=hello())
        async for seq, item in member.works():
            member.say(
                outcomes=[done(seq, item)],
                requests={"HeadObject": 2},
                answers=[Answer("HeadObject", 503, 0.0, 0.1)],
                in_flight=3,
                said=[
                    Said("bulkmeta.oss.retry", logging.INFO, "again", {"n": 1}),
                    Said("bulkmeta.oss.retry", logging.DEBUG, "too much", {}),
                ],
            )

    team = Team(telling)
    await team.process(1)
    assert team.crew._bucket.requests == {"HeadObject": 3}
    assert team.budget.seen() == PaceNow(0, 100.0, 1)
    told = [r for r in caplog.records if r.name == "bulkmeta.oss.retry"]
    assert [(r.message, r.fields) for r in told] == [("again", {"n": 1})]  # type: ignore[attr-defined]


async def test_each_has_its_share() -> None:
    """Every process hears how fast it may go, soon after it is there."""
    rates: list[float | None] = []

    async def waiting(member: Played) -> None:
        member.say(hello=hello(), turn_wanted=True)
        while not rates or not rates[-1]:
            frame = await member.heard.get()
            told = msgspec.msgpack.decode(frame, type=Instructions)
            rates.append(told.rate)
        member.say(outcomes=[done(0, Item("k0"))])
        async for _ in member.works():
            pytest.fail("there was no other work")

    team = Team(waiting)
    await team.process(1)
    assert rates[-1] == pytest.approx(200.0)


async def test_keys_that_no_message_can_carry() -> None:
    """They fail here as they would there."""
    team = Team(well)
    async with working(team.crew, 1):
        found = (await team.crew.process_object(1, Item("p/\udcff"))).result
    assert found
    assert (found.status, found.reason, bool(found.at)) == (
        "failed",
        "invalid_key",
        True,
    )


async def test_rows_go_with_their_objects() -> None:
    """What a file of values sets on an object is handed out with it."""
    seen: list[Row | None] = []

    class Table:
        def row(self, key: str) -> Row | None:
            return Row(meta={"of": key}) if key == "k1" else None

    async def looking(member: Played) -> None:
        member.say(hello=hello())
        while len(seen) < 2:
            for work in (await member.told()).work:
                seen.append(work.row)
                member.say(outcomes=[done(work.seq, work.item)])
        member.say(gone=True)

    await Team(looking, rows=Table()).process(2)
    assert seen == [None, Row(meta={"of": "k1"})]


async def test_a_channel_that_fails_ends_the_run() -> None:
    """Also with objects in hand: they are left as they were, and nobody waits."""

    async def broken(member: Played) -> None:
        member.say(hello=hello())
        async for _ in member.works():
            member.said.put_nowait(ConnectionResetError("the cluster is gone"))

    team = Team(broken)
    assert await team.process(2) == [None, None]
    assert "the cluster is gone" in str(team.stop.error)


async def test_who_is_not_there_has_no_share() -> None:
    """And nobody waits for it at the end."""

    async def never(member: Played) -> None:
        await asyncio.sleep(60)

    shares: list[int] = []

    async def counting(member: Played) -> None:
        member.say(hello=hello())
        async for seq, item in member.works():
            shares.append(len(team.budget._shares))
            member.say(outcomes=[done(seq, item)])

    team = Team(never, counting)
    found = await team.process(3, 2)
    assert all(found)
    assert set(shares) == {1}


async def test_a_stop_waits_for_nobody_who_is_not_there() -> None:
    """What was to be handed out is left as it was."""

    async def never(member: Played) -> None:
        team.stop.request()
        await asyncio.sleep(60)

    team = Team(never)
    assert await team.process(2) == [None, None]


async def test_what_comes_when_all_is_done_fails_nothing() -> None:
    """A process that comes late, and cannot work, is of no account."""

    async def late(member: Played) -> None:
        await team.over.wait()
        member.say(hello=Hello("0.0.1", "3.99", "far-away"))
        member.say(gone=True, fault=Fault("RunFatalError", "no credentials"))

    async def counting(member: Played) -> None:
        member.say(hello=hello())
        async for seq, item in member.works():
            member.say(outcomes=[done(seq, item)])
        pytest.fail("it ends when it is told to")

    team = Team(counting, late)
    team.crew._call_off = team.over.set  # type: ignore[method-assign]
    assert all(await team.process(3, 2))
    assert team.stop.error is None


async def test_the_last_words_of_one_that_was_refused() -> None:
    """An update that was wanted on record, and the end, in one message: the run's error
    stays what it was."""

    async def asking(member: Played) -> None:
        member.say(hello=hello())
        works = member.works()
        (first, _), (second, _) = [await anext(works), await anext(works)]
        member.say(intents=[(first, PLAN)])
        while not (refused := (await member.told()).refused):
            pass
        member.say(intents=[(second, PLAN)], gone=True, fault=refused)

    team = Team(asking)
    team.refusal = OutputError("the disk is full")
    assert await team.process(2) == [None, None]
    assert team.stop.error is team.refusal


async def test_who_leaves_work_undone_fails_the_run() -> None:
    """Nothing is left out in silence."""

    async def lazy(member: Played) -> None:
        member.say(hello=hello())
        async for _ in member.works():
            member.say(gone=True)

    team = Team(lazy)
    assert await team.process(1) == [None]
    assert "left 1 object undone" in str(team.stop.error)
