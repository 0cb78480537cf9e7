"""Every kind of fault, as a client of raw bytes sees it."""

from __future__ import annotations

import http.client
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from oss2 import exceptions

from bulkmeta.emulator.faults import KINDS, Fault, Faults
from tests.functional.emulator.conftest import RawClient, sign

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS
    from tests.functional.emulator.conftest import Connect, Start


def last_fault(oss: EmbeddedOSS) -> tuple[int, str | None]:
    """Status and fault of the latest request."""
    logged = oss.log.requests()[-1]
    return logged.status, logged.fault


def test_error(bucket: Any, oss: EmbeddedOSS) -> None:
    """`error` refuses with status and code, on HEAD through x-oss-err."""
    oss.store.put_object("bucket", "a")
    oss.faults.add(Fault("error", status=500, code="InternalError", times=1))
    oss.faults.add(Fault("error", status=599, code="Odd", times=1))

    for call, expected in (
        (bucket.get_object, (500, "InternalError")),
        (bucket.head_object, (599, "Odd")),
    ):
        with pytest.raises(exceptions.ServerError) as caught:
            call("a")
        assert (caught.value.status, caught.value.code) == expected
        assert caught.value.request_id
    assert bucket.head_object("a").status == 200
    assert [fired for _, fired in oss.faults.rules()] == [1, 1]


def test_html(raw: RawClient, oss: EmbeddedOSS) -> None:
    """`html` is a proxy's page: no XML, no request id, another status if asked."""
    oss.faults.add(Fault("html", times=1))
    oss.faults.add(Fault("html", status=504, times=1))

    first, second = raw.send("PUT", "a"), raw.send("PUT", "a")

    assert (first.status, second.status) == (502, 504)
    assert first.body.startswith(b"<html>")
    assert "x-oss-request-id" not in first.headers
    assert oss.store.find("bucket", "a") is None


def test_reset_before(raw: RawClient, oss: EmbeddedOSS) -> None:
    """`reset_before` resets the connection and commits nothing."""
    oss.faults.add(Fault("reset_before"))

    with pytest.raises(ConnectionResetError):
        raw.send("PUT", "a")

    assert oss.store.find("bucket", "a") is None
    assert last_fault(oss) == (0, "reset_before")


def test_reset_after(raw: RawClient, oss: EmbeddedOSS) -> None:
    """`reset_after` commits, and the reply is lost."""
    oss.faults.add(Fault("reset_after"))

    with pytest.raises(ConnectionResetError):
        raw.send("PUT", "a")

    assert oss.store.get_object("bucket", "a").size == 0
    assert last_fault(oss) == (200, "reset_after")


@pytest.mark.parametrize(("kind", "committed"), [("hang", False), ("hang_after", True)])
def test_hangs(oss: EmbeddedOSS, kind: str, *, committed: bool) -> None:
    """A client that gives up finds `hang` not done, and `hang_after` done."""
    oss.faults.add(Fault(kind, seconds=30))
    signed = sign("PUT", "bucket", "a", {}, {})
    address = urlsplit(oss.endpoint).netloc
    connection = http.client.HTTPConnection(address, timeout=0.2)
    connection.request(
        "PUT", "/bucket/a", headers={k: v for k, v in signed.items() if v}
    )

    with pytest.raises(TimeoutError):
        connection.getresponse()
    connection.close()

    until = time.monotonic() + 5
    while not oss.log.requests() and time.monotonic() < until:
        time.sleep(0.01)
    assert (oss.store.find("bucket", "a") is not None) == committed
    assert oss.log.requests()[0].fault == kind


def test_a_short_hang_ends(raw: RawClient, oss: EmbeddedOSS) -> None:
    """A client that waits long enough is answered."""
    oss.faults.add(Fault("hang", seconds=0.05))
    oss.faults.add(Fault("hang_after", seconds=0.05))

    began = time.monotonic()

    assert raw.send("PUT", "a").status == 200
    assert time.monotonic() - began >= 0.1


@pytest.mark.parametrize("wait_s", [0, 0.1])
def test_closing_does_not_wait_for_a_hang(start: Start, wait_s: float) -> None:
    """An embedded OSS is closed at once, with requests just come or hanging."""
    oss = start()
    oss.faults.add(Fault("hang", seconds=60))
    address = urlsplit(oss.endpoint).netloc
    connection = http.client.HTTPConnection(address)
    connection.request("GET", "/bucket/a")
    time.sleep(wait_s)
    began = time.monotonic()
    oss.__exit__(None, None, None)

    assert time.monotonic() - began < 30
    connection.close()
    oss.__enter__()


def test_latency(raw: RawClient, oss: EmbeddedOSS) -> None:
    """`latency` delays the reply and changes nothing else."""
    oss.faults.add(Fault("latency", seconds=0.1))
    began = time.monotonic()

    assert raw.send("PUT", "a").status == 200
    assert time.monotonic() - began >= 0.1


def test_latency_of_all_requests(start: Start) -> None:
    """The option delays every request."""
    raw = RawClient(start(latency_s=0.05))
    began = time.monotonic()

    assert raw.send("PUT", "a").status == 200
    assert time.monotonic() - began >= 0.05


def test_truncate(raw: RawClient, oss: EmbeddedOSS) -> None:
    """`truncate` sends less than declared; of a reply without body, half its head."""
    oss.store.put_object("bucket", "a", body=b"0123456789")
    oss.faults.add(Fault("truncate"))

    body, head = raw.send("GET", "a"), raw.send("HEAD", "a")

    assert (body.status, body.body, body.is_complete) == (200, b"01234", False)
    assert body.headers["content-length"] == b"10"
    assert (head.status, head.is_complete) == (0, False)
    assert raw.send("PUT", "b").status == 0
    assert oss.store.find("bucket", "b") is not None


def test_foreign_write(bucket: Any, oss: EmbeddedOSS) -> None:
    """`foreign_write` makes the guard of the request that it precedes fail."""
    oss.store.put_object("bucket", "a", meta={"v": "1"}, tags={"k": "v"})
    seen = bucket.head_object("a").headers["Last-Modified"]
    oss.faults.add(
        Fault(
            "foreign_write",
            operation="CopyObject",
            meta={"w": "2"},
            headers={"cache-control": "no-store", "content-type": "text/x"},
            acl="private",
        )
    )
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.update_object_meta("a", {"x-oss-copy-source-if-unmodified-since": seen})

    found = oss.store.get_object("bucket", "a")

    assert found.meta == {"v": "1", "w": "2"}
    assert (found.headers, found.acl) == ({"cache-control": "no-store"}, "private")
    assert (found.content_type, found.tags) == ("text/x", {"k": "v"})


def test_foreign_write_of_tags(bucket: Any, oss: EmbeddedOSS) -> None:
    """Another writer may set tags; where there is no object nothing happens."""
    oss.store.put_object("bucket", "a", tags={"k": "v"})
    oss.faults.add(Fault("foreign_write", tags={}))
    bucket.head_object("a")

    assert oss.store.get_object("bucket", "a").tags == {}
    with pytest.raises(exceptions.NoSuchKey):
        bucket.head_object("none")


def test_delete(bucket: Any, oss: EmbeddedOSS) -> None:
    """`delete` removes the object just before the request is handled."""
    oss.store.put_object("bucket", "a")
    oss.faults.add(Fault("delete", operation="CopyObject"))

    assert bucket.head_object("a").status == 200
    with pytest.raises(exceptions.NoSuchKey):
        bucket.update_object_meta("a", {})


def test_extra_header(bucket: Any, oss: EmbeddedOSS) -> None:
    """`extra_header` adds headers to the reply, unknown ones as well."""
    oss.store.put_object("bucket", "a")
    oss.faults.add(Fault("extra_header", headers={"x-oss-new-thing": "1"}))

    assert bucket.head_object("a").headers["x-oss-new-thing"] == "1"


def test_faults_are_matched_by_operation_and_key(bucket: Any, oss: EmbeddedOSS) -> None:
    """A rule meets its operation and its glob, or the very key."""
    for key in ("a1", "a2", "[a]"):
        oss.store.put_object("bucket", key)
    oss.faults.add(Fault("error", operation="GetObjectAcl"))
    oss.faults.add(Fault("error", operation="HeadObject", key="a*"))
    oss.faults.add(Fault("error", operation="HeadObject", key="[a]", exact=True))

    bucket.get_object("a1")
    for call, key in (
        (bucket.get_object_acl, "a1"),
        (bucket.head_object, "a2"),
        (bucket.head_object, "[a]"),
    ):
        with pytest.raises(exceptions.ServerError):
            call(key)
    oss.faults.clear()
    assert bucket.head_object("a1").status == 200


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault("delete", times=2), "xx------"),
        (Fault("delete", skip=3), "---xxxxx"),
        (Fault("delete", every=3), "--x--x--"),
        (Fault("delete", skip=1, every=2, times=2), "--x-x---"),
        (Fault("delete", probability=0), "--------"),
        (Fault("delete", connection="fresh"), "xxxxxxxx"),
        (Fault("delete", connection="reused"), "--------"),
    ],
)
def test_how_often_a_fault_fires(fault: Fault, expected: str) -> None:
    """`times`, `every`, `skip` and `probability` count what the rule meets."""
    faults = Faults()
    faults.add(fault)

    fired = [faults.fire("HeadObject", "a", reused=False) for _ in range(8)]

    assert "".join("x" if one else "-" for one in fired) == expected


def test_probability_is_repeatable() -> None:
    """The same seed draws the same faults, another seed others."""

    def drawn(seed: int) -> list[int]:
        faults = Faults(seed)
        faults.add(Fault("delete", probability=0.3))
        return [len(faults.fire("HeadObject", "a", reused=False)) for _ in range(200)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert 30 < sum(drawn(1)) < 90


def test_only_reused_connections(connect: Connect, oss: EmbeddedOSS) -> None:
    """A rule may meet a kept-alive connection only, where clients retry silently."""
    client = connect(oss)
    client.put_object("a", b"")
    oss.faults.add(Fault("error", connection="reused"))

    with pytest.raises(exceptions.ServerError):
        client.head_object("a")
    assert connect(oss).head_object("a").status == 200


def test_rules_that_make_no_sense_are_refused() -> None:
    """A kind or a connection state that does not exist is a mistake."""
    with pytest.raises(ValueError, match="unknown fault kind"):
        Fault("explode")
    with pytest.raises(ValueError, match="connection"):
        Fault("delete", connection="old")
    assert len(KINDS) == 11
