"""Journals: intents of a run that was cut short."""

from __future__ import annotations

import msgspec

from bulkmeta.errors import UsageError
from bulkmeta.journal.reader import intended_keys, read_doubts, read_intents
from bulkmeta.journal.records import Intent, JournalHeader
from bulkmeta.model.metadata import Metadata
from bulkmeta.oss import wire
from tests.fuzz.formats.run_files import HEADER
from tests.fuzz.harness import Harness, kept

_STATE = Metadata({"a": "1"}, {}, None, None, "Standard", {})
_BEGIN = msgspec.json.encode(
    JournalHeader(job_hash=HEADER.job_hash, run_started=HEADER.started)
)
_INTENT = msgspec.json.encode(Intent(1, "p/a", _STATE, _STATE, "0F", "now"))


def read(data: bytes) -> None:
    """As a run that is taken up again does; the header of `>` is that of the run."""
    with kept(data.replace(b">", _BEGIN, 1)) as path:
        keys = intended_keys(path, HEADER)
        plans = read_doubts(path, HEADER, keys)
        assert plans.keys() == keys
        for intent in read_intents(path, HEADER):
            wire.replace_headers("bucket", intent.plan())


HARNESS = Harness(
    read,
    (UsageError,),
    (
        b">\n" + _INTENT + b"\n",
        b">\n" + _INTENT + b"\n" + _INTENT[:-9],
        _BEGIN + b"\n",
        b">\n" + _INTENT.replace(b'"seq":1', b'"x":' + b"[" * 2000) + b"\n",
    ),
    (b">", b"\n", b"null", b"{}", b"\x00", b'"key":', b'"\\udfff"', b"1e400"),
)
