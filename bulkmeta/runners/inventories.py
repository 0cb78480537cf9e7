"""Where an inventory is read from: this machine, or the bucket it was delivered to."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bulkmeta.errors import ObjectError, RunFatalError, UsageError
from bulkmeta.model.job import SCHEME, Inventory, parse_target
from bulkmeta.oss.bucket import fatal
from bulkmeta.oss.connect import open_bucket
from bulkmeta.oss.retry import RetryPolicy
from bulkmeta.sources.inventory import (
    CHECKSUM,
    Fetch,
    files_of,
    list_inventory,
    local_file,
    parse_manifest,
    read_local_manifest,
    refuse_blind,
)
from bulkmeta.sources.resume import Behind, behind

if TYPE_CHECKING:
    from bulkmeta.model.job import Connection, RunSpec
    from bulkmeta.oss.bucket import Bucket

_CONNECTIONS: Final = 2


@dataclass(frozen=True, slots=True)
class _Shelf:
    """Where an inventory's files are: its manifest with checksum, and the others.
    `require` stops where it can tell beforehand that one is missing."""

    manifest: Callable[[], Awaitable[tuple[bytes, bytes | None]]]
    fetch: Fetch
    require: Callable[[str], object]


async def find_inventory(name: str, spec: RunSpec) -> Inventory:
    """The inventory of the run's bucket whose manifest has that name: a path, or
    `oss://bucket/key`.

    Raises:
        UsageError: it is no manifest, or another bucket's.
        RunFatalError: it cannot be read.
    """
    async with _shelf(name, spec.connection, spec.pace.retries) as shelf:
        text, checksum = await shelf.manifest()
        inventory = parse_manifest(name, text, checksum)
        for file in files_of(inventory, text):
            shelf.require(file.key)
    if inventory.bucket != spec.job.target.bucket:
        raise UsageError(
            f"{name!r} is of bucket {inventory.bucket!r}, not of "
            f"{spec.job.target.bucket!r}"
        )
    refuse_blind(inventory, spec.job.select)
    return inventory


@asynccontextmanager
async def inventory_of(spec: RunSpec) -> AsyncIterator[Behind | None]:
    """The objects of the job's inventory, if it is about one, for as long as the body
    lasts.

    Raises:
        UsageError: the inventory is not as it was when the job was made.
    """
    job, inventory = spec.job, spec.job.inventory
    if inventory is None or job.takes != "inventory":
        yield None
        return
    async with _shelf(inventory.path, spec.connection, spec.pace.retries) as shelf:
        text, _ = await shelf.manifest()
        files, prefix = files_of(inventory, text), job.target.prefixes
        for file in files:
            shelf.require(file.key)
        yield lambda after: behind(
            list_inventory(inventory, files, shelf.fetch, prefix), after
        )


@asynccontextmanager
async def _shelf(
    name: str, connection: Connection, retries: int
) -> AsyncIterator[_Shelf]:
    if not name.startswith(SCHEME):
        yield _local(Path(name))
        return
    target = parse_target(name, allow_all=False)
    async with open_bucket(
        target.bucket,
        connection,
        rate=None,
        retry=RetryPolicy(retries),
        connections=_CONNECTIONS,
    ) as bucket:
        yield _remote(bucket, target.prefix)


def _local(manifest: Path) -> _Shelf:
    async def read() -> tuple[bytes, bytes | None]:
        return read_local_manifest(manifest)

    @asynccontextmanager
    async def fetch(key: str) -> AsyncIterator[Path]:
        yield local_file(manifest, key)

    return _Shelf(read, fetch, lambda key: local_file(manifest, key))


def _remote(bucket: Bucket, key: str) -> _Shelf:
    async def read() -> tuple[bytes, bytes | None]:
        folder = key.rpartition("/")[0]
        async with fetch(key) as manifest:
            text = manifest.read_bytes()
        try:
            async with fetch(f"{folder}/{CHECKSUM}") as path:
                return text, path.read_bytes()
        except ObjectError as error:
            if error.reason != "gone":
                raise
            return text, None

    @asynccontextmanager
    async def fetch(key: str) -> AsyncIterator[Path]:
        with tempfile.TemporaryDirectory(prefix="bulkmeta-") as folder:
            path = Path(folder) / "inventory"
            with path.open("wb", buffering=0) as file:
                await bucket.download(key, file)
            yield path

    @asynccontextmanager
    async def fetch_or_end(key: str) -> AsyncIterator[Path]:
        try:
            async with fetch(key) as path:
                yield path
        except ObjectError as error:
            where = f"inventory file {SCHEME}{bucket.name}/{key}"
            raise RunFatalError(f"{where}: {error}") from error

    async def read_or_end() -> tuple[bytes, bytes | None]:
        try:
            return await read()
        except ObjectError as error:
            if error.reason == "gone":
                words = _gone_words(f"{SCHEME}{bucket.name}/{key}")
                raise UsageError(words) from error
            raise fatal(error) from error

    return _Shelf(read_or_end, fetch_or_end, lambda _: None)


def _gone_words(manifest: str) -> str:
    hint = "" if manifest.endswith(".json") else "; name its manifest.json"
    return f"there is no {manifest!r}{hint}"
