"""The least that aiohttp can do it with: a signed HEAD and a signed PUT per object, as
tuned as bulkmeta, and nothing else. It does not list, merge, guard or record anything:
it knows the keys, and sends what it would have read."""

from __future__ import annotations

import asyncio
import gc
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime

import aiohttp
import oss2
import uvloop
from yarl import URL

from benchmarks.clients.task import KEY_ID, REGION, SECRET, Task, task
from benchmarks.pages import key_of
from bulkmeta.oss.signing import SignerV4

SENT = {
    "cache-control": "max-age=3600",
    "content-disposition": 'attachment; filename="report.bin"',
    "content-type": "application/xml",
    "x-oss-meta-owner": "team-a",
    "x-oss-meta-project": "x",
    "x-oss-meta-rev": "17",
    "x-oss-meta-source": "ingest-2024",
    "x-oss-metadata-directive": "REPLACE",
    "x-oss-copy-source-if-match": '"5D41402ABC4B2A76B9719D911017C592"',
    "x-oss-copy-source-if-unmodified-since": "Thu, 01 Oct 2026 08:00:00 GMT",
}


@dataclass(slots=True)
class Signable:
    method: str
    region: str
    uri: str
    headers: dict[str, str]
    params: dict[str, str] = field(default_factory=dict)


async def run(of: Task) -> None:
    signer = SignerV4(oss2.StaticCredentialsProvider(KEY_ID, SECRET))
    numbers = iter(range(int(of.bucket.removeprefix("b"))))
    now = datetime.now(UTC).replace(microsecond=0)
    base = URL(of.endpoint, encoded=True)

    async def send(method: str, key: str, headers: dict[str, str]) -> None:
        path = f"/{of.bucket}/{key}"
        request = Signable(method, REGION, path, headers)
        signer.sign(request, of.bucket, key, now)
        answer = await session.request(
            method,
            base.with_path(path, encoded=True),
            headers=request.headers,
            allow_redirects=False,
        )
        await answer.read()
        answer.raise_for_status()

    async def work() -> None:
        for number in numbers:
            key = key_of(number)
            await send("HEAD", key, {})
            source = f"/{of.bucket}/{key.replace('/', '%2F')}"
            await send("PUT", key, {"x-oss-copy-source": source, **SENT})

    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=ssl.create_default_context()),
        timeout=aiohttp.ClientTimeout(total=None),
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        await asyncio.gather(*(work() for _ in range(of.workers)))


def main() -> None:
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(task()))


if __name__ == "__main__":
    main()
