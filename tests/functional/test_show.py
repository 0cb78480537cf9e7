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
from pathlib import Path
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


def test_table(oss: EmbeddedOSS, bulkmeta: Callable[..., Any]) -> None:
    """The table is for people: an object on a line."""
    oss.store.put_object(
        "bucket", "p/a", body=b"12345", content_type="text/plain", meta={"owner": "x"}
    )
    oss.store.put_object("bucket", "p/longer", body=b"", storage_class="IA")
    result = bulkmeta("show", "oss://bucket/p/")

    assert result.code == 0
    head, first, second = result.out.splitlines()
    assert head.split() == [
        "key", "size", "modified", "(UTC)", "class", "meta", "content-type"
    ]  # fmt: skip
    assert first.startswith("p/a          5  20")
    assert first.split()[4:] == ["Standard", "owner=x", "text/plain"]
    assert second.split()[4:] == ["IA", "application/octet-stream"]
    assert first.index("Standard") == second.index("IA") == head.index("class")


HEAD, TAGS, ACL = "HeadObject", "GetObjectTagging", "GetObjectAcl"


@pytest.mark.parametrize(
    ("args", "asked", "row"),
    [
        (
            ("key,size_bytes,etag,type,storage_class",),
            [],
            {"key": "p/a", "size_bytes": 2, "type": "Normal", "storage_class": "IA"},
        ),
        (("meta.Owner,header.Expires",), [HEAD], {"meta.owner": "me"}),
        (("tag.team,tags",), [TAGS], {"tag.team": "x", "tags": {"team": "x"}}),
        (("acl",), [ACL], {"acl": "private"}),
        (("meta.owner,tags,acl",), [HEAD, TAGS, ACL], {"acl": "private"}),
        (("key", "--where", "size == 2"), [], {"key": "p/a"}),
        (("key", "--where", 'meta.owner == "me"'), [HEAD], {"key": "p/a"}),
        (("key", "--where", 'tags.team == "x"'), [HEAD, TAGS], {"key": "p/a"}),
    ],
)
def test_only_what_is_asked_for_is_read(
    oss: EmbeddedOSS,
    bulkmeta: Callable[..., Any],
    args: tuple[str, ...],
    asked: list[str],
    row: dict[str, Any],
) -> None:
    """Each further request is one that a field or a condition needs."""
    oss.store.put_object(
        "bucket", "p/a", body=b"12", meta={"owner": "me"}, tags={"team": "x"},
        acl="private", storage_class="IA",
    )  # fmt: skip
    result = bulkmeta("show", "oss://bucket/p/", "--format", "jsonl", "--fields", *args)

    assert result.code == 0, result.err
    found = json.loads(result.out)
    assert found.items() >= row.items()
    assert oss.log.operations() == [
        ("ListObjectsV2", ""), *((name, "p/a") for name in asked)
    ]  # fmt: skip


def test_where_leaves_out(oss: EmbeddedOSS, bulkmeta: Callable[..., Any]) -> None:
    """Those that are not meant are not shown, and are no failure."""
    for number, owner in enumerate(("me", "you", "me")):
        oss.store.put_object("bucket", f"p/{number}", meta={"owner": owner})
    oss.store.put_object("bucket", "p/none")
    where = ("--where", 'meta.owner == "me"')
    result = bulkmeta("show", "oss://bucket/p/", "--fields", "key", *where)
    assert (result.code, result.out.split()) == (0, ["key", "p/0", "p/2"])


def test_keys_from_a_file(
    oss: EmbeddedOSS, bulkmeta: Callable[..., Any], tmp_path: Path
) -> None:
    """Without a listing; what is gone is said so."""
    oss.store.put_objects("bucket", ({"key": key} for key in KEYS[:3]))
    (tmp_path / "keys").write_text(f"{KEYS[2]}\np/gone\n{KEYS[0]}\n")
    result = bulkmeta(
        "show", "oss://bucket/", "--keys-from", "keys", "--format", "jsonl",
        "--fields", "key,size_bytes,last_modified",
    )  # fmt: skip
    rows = [json.loads(line) for line in result.out.splitlines()]
    assert [row["key"] for row in rows] == [KEYS[2], "p/gone", KEYS[0]]
    assert rows[0]["last_modified"][:2] == "20"
    assert result.code == 1
    assert result.err.strip() == (
        "bulkmeta: p/gone: NoSuchKey: The specified key does not exist."
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ("kye", "no field 'kye'; did you mean 'key'?"),
        ("key,,etag", "no field ''"),
        ("meta.", "no field 'meta.'"),
    ],
)
def test_no_such_field(bulkmeta: Callable[..., Any], fields: str, words: str) -> None:
    """One line, before anything is sent."""
    result = bulkmeta("show", "oss://bucket/p/", "--fields", fields)
    assert (result.code, result.out) == (2, "")
    assert words in result.err
    assert len(result.err.splitlines()) == 1


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
