"""The one consumer of results."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bulkmeta.errors import OutputError
from bulkmeta.report.drain import drain


class Note:
    """A sink that writes down what happens to it, in a common log."""

    def __init__(self, name: str, log: list[str], fail_at: int | None = None) -> None:
        self._name = name
        self._log = log
        self._fail_at = fail_at

    def emit(self, result: int) -> None:
        self._log.append(f"{self._name}{result}")
        if result == self._fail_at:
            raise OutputError("disk full")

    def flush(self) -> None:
        self._log.append(f"{self._name}!")


async def in_batches(*batches: list[int]) -> AsyncIterator[list[int]]:
    for batch in batches:
        yield batch


async def test_every_result_to_every_sink() -> None:
    """Each sink has a batch whole, and written out, before the next one sees it."""
    log: list[str] = []
    await drain(in_batches([1, 2], [3]), [Note("a", log), Note("b", log)])
    assert log == ["a1", "a2", "a!", "b1", "b2", "b!", "a3", "a!", "b3", "b!"]


async def test_no_results() -> None:
    """Nothing to report is reported to nobody."""
    log: list[str] = []
    await drain(in_batches(), [Note("a", log)])
    assert log == []


async def test_failing_sink_ends_the_run() -> None:
    """A sink's error comes out, after those before it have written the batch."""
    log: list[str] = []
    with pytest.raises(OutputError):
        await drain(in_batches([1, 2], [3]), [Note("a", log), Note("b", log, 2)])
    assert log == ["a1", "a2", "a!", "b1", "b2"]
