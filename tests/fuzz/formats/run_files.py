"""Run files and plan files, plain and compressed; and what undo makes of a line."""

from __future__ import annotations

import gzip
from pathlib import Path

import msgspec

from bulkmeta.errors import ObjectError, UsageError
from bulkmeta.journal.compression import Zstd
from bulkmeta.journal.run_reader import read_header, read_run, scan_progress
from bulkmeta.model import replay
from bulkmeta.model.changes import Change
from bulkmeta.model.job import JobSpec, parse_target
from bulkmeta.model.metadata import Metadata, ObjectHead
from bulkmeta.model.outcome import Outcome
from bulkmeta.model.run_file import Resumed, RunHeader, Summary
from bulkmeta.oss import wire
from bulkmeta.report.account import Account
from bulkmeta.report.page import render_page
from tests.fuzz.harness import Harness, kept

_STATES = (
    Metadata({"a": "1"}, {}, None, None, "Standard", {}),
    Metadata(
        {"a": "2"},
        {"content-type": "text/plain"},
        "private",
        {"k": "v"},
        "Standard",
        {},
    ),
)
_HEAD = ObjectHead(
    _STATES[1],
    "0F",
    "Sun, 22 Nov 2026 10:15:00 GMT",
    "Sun, 22 Nov 2026 10:16:00 GMT",
    size_bytes=12,
    object_type="Normal",
    version_id=None,
    request_id=None,
)
_JOB = JobSpec(
    parse_target("oss://bucket/p/", allow_all=False), Change(set_meta={"a": "2"})
)
HEADER = RunHeader(
    version="1", command="apply", job=_JOB, job_hash=_JOB.hash(), bucket="bucket",
    endpoint="https://oss-cn-hangzhou.aliyuncs.com", region="cn-hangzhou",
    started="2026-11-22T10:15:00.000Z",
)  # fmt: skip
_OBJECT = Outcome(
    seq=1, key="p/a", status="updated", before=_STATES[0], after=_STATES[1],
    etag="0F", last_modified=_HEAD.last_modified, bounds=["p/m"],
    at="2026-11-22T10:15:00.000Z",
)  # fmt: skip
_LINES = b"\n".join(
    msgspec.json.encode(record)
    for record in (
        HEADER,
        _OBJECT,
        Resumed(seq=2, after="p/a", at="2026-11-22T10:15:00.000Z"),
        Outcome(seq=3, key="p/b", status="failed", reason="timeout"),
        Summary(objects=2, counts={}, reasons={}, requests={}, elapsed_s=1.0,
                finished="2026-11-22T10:15:00.000Z"),
    )
) + b"\n"  # fmt: skip


def read(data: bytes) -> None:
    """As commands on run files do: first the header, then how far it came, then line by
    line; and the page of it."""
    packed = {b"g:": gzip.compress, b"z:": Zstd().compress}.get(data[:2])
    with kept(packed(data[2:]) if packed else data) as path:
        read_header(path)
        scan_progress(path, {"p/a"})
        for record in read_run(path):
            if isinstance(record, Outcome):
                _decide(record)
        _show(path)


def _decide(recorded: Outcome) -> None:
    for decide in (replay.restore_former, replay.carry_out_planned):
        try:
            wire.replace_headers("bucket", decide(recorded, _HEAD))
        except ObjectError:
            continue


def _show(path: Path) -> None:
    render_page(Account().add(read_run(path)), "run.jsonl", [], "not yet")


HARNESS = Harness(
    read,
    (UsageError,),
    (
        _LINES,
        _LINES[:-1],
        _LINES.replace(b"failed", b"planned"),
        _LINES.replace(b'"at":"2026-11-22', b'"at":"{}'),
        _LINES.replace(b'"at":"2026-11-22T10:15:00.000Z"', b'"at":"0001-01-01"'),
        b"g:" + _LINES,
        b"z:" + _LINES,
        gzip.compress(_LINES),
        _LINES.replace(b'"seq":2', b'"seq":9223372036854775807'),
        _LINES.replace(b'"version":"1"', b'"version":"1","x":' + b"[" * 2000),
    ),
    (b"{}", b"null", b"\n", b'"key":""', b"-1", b"1e999", b"[[[[", b'"\\ud800"'),
)
