"""Each object once, however often a source names it: what was seen is kept on disk."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final

from bulkmeta.errors import RunFatalError

if TYPE_CHECKING:
    from bulkmeta.model.item import Item

_CACHE_KIB: Final = 16_384


@contextmanager
def told_in_words() -> Iterator[None]:
    """Errors of a database that has no name as what the user can do about them.

    Raises:
        RunFatalError: the disk for temporary files is full, for one.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise RunFatalError(
            f"temporary files cannot be kept: {error}; make room, or set SQLITE_TMPDIR"
        ) from error


async def once(source: AsyncIterator[Item]) -> AsyncIterator[Item]:
    """The items of `source`, without those whose key has come before."""
    with told_in_words(), closing(_database()) as database:
        insert = "INSERT OR IGNORE INTO seen VALUES (?)"
        async for item in source:
            key = item.key.encode("utf-8", "surrogatepass")
            if database.execute(insert, (key,)).rowcount:
                yield item


def _database() -> sqlite3.Connection:
    """A set of keys in a file without a name."""
    database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    for setting in (
        "journal_mode = OFF",
        "synchronous = OFF",
        f"cache_size = -{_CACHE_KIB}",
        "temp_store = FILE",
        "locking_mode = EXCLUSIVE",
    ):
        database.execute(f"PRAGMA {setting}")
    database.execute("CREATE TABLE seen (key BLOB PRIMARY KEY) WITHOUT ROWID")
    database.execute("BEGIN")
    return database
