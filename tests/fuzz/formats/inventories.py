"""Inventories: manifests, and the rows of their files."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulkmeta.errors import RunFatalError, UsageError
from bulkmeta.sources.inventory import files_of, list_inventory, parse_manifest
from tests.fuzz.harness import Harness, kept

if TYPE_CHECKING:
    from bulkmeta.model.job import Inventory

_SCHEMA = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, ETag, RecordType"
_MANIFEST = {
    "sourceBucket": "bucket",
    "fileFormat": "CSV",
    "fileSchema": _SCHEMA,
    "files": [{"key": "a.csv.gz", "size": 1, "MD5checksum": "%"}],
}
_ROWS = (
    b'"bucket","p%2Fa","v","true","false","12","""0F""","CREATE"\n'
    b'"bucket","p%2Fb","v","false","true","","",""\n'
)


def read(data: bytes) -> None:
    """The manifest is what comes before a NUL, and the rows what comes behind it. The
    MD5 is put in for `%`; rows that begin with `!` are not compressed for it."""
    told, _, rows = data.partition(b"\0")
    packed = rows[1:] if rows[:1] == b"!" else gzip.compress(rows, 1)
    md5 = hashlib.md5(packed, usedforsecurity=False).hexdigest()
    text = told.replace(b'"%"', f'"{md5}"'.encode())
    inventory = parse_manifest("manifest.json", text, None)
    with kept(packed) as path:
        asyncio.run(_list(inventory, files_of(inventory, text), path))


async def _list(inventory: Inventory, files: list[Any], path: Path) -> None:
    @asynccontextmanager
    async def fetch(_key: str) -> AsyncIterator[Path]:
        yield path

    found = list_inventory(inventory, files, fetch, ("",))
    async for item in found:
        item.key.encode()


def _seed(rows: bytes, **other: object) -> bytes:
    return json.dumps({**_MANIFEST, **other}).encode() + b"\0" + rows


HARNESS = Harness(
    read,
    (UsageError, RunFatalError),
    (
        _seed(_ROWS),
        _seed(_ROWS, fileSchema="Key"),
        _seed(b"!" + gzip.compress(_ROWS)),
        _seed(b"p%2Fa\np%2Fb\n", fileSchema="Key"),
        _seed(b'"' + b"x" * 200_000 + b'"', fileSchema="Key"),
        json.dumps(_MANIFEST).encode().replace(b'"CSV"', b"[" * 2000),
    ),
    (b'"', b",", b"\n", b"%", b"%ED%A0%80", b"%00", b"\xff", b'"Key"', b"\0", b"\r"),
)
