"""Leaving out the objects that a job is not about."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from typing import TYPE_CHECKING

from bulkmeta.model.selection import Selection

if TYPE_CHECKING:
    from bulkmeta.model.conditions import Condition
    from bulkmeta.model.item import Item
    from bulkmeta.model.job import Recent


def admitted(source: AsyncIterator[Item], selection: Selection) -> AsyncIterator[Item]:
    """The items that `selection` admits, in their order, whatever their number."""
    return source if selection == Selection() else _admitted(source, selection)


def limited(
    source: AsyncIterator[Item], selection: Selection, *, taken: int = 0
) -> AsyncIterator[Item]:
    """As many items as `selection` allows, less those that were `taken` before."""
    if selection.limit is None:
        return source
    return _first(source, selection.limit - taken)


def unsettled(
    source: AsyncIterator[Item], condition: Condition | None, told: Collection[str]
) -> AsyncIterator[Item]:
    """The items that may meet `condition`, as far as the listing tells by the fields
    that it has `told`."""
    return source if condition is None else _unsettled(source, condition, told)


def without(source: AsyncIterator[Item], key: str | None) -> AsyncIterator[Item]:
    """The items but the one of that key."""
    return source if key is None else _without(source, key)


async def _without(source: AsyncIterator[Item], key: str) -> AsyncIterator[Item]:
    async for item in source:
        if item.key != key:
            yield item


def recently(source: AsyncIterator[Item], recent: Recent | None) -> AsyncIterator[Item]:
    """The items modified since a time, and those that are to be looked at again."""
    return source if not (recent and recent.since) else _recently(source, recent)


async def _recently(source: AsyncIterator[Item], recent: Recent) -> AsyncIterator[Item]:
    since, again = Selection(modified_after=recent.since), frozenset(recent.again)
    async for item in source:
        listed = item.listed
        if listed is None or item.key in again or since.admits_listed(listed):
            yield item


async def _unsettled(
    source: AsyncIterator[Item], condition: Condition, told: Collection[str]
) -> AsyncIterator[Item]:
    async for item in source:
        if item.listed is None or condition.may_hold(item.listed, told):
            yield item


async def _admitted(
    source: AsyncIterator[Item], selection: Selection
) -> AsyncIterator[Item]:
    async for item in source:
        listed = item.listed
        if selection.admits(item.key) and (
            listed is None or selection.admits_listed(listed)
        ):
            yield item


async def _first(source: AsyncIterator[Item], most: int) -> AsyncIterator[Item]:
    left = most
    if left <= 0:
        return
    async for item in source:
        yield item
        left -= 1
        if not left:
            return
