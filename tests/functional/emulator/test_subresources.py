"""Tags, ACL, symlinks, appending and restore."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import oss2
import pytest
from oss2 import exceptions
from oss2.models import Tagging, TaggingRule

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS
    from tests.functional.emulator.conftest import Connect, RawClient


def tagging(**tags: str) -> Any:
    """Tags as oss2 takes them."""
    rule = TaggingRule()
    for key, value in tags.items():
        rule.add(key, value)
    return Tagging(rule)


def tags_of(bucket: Any, key: str) -> Any:
    """Tags as oss2 gives them."""
    return bucket.get_object_tagging(key).tag_set.tagging_rule


def test_tagging_replaces_the_whole_set(bucket: Any) -> None:
    """PutObjectTagging is no merge."""
    bucket.put_object("a", b"", headers={"x-oss-tagging": "old=1"})
    bucket.put_object_tagging("a", tagging(new="2", 标签="值"))

    assert tags_of(bucket, "a") == {"new": "2", "标签": "值"}


def test_tagging_leaves_last_modified_alone(bucket: Any, oss: EmbeddedOSS) -> None:
    """Tags can be changed without a new Last-Modified, ETag or metadata."""
    before = oss.store.put_object("bucket", "a", meta={"v": "1"})
    bucket.put_object_tagging("a", tagging(k="v"))

    after = oss.store.get_object("bucket", "a")

    assert (after.last_modified, after.meta) == (before.last_modified, {"v": "1"})
    assert after.number == before.number


def test_tags_can_be_deleted(bucket: Any) -> None:
    """DeleteObjectTagging answers 204 and leaves none."""
    bucket.put_object("a", b"", headers={"x-oss-tagging": "k=v"})

    assert bucket.delete_object_tagging("a").status == 204
    assert tags_of(bucket, "a") == {}


def test_tagging_errors(bucket: Any, raw: RawClient) -> None:
    """Too many tags, no such key and no such document are told apart."""
    bucket.put_object("a", b"")
    with pytest.raises(exceptions.ServerError) as caught:
        bucket.put_object_tagging("a", tagging(**{f"k{i}": "" for i in range(11)}))
    assert (caught.value.status, caught.value.code) == (400, "InvalidTag")
    with pytest.raises(exceptions.NoSuchKey):
        bucket.put_object_tagging("none", tagging(k="v"))
    with pytest.raises(exceptions.NoSuchKey):
        bucket.get_object_tagging("none")
    for body in (b"no xml", b"<Tagging></Tagging>"):
        reply = raw.send("PUT", "a", params={"tagging": ""}, body=body)
        assert (reply.status, b"MalformedXML" in reply.body) == (400, True)


def test_hns_directories_take_no_tags(connect: Connect, oss: EmbeddedOSS) -> None:
    """Tags on a directory of a hierarchical namespace are refused with 409."""
    oss.store.create_bucket("tree", hns=True)
    oss.store.put_object("tree", "dir/")

    with pytest.raises(exceptions.ServerError, match="FileAlreadyExists"):
        connect(oss, name="tree").put_object_tagging("dir/", tagging(k="v"))


@pytest.mark.parametrize(
    "acl", ["default", "private", "public-read", "public-read-write"]
)
def test_object_acl(bucket: Any, acl: str) -> None:
    """Each ACL can be put and got."""
    bucket.put_object("a", b"x")
    bucket.put_object_acl("a", acl)

    assert bucket.get_object_acl("a").acl == acl


def test_acl_moves_last_modified_of_empty_objects_only(
    bucket: Any, oss: EmbeddedOSS
) -> None:
    """PutObjectAcl touches the time where there is no content."""
    full = oss.store.put_object("bucket", "full", body=b"x")
    empty = oss.store.put_object("bucket", "empty")
    bucket.put_object_acl("full", "private")
    bucket.put_object_acl("empty", "private")

    assert oss.store.get_object("bucket", "full").last_modified == full.last_modified
    moved = oss.store.get_object("bucket", "empty").last_modified
    assert moved > empty.last_modified


def test_acl_errors(bucket: Any, raw: RawClient) -> None:
    """No key, no such ACL, and no ACL at all are refused."""
    with pytest.raises(exceptions.NoSuchKey):
        bucket.get_object_acl("none")
    with pytest.raises(exceptions.NoSuchKey):
        bucket.put_object_acl("none", "private")
    bucket.put_object("a", b"")
    with pytest.raises(exceptions.InvalidArgument):
        bucket.put_object_acl("a", "mine")
    assert raw.send("PUT", "a", params={"acl": ""}).status == 400


def test_a_symlink_is_read_through(bucket: Any, oss: EmbeddedOSS) -> None:
    """GET gives the target's content; HEAD mixes target and link."""
    oss.store.put_object(
        "bucket",
        "目标",
        body=b"hello",
        meta={"of": "target"},
        storage_class="IA",
        last_modified=1_000_000_000,
    )
    bucket.put_symlink("目标", "link", headers={"x-oss-meta-of": "link"})

    found = bucket.head_object("link")

    assert bucket.get_object("link").read() == b"hello"
    assert bucket.get_symlink("link").target_key == "目标"
    assert (found.content_length, found.object_type) == (5, "Symlink")
    assert found.headers["x-oss-storage-class"] == "IA"
    assert found.headers["x-oss-meta-of"] == "link"
    assert found.last_modified > 1_000_000_000
    assert bucket.get_object_meta("link").content_length == 0


def test_symlink_errors(bucket: Any, raw: RawClient) -> None:
    """A target that is gone or a link itself, no target, and no link."""
    bucket.put_symlink("none", "broken")
    bucket.put_symlink("broken", "twice")
    with pytest.raises(exceptions.ServerError) as caught:
        bucket.get_object("broken")
    assert (caught.value.status, caught.value.code) == (404, "SymlinkTargetNotExist")
    with pytest.raises(exceptions.ServerError, match="InvalidTargetType"):
        bucket.get_object("twice")
    bucket.put_object("plain", b"")
    with pytest.raises(exceptions.ServerError, match="NotSymlink"):
        bucket.get_symlink("plain")
    assert raw.send("PUT", "l", params={"symlink": ""}).status == 400


def test_appending(bucket: Any) -> None:
    """An appendable object grows; HEAD tells where it goes on."""
    first = bucket.append_object("a", 0, b"hello", headers={"x-oss-meta-v": "1"})
    second = bucket.append_object("a", first.next_position, b" world")

    found = bucket.head_object("a")

    assert bucket.get_object("a").read() == b"hello world"
    crc = oss2.utils.Crc64(0)
    crc(b"hello world")
    assert second.crc == crc.crc
    assert found.headers["x-oss-next-append-position"] == "11"
    assert found.headers["x-oss-meta-v"] == "1"
    assert found.object_type == "Appendable"


def test_append_errors(bucket: Any) -> None:
    """A wrong position, and an object made otherwise, are conflicts."""
    bucket.append_object("a", 0, b"hello")
    with pytest.raises(exceptions.PositionNotEqualToLength) as caught:
        bucket.append_object("a", 0, b"again")
    assert caught.value.next_position == 5
    bucket.put_object("b", b"")
    with pytest.raises(exceptions.ObjectNotAppendable):
        bucket.append_object("b", 0, b"x")


def test_restore(bucket: Any, oss: EmbeddedOSS) -> None:
    """202 begins it, 409 while it goes on, 200 afterwards, 400 where it is useless."""
    oss.store.put_object("bucket", "cold", storage_class="ColdArchive")
    oss.store.put_object("bucket", "warm")

    assert bucket.restore_object("cold").status == 202
    assert (
        'ongoing-request="true"' in bucket.head_object("cold").headers["x-oss-restore"]
    )
    with pytest.raises(exceptions.RestoreAlreadyInProgress):
        bucket.restore_object("cold")
    found = oss.store.get_object("bucket", "cold")
    oss.store.update_object(found, restore='ongoing-request="false"')
    assert bucket.restore_object("cold").status == 200
    assert bucket.get_object("cold").read() == b""
    with pytest.raises(exceptions.OperationNotSupported):
        bucket.restore_object("warm")


def test_an_unrestored_object_can_be_headed_and_tagged(
    bucket: Any, oss: EmbeddedOSS
) -> None:
    """Only access to content needs a restore."""
    oss.store.put_object("bucket", "cold", storage_class="Archive")
    bucket.put_object_tagging("cold", tagging(k="v"))

    assert bucket.head_object("cold").headers["x-oss-tagging-count"] == "1"
