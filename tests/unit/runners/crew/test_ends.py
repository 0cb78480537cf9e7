"""Worker processes that stop, fail, or come too late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bulkmeta import __version__
from bulkmeta.errors import OutputError, RunFatalError, UsageError
from bulkmeta.model.item import Item
from bulkmeta.runners.crew import MOST_FALSE_STARTS, MOST_LOSSES
from bulkmeta.runners.messages import (
    Fault,
    Hello,
    hello,
)
from tests.unit.runners.crew.conftest import PLAN, KilledError, Played, Team, done, well


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
