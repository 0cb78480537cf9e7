"""aiooss2, the asynchronous wrapper of oss2. It signs with version 1 only, and has no
call for metadata: the object is copied onto itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import aiooss2
import oss2

from benchmarks.clients.task import KEY_ID, SECRET, Task, merged, run_tasks, task


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


async def run(of: Task) -> None:
    oss2.defaults.connection_pool_size = of.workers
    auth = oss2.Auth(KEY_ID, SECRET)
    async with aiooss2.AioBucket(auth, of.endpoint, of.bucket) as bucket:
        await run_tasks(of, keys_of(bucket), partial(change, bucket, of.bucket))


if __name__ == "__main__":
    asyncio.run(run(task()))
