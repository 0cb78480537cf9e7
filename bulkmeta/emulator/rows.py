"""How the store keeps its values in tables."""

from __future__ import annotations

import json
from operator import attrgetter
from typing import Any

from .stored import StoredObject

SCHEMA = """
CREATE TABLE IF NOT EXISTS buckets (
    name TEXT PRIMARY KEY, config TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS objects (
    number INTEGER PRIMARY KEY,
    bucket TEXT NOT NULL, key TEXT NOT NULL, version_id TEXT NOT NULL,
    is_latest INTEGER NOT NULL, is_marker INTEGER NOT NULL,
    last_modified INTEGER NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
    storage_class TEXT NOT NULL, object_type TEXT NOT NULL, restore TEXT,
    rest TEXT NOT NULL, body BLOB,
    UNIQUE (bucket, key, version_id)
);
CREATE INDEX IF NOT EXISTS current_objects ON objects (bucket, key)
    WHERE is_latest = 1 AND is_marker = 0;
"""
COLUMNS = (
    "number",
    "bucket",
    "key",
    "version_id",
    "is_latest",
    "is_marker",
    "last_modified",
    "size",
    "etag",
    "storage_class",
    "object_type",
    "restore",
)
_REST = (
    "content_type",
    "headers",
    "meta",
    "tags",
    "acl",
    "sse",
    "crc64",
    "content_md5",
    "symlink_target",
    "extra",
)
SELECT = f"SELECT {', '.join(COLUMNS)}, rest FROM objects"  # noqa: S608
INSERT = (
    f"INSERT INTO objects ({', '.join(COLUMNS)}, rest, body)"  # noqa: S608
    f" VALUES ({', '.join('?' * (len(COLUMNS) + 2))})"
)


_columns_of = attrgetter(*COLUMNS)
_rest_of = attrgetter(*_REST)


def to_row(made: StoredObject) -> tuple[Any, ...]:
    """The values of `COLUMNS` and the rest."""
    return (*_columns_of(made), json.dumps(_rest_of(made)))


def from_row(row: tuple[Any, ...]) -> StoredObject:
    """The object of a row of `SELECT`."""
    number, bucket, key, version_id, latest, marker, *listed, rest = row
    values = [bucket, key, version_id, latest == 1, marker == 1, *listed]
    values += (*json.loads(rest), number)
    return StoredObject(*values)
