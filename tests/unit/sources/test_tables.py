"""Rows of files that other programs write, as far as they mean harm."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from bulkmeta.errors import UsageError
from bulkmeta.model.values import refuse_keyless
from bulkmeta.sources import tables
from bulkmeta.sources.tables import read_rows


def plain(text: bytes) -> bytes:
    return text


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("a.csv", plain),
        ("a.csv.gz", gzip.compress),
        ("a.jsonl", plain),
        ("a.jsonl.gz", gzip.compress),
    ],
)
def test_a_row_without_end(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    pack: Callable[[bytes], bytes],
) -> None:
    """A small compressed file may hold a huge line; it is refused before it is read."""
    monkeypatch.setattr(tables, "_LONGEST_LINE", 100)
    first = b"key\n" if ".csv" in name else b'{"key":"a"}\n'
    path = tmp_path / name
    path.write_bytes(pack(first * 50))
    assert [*read_rows(path, refuse_keyless)]
    path.write_bytes(pack(first + b"x" * 101))
    with pytest.raises(UsageError, match="no row is as long as this"):
        [*read_rows(path, refuse_keyless)]
