"""Buckets with versions: what each write adds, and what can be read of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from oss2 import exceptions
from oss2.models import (
    BatchDeleteObjectVersion,
    BatchDeleteObjectVersionList,
    Tagging,
    TaggingRule,
)

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS
    from tests.functional.emulator.conftest import Connect


@pytest.fixture
def client(connect: Connect, oss: EmbeddedOSS) -> Any:
    """The client of a bucket with versioning enabled."""
    oss.store.create_bucket("versions", versioning="Enabled")
    return connect(oss, name="versions")


def test_each_put_and_copy_adds_a_version(client: Any, oss: EmbeddedOSS) -> None:
    """A metadata change is a new version that says which one it was made from."""
    put = client.put_object("a", b"x", headers={"x-oss-meta-v": "1"})
    copy = client.update_object_meta("a", {"x-oss-meta-v": "2"})

    assert len(oss.store.versions("versions", "a")) == 2
    assert copy.versionid != put.versionid
    assert copy.headers["x-oss-copy-source-version-id"] == put.versionid
    assert client.head_object("a").versionid == copy.versionid


def test_old_metadata_stays_readable(client: Any) -> None:
    """The former version still has the former metadata."""
    put = client.put_object("a", b"x", headers={"x-oss-meta-v": "1"})
    client.update_object_meta("a", {"x-oss-meta-v": "2"})

    old = client.head_object("a", params={"versionId": put.versionid})

    assert old.headers["x-oss-meta-v"] == "1"
    assert client.head_object("a").headers["x-oss-meta-v"] == "2"


def test_the_directive_counts(client: Any, oss: EmbeddedOSS) -> None:
    """In a versioned bucket a self-copy with COPY keeps the metadata."""
    client.put_object("a", b"x", headers={"x-oss-meta-v": "1"})
    client.copy_object("versions", "a", "a")

    assert oss.store.get_object("versions", "a").meta == {"v": "1"}


def test_an_old_version_can_be_copied_to_the_top(client: Any) -> None:
    """x-oss-copy-source takes a versionId."""
    put = client.put_object("a", b"old")
    client.put_object("a", b"new")
    client.copy_object("versions", "a", "a", params={"versionId": put.versionid})

    assert client.get_object("a").read() == b"old"


def test_suspended_writes_the_null_version(client: Any, oss: EmbeddedOSS) -> None:
    """While suspended, one version named null is written and replaced."""
    client.put_object("a", b"kept")
    oss.store.configure_bucket("versions", versioning="Suspended")
    first = client.put_object("a", b"1")
    client.update_object_meta("a", {"x-oss-meta-v": "2"})

    found = oss.store.versions("versions", "a")

    assert first.versionid == "null"
    assert [v.version_id == "null" for v in found] == [True, False]
    assert [v.is_latest for v in found] == [True, False]


def test_delete_marker(client: Any) -> None:
    """A deleted object answers 404, its marker 405, its versions 200."""
    put = client.put_object("a", b"x")
    deleted = client.delete_object("a")

    assert deleted.delete_marker
    with pytest.raises(exceptions.NoSuchKey) as gone:
        client.head_object("a")
    assert gone.value.headers["x-oss-delete-marker"] == "true"
    with pytest.raises(exceptions.ServerError) as marked:
        client.head_object("a", params={"versionId": deleted.versionid})
    assert (marked.value.status, marked.value.code) == (405, "MethodNotAllowed")
    with pytest.raises(exceptions.NoSuchKey):
        client.copy_object("versions", "a", "a")
    assert client.get_object("a", params={"versionId": put.versionid}).read() == b"x"
    assert client.list_objects_v2().object_list == []


def test_removing_a_marker_brings_the_object_back(client: Any) -> None:
    """Deleting the marker's version makes the one below current."""
    client.put_object("a", b"x")
    marker = client.delete_object("a")
    client.delete_object("a", params={"versionId": marker.versionid})

    assert client.get_object("a").read() == b"x"


def test_a_version_can_be_deleted_for_good(client: Any, oss: EmbeddedOSS) -> None:
    """Deleting an old version leaves the current one."""
    old = client.put_object("a", b"1")
    client.put_object("a", b"2")
    client.delete_object("a", params={"versionId": old.versionid})
    client.delete_object("a", params={"versionId": old.versionid})

    assert len(oss.store.versions("versions", "a")) == 1
    with pytest.raises(exceptions.ServerError) as caught:
        client.head_object("a", params={"versionId": old.versionid})
    assert (caught.value.status, caught.value.code) == (404, "NoSuchVersion")


def test_tags_of_a_version(client: Any, oss: EmbeddedOSS) -> None:
    """Tagging changes the version named, and makes no new one."""
    old = client.put_object("a", b"1")
    client.put_object("a", b"2")
    rule = TaggingRule()
    rule.add("k", "v")
    client.put_object_tagging("a", Tagging(rule), params={"versionId": old.versionid})

    newest, oldest = oss.store.versions("versions", "a")

    assert (newest.tags, oldest.tags) == ({}, {"k": "v"})


def test_batch_delete_makes_markers(client: Any) -> None:
    """DeleteMultipleObjects tells the marker of each key, and deletes versions."""
    put = client.put_object("a", b"1")
    result = client.batch_delete_objects(["a"])
    assert result.delete_versions[0].delete_marker

    named = BatchDeleteObjectVersionList([BatchDeleteObjectVersion("a", put.versionid)])
    again = client.delete_object_versions(named)
    assert again.delete_versions[0].versionid == put.versionid


def test_retention_allows_new_versions_of_nothing(
    connect: Connect, oss: EmbeddedOSS
) -> None:
    """A deleted key under retention may be written again."""
    oss.store.create_bucket("both", versioning="Enabled")
    client = connect(oss, name="both")
    client.put_object("a", b"1")
    client.delete_object("a")
    oss.store.configure_bucket("both", worm=True)

    client.put_object("a", b"2")
    with pytest.raises(exceptions.ServerError, match="FileImmutable"):
        client.put_object("a", b"3")


def test_forbid_overwrite_is_ignored(client: Any) -> None:
    """With versions nothing is overwritten, so nothing is forbidden."""
    headers = {"x-oss-forbid-overwrite": "true"}
    client.put_object("a", b"1", headers=headers)

    assert client.put_object("a", b"2", headers=headers).status == 200


def test_a_null_version_survives_enabling(
    connect: Connect, oss: EmbeddedOSS, bucket: Any
) -> None:
    """What was there before versioning becomes the null version."""
    bucket.put_object("a", b"before")
    oss.store.configure_bucket("bucket", versioning="Enabled")
    bucket.put_object("a", b"after")

    old = bucket.get_object("a", params={"versionId": "null"})

    assert old.read() == b"before"
    with pytest.raises(KeyError):
        oss.store.get_object("bucket", "none")
