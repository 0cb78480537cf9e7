"""Objects that an OSS inventory names: a snapshot that the service makes of a bucket.

Facts: OSS documentation, "Bucket inventory": a `manifest.json` names gzipped CSV files
with their MD5 and, in `fileSchema`, their columns; `manifest.checksum` beside it holds
its own MD5. Keys are URL-encoded. Incremental inventories name an object once for each
change of it, with a `RecordType`.
"""

from __future__ import annotations

import asyncio
import csv
import gzip
import hashlib
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

import msgspec

from bulkmeta.errors import RunFatalError, UsageError
from bulkmeta.model.item import Item
from bulkmeta.model.job import Inventory
from bulkmeta.model.limits import is_utf8
from bulkmeta.model.metadata import STANDARD_CLASS, ListedObject
from bulkmeta.sources.once import once
from bulkmeta.sources.tables import bounded_lines, separator_hint

if TYPE_CHECKING:
    from bulkmeta.model.selection import Selection

_ROWS_AT_ONCE: Final = 200
CHECKSUM: Final = "manifest.checksum"
_TELLS: Final = {
    "Key": "key",
    "Size": "size",
    "ETag": "etag",
    "LastModifiedDate": "last_modified",
    "StorageClass": "storage_class",
    "ObjectType": "object_type",
}
"""Which field of a listing a column is in the place of."""

_TAKES: Final = {
    "min_size": "Size",
    "max_size": "Size",
    "modified_after": "LastModifiedDate",
    "modified_before": "LastModifiedDate",
    "storage_classes": "StorageClass",
    "object_types": "ObjectType",
}
"""Which column a restriction takes."""

Fetch = Callable[[str], AbstractAsyncContextManager[Path]]
"""Brings a file of the inventory to this machine, by its key, for as long as it is
used."""


class _File(msgspec.Struct, rename={"md5": "MD5checksum"}):
    key: str
    md5: str


class _Manifest(msgspec.Struct, rename="camel"):
    """What a manifest says; it says more."""

    source_bucket: str
    file_format: str
    file_schema: str
    files: list[_File]


def parse_manifest(name: str, text: bytes, checksum: bytes | None) -> Inventory:
    """The inventory that a manifest describes, held against its checksum if there is
    one.

    Raises:
        UsageError: it is no manifest, or not the one that was written.
    """
    found = hashlib.md5(text, usedforsecurity=False).hexdigest()
    told = (checksum or b"").decode("ascii", "replace").strip()
    if told and told.lower() != found:
        raise UsageError(f"{name!r} is not what {CHECKSUM} says; get it once more")
    manifest = _decoded(name, text)
    if manifest.file_format.upper() != "CSV":
        raise UsageError(f"{name!r} is of format {manifest.file_format!r}, not CSV")
    columns = [column.strip() for column in manifest.file_schema.split(",")]
    if "Key" not in columns:
        raise UsageError(f"{name!r}: its files have no column Key")
    return Inventory(
        name, hashlib.sha256(text).hexdigest(), manifest.source_bucket, tuple(columns)
    )


def told_by(inventory: Inventory) -> frozenset[str]:
    """The fields of a listing that an inventory tells."""
    return frozenset(_TELLS[name] for name in inventory.columns if name in _TELLS)


def refuse_blind(inventory: Inventory, select: Selection) -> None:
    """Stop where objects are selected by what an inventory does not tell.

    Raises:
        UsageError: it has no such column.
    """
    for name, column in _TAKES.items():
        if getattr(select, name) not in {None, ()} and column not in inventory.columns:
            raise UsageError(
                f"{inventory.path!r} has no column {column}, which the selection goes "
                f"by; its columns are {', '.join(inventory.columns)}"
            )


def files_of(inventory: Inventory, text: bytes) -> list[_File]:
    """The files that hold the inventory.

    Raises:
        UsageError: the manifest is not as it was when the job was made.
    """
    if hashlib.sha256(text).hexdigest() != inventory.sha256:
        raise UsageError(f"{inventory.path!r} is not as it was when the run began")
    return _decoded(inventory.path, text).files


def _decoded(name: str, text: bytes) -> _Manifest:
    try:
        return msgspec.json.decode(text, type=_Manifest)
    except msgspec.ValidationError as error:
        why = "it does not tell sourceBucket, fileFormat, fileSchema and files"
        raise _no_manifest(name, why) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _no_manifest(name, "it is no JSON") from error


def _no_manifest(name: str, why: str) -> UsageError:
    return UsageError(
        f"{name!r} is no manifest of an inventory: {why}; name the manifest.json that "
        "OSS delivered"
    )


def read_local_manifest(path: Path) -> tuple[bytes, bytes | None]:
    """A manifest and, if it is there, its checksum.

    Raises:
        UsageError: it cannot be read.
    """
    checksum = path.with_name(CHECKSUM)
    try:
        return path.read_bytes(), checksum.read_bytes() if checksum.exists() else None
    except OSError as error:
        raise UsageError(f"cannot read {str(path)!r}: {error.strerror}") from error


def local_file(manifest: Path, key: str) -> Path:
    """Where a file of the inventory lies on this machine: below a folder above the
    manifest, as in the bucket; in `data` beside its folder or in it; or beside it.

    Raises:
        UsageError: it is nowhere.
    """
    folder, name = manifest.resolve().parent, PurePosixPath(key).name
    places = [above / key for above in (folder, *folder.parents)]
    places += [folder.parent / "data" / name, folder / "data" / name, folder / name]
    for place in places:
        if place.is_file():
            return place
    raise UsageError(
        f"{str(manifest)!r} names {key!r}, which is not there: copy it into "
        f"{str(folder / 'data')!r}"
    )


def list_inventory(
    inventory: Inventory, files: list[_File], fetch: Fetch, prefix: tuple[str, ...]
) -> AsyncIterator[Item]:
    """The current objects under one `prefix` that the inventory names, with what it
    says of them; of several rows of one object in an incremental one, the first.

    Raises:
        RunFatalError: a file is not what the manifest says, or a row is none.
    """
    rows = _rows_of(inventory, files, fetch, prefix)
    return once(rows) if "RecordType" in inventory.columns else rows


async def _rows_of(
    inventory: Inventory, files: list[_File], fetch: Fetch, prefix: tuple[str, ...]
) -> AsyncIterator[Item]:
    for file in files:
        async with fetch(file.key) as path:
            await asyncio.to_thread(_refuse_other, path, file)
            for number, item in enumerate(_items(path, file.key, inventory)):
                if number % _ROWS_AT_ONCE == 0:
                    await asyncio.sleep(0)  # others have to have their turn
                if item and item.key.startswith(prefix):
                    yield item


def _refuse_other(path: Path, file: _File) -> None:
    with path.open("rb") as content:
        found = hashlib.file_digest(
            content, lambda: hashlib.md5(usedforsecurity=False)
        ).hexdigest()
    if found.lower() != file.md5.lower():
        raise RunFatalError(
            f"inventory file {file.key!r} is damaged: its MD5 is {found}, "
            f"not {file.md5}"
        )


def _items(path: Path, key: str, inventory: Inventory) -> Iterator[Item | None]:
    """Each row's object; None for one that is not there now."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as text:
        rows = csv.reader(bounded_lines(text.readline), strict=True)
        try:
            for cells in filter(None, rows):
                if tuple(map(str.strip, cells)) != inventory.columns:  # a header
                    yield _item(inventory, cells)
        except (csv.Error, ValueError, OSError, EOFError, zlib.error) as error:
            raise RunFatalError(
                f"inventory file {key!r}, line {rows.line_num}: {error}"
            ) from error


def _item(inventory: Inventory, cells: list[str]) -> Item | None:
    if len(cells) != len(inventory.columns):
        columns = len(inventory.columns)
        hint = separator_hint(cells)
        raise ValueError(f"{len(cells)} cells, where fileSchema has {columns}{hint}")
    row = dict(zip(inventory.columns, cells, strict=True))
    gone = row.get("IsDeleteMarker", "").lower() == "true"
    old = row.get("IsLatest", "true").lower() == "false"
    if gone or old or "DELETE" in row.get("RecordType", "").upper():
        return None
    key = unquote(row["Key"], errors="strict")
    multipart = row.get("IsMultipartUploaded", "").lower() == "true"
    listed = ListedObject(
        key,
        _size_in(row),
        row.get("ETag", "").strip('"'),
        row.get("LastModifiedDate", ""),
        row.get("ObjectType") or ("Multipart" if multipart else "Normal"),
        row.get("StorageClass") or STANDARD_CLASS,
        acl=row.get("ObjectAcl") or None,
        is_snapshot=True,
    )
    return Item(key, listed) if is_utf8(key) else None


def _size_in(row: dict[str, str]) -> int:
    text = row.get("Size") or "0"
    if not text.isdecimal():
        raise ValueError(f"{text!r} is no size")
    return int(text)
