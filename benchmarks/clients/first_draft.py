"""aiohttp, oss2's signer, tenacity around every request, queues: a first draft, before
anything was measured."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

import aiohttp
import oss2
from tenacity import retry, stop_after_attempt, wait_random_exponential

from benchmarks.clients.task import KEY_ID, REGION, SECRET, Task, merged, task


class Client:
    def __init__(self, session: aiohttp.ClientSession, of: Task) -> None:
        self._session = session
        self._base = f"{of.endpoint}/{of.bucket}"
        self._bucket = of.bucket
        self._auth = oss2.AuthV4(KEY_ID, SECRET)

    @retry(stop=stop_after_attempt(5), wait=wait_random_exponential(max=10))
    async def send(
        self,
        method: str,
        key: str = "",
        params: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        url = f"{self._base}/{quote(key)}"
        request = oss2.http.Request(
            method,
            url,
            params=params,
            headers={"Accept-Encoding": "identity", **(headers or {})},
            region=REGION,
            product="oss",
        )
        self._auth._sign_request(request, self._bucket, key)  # noqa: SLF001
        async with self._session.request(
            method, url, params=params, headers=request.headers
        ) as answer:
            answer.raise_for_status()
            return answer, await answer.read()

    async def change(self, key: str) -> str:
        head, _ = await self.send("HEAD", key)
        headers = merged(head.headers.items())
        source = f"/{self._bucket}/{quote(key, safe='')}"
        sent = {"x-oss-copy-source": source, "x-oss-metadata-directive": "REPLACE"}
        answer, _ = await self.send("PUT", key, headers=headers | sent)
        return json.dumps({"key": key, "status": answer.status, "after": headers})

    async def list_keys(self, keys: asyncio.Queue[str | None]) -> None:
        params = {"list-type": "2", "max-keys": "1000"}
        while True:
            _, body = await self.send("GET", params=params)
            page = ElementTree.fromstring(body)  # noqa: S314 our own server's
            for entry in page.iterfind("Contents"):
                text = entry.findtext("Key") or ""
                await keys.put(text.replace("%2F", "/"))
            if page.findtext("IsTruncated") != "true":
                return
            params["continuation-token"] = page.findtext("NextContinuationToken") or ""


async def work(
    client: Client, keys: asyncio.Queue[str | None], lines: asyncio.Queue[str | None]
) -> None:
    while (key := await keys.get()) is not None:
        await lines.put(await client.change(key))
    await keys.put(None)


async def record(lines: asyncio.Queue[str | None], out: str) -> None:
    with Path(out).open("w") as log:  # noqa: ASYNC230 a first draft
        while (line := await lines.get()) is not None:
            log.write(f"{line}\n")


async def run(of: Task) -> None:
    keys: asyncio.Queue[str | None] = asyncio.Queue(2000)
    lines: asyncio.Queue[str | None] = asyncio.Queue(2000)
    connector = aiohttp.TCPConnector(limit=of.workers)
    async with aiohttp.ClientSession(connector=connector) as session:
        client = Client(session, of)
        recorder = asyncio.create_task(record(lines, of.out))
        workers = [
            asyncio.create_task(work(client, keys, lines)) for _ in range(of.workers)
        ]
        await client.list_keys(keys)
        await keys.put(None)
        await asyncio.gather(*workers)
        await lines.put(None)
        await recorder


if __name__ == "__main__":
    asyncio.run(run(task()))
