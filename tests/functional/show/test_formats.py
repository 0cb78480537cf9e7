"""`show`: objects' metadata in each format, in listing order."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import pytest

from tests.functional.show.conftest import KEYS, Command

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS


@pytest.mark.usefixtures("objects")
def test_jsonl_in_listing_order(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """One JSON object per object, sorted as listed though heads end in any order."""
    result = bulkmeta("show", "oss://bucket/p/", "--format", "jsonl")

    rows = [json.loads(line) for line in result.out.split("\n")[:-1]]
    assert [row["key"] for row in rows] == [*KEYS, 'p/odd\n,"key']
    assert rows[0]["meta"] == {"owner": '测试, "q"'}
    assert rows[-1]["storage_class"] == "IA"
    assert {logged.method for logged in oss.log.requests()} == {"GET", "HEAD"}


@pytest.mark.usefixtures("objects")
def test_csv_is_read_back_whole(bulkmeta: Command) -> None:
    """The csv module reads every key and value as it is."""
    result = bulkmeta("show", "oss://bucket/p/", "--format", "csv")

    rows = list(csv.DictReader(io.StringIO(result.out, newline="")))
    assert [row["key"] for row in rows] == [*KEYS, 'p/odd\n,"key']
    assert json.loads(rows[0]["meta"]) == {"owner": '测试, "q"'}


def test_table(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """The table is for people: an object on a line."""
    oss.store.put_object(
        "bucket", "p/a", body=b"12345", content_type="text/plain", meta={"owner": "x"}
    )
    oss.store.put_object("bucket", "p/longer", body=b"", storage_class="IA")
    result = bulkmeta("show", "oss://bucket/p/")

    assert result.code == 0
    head, first, second = result.out.splitlines()
    assert head.split() == [
        "key", "size", "modified", "(UTC)", "class", "content-type", "meta"
    ]  # fmt: skip
    assert first.startswith("p/a          5  20")
    assert first.split()[4:] == ["Standard", "text/plain", "owner=x"]
    assert second.split()[4:] == ["IA", "application/octet-stream"]
    assert first.index("Standard") == second.index("IA") == head.index("class")
