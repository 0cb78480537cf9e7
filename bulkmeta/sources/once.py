"""Each object once, however often a source names it: what was seen is kept on disk."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import closing
from typing import TYPE_CHECKING

from bulkmeta.sources.databases import temporary_database, told_in_words

if TYPE_CHECKING:
    from bulkmeta.model.item import Item


async def once(source: AsyncIterator[Item]) -> AsyncIterator[Item]:
    """The items of `source`, without those whose key has come before."""
    with told_in_words(), closing(temporary_database()) as database:
        database.execute("CREATE TABLE seen (key BLOB PRIMARY KEY) WITHOUT ROWID")
        insert = "INSERT OR IGNORE INTO seen VALUES (?)"
        async for item in source:
            key = item.key.encode("utf-8", "surrogatepass")
            if database.execute(insert, (key,)).rowcount:
                yield item
