"""Buckets and object versions in SQLite, in a file or in memory.

Knows versioning, but no HTTP and no rule of the service beyond that. Every method may
be called from any thread.
"""

from __future__ import annotations

import base64
import json
import sqlite3
import threading
import uuid
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from .content import describe_content
from .rows import COLUMNS, INSERT, SCHEMA, SELECT, from_row, to_row
from .stored import (
    NULL_VERSION,
    SSE_HEADERS,
    STANDARD_HEADERS,
    StoredBucket,
    StoredObject,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .clock import Clock

_CURRENT = "bucket = ? AND is_latest = 1 AND is_marker = 0"
_BACKDATED_S = 3600
_PAGE = 1000
# No key is longer than 1023 bytes, so none that begins with a prefix sorts after
# the prefix followed by this.
AFTER_ALL = "\U0010ffff" * 256


class Store:
    """All buckets of one embedded OSS."""

    def __init__(self, database: str, clock: Clock) -> None:
        """Open or create the database.

        Raises:
            sqlite3.Error: it cannot be opened, written or is in use.
        """
        self._clock = clock
        self._lock = threading.RLock()
        self._db = sqlite3.connect(
            database, isolation_level=None, check_same_thread=False, timeout=0.5
        )
        self._buckets: dict[str, StoredBucket] = {}
        self._last_number = 0
        self.keys_added = 0
        try:
            self._open()
        except sqlite3.Error:
            self._db.close()
            raise

    def _open(self) -> None:
        # A second process on the same file would serve a stale view: refuse it.
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode = WAL")
        # The operating system keeps what was written when this process is killed.
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.executescript(SCHEMA)
        for (config,) in self._db.execute("SELECT config FROM buckets"):
            bucket = StoredBucket(**json.loads(config))
            self._buckets[bucket.name] = bucket
        found = self._db.execute("SELECT MAX(number) FROM objects").fetchone()[0]
        self._last_number = found or 0

    def close(self) -> None:
        """Close the database; what is in memory is gone."""
        with self._lock:
            self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._db.in_transaction:
                yield self._db
                return
            self._db.execute("BEGIN IMMEDIATE")
            with self._db:
                yield self._db

    # Buckets

    def create_bucket(self, name: str, **config: Any) -> StoredBucket:
        """Create a bucket, or leave an existing one as it is.

        `config` takes the fields of `StoredBucket`: versioning, worm, hns, acl, ...
        """
        found = self._buckets.get(name)
        if found is not None:
            return found
        bucket = StoredBucket(name=name, created=int(self._clock.time()), **config)
        return self._keep_bucket(bucket)

    def configure_bucket(self, name: str, **changes: Any) -> StoredBucket:
        """Change fields of a bucket's configuration."""
        return self._keep_bucket(replace(self._buckets[name], **changes))

    def _keep_bucket(self, bucket: StoredBucket) -> StoredBucket:
        with self._lock:
            self._db.execute(
                "INSERT OR REPLACE INTO buckets VALUES (?, ?)",
                (bucket.name, json.dumps(asdict(bucket))),
            )
            self._buckets[bucket.name] = bucket
        return bucket

    def bucket(self, name: str) -> StoredBucket | None:
        """A bucket's configuration, None when there is no such bucket."""
        return self._buckets.get(name)

    def buckets(self) -> list[StoredBucket]:
        """All buckets by name."""
        return [self._buckets[name] for name in sorted(self._buckets)]

    def delete_bucket(self, name: str) -> None:
        """Delete a bucket with whatever it holds."""
        with self._transaction() as db:
            db.execute("DELETE FROM objects WHERE bucket = ?", (name,))
            db.execute("DELETE FROM buckets WHERE name = ?", (name,))
        self._buckets.pop(name, None)

    def is_empty(self, bucket: str) -> bool:
        """Whether the bucket holds no version at all."""
        query = "SELECT 1 FROM objects WHERE bucket = ? LIMIT 1"
        with self._lock:
            return self._db.execute(query, (bucket,)).fetchone() is None

    # Writing objects

    def put_object(
        self,
        bucket: str,
        key: str,
        *,
        body: bytes | str | None = b"",
        size: int | None = None,
        last_modified: float | None = None,
        **fields: Any,
    ) -> StoredObject:
        """Seed an object as if it had been put before, by default an hour ago.

        With `size` and no body it declares a size without holding the bytes. `fields`
        are those of `StoredObject`; names of headers may be in any case.

        Raises:
            KeyError: there is no such bucket.
            ValueError: a header is none of those that its field holds.
        """
        if isinstance(body, str):
            body = body.encode()
        if size is not None and not body:
            body = None
        if last_modified is None:
            last_modified = self._clock.time() - _BACKDATED_S
        described = describe_content(bucket, key, body, size or 0)
        fields = {**described, "last_modified": int(last_modified), **fields}
        fields.update(_lower_case(fields))
        return self.save(StoredObject(bucket=bucket, key=key, **fields), body)

    def put_objects(self, bucket: str, specs: Iterable[Mapping[str, Any]]) -> int:
        """Seed many objects in one transaction; returns how many."""
        count = 0
        with self._transaction():
            for spec in specs:
                self.put_object(bucket, **spec)
                count += 1
        return count

    def save(self, made: StoredObject, body: bytes | None) -> StoredObject:
        """Store `made` as the current version, as the bucket's versioning demands."""
        versioning = self._buckets[made.bucket].versioning
        version_id = NULL_VERSION
        if versioning == "Enabled":
            version_id = new_version_id()
        with self._transaction() as db:
            self._last_number += 1
            made = replace(
                made,
                version_id=version_id,
                is_latest=True,
                number=self._last_number,
            )
            self._make_room(db, made, versioning)
            db.execute(INSERT, (*to_row(made), body))
        return made

    def _make_room(
        self, db: sqlite3.Connection, made: StoredObject, versioning: str | None
    ) -> None:
        where = (made.bucket, made.key)
        gone = 0
        if versioning != "Enabled":
            gone = db.execute(
                "DELETE FROM objects WHERE bucket = ? AND key = ?"
                " AND version_id = 'null'",
                where,
            ).rowcount
        if versioning is not None:
            gone += db.execute(
                "UPDATE objects SET is_latest = 0"
                " WHERE bucket = ? AND key = ? AND is_latest = 1",
                where,
            ).rowcount
        if not gone:
            self.keys_added += 1

    def update_object(self, found: StoredObject, **changes: Any) -> StoredObject:
        """Change fields of a stored version in place; its content stays."""
        changed = replace(found, **changes)
        assignments = ", ".join(f"{name} = ?" for name in (*COLUMNS, "rest"))
        with self._lock:
            self._db.execute(
                f"UPDATE objects SET {assignments} WHERE number = ?",  # noqa: S608
                (*to_row(changed), found.number),
            )
        return changed

    def delete_object(
        self, bucket: str, key: str, version_id: str | None = None
    ) -> StoredObject | None:
        """Delete an object or one version.

        Returns the delete marker made, or the version that was removed.
        """
        with self._transaction():
            versioning = self._buckets[bucket].versioning
            if version_id is None and versioning is not None:
                return self._mark_deleted(bucket, key)
            return self._remove_version(bucket, key, version_id or NULL_VERSION)

    def _mark_deleted(self, bucket: str, key: str) -> StoredObject:
        now = int(self._clock.time())
        marker = StoredObject(bucket, key, is_marker=True, last_modified=now)
        return self.save(marker, None)

    def _remove_version(
        self, bucket: str, key: str, version_id: str
    ) -> StoredObject | None:
        found = self.find(bucket, key, version_id)
        if found is None:
            return None
        self._db.execute("DELETE FROM objects WHERE number = ?", (found.number,))
        if found.is_latest:
            self._db.execute(
                "UPDATE objects SET is_latest = 1 WHERE number = (SELECT MAX(number)"
                " FROM objects WHERE bucket = ? AND key = ?)",
                (bucket, key),
            )
        return found

    # Reading objects

    def find(
        self, bucket: str, key: str, version_id: str | None = None
    ) -> StoredObject | None:
        """The current version (maybe a delete marker) or the one asked for."""
        if version_id is None:
            query = f"{SELECT} WHERE bucket = ? AND key = ? AND is_latest = 1"
            values: tuple[str, ...] = (bucket, key)
        else:
            query = f"{SELECT} WHERE bucket = ? AND key = ? AND version_id = ?"
            values = (bucket, key, version_id)
        with self._lock:
            row = self._db.execute(query, values).fetchone()
        return None if row is None else from_row(row)

    def get_object(
        self, bucket: str, key: str, version_id: str | None = None
    ) -> StoredObject:
        """The stored object.

        Raises:
            KeyError: there is none, or its current version is a delete marker.
        """
        found = self.find(bucket, key, version_id)
        if found is None or found.is_marker:
            raise KeyError(key)
        return found

    def body(self, found: StoredObject) -> bytes | None:
        """The content of a version; None when only its size was declared."""
        query = "SELECT body FROM objects WHERE number = ?"
        with self._lock:
            row = self._db.execute(query, (found.number,)).fetchone()
        return None if row is None else row[0]

    def objects(self, bucket: str, prefix: str = "") -> Iterator[StoredObject]:
        """All current objects in key order."""
        after = None
        while page := self.page(bucket, prefix, after, _PAGE):
            yield from page
            after = page[-1].key

    def page(
        self, bucket: str, prefix: str, after: str | None, limit: int
    ) -> list[StoredObject]:
        """Up to `limit` current objects with `prefix`, behind the key `after`."""
        low, operator = prefix, ">="
        if after is not None and after >= prefix:
            low, operator = after, ">"
        query = (
            f"{SELECT} WHERE {_CURRENT} AND key {operator} ?"
            " AND key <= ? ORDER BY key LIMIT ?"
        )
        values = (bucket, low, prefix + AFTER_ALL, limit)
        with self._lock:
            rows = self._db.execute(query, values).fetchall()
        return [from_row(row) for row in rows]

    def versions(self, bucket: str, key: str) -> list[StoredObject]:
        """All versions of one key, delete markers included, newest first."""
        query = f"{SELECT} WHERE bucket = ? AND key = ? ORDER BY number DESC"
        with self._lock:
            rows = self._db.execute(query, (bucket, key)).fetchall()
        return [from_row(row) for row in rows]

    def version_page(
        self, bucket: str, prefix: str, after: tuple[str, int | None], limit: int
    ) -> list[StoredObject]:
        """Versions by key, newest first, behind a key and a version's number."""
        key, number = after
        query = (
            f"{SELECT} WHERE bucket = ? AND key >= ? AND key <= ?"
            " AND (key > ? OR (key = ? AND number < ?))"
            " ORDER BY key, number DESC LIMIT ?"
        )
        low = max(prefix, key)
        values = (bucket, low, prefix + AFTER_ALL, key, key, number or 0, limit)
        with self._lock:
            rows = self._db.execute(query, values).fetchall()
        return [from_row(row) for row in rows]

    def boundaries(self, bucket: str, ranges: int) -> list[str]:
        """The first keys of ranges 1..n-1 when all keys are cut evenly."""
        with self._lock:
            count = self._db.execute(
                f"SELECT COUNT(*) FROM objects WHERE {_CURRENT}",  # noqa: S608
                (bucket,),
            ).fetchone()[0]
            query = (
                f"SELECT key FROM objects WHERE {_CURRENT}"  # noqa: S608
                " ORDER BY key LIMIT 1 OFFSET ?"
            )
            offsets = sorted({count * i // ranges for i in range(1, ranges)} - {0})
            return [
                self._db.execute(query, (bucket, offset)).fetchone()[0]
                for offset in offsets
            ]


_HEADER_FIELDS = {
    "headers": frozenset(STANDARD_HEADERS),
    "sse": frozenset(SSE_HEADERS),
    "meta": None,
    "extra": None,
}


def _lower_case(fields: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    made = {}
    for field, allowed in _HEADER_FIELDS.items():
        if field not in fields:
            continue
        made[field] = {name.lower(): v for name, v in fields[field].items()}
        if allowed is not None and not allowed.issuperset(made[field]):
            raise ValueError(f"{field} may only hold {sorted(allowed)}")
    return made


def new_version_id() -> str:
    """A version id of the form the service uses."""
    return "CAEQ" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
