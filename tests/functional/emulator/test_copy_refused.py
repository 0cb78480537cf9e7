"""CopyObject: sizes, classes, retention and kinds of objects it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from oss2 import exceptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkmeta.emulator.server import EmbeddedOSS
    from tests.functional.emulator.conftest import Connect


@pytest.mark.parametrize(
    ("header", "size", "refused"),
    [
        (None, 100 * 1024**3, False),
        ("x-oss-storage-class", 1024**3, False),
        ("x-oss-storage-class", 1024**3 + 1, True),
        ("x-oss-server-side-encryption", 1024**3 + 1, True),
    ],
)
def test_size_limits_of_a_self_copy(
    bucket: Any, oss: EmbeddedOSS, header: str | None, size: int, *, refused: bool
) -> None:
    """Metadata alone has no size limit; with a class or encryption it is 1 GB."""
    oss.store.put_object("bucket", "big", size=size)
    values = {
        "x-oss-storage-class": "IA",
        "x-oss-server-side-encryption": "AES256",
    }
    headers = {header: values[header]} if header else {}
    if not refused:
        bucket.update_object_meta("big", headers)
        return
    with pytest.raises(exceptions.ServerError) as caught:
        bucket.update_object_meta("big", headers)

    assert (caught.value.status, caught.value.code) == (400, "EntityTooLarge")


def test_size_limit_of_a_copy_elsewhere(bucket: Any, oss: EmbeddedOSS) -> None:
    """More than 5 GB cannot be copied to another key."""
    oss.store.put_object("bucket", "big", size=5 * 1024**3 + 1)

    with pytest.raises(exceptions.ServerError, match="EntityTooLarge"):
        bucket.copy_object("bucket", "big", "b")


@pytest.mark.parametrize("storage_class", ["Archive", "ColdArchive", "DeepColdArchive"])
def test_cold_objects_need_a_restore(
    bucket: Any, oss: EmbeddedOSS, storage_class: str
) -> None:
    """Neither copy nor read before a restore; afterwards both, and cold again."""
    seeded = oss.store.put_object("bucket", "a", storage_class=storage_class)
    calls: tuple[Callable[[], Any], ...] = (
        lambda: bucket.update_object_meta("a", {}),
        lambda: bucket.get_object("a"),
    )
    for call in calls:
        with pytest.raises(exceptions.ServerError) as caught:
            call()
        assert (caught.value.status, caught.value.code) == (403, "InvalidObjectState")
        assert caught.value.ec == "0016-00000404"

    oss.store.update_object(seeded, restore='ongoing-request="false"')
    bucket.update_object_meta("a", {"x-oss-storage-class": storage_class})

    assert oss.store.get_object("bucket", "a").is_cold


def test_retention_refuses_overwriting(connect: Connect, oss: EmbeddedOSS) -> None:
    """In a bucket under retention what exists is immutable; new keys are fine."""
    oss.store.create_bucket("locked", worm=True)
    client = connect(oss, name="locked")
    client.put_object("a", b"")

    calls: tuple[Callable[[], Any], ...] = (
        lambda: client.update_object_meta("a", {}),
        lambda: client.put_object("a", b""),
        lambda: client.delete_object("a"),
    )
    for call in calls:
        with pytest.raises(exceptions.ServerError) as caught:
            call()
        assert (caught.value.status, caught.value.code) == (409, "FileImmutable")


def test_forbid_overwrite_makes_a_self_copy_impossible(
    bucket: Any, oss: EmbeddedOSS
) -> None:
    """x-oss-forbid-overwrite on a self-copy always fails."""
    oss.store.put_object("bucket", "a")

    with pytest.raises(exceptions.ServerError, match="FileAlreadyExists"):
        bucket.update_object_meta("a", {"x-oss-forbid-overwrite": "true"})


def test_hns_directories_cannot_be_copied(connect: Connect, oss: EmbeddedOSS) -> None:
    """A directory of a hierarchical namespace is refused with 409; files are not."""
    oss.store.create_bucket("tree", hns=True)
    oss.store.put_object("tree", "dir/")
    oss.store.put_object("tree", "dir/file")
    client = connect(oss, name="tree")

    client.update_object_meta("dir/file", {})
    with pytest.raises(exceptions.ServerError, match="FileAlreadyExists"):
        client.update_object_meta("dir/", {})


def test_appendable_objects(bucket: Any, oss: EmbeddedOSS, connect: Connect) -> None:
    """Their metadata can be changed, but not in versions, nor with encryption."""
    bucket.append_object("a", 0, b"hello")
    bucket.update_object_meta("a", {"x-oss-meta-v": "1"})
    assert oss.store.get_object("bucket", "a").object_type == "Appendable"
    assert bucket.append_object("a", 5, b"!").next_position == 6

    with pytest.raises(exceptions.OperationNotSupported):
        bucket.update_object_meta("a", {"x-oss-server-side-encryption": "AES256"})
    with pytest.raises(exceptions.OperationNotSupported):
        bucket.copy_object("bucket", "a", "b")
    oss.store.create_bucket("versions", versioning="Enabled")
    oss.store.put_object("versions", "a", object_type="Appendable")
    with pytest.raises(exceptions.OperationNotSupported):
        connect(oss, name="versions").update_object_meta("a", {})
