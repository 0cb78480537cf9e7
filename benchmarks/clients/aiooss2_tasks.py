"""aiooss2, the asynchronous wrapper of oss2. It signs with version 1 only, and has no
call for metadata: the object is copied onto itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TextIO

import aiooss2
import oss2

from benchmarks.clients.task import KEY_ID, SECRET, Task, merged, task


async def keys_of(bucket: Any) -> AsyncIterator[str]:
    marker = ""
    while True:
        page = await bucket.list_objects(marker=marker, max_keys=1000)
        for entry in page.object_list:
            yield entry.key
        if not page.is_truncated:
            return
        marker = page.next_marker


async def change(bucket: Any, name: str, key: str) -> str:
    head = await bucket.head_object(key)
    headers = merged(head.headers.items())
    directive = {"x-oss-metadata-directive": "REPLACE"}
    result = await bucket.copy_object(name, key, key, headers=headers | directive)
    await result.resp.read()  # else its connection is not used again
    return json.dumps({"key": key, "status": result.status, "after": headers})


async def work(
    bucket: Any, name: str, keys: AsyncIterator[str], lock: asyncio.Lock, log: TextIO
) -> None:
    while True:
        async with lock:
            key = await anext(keys, None)
        if key is None:
            return
        line = await change(bucket, name, key)
        log.write(f"{line}\n")


async def run(of: Task) -> None:
    oss2.defaults.connection_pool_size = of.workers
    auth = oss2.Auth(KEY_ID, SECRET)
    lock = asyncio.Lock()
    async with aiooss2.AioBucket(auth, of.endpoint, of.bucket) as bucket:
        keys = keys_of(bucket)
        with Path(of.out).open("w") as log:  # noqa: ASYNC230 as its users do
            workers = [
                work(bucket, of.bucket, keys, lock, log) for _ in range(of.workers)
            ]
            await asyncio.gather(*workers)


if __name__ == "__main__":
    asyncio.run(run(task()))
