"""Fixtures of the unit tests: time that only moves when somebody waits."""

from __future__ import annotations

import asyncio
import selectors

import pytest
from hypothesis import settings

# No deadline: a busy machine is no defect.
settings.register_profile("unit", max_examples=50, deadline=None)
settings.load_profile("unit")


class VirtualTime:
    """A clock and a sleep; sleeping advances the clock at once."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.slept: list[float] = []

    def now_s(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


@pytest.fixture
def virtual_time() -> VirtualTime:
    """A clock that tests read and sleepers move."""
    return VirtualTime()


class _Jump(selectors.SelectSelector):
    """Waits for nothing: the loop's clock jumps to the next timer instead."""

    jumped_s = 0.0

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        self.jumped_s += max(0.0, timeout or 0.0)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose hours pass at once, one timer after the other."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.jumped_s
