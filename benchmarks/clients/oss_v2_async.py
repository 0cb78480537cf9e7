"""The asynchronous client of the newer official SDK, alibabacloud-oss-v2."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import alibabacloud_oss_v2 as oss
import alibabacloud_oss_v2.aio as oss_aio

from benchmarks.clients.task import KEY_ID, REGION, SECRET, Task, run_tasks, task


async def keys_of(client: Any, bucket: str) -> AsyncIterator[str]:
    request = oss.ListObjectsV2Request(bucket=bucket, max_keys=1000)
    while True:
        page = await client.list_objects_v2(request)
        for entry in page.contents or []:
            yield entry.key
        if not page.is_truncated:
            return
        request.continuation_token = page.next_continuation_token


async def change(client: Any, bucket: str, key: str) -> str:
    head = await client.head_object(oss.HeadObjectRequest(bucket=bucket, key=key))
    metadata = dict(head.metadata or {}, project="x")
    result = await client.copy_object(
        oss.CopyObjectRequest(
            bucket=bucket,
            key=key,
            source_bucket=bucket,
            source_key=key,
            metadata_directive="REPLACE",
            metadata=metadata,
            cache_control=head.cache_control,
            content_disposition=head.content_disposition,
            content_type=head.content_type,
        )
    )
    return json.dumps({"key": key, "status": result.status_code, "after": metadata})


async def run(of: Task) -> None:
    config = oss.config.load_default()
    config.credentials_provider = oss.credentials.StaticCredentialsProvider(
        KEY_ID, SECRET
    )
    config.region = REGION
    config.endpoint = of.endpoint
    config.use_path_style = True
    config.insecure_skip_verify = True
    async with oss_aio.AsyncClient(config) as client:
        keys = keys_of(client, of.bucket)
        await run_tasks(of, keys, partial(change, client, of.bucket))


if __name__ == "__main__":
    asyncio.run(run(task()))
