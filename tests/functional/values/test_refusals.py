"""`--values`: files that are of no use are told with the place, and nothing is sent."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bulkmeta.sources.databases import temporary_database
from bulkmeta.sources.values import ValuesTable
from tests.functional.values.conftest import (
    CSV,
    ORDER,
    Command,
    cut,
)

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS


def test_a_changed_file_is_not_resumed(bucket: EmbeddedOSS, bulkmeta: Command) -> None:
    """The run was agreed to with other values."""
    Path("v.csv").write_text("key,meta.a\np/a,1\n")
    order = (*ORDER, "--values", "v.csv", "--run-file", "run.jsonl")
    assert bulkmeta(*order).code == 0
    cut("run.jsonl", 0)
    Path("v.csv").write_text("key,meta.a\np/a,2\n")
    result = bulkmeta("resume", "run.jsonl")
    assert (result.code, "not as it was" in result.err) == (2, True)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("v.csv", "key,meta.a\np/a,1\np/b,2\np/a,3\n", "lines 2 and 4 both have key"),
        (
            "v.jsonl",
            '{"key":"p/a","meta.a":"1"}\n\n' * 2,
            "lines 1 and 3 both have key",
        ),
        ("v.jsonl", '{"key":"p/a"}\n', "has no column of values: meta.NAME"),
        ("v.csv", "key\np/a\n", "has no column of values: meta.NAME"),
        ("v.csv", "key,meta.a\n", "has no rows"),
        ("v.csv", "", "has no rows"),
        ("v.csv", "key,meta.a\n p/a,1\nP/b,2\n", "none of its 2 rows is under 'p/'"),
        ("v.jsonl", "\n\n", "has no rows"),
        ("v.csv", "meta.a\n1\n", "line 1: it has no key; keys stand in column 'key'"),
        ("v.csv", "key,meta.a\n,1\n", "line 2: it has no key"),
        ("v.csv", "key,meta.a\n/p,1\n", "line 2: key '/p': a key cannot begin"),
        ("v.csv", "key,meta.a\noss://b/p/a,1\n", "it begins with oss://; give keys"),
        ("v.csv", "meta.a\n", "line 1: it has no key"),
        (
            "v.csv",
            "key;meta.a\np/a;1,5\n",
            "meta.NAME, header.NAME, tag.KEY; columns are separated by commas\n",
        ),
        ("v.csv", "key\tmeta.a\np/a\t1\n", "columns are separated by commas\n"),
        ("v.csv", "name\np/a\n", "tag.KEY\n"),
        ("v.csv", "\n\nkey,a\np/a,1\n", "line 3: column 'a': the key"),
        ("v.csv", "key,author\np/a,\n", "line 1: column 'author': the key stands in"),
        ("v.csv", "key,meta.a_b\np/a,1\n", "only letters, digits and hyphens"),
        ("v.csv", "key,header.etag\np/a,1\n", "OSS lets you set only"),
        ("v.csv", "key,tag.a(b)\np/a,1\n", "a tag's key takes letters"),
        ("v.csv", "key,meta.a,meta.A\np/a,1,2\n", "two columns are meta.a"),
        (
            "v.csv",
            "key,meta.a,meta.a\np/a,1,2\n",
            "line 1: two columns are named 'meta.a'",
        ),
        ("v.csv", "key,meta.a\np/a,1,2\n", "line 2: 3 cells, where the header has 2"),
        ("v.csv", 'key,meta.a\np/a,"1\n2"\n', "line 3: meta.a: a value may not hold"),
        ("v.csv", 'key,meta.a\np/a,"1', "line 2: unexpected end of data"),
        ("v.csv", "key,tag.a\np/a,(1)\n", "line 2: tag.a: a tag's value takes"),
        ("v.csv", b"key,meta.a\np/a,\xff\n", "not UTF-8"),
        ("v.jsonl", '{"key": "p/a", "meta.a": [1]}', "line 1: write a JSON object"),
        ("v.jsonl", "nonsense", "line 1: write a JSON object"),
        ("v.csv.gz", "no gzip", "cannot read"),
        ("v.parquet", "no parquet", "cannot read"),
        ("v.txt", "key\n", "name a file of rows .csv"),
    ],
)
def test_bad_files(
    bucket: EmbeddedOSS, bulkmeta: Command, name: str, text: str | bytes, words: str
) -> None:
    """One line with the place, before anything is sent."""
    Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())
    result = bulkmeta(*ORDER, "--values", name)
    assert (result.code, words in result.err) == (2, True), result.err
    assert "Traceback" not in result.err
    assert bucket.log.operations() == []
    assert list(Path().glob("*.jsonl*")) in ([], [Path(name)])


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (("--set", "A=1"), "--set and a column of --values both set 'a'"),
        (("--unset", "a"), "'a' is named 2 times by a column of --values and --unset;"),
        (("--tag", "t=1"), "--tag and a column of --values both set 't'"),
        (("--untag", "t"), "'t' is named 2 times by a column of --values and --un"),
        (("--content-type", "auto"), "'content-type' is named 2 times"),
    ],
)
def test_columns_against_flags(
    bucket: EmbeddedOSS, bulkmeta: Command, order: tuple[str, ...], words: str
) -> None:
    """What both name is settled before the run."""
    Path("v.csv").write_text("key,meta.a,tag.t,header.content-type\np/a,1,1,a/b\n")
    result = bulkmeta(*ORDER, "--values", "v.csv", *order)
    assert (result.code, words in result.err) == (2, True), result.err
    assert bucket.log.operations() == []


def test_missing_file(bucket: EmbeddedOSS, bulkmeta: Command) -> None:
    """Said so."""
    result = bulkmeta(*ORDER, "--values", "none.csv")
    assert (result.code, "No such file" in result.err) == (2, True)
    assert bucket.log.operations() == []


def test_no_room_for_temporary_files(
    bucket: EmbeddedOSS, bulkmeta: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told in a line, before anything is sent."""

    def full(*_: object) -> int:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("bulkmeta.sources.values.ValuesTable.fill", full)
    Path("v.csv").write_text(CSV)
    result = bulkmeta(*ORDER, "--values", "v.csv")
    assert (result.code, "disk is full; make room" in result.err) == (2, True)
    assert bucket.log.operations() == []


def test_an_open_quote(bucket: EmbeddedOSS, bulkmeta: Command) -> None:
    """It does not take in the rest of a large file."""
    Path("v.csv").write_text('key,meta.a\np/a,"1\n' + "p/b,2\n" * 400_000)
    result = bulkmeta(*ORDER, "--values", "v.csv")
    assert (result.code, "field larger than field limit" in result.err) == (2, True)
    assert bucket.log.operations() == []


def test_a_table_that_no_run_used(
    bucket: EmbeddedOSS, bulkmeta: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is closed when the command ends, whatever kept the run from beginning."""
    opened: list[sqlite3.Connection] = []

    def noted(self: ValuesTable) -> None:
        self._database = temporary_database()
        opened.append(self._database)

    monkeypatch.setattr(ValuesTable, "__init__", noted)
    Path("v.csv").write_text(CSV)
    column = CSV.partition("\n")[0].split(",")[1].removeprefix("meta.")
    refused = bulkmeta(*ORDER, "--values", "v.csv", "--set", f"{column}=1")
    assert refused.code == 2
    assert len(opened) == 1
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened[0].execute("SELECT 1")
