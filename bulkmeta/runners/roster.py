"""What a driver knows of its worker processes, and of the objects in their hands."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from bulkmeta.engine.pipeline import Processed
from bulkmeta.runners.messages import FRAME_S, Instructions

if TYPE_CHECKING:
    from bulkmeta.model.item import Item
    from bulkmeta.model.outcome import Outcome
    from bulkmeta.model.plan import UpdatePlan
    from bulkmeta.oss.sharing import Share
    from bulkmeta.runners.messages import Channel, Report

encode: Final = msgspec.msgpack.Encoder().encode


@dataclass(slots=True)
class Held:
    """An object that is not done: who waits for its end, and how many processes died
    over it. The item tells the last update of it that may have been sent."""

    seq: int
    item: Item
    end: asyncio.Future[Processed[Outcome]]
    losses: int = 0

    def settle(self, outcome: Outcome | None) -> None:
        if not self.end.done():  # else whoever waited was cancelled
            self.end.set_result(Processed(outcome))


@dataclass(eq=False, slots=True)
class Member:
    """One worker process, as the driver sees it; it has its share of the pace from the
    moment on when it is there. `suspects` are those objects in its hands that
    another died over."""

    share: Share | None = None
    held: dict[int, Held] = field(default_factory=dict)
    out: Instructions = field(default_factory=Instructions)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    done: int = 0
    suspects: int = 0
    host: str = ""
    gone: bool = False

    def set_pace(self) -> None:
        if self.share:
            self.out.rate, self.out.limit = self.share.rate, self.share.limit
            self.wake.set()

    def intended(self, report: Report) -> list[tuple[int, UpdatePlan]]:
        """The updates that it wants on record. From now on they may have been sent."""
        for seq, plan in report.intents:
            held = self.held[seq]
            held.item = msgspec.structs.replace(held.item, doubt=plan)
        return report.intents

    async def instruct(self, channel: Channel) -> None:
        """Send what there is to say, again and again."""
        while True:
            await self.wake.wait()
            await asyncio.sleep(FRAME_S)
            self.wake.clear()
            out, self.out = self.out, Instructions()
            await channel.send(encode(out))
