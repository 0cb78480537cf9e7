"""Buckets and their configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import oss2
import pytest
from oss2 import exceptions
from oss2.models import BucketVersioningConfig, ServerSideEncryptionRule

from bulkmeta.emulator.options import DEFAULT_CREDENTIAL, Credential

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS
    from tests.functional.emulator.conftest import Connect, RawClient, Start


def test_who_pays(start: Start, connect: Connect) -> None:
    """Others than the owner say in each request that they do, and are told so."""
    guest = Credential("guest", "guest-secret", is_owner=False)
    oss = start(credentials=(DEFAULT_CREDENTIAL, guest))
    oss.store.configure_bucket("bucket", requester_pays=True)
    owned = connect(oss)
    theirs = connect(oss, auth=oss2.AuthV4("guest", "guest-secret"))
    assert "x-oss-request-charged" not in owned.put_object("a", b"").headers

    with pytest.raises(exceptions.AccessDenied) as caught:
        theirs.head_object("a")
    assert caught.value.ec == "0003-00000703"
    head = theirs.head_object("a", headers={"x-oss-request-payer": "requester"})
    assert head.headers["x-oss-request-charged"] == "requester"
    with pytest.raises(exceptions.AccessDenied):
        theirs.head_object("a", headers={"x-oss-request-payer": "BucketOwner"})


def test_a_bucket_is_made_and_deleted(connect: Connect, oss: EmbeddedOSS) -> None:
    """PutBucket with class and ACL, DeleteBucket when empty."""
    client = connect(oss, name="made")
    config = oss2.models.BucketCreateConfig(oss2.BUCKET_STORAGE_CLASS_IA)
    client.create_bucket("public-read", config)
    client.create_bucket()

    assert client.get_bucket_info().storage_class == "IA"
    assert client.get_bucket_acl().acl == "public-read"
    client.put_object("a", b"")
    with pytest.raises(exceptions.BucketNotEmpty):
        client.delete_bucket()
    client.delete_object("a")
    client.delete_bucket()
    with pytest.raises(exceptions.NoSuchBucket):
        client.get_bucket_info()


def test_bucket_names_are_checked(raw: RawClient) -> None:
    """A name of other characters or length is refused."""
    for name in ("UPPER", "a", "-a", "b" * 64):
        reply = raw.send("PUT", bucket=name)
        assert (reply.status, b"InvalidBucketName" in reply.body) == (400, True)


@pytest.mark.parametrize(
    "call",
    [
        lambda b: b.put_object("a", b""),
        lambda b: b.head_object("a"),
        lambda b: b.list_objects_v2(),
        lambda b: b.get_bucket_info(),
        lambda b: b.get_object_acl("a"),
        lambda b: b.delete_object("a"),
    ],
)
def test_a_bucket_that_is_not_there(
    connect: Connect, oss: EmbeddedOSS, call: Any
) -> None:
    """Every call names the bucket as what is missing, HEAD included."""
    with pytest.raises(exceptions.NoSuchBucket) as caught:
        call(connect(oss, name="nowhere"))

    assert caught.value.details["BucketName"] == "nowhere"


def test_list_buckets(connect: Connect, oss: EmbeddedOSS) -> None:
    """The service lists its buckets, by prefix if asked."""
    oss.store.create_bucket("another")
    credential = DEFAULT_CREDENTIAL
    auth = oss2.AuthV4(credential.access_key_id, credential.access_key_secret)
    session = connect(oss).session
    service = oss2.Service(auth, oss.endpoint, session=session, region="cn-hangzhou")

    assert [b.name for b in service.list_buckets().buckets] == ["another", "bucket"]
    assert [b.name for b in service.list_buckets(prefix="b").buckets] == ["bucket"]


def test_bucket_info(bucket: Any, oss: EmbeddedOSS) -> None:
    """GetBucketInfo tells region, versioning and encryption."""
    plain = bucket.get_bucket_info()
    assert (plain.location, plain.versioning_status) == ("oss-cn-hangzhou", None)
    assert plain.bucket_encryption_rule.sse_algorithm is None

    oss.store.configure_bucket(
        "bucket",
        versioning="Suspended",
        encryption={"x-oss-server-side-encryption": "AES256"},
    )
    other = bucket.get_bucket_info()
    assert other.versioning_status == "Suspended"
    assert other.bucket_encryption_rule.sse_algorithm == "AES256"
    assert bucket.get_bucket_location().location == "oss-cn-hangzhou"


def test_bucket_acl(bucket: Any) -> None:
    """The bucket's ACL can be changed; another word is refused."""
    bucket.put_bucket_acl("public-read")

    assert bucket.get_bucket_acl().acl == "public-read"
    with pytest.raises(exceptions.InvalidArgument):
        bucket.put_bucket_acl("default")


def test_versioning(bucket: Any, raw: RawClient) -> None:
    """Unset, Enabled and Suspended are told apart; anything else is malformed."""
    assert bucket.get_bucket_versioning().status is None
    for status in ("Enabled", "Suspended"):
        config = BucketVersioningConfig(status)
        bucket.put_bucket_versioning(config)
        assert bucket.get_bucket_versioning().status == status
    body = b"<VersioningConfiguration><Status>Off</Status></VersioningConfiguration>"
    assert raw.send("PUT", params={"versioning": ""}, body=body).status == 400


def test_worm(bucket: Any, oss: EmbeddedOSS) -> None:
    """Without a retention policy GetBucketWorm is 404."""
    with pytest.raises(exceptions.NoSuchWORMConfiguration):
        bucket.get_bucket_worm()
    oss.store.configure_bucket("bucket", worm=True)

    assert bucket.get_bucket_worm().state == "Locked"


def test_encryption(bucket: Any, raw: RawClient) -> None:
    """The default encryption is put, got, applied and deleted."""
    with pytest.raises(exceptions.NoSuchServerSideEncryptionRule):
        bucket.get_bucket_encryption()
    rule = ServerSideEncryptionRule()
    rule.sse_algorithm, rule.kms_master_keyid = "KMS", "key-1"
    bucket.put_bucket_encryption(rule)

    found = bucket.get_bucket_encryption()
    assert (found.sse_algorithm, found.kms_master_keyid) == ("KMS", "key-1")
    bucket.put_object("a", b"")
    headers = bucket.head_object("a").headers
    assert headers["x-oss-server-side-encryption-key-id"] == "key-1"
    bucket.delete_bucket_encryption()
    with pytest.raises(exceptions.NoSuchServerSideEncryptionRule):
        bucket.get_bucket_encryption()
    body = b"<ServerSideEncryptionRule/>"
    assert raw.send("PUT", params={"encryption": ""}, body=body).status == 400


@pytest.mark.parametrize(
    ("method", "key", "params"),
    [
        ("GET", "", {"lifecycle": ""}),
        ("POST", "", {"bucketInfo": ""}),
        ("PATCH", "", {}),
        ("GET", "a", {"uploadId": "1"}),
        ("POST", "a", {"tagging": ""}),
        ("PATCH", "a", {}),
    ],
)
def test_what_is_not_served_is_not_implemented(
    raw: RawClient, method: str, key: str, params: dict[str, str]
) -> None:
    """A call this stand-in lacks is refused, never taken for another one."""
    reply = raw.send(method, key, params=params)

    assert (reply.status, b"NotImplemented" in reply.body) == (400, True)


def test_only_get_asks_the_service(raw: RawClient) -> None:
    """Without a bucket there is ListBuckets and nothing else."""
    assert raw.send("GET", bucket="", path="/").status == 200
    assert raw.send("DELETE", bucket="", path="/").status == 404


@pytest.mark.parametrize(
    ("host", "path", "status"),
    [
        ("bucket.localhost", "/a/b", 200),
        ("bucket.oss-cn-hangzhou.aliyuncs.com:80", "/a/b", 200),
        ("localhost:9000", "/bucket/a/b", 200),
        ("[::1]:9000", "/bucket/a/b", 200),
        ("[::1]", "/bucket/a/b", 200),
        ("oss-cn-hangzhou.aliyuncs.com", "/bucket/a/b", 403),
        ("other.localhost", "/a/b", 404),
    ],
)
def test_addressing_by_host(
    raw: RawClient, bucket: Any, host: str, path: str, status: int
) -> None:
    """A bucket is found in the host name or, on an IP or localhost, in the path."""
    bucket.put_object("a/b", b"x")
    name = "other" if host.startswith("other") else "bucket"
    if status == 403:
        name = ""

    reply = raw.send("GET", "a/b", headers={"Host": host}, path=path, bucket=name)

    assert reply.status == status
    if status == 403:
        assert b"SecondLevelDomainForbidden" in reply.body
