"""What cannot be read, or asked for, or is read by nobody."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from bulkmeta.emulator.faults import Fault
from bulkmeta.model.item import Item
from bulkmeta.model.metadata import ListedObject
from bulkmeta.sources.prefix import list_prefix
from tests.functional.show.conftest import KEYS, TAGS, Command

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS
    from bulkmeta.model.key_ranges import Span
    from bulkmeta.oss.bucket import Bucket
    from bulkmeta.sources.ahead import Ahead

KEYS_OF_TWO_PAGES = [f"p/{number:04}" for number in (*range(5), 1000, 1099)]


def test_what_was_read_before_an_error_shows(
    oss: EmbeddedOSS, bulkmeta: Command
) -> None:
    """Tags that may not be read take nothing away from metadata."""
    oss.store.put_object("bucket", "p/a", meta={"owner": "me"})
    oss.faults.add(Fault("error", operation=TAGS, status=403, code="AccessDenied"))
    fields = ("--fields", "meta.owner,tag.a,key")
    result = bulkmeta("show", "oss://bucket/p/", *fields, "--format", "csv")
    assert (result.code, result.out) == (1, "meta.owner,tag.a,key\nme,,p/a\n")
    assert result.err.startswith("bulkmeta: p/a: AccessDenied: ")
    table = bulkmeta("show", "oss://bucket/p/", *fields)
    assert table.out.splitlines()[1].startswith(
        "me                 p/a  ! AccessDenied"
    )


@pytest.mark.parametrize("form", ["table", "jsonl"])
def test_what_was_read_before_a_listing_failed_shows(
    oss: EmbeddedOSS, bulkmeta: Command, form: str
) -> None:
    """The error comes behind it."""
    oss.store.put_objects("bucket", ({"key": f"p/{n:04}"} for n in range(1100)))
    oss.faults.add(
        Fault("error", operation="ListObjectsV2", skip=1, status=403,
              code="AccessDenied")
    )  # fmt: skip
    words = ("--format", form, "--include", "p/000[0-4]", "--include", "p/1*")
    result = bulkmeta("show", "oss://bucket/p/", "--fields", "key", *words)
    assert result.code == 4
    assert "AccessDenied" in result.err
    assert [key for key in KEYS_OF_TWO_PAGES if key in result.out] == (
        KEYS_OF_TWO_PAGES[:5]
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ("keys", "no field 'keys'; did you mean 'key'?"),
        ("zzz", "no field 'zzz'; there are key, "),
        ("content-tpye", "did you mean 'header.content-type'?"),
        ("key,header.foo", "'header.foo'; there are header.cache-control, header.c"),
        ("key,,etag", "no field ''"),
        ("meta.", "no field 'meta.'"),
        ("content-type", "did you mean 'header.content-type'?"),
        ("header.cache-contrl", "did you mean 'header.cache-control'?"),
        ("meta.my_name", "'meta.my_name': a metadata name takes only"),
    ],
)
def test_no_such_field(bulkmeta: Command, fields: str, words: str) -> None:
    """One line, before anything is sent."""
    result = bulkmeta("show", "oss://bucket/p/", "--fields", fields)
    assert (result.code, result.out) == (2, "")
    assert words in result.err
    assert len(result.err.splitlines()) == 1


@pytest.mark.parametrize("form", ["table", "jsonl", "csv"])
def test_an_object_that_cannot_be_read_shows(
    oss: EmbeddedOSS, bulkmeta: Command, form: str
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
    bulkmeta: Command,
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

    monkeypatch.setattr("bulkmeta.runners.work.list_prefix", listed)

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
    assert process.returncode == 130
    assert err.splitlines() == [
        "stopping: 4 objects under way come to their end; Ctrl-C (again) ends at once",
        "bulkmeta: interrupted",
    ]


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
