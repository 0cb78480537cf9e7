"""XML of other answers: tags, access control lists, copies, versioning."""

from __future__ import annotations

from datetime import timedelta

import msgspec
from multidict import CIMultiDict

from bulkmeta.model.limits import tag_key_fault, tag_value_fault
from bulkmeta.oss import wire
from bulkmeta.oss.transport import Response
from tests.fuzz.harness import Harness

_COPIED = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<CopyObjectResult>\n<ETag>"0F"</ETag>'
    b"<LastModified>2026-11-22T10:15:00.000Z</LastModified></CopyObjectResult>"
)


def read(data: bytes) -> None:
    """By its first byte, one of the documents; what was read can be written down."""
    which, body = data[:1], data[1:]
    if which == b"t":
        tags = wire.parse_tagging(body)
        msgspec.json.encode(tags)
        if not any(map(tag_key_fault, tags)) and not any(
            map(tag_value_fault, tags.values())
        ):
            assert wire.parse_tagging(wire.tagging_body(tags)) == tags
    elif which == b"a":
        msgspec.json.encode(wire.parse_acl(body))
    elif which == b"v":
        wire.parse_versioning(body)
    else:
        answer = Response(200, CIMultiDict(), body, timedelta())
        msgspec.json.encode(wire.parse_copy_result(answer))


HARNESS = Harness(
    read,
    (ValueError,),
    (
        b"t<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>",
        b"a<AccessControlPolicy><AccessControlList><Grant>private</Grant>"
        b"</AccessControlList></AccessControlPolicy>",
        b"v<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
        b"c" + _COPIED,
        b"c" + _COPIED.replace(b"2026", b"0001").replace(b"000Z", b"000+23:59"),
        b"c" + _COPIED.replace(b"\n", b"  "),
    ),
    (b"<Tag>", b"</Tag>", b"<Key/>", b"&#13;", b"+14:00", b"9999", b"&#xFFFE;"),
)
