"""`show`: objects' metadata in each format, in listing order, reading only."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import pytest

from bulkmeta.emulator.faults import Fault
from bulkmeta.model.item import Item
from bulkmeta.model.metadata import ListedObject
from bulkmeta.sources.prefix import list_prefix

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS
    from bulkmeta.model.key_ranges import Span
    from bulkmeta.oss.bucket import Bucket
    from bulkmeta.sources.ahead import Ahead

KEYS = [f"p/{number:03}" for number in range(200)]


@pytest.fixture
def objects(oss: EmbeddedOSS) -> None:
    """200 objects, one of them with odd characters in key and value."""
    oss.store.put_objects(
        "bucket", ({"key": key, "meta": {"owner": '测试, "q"'}} for key in KEYS)
    )
    oss.store.put_object("bucket", 'p/odd\n,"key', storage_class="IA")


@pytest.mark.usefixtures("objects")
def test_jsonl_in_listing_order(oss: EmbeddedOSS, bulkmeta: Callable[..., Any]) -> None:
    """One JSON object per object, sorted as listed though heads end in any order."""
    result = bulkmeta("show", "oss://bucket/p/", "--format", "jsonl")

    rows = [json.loads(line) for line in result.out.split("\n")[:-1]]
    assert [row["key"] for row in rows] == [*KEYS, 'p/odd\n,"key']
    assert rows[0]["meta"] == {"owner": '测试, "q"'}
    assert rows[-1]["storage_class"] == "IA"
    assert {logged.method for logged in oss.log.requests()} == {"GET", "HEAD"}


@pytest.mark.usefixtures("objects")
def test_csv_is_read_back_whole(bulkmeta: Callable[..., Any]) -> None:
    """The csv module reads every key and value as it is."""
    result = bulkmeta("show", "oss://bucket/p/", "--format", "csv")

    rows = list(csv.DictReader(io.StringIO(result.out, newline="")))
    assert [row["key"] for row in rows] == [*KEYS, 'p/odd\n,"key']
    assert json.loads(rows[0]["meta"]) == {"owner": '测试, "q"'}


def test_table_shows_headers_and_metadata(
    oss: EmbeddedOSS, bulkmeta: Callable[..., Any]
) -> None:
    """The table is for people: a line per header and value, below the key."""
    oss.store.put_object(
        "bucket", "p/a", body=b"12345", content_type="text/plain", meta={"owner": "x"}
    )
    result = bulkmeta("show", "oss://bucket/p/")

    assert result.code == 0
    assert result.out.splitlines()[0].startswith("p/a  (5 bytes, Standard, ")
    assert [line.split() for line in result.out.splitlines()[1:]] == [
        ["content-type", '"text/plain"'],
        ["meta", "owner", '"x"'],
    ]


@pytest.mark.parametrize("form", ["table", "jsonl", "csv"])
def test_an_object_that_cannot_be_read_shows(
    oss: EmbeddedOSS, bulkmeta: Callable[..., Any], form: str
) -> None:
    """Its error stands where its metadata would; the exit code tells."""
    oss.store.put_objects("bucket", ({"key": key} for key in KEYS[:3]))
    oss.faults.add(
        Fault("error", operation="HeadObject", key=KEYS[1], status=403,
              code="AccessDenied")
    )  # fmt: skip
    result = bulkmeta("show", "oss://bucket/p/", "--format", form)

    assert result.code == 1
    assert result.out.count("AccessDenied") == 1


@pytest.mark.parametrize("form", ["table", "jsonl", "csv"])
def test_a_key_that_is_not_utf8(
    oss: EmbeddedOSS,
    bulkmeta: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    form: str,
) -> None:
    """A listed key that no request can carry is shown as such; the others are shown."""
    oss.store.put_objects("bucket", ({"key": key} for key in KEYS[:3]))

    async def listed(
        bucket: Bucket, prefix: str, ahead: Ahead, span: Span
    ) -> AsyncIterator[Item]:
        yield Item("p/\udcff", listed=ListedObject("p/\udcff"))
        async for found in list_prefix(bucket, prefix, ahead, span):
            yield found

    monkeypatch.setattr("bulkmeta.runners.local.list_prefix", listed)

    result = bulkmeta("show", "oss://bucket/p/", "--format", form)

    assert result.code == 1, result.err
    assert result.out.count("unsendable_key") == 1
    for key in KEYS[:3]:
        assert key in result.out
    assert "udcff" in result.out


@pytest.mark.usefixtures("objects")
def test_an_interrupted_view_says_so(oss: EmbeddedOSS) -> None:
    """Ctrl-C in mid-listing: what was read is shown, and the exit code tells."""
    oss.faults.add(Fault("latency", operation="HeadObject", seconds=0.2))
    with subprocess.Popen(
        [sys.executable, "-m", "bulkmeta", "show", "oss://bucket/p/",
         "--concurrency", "4"],
        env={**os.environ, **oss.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:  # fmt: skip
        assert process.stdout
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "bulkmeta: interrupted\n")


@pytest.mark.usefixtures("objects")
def test_a_reader_that_leaves_is_no_crash(oss: EmbeddedOSS) -> None:
    """`show | head -1`: nothing on stderr, and not the exit code of success."""
    with subprocess.Popen(
        [sys.executable, "-m", "bulkmeta", "show", "oss://bucket/p/"],
        env={**os.environ, **oss.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 130
