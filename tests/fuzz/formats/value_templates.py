"""Templates: values made from an object."""

from __future__ import annotations

from bulkmeta.errors import ObjectError, UsageError
from bulkmeta.model.changes import Change, checked
from bulkmeta.model.metadata import Metadata, ObjectHead
from bulkmeta.model.templates import Source, fill, parse_template, render
from tests.fuzz.harness import Harness

_HEAD = ObjectHead(
    Metadata({"old": "文"}, {"content-type": "text/plain"}, None, {"k": "v"}, "IA", {}),
    "0F",
    "Sun, 22 Nov 2026 10:15:00 GMT",
    "Sun, 22 Nov 2026 10:16:00 GMT",
    size_bytes=12,
    object_type="Normal",
    version_id=None,
    request_id=None,
)


def read(data: bytes) -> None:
    """The text before the first NUL is a template, that behind it the object's key."""
    text, _, key = data.partition(b"\0")
    template = text.decode("utf-8", "surrogateescape")
    source = Source(key.decode("utf-8", "surrogateescape"), _HEAD)
    parse_template(template)
    for missing in ("fail", "skip", "empty"):
        try:
            render(template, source, missing)
        except ObjectError:
            continue
    fill(checked(Change(set_meta={"a": template}), literal=False), source)


HARNESS = Harness(
    read,
    (UsageError, ObjectError),
    (
        b"{key}-{stem}-{ext}-{dir}-{name}\0a/b/c.tar.gz",
        b"{part[1]}{size}{meta[old]}{tag[k]}{header[content-type]}\0a/b",
        b"{last_modified:%Y-%m-%dT%H}{{x}}{etag}\0",
        b"{part[-1]}{content_type}\0a",
        b"{part[" + b"9" * 5000 + b"]}\0a/b",
    ),
    (b"{", b"}", b"[", b"]", b":", b"%", b"{{", b"part[", b"%Y", b"-1", b"\xff", b"/"),
)
