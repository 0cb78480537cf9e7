"""Worker processes as their driver sees them: what they are given, and give back."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import msgspec
import pytest

from bulkmeta.errors import OutputError
from bulkmeta.model.item import Item
from bulkmeta.model.values import Row
from bulkmeta.oss.pace import PaceNow
from bulkmeta.oss.sharing import Answer
from bulkmeta.runners.crew import working
from bulkmeta.runners.messages import (
    Fault,
    Instructions,
    Said,
    hello,
)
from tests.unit.runners.crew.conftest import ORDER, PLAN, Played, Team, done, well


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
