"""Temporary objects: put, copied onto themselves in any way, and removed again."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from bulkmeta.errors import BulkmetaError
from bulkmeta.oss import wire
from bulkmeta.oss.effort import Effort
from bulkmeta.oss.transport import Request

if TYPE_CHECKING:
    from bulkmeta.model.metadata import ObjectHead
    from bulkmeta.oss.bucket import Bucket

BODY: Final = b"bulkmeta"


class Scratch:
    """A folder of temporary objects in a bucket. Its methods raise as those of the
    bucket do; nothing but `clear` removes what they made."""

    def __init__(
        self, bucket: Bucket, folder: str, *, keeps_versions: bool | None
    ) -> None:
        self.folder = folder
        self._bucket = bucket
        self._keeps_versions = keeps_versions
        self._made: dict[tuple[str, str | None], None] = {}

    def key(self, name: str) -> str:
        """The key of the object of that name."""
        return f"{self.folder}{name}"

    async def put(self, name: str, headers: dict[str, str]) -> None:
        """Make an object with these headers (PutObject)."""
        await self._write(
            Request("PutObject", "PUT", self.key(name), {}, headers, BODY)
        )

    async def append(self, name: str, headers: dict[str, str]) -> None:
        """Make an appendable object (AppendObject)."""
        at = {"append": "", "position": "0"}
        request = Request("AppendObject", "POST", self.key(name), at, headers, BODY)
        await self._write(request)

    async def copy(self, name: str, headers: dict[str, str]) -> str | None:
        """Copy an object onto itself with just these headers and REPLACE; the version
        that this made, if any."""
        key = self.key(name)
        headers = {
            "x-oss-copy-source": wire.copy_source(self._bucket.name, key),
            "x-oss-metadata-directive": "REPLACE",
            **headers,
        }
        return await self._write(Request("CopyObject", "PUT", key, {}, headers))

    async def head(self, name: str) -> ObjectHead:
        return await self._bucket.head(self.key(name), Effort())

    async def acl(self, name: str) -> str:
        return await self._bucket.acl(self.key(name), Effort())

    async def tags(self, name: str) -> dict[str, str]:
        return await self._bucket.tags(self.key(name), Effort())

    async def put_tags(self, name: str, tags: dict[str, str]) -> None:
        """Set an object's tags (PutObjectTagging)."""
        headers, body = {"content-type": "application/xml"}, wire.tagging_body(tags)
        key, params = self.key(name), {"tagging": ""}
        await self._write(
            Request("PutObjectTagging", "PUT", key, params, headers, body)
        )

    async def put_acl(self, name: str, acl: str) -> None:
        """Set an object's access control list (PutObjectACL)."""
        headers, params = {wire.ACL_HEADER: acl}, {"acl": ""}
        await self._write(
            Request("PutObjectAcl", "PUT", self.key(name), params, headers)
        )

    async def _write(self, request: Request) -> str | None:
        self._made[request.key, None] = None
        version = await self._bucket.ask(request, wire.version_id)
        self._made[request.key, version] = None
        return version

    async def clear(self) -> list[str]:
        """Remove all versions of all objects that were made; what may still be there.

        Where the bucket keeps versions, one that is not named only gets a marker: an
        answer that was lost may have left one, which a listing of versions shows.
        """
        doomed: set[tuple[str, str | None]]
        doomed = {made for made in self._made if made[1] is not None}
        if self._keeps_versions or doomed:
            with suppress(BulkmetaError):  # it may be forbidden; the known ones go
                doomed |= set(await self._versions())
        left = []
        for key, version in sorted(doomed or self._made, key=str):
            try:
                await self._delete(key, version)
            except BulkmetaError as error:
                left.append(f"oss://{self._bucket.name}/{key} ({error})")
        return left

    async def _versions(self) -> list[tuple[str, str]]:
        """All that the folder holds, markers among it (ListObjectVersions); at most a
        page of it."""
        params = {"versions": "", "prefix": self.folder, "encoding-type": "url"}
        request = Request("ListObjectVersions", "GET", params=params)
        return await self._bucket.ask(
            request, lambda answer: parse_versions(answer.body)
        )

    async def _delete(self, key: str, version: str | None) -> None:
        params = {"versionId": version} if version else {}
        await self._bucket.ask(
            Request("DeleteObject", "DELETE", key, params), lambda _: None
        )


def parse_versions(body: bytes) -> list[tuple[str, str]]:
    """Keys and version ids of a ListObjectVersions page, delete markers among them.

    Raises:
        ValueError: the body is no such page.
    """
    root = wire.parse_xml(body, "ListVersionsResult")
    entries = [*root.iterfind("Version"), *root.iterfind("DeleteMarker")]
    return [
        (unquote(entry.findtext("Key") or ""), entry.findtext("VersionId") or "")
        for entry in entries
    ]
