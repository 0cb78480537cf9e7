"""Headers of heads: what an update is made of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
from multidict import CIMultiDict

from bulkmeta.errors import ObjectError
from bulkmeta.model.changes import Change
from bulkmeta.model.plan import plan_update
from bulkmeta.oss import wire
from bulkmeta.oss.lease import seen_by
from bulkmeta.oss.transport import Response, refuse_unsendable
from tests.fuzz.harness import Harness

_NOW = datetime(2026, 11, 22, tzinfo=UTC)
_HEAD = (
    b"ETag: \"0F\"\nLast-Modified: Sun, 22 Nov 2026 10:15:00 GMT\n"
    b"Date: Sun, 22 Nov 2026 10:16:00 GMT\nContent-Type: text/plain\n"
    b"Content-Length: 12\nx-oss-object-type: Normal\nx-oss-storage-class: IA\n"
)  # fmt: skip


def read(data: bytes) -> None:
    """What was read can be written down, and sent back as it is."""
    headers = CIMultiDict[str]()
    for line in data.decode("utf-8", "surrogateescape").split("\n"):
        name, colon, value = line.partition(": ")
        if colon and name.isascii() and name:
            headers.add(name, value)
    head = wire.read_head(Response(200, headers, b"", timedelta()), _NOW)
    msgspec.json.encode(head.metadata)
    msgspec.json.encode([head.etag, head.last_modified, head.date, head.request_id])
    head.unsettled_s()
    str(seen_by(head, 0.0))
    plan = plan_update("k", head, Change(set_meta={"a": "b"}))
    refuse_unsendable(wire.replace_headers("bucket", plan))


HARNESS = Harness(
    read,
    (ObjectError, ValueError),
    (
        _HEAD,
        _HEAD + b"x-oss-meta-a: \xe6\x96\x87\nx-oss-meta-b: \xff\n",
        _HEAD + b"Cache-Control: no-cache\nExpires: 0\ncontent-encoding: gzip\n",
        _HEAD + b"x-oss-meta-a: 1\nX-Oss-Meta-A: 2\nx-new: 1\n",
        _HEAD + b"x-oss-meta-lock-id: 1\nx-oss-meta-lock-lease-s: 99999999999\n"
        b"x-oss-meta-lock-pid: 1\nx-oss-meta-lock-host: h\nx-oss-meta-lock-since: s\n",
        _HEAD.replace(b"2026", b"9999"),
        _HEAD.replace(b"2026", b"9999") + b"x-oss-meta-lock-lease-s: 99999999999\n"
        b"x-oss-meta-lock-id: 1\nx-oss-meta-lock-pid: 1\nx-oss-meta-lock-host: h\n"
        b"x-oss-meta-lock-since: s\n",
        _HEAD.replace(b"2026", b"0001").replace(b"GMT", b"+2359"),
    ),
    (b"x-oss-meta-", b": ", b"GMT", b"-0000", b"Last-Modified: ", b"x-oss-", b"\x00"),
)
