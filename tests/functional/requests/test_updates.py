"""What an update carries, and by what it is guarded."""

from __future__ import annotations

from email.utils import formatdate
from typing import TYPE_CHECKING

from bulkmeta.emulator.faults import Fault
from tests.functional.requests.conftest import (
    ACL,
    COPY,
    HEAD,
    RESTORED,
    SSE,
    Command,
    about,
    apply,
    updates,
)

if TYPE_CHECKING:
    from bulkmeta.emulator.log import LoggedRequest
    from bulkmeta.emulator.server import EmbeddedOSS

PER_REQUEST = {
    "host",
    "accept",
    "accept-encoding",
    "user-agent",
    "authorization",
    "x-oss-date",
    "x-oss-content-sha256",
    "content-length",
}
"""On every update, whatever the object."""


def extra_headers(request: LoggedRequest) -> dict[str, str]:
    """What a request carries beyond what every request does."""
    return {k: v for k, v in request.headers.items() if k not in PER_REQUEST}


def stamp(oss: EmbeddedOSS, key: str) -> str:
    """An object's Last-Modified as a head gives it."""
    return formatdate(oss.store.get_object("bucket", key).last_modified, usegmt=True)


VOLATILE = {
    "x-oss-expiration": 'expiry-date="Sun, 22 Nov 2037 12:00:00 GMT"',
    "x-oss-transition-time": "Sun, 22 Nov 2026 12:00:00 GMT",
    "x-oss-last-access-time": "Sun, 22 Nov 2026 12:00:00 GMT",
    "x-oss-process-status": "404",
    "x-oss-request-charged": "requester",
    "Access-Control-Allow-Origin": "*",
    "Vary": "Origin",
    "Strict-Transport-Security": "max-age=1",
}


def test_update_headers_of_plain_object(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """An update of a plain object carries directive, source, both guards and what
    stays: no ACL, class, tagging, digest or volatile header."""
    put = oss.store.put_object("bucket", "p/ä b", body=b"x", tags={"t": "1"})
    guard = stamp(oss, "p/ä b")

    assert apply(bulkmeta, "--set", "x=1").code == 0

    assert extra_headers(updates(oss)["p/ä b"]) == {
        "x-oss-copy-source": "/bucket/p%2F%C3%A4%20b",
        "x-oss-metadata-directive": "REPLACE",
        "x-oss-copy-source-if-match": f'"{put.etag}"',
        "x-oss-copy-source-if-unmodified-since": guard,
        "content-type": "application/octet-stream",
        "x-oss-meta-x": "1",
    }


def test_update_headers_of_rich_object(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """An update of an object that has everything carries all of it, and nothing else:
    ACL, class and encryption as they are, none of the volatile headers."""
    standard = {
        "cache-control": "no-cache",
        "content-disposition": "inline",
        "content-encoding": "gzip",
        "content-language": "de",
        "expires": "0",
    }
    sse = {SSE: "KMS", f"{SSE}-key-id": "k-1"}
    put = oss.store.put_object(
        "bucket", "p/a", body=b"x", headers=standard, content_type="image/webp",
        meta={"owner": "测试"}, tags={"t": "1"}, acl="public-read", storage_class="IA",
        sse=sse, restore=RESTORED,
    )  # fmt: skip
    guard = stamp(oss, "p/a")
    oss.faults.add(Fault("extra_header", HEAD, headers=VOLATILE))

    assert apply(bulkmeta, "--set", "x=1", "--allow-early-rewrite").code == 0

    assert extra_headers(updates(oss)["p/a"]) == {
        "x-oss-copy-source": "/bucket/p%2Fa",
        "x-oss-metadata-directive": "REPLACE",
        "x-oss-copy-source-if-match": f'"{put.etag}"',
        "x-oss-copy-source-if-unmodified-since": guard,
        "content-type": "image/webp",
        "x-oss-meta-x": "1",
        "x-oss-meta-owner": "测试",
        "x-oss-object-acl": "public-read",
        "x-oss-storage-class": "IA",
        **standard,
        **sse,
    }


def test_guards_of_each_object(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Each update is guarded by its own object's ETag and date, not by another's."""
    for number in range(40):
        oss.store.put_object(
            "bucket", f"p/{number}", body=str(number).encode(),
            last_modified=1_700_000_000 + 61 * number,
        )  # fmt: skip
    wanted = {
        found.key: (f'"{found.etag}"', stamp(oss, found.key))
        for found in oss.store.objects("bucket")
    }
    assert len(set(wanted.values())) == 40

    assert apply(bulkmeta, "--set", "x=1").code == 0

    prefix = "x-oss-copy-source-if-"
    assert wanted == {
        key: (sent.headers[f"{prefix}match"], sent.headers[f"{prefix}unmodified-since"])
        for key, sent in updates(oss).items()
    }


def test_guard_comes_from_latest_head(
    oss: EmbeddedOSS, bulkmeta: Command, read_run: Command
) -> None:
    """When another writer comes first, the update is refused, and made anew from a
    second head, with that head's date: both changes are in the end."""
    oss.store.put_object("bucket", "p/a", meta={"mine": "0"})
    first = stamp(oss, "p/a")
    oss.faults.add(Fault("foreign_write", COPY, times=1, meta={"theirs": "1"}))

    assert apply(bulkmeta, "--set", "mine=1", "--run-file", "r").code == 0

    sent = [r for r in oss.log.requests() if r.method == "PUT"]
    guards = [r.headers["x-oss-copy-source-if-unmodified-since"] for r in sent]
    assert [r.status for r in sent] == [412, 200]
    assert guards[0] == first != guards[1]
    assert about(oss, "p/a")[:4] == [HEAD, ACL, COPY, HEAD]
    assert about(oss, "p/a")[-3:] == [HEAD, ACL, COPY]
    merged = {"mine": "1", "theirs": "1"}
    assert oss.store.get_object("bucket", "p/a").meta == merged
    line = read_run("r").by_key()["p/a"]
    assert (line["status"], line["conflicts"]) == ("updated", 1)
    assert line["before"]["meta"] == {"mine": "0", "theirs": "1"}
