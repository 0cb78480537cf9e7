"""Objects that a program gives, one by one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from functools import partial
from typing import TYPE_CHECKING, Final

from bulkmeta.errors import UsageError
from bulkmeta.model.item import Item
from bulkmeta.model.metadata import ListedObject
from bulkmeta.sources.once import once
from bulkmeta.sources.resume import behind

if TYPE_CHECKING:
    from bulkmeta.sources.resume import Behind

Source = AsyncIterable[str | ListedObject] | Iterable[str | ListedObject]
"""Where objects come from: their keys, or what a listing says of them, from anything
that can be iterated over."""

_OBJECTS_AT_ONCE: Final = 200


def items_of(objects: Source | None, prefix: str) -> Behind | None:
    """What a run takes its objects from, if a program gives them.

    Raises:
        UsageError: they are one text; or, while they are taken, one is no object, or
            not under the prefix.
    """
    if objects is None:
        return None
    if isinstance(objects, str | bytes):
        raise UsageError("objects are given one by one: a list of keys, for one")
    return partial(behind, once(_given(objects, prefix)))


async def _given(objects: Source, prefix: str) -> AsyncIterator[Item]:
    if isinstance(objects, AsyncIterable):
        async for found in objects:
            yield _item(found, prefix)
        return
    for number, found in enumerate(objects):
        if number % _OBJECTS_AT_ONCE == 0:
            await asyncio.sleep(0)  # others have to have their turn
        yield _item(found, prefix)


def _item(found: str | ListedObject, prefix: str) -> Item:
    if isinstance(found, str):
        item = Item(found)
    elif isinstance(found, ListedObject):
        item = Item(found.key, found)
    else:
        raise UsageError(f"{found!r} is no object: give its key, or a ListedObject")
    if not item.key.startswith(prefix):
        raise UsageError(f"object {item.key!r} is not under {prefix!r}")
    return item
