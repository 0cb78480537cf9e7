"""The official synchronous SDK in a pool of threads: the script most users have."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import oss2

from benchmarks.clients.task import KEY_ID, REGION, SECRET, merged, task


def change(bucket: Any, key: str) -> str:
    head = bucket.head_object(key)
    headers = merged(head.headers.items())
    result = bucket.update_object_meta(key, headers)
    return json.dumps({"key": key, "status": result.status, "after": headers})


def main() -> None:
    endpoint, name, out, workers = task()
    oss2.defaults.connection_pool_size = workers
    auth = oss2.AuthV4(KEY_ID, SECRET)
    bucket = oss2.Bucket(auth, endpoint, name, region=REGION)
    keys = (entry.key for entry in oss2.ObjectIteratorV2(bucket, max_keys=1000))
    with Path(out).open("w") as log, ThreadPoolExecutor(workers) as pool:
        log.writelines(f"{line}\n" for line in pool.map(partial(change, bucket), keys))


if __name__ == "__main__":
    main()
