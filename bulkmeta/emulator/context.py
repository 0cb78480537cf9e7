"""What every handler is given, and how handlers find what they work on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import (
    ServiceError,
    already_exists,
    immutable,
    no_such_bucket,
    no_such_key,
)

if TYPE_CHECKING:
    from .clock import Clock
    from .options import EmulatorOptions
    from .store import Store
    from .stored import StoredBucket, StoredObject
    from .wire import Request


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of one embedded OSS that handlers read and write."""

    store: Store
    clock: Clock
    options: EmulatorOptions

    def now(self) -> int:
        """The second that a write is stamped with."""
        return int(self.clock.time())

    def bucket(self, name: str) -> StoredBucket:
        """The bucket of that name.

        Raises:
            ServiceError: 404 NoSuchBucket.
        """
        bucket = self.store.bucket(name)
        if bucket is None:
            raise no_such_bucket(name)
        return bucket

    def existing(self, request: Request) -> StoredObject:
        """The version a request is about.

        Raises:
            ServiceError: 404 NoSuchKey or NoSuchVersion, 405 for a delete marker.
        """
        return self.version(request.bucket, request.key, request.version_id)

    def version(self, bucket: str, key: str, version_id: str | None) -> StoredObject:
        """The current version, or the one of that id.

        Raises:
            ServiceError: 404 NoSuchKey or NoSuchVersion, 405 for a delete marker.
        """
        found = self.store.find(bucket, key, version_id)
        if found is None and version_id is not None:
            raise ServiceError(
                404,
                "NoSuchVersion",
                "The specified version does not exist.",
                ec="0026-00000007",
                details=(("Key", key), ("VersionId", version_id)),
            )
        if found is None:
            raise no_such_key(key)
        if found.is_marker:
            raise _marker_error(found, named=version_id is not None)
        return found

    def refuse_overwrite(self, request: Request, bucket: StoredBucket) -> None:
        """Hold retention and `x-oss-forbid-overwrite` against a write.

        Raises:
            ServiceError: 409 FileImmutable or FileAlreadyExists.
        """
        forbidden = request.headers.get("x-oss-forbid-overwrite", "").lower() == "true"
        if not (bucket.worm or forbidden):
            return
        found = self.store.find(request.bucket, request.key)
        if found is None or found.is_marker:
            return
        if bucket.worm:
            raise immutable()
        if bucket.versioning is None:
            raise already_exists()


def _marker_error(marker: StoredObject, *, named: bool) -> ServiceError:
    headers = (
        ("x-oss-delete-marker", "true"),
        ("x-oss-version-id", marker.version_id),
    )
    if named:
        message = "The specified method is not allowed against this resource."
        return ServiceError(405, "MethodNotAllowed", message, headers=headers)
    return no_such_key(marker.key, headers)


def version_headers(bucket: StoredBucket, found: StoredObject) -> list[tuple[str, str]]:
    """`x-oss-version-id`, where the bucket has versions."""
    if bucket.versioning is None:
        return []
    return [("x-oss-version-id", found.version_id)]
