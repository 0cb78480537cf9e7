"""Temporary databases: on disk, without a name, and gone when they are closed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from bulkmeta.errors import RunFatalError

_CACHE_KIB: Final = 16_384
MAKE_ROOM: Final = "make room, or set SQLITE_TMPDIR"
"""What can be done if the disk for temporary files is full."""


def temporary_database() -> sqlite3.Connection:
    """A new one, for one user at a time; nothing of it has to survive a crash."""
    database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    for setting in (
        "journal_mode = OFF",
        "synchronous = OFF",
        f"cache_size = -{_CACHE_KIB}",
        "temp_store = FILE",
        "locking_mode = EXCLUSIVE",
    ):
        database.execute(f"PRAGMA {setting}")
    database.execute("BEGIN")
    return database


@contextmanager
def told_in_words() -> Iterator[None]:
    """Errors of such a database as what the user can do about them.

    Raises:
        RunFatalError: the disk for temporary files is full, for one.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise RunFatalError(
            f"temporary files cannot be kept: {error}; {MAKE_ROOM}"
        ) from error
