"""Worker processes that are played by the tests."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from bulkmeta.engine.shutdown import StopRequest
from bulkmeta.model.item import Item
from bulkmeta.model.job import Connection, JobSpec, Target
from bulkmeta.model.metadata import Metadata
from bulkmeta.model.outcome import Outcome
from bulkmeta.model.plan import UpdatePlan
from bulkmeta.oss.pace import OwnPace
from bulkmeta.oss.sharing import Budget
from bulkmeta.runners.crew import Crew, working
from bulkmeta.runners.messages import (
    Instructions,
    Order,
    Report,
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
