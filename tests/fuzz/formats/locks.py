"""Lock objects: who has one stands in its metadata."""

from __future__ import annotations

import msgspec

from bulkmeta.model.metadata import Metadata, ObjectHead
from bulkmeta.oss.lease import metadata_of, owner_of, seen_by
from tests.fuzz.harness import Harness

_DATE = "Sun, 22 Nov 2026 10:15:00 GMT"
_LOCK = b"lock-id=1\nlock-lease-s=60.0\nlock-pid=1\nlock-host=h\nlock-since=s\n"


def read(data: bytes) -> None:
    """Whoever has it can be told, and is the same when it is written again."""
    text = data.decode("utf-8", "replace")
    meta = dict(line.split("=", 1) for line in text.split("\n") if "=" in line)
    owner = owner_of(meta)
    state = Metadata(meta, {}, None, None, "Standard", {})
    head = ObjectHead(state, "0F", _DATE, _DATE, 0, "Normal", None, None)
    seen = seen_by(head, 0.0)
    assert str(seen)
    assert not (seen.is_stale() and owner is None)
    if owner:
        written = {
            n.removeprefix("x-oss-meta-"): v for n, v in metadata_of(owner).items()
        }
        assert owner_of(written) == owner
        msgspec.json.encode(owner)


HARNESS = Harness(
    read,
    (),
    (
        _LOCK,
        _LOCK.replace(b"60.0", b"nan"),
        _LOCK.replace(b"60.0", b"99999999999"),
        _LOCK.replace(b"pid=1", b"pid=" + b"9" * 5000),
    ),
    (b"lock-", b"=", b"1e9", b"-inf", b"\n", b"0.0000001"),
)
