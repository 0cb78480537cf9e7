"""`--values`: each object gets what its row says; rows and objects are all counted."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from bulkmeta.sources.databases import temporary_database
from bulkmeta.sources.values import ValuesTable

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS
    from bulkmeta.emulator.stored import StoredObject

Command = Callable[..., Any]
OLD_S = 1_790_000_000.0
ORDER = ("apply", "oss://bucket/p/", "--yes", "--rate", "max", "--acl-policy", "skip")
KEYS = ["p/a", "p/b", "p/c", "p/ü"]
CSV = '''key,meta.Author,header.Cache-Control,tag.Env
p/c,"Ç, quoted ""x""",no-cache,prod
p/ü,{braces},,
p/a,,max-age=1,
p/gone,x,,
q/elsewhere,x,,
'''
DATA = {
    "p/c": (
        {"author": 'Ç, quoted "x"'},
        {"cache-control": "no-cache"},
        {"Env": "prod"},
    ),
    "p/ü": ({"author": "{braces}"}, {}, {}),
    "p/a": ({}, {"cache-control": "max-age=1"}, {}),
    "p/b": ({}, {}, {}),
}


@pytest.fixture
def bucket(oss: EmbeddedOSS) -> EmbeddedOSS:
    """Objects without metadata."""
    for key in KEYS:
        oss.store.put_object("bucket", key, last_modified=OLD_S)
    return oss


def stored(oss: EmbeddedOSS, key: str) -> StoredObject:
    found = oss.store.find("bucket", key)
    assert found is not None
    return found


def state(oss: EmbeddedOSS) -> dict[str, tuple[Any, ...]]:
    found = {key: stored(oss, key) for key in KEYS}
    return {key: (o.meta, o.headers, o.tags) for key, o in found.items()}


def lines(name: str = "run.jsonl") -> dict[str, dict[str, Any]]:
    """Lines of objects by key; each has exactly one."""
    parsed = map(json.loads, Path(name).read_text().splitlines())
    found = [line for line in parsed if line["type"] == "object"]
    by_key = {line["key"]: line for line in found}
    assert len(by_key) == len(found)
    return by_key


def ends(name: str = "run.jsonl") -> dict[str, tuple[str, str | None]]:
    return {key: (line["status"], line["reason"]) for key, line in lines(name).items()}


def as_rows() -> list[dict[str, str]]:
    header, *_ = CSV.splitlines()
    names = header.split(",")
    rows = [
        ("p/c", 'Ç, quoted "x"', "no-cache", "prod"),
        ("p/ü", "{braces}", "", ""),
        ("p/a", "", "max-age=1", ""),
        ("p/gone", "x", "", ""),
        ("q/elsewhere", "x", "", ""),
    ]
    return [dict(zip(names, row, strict=True)) for row in rows]


def write(name: str) -> None:
    """The same rows in any form."""
    plain = name.removesuffix(".gz")
    if plain.endswith(".csv"):
        text = CSV
    elif plain.endswith(".jsonl"):
        text = "".join(
            json.dumps({k: v or None for k, v in row.items()}) + "\n\n"
            for row in as_rows()
        )
    else:
        Path("rows.json").write_text(json.dumps(as_rows()))
        with duckdb.connect() as connection:
            connection.read_json("rows.json").write_parquet(name)
        return
    data = text.encode()
    Path(name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)


@pytest.mark.parametrize(
    "name", ["v.csv", "v.jsonl", "v.csv.gz", "v.jsonl.gz", "v.parquet"]
)
@pytest.mark.parametrize("spread", ["off", "4"])
def test_each_form(
    bucket: EmbeddedOSS, bulkmeta: Command, name: str, spread: str
) -> None:
    """Set as the rows say; rows without an object and the other way round are lines."""
    write(name)
    order = (*ORDER, "--values", name, "--run-file", "run.jsonl", "--spread", spread)
    result = bulkmeta(*order)
    assert result.code == 0, result.err
    assert ends() == {
        "p/a": ("updated", None),
        "p/b": ("skipped", "no_row"),
        "p/c": ("updated", None),
        "p/gone": ("skipped", "gone"),
        "p/ü": ("updated", None),
    }
    assert state(bucket) == DATA
    assert "4 rows of" in result.err
    assert "set author; header cache-control" in result.err
    assert ("HeadObject", "p/b") not in bucket.log.operations()


def test_a_byte_order_mark_and_line_ends(
    bucket: EmbeddedOSS, bulkmeta: Command
) -> None:
    """As spreadsheets write them; a cell may hold a comma, not a line break."""
    text = "\ufeffkey,meta.a\r\np/a,1\r\n\r\np/b,2"
    Path("v.csv").write_bytes(text.encode())
    assert bulkmeta(*ORDER, "--values", "v.csv").code == 0
    assert [stored(bucket, key).meta for key in KEYS[:2]] == [{"a": "1"}, {"a": "2"}]


def test_with_other_changes(bucket: EmbeddedOSS, bulkmeta: Command) -> None:
    """Flags say what is the same for all, and may be templates; rows are not."""
    Path("v.csv").write_text("key,meta.a\np/a,{key}\n")
    order = (*ORDER, "--values", "v.csv", "--set", "b={key}", "--run-file", "run.jsonl")
    assert bulkmeta(*order).code == 0
    assert stored(bucket, "p/a").meta == {"a": "{key}", "b": "p/a"}
    assert ends()["p/b"] == ("skipped", "no_row")


def test_with_a_file_of_keys(bucket: EmbeddedOSS, bulkmeta: Command) -> None:
    """The same file may name the objects: no listing, and nothing but its rows."""
    Path("v.csv").write_text("meta.a,key\n1,p/c\n2,p/a\n")
    order = ("--values", "v.csv", "--keys-from", "v.csv", "--run-file", "run.jsonl")
    assert bulkmeta(*ORDER, *order).code == 0
    assert list(ends()) == ["p/c", "p/a"]
    assert "ListObjectsV2" not in dict(bucket.log.operations())


def test_second_run_writes_nothing(bucket: EmbeddedOSS, bulkmeta: Command) -> None:
    """What the rows say is so already."""
    write("v.csv")
    assert bulkmeta(*ORDER, "--values", "v.csv").code == 0
    assert bulkmeta(*ORDER, "--values", "v.csv", "--run-file", "run.jsonl").code == 0
    assert {status for status, _ in ends().values()} == {"unchanged", "skipped"}


def test_plan_apply_retry_undo(bucket: EmbeddedOSS, bulkmeta: Command) -> None:
    """The way through all commands."""
    write("v.csv")
    before = state(bucket)
    plan = ("plan", "oss://bucket/p/", "--values", "v.csv", "--out", "plan.jsonl")
    shown = bulkmeta(*plan)
    assert (shown.code, '+ tag Env = "prod"' in shown.out) == (0, True)
    assert bulkmeta("apply", "plan.jsonl", "--yes", "--run-file", "run.jsonl").code == 0
    assert state(bucket) == DATA
    bucket.clock.offset_s += 5
    assert bulkmeta("undo", "run.jsonl", "--yes", "--run-file", "undo.jsonl").code == 0
    assert state(bucket) == before


def test_retry(bucket: EmbeddedOSS, bulkmeta: Command) -> None:
    """What failed gets its row again."""
    Path("v.csv").write_text("key,tag.t\np/a,1\np/b,2\n")
    full = {str(number): "" for number in range(10)}
    bucket.store.update_object(stored(bucket, "p/a"), tags=full)
    order = (*ORDER, "--values", "v.csv", "--run-file", "run.jsonl")
    assert bulkmeta(*order).code == 1
    bucket.store.update_object(stored(bucket, "p/a"), tags={})
    assert bulkmeta("retry", "run.jsonl", "--yes", "--run-file", "r.jsonl").code == 0
    assert (list(ends("r.jsonl")), stored(bucket, "p/a").tags) == (["p/a"], {"t": "1"})


def cut(name: str, kept: int) -> None:
    """A run file as a crash may leave it, with the journal that it had then."""
    header, *others = Path(name).read_text().splitlines(keepends=True)
    Path(name).write_text("".join([header, *others[:kept]]))
    run = json.loads(header)
    start = {"job_hash": run["job_hash"], "run_started": run["started"]}
    journal = json.dumps({"type": "journal", "schema": 1, **start})
    Path(f"{name}.journal").write_text(journal + "\n")


@pytest.mark.parametrize("kept", range(12))
@pytest.mark.parametrize("spread", ["off", "3"])
def test_resume(bucket: EmbeddedOSS, bulkmeta: Command, kept: int, spread: str) -> None:
    """From anywhere: each object and each row without one has exactly one line."""
    for number in range(5):
        bucket.store.put_object("bucket", f"p/{number}x", last_modified=OLD_S)
    rows = [*KEYS[:2], "p/0x", "p/2x", "p/1", "p/3", "p/zzz", "p/0", "p/4x"]
    Path("v.csv").write_text("key,meta.a\n" + "".join(f"{key},1\n" for key in rows))
    order = (*ORDER, "--values", "v.csv", "--run-file", "run.jsonl", "--spread", spread)
    assert bulkmeta(*order).code == 0
    whole = ends()
    assert sum(end == ("skipped", "gone") for end in whole.values()) == 4
    cut("run.jsonl", kept)

    bucket.clock.offset_s += 5
    assert bulkmeta("resume", "run.jsonl").code == 0

    assert ends().keys() == whole.keys()
    again = {key for key, end in ends().items() if end[0] == "unchanged"}
    assert {k: e for k, e in ends().items() if k not in again} == {
        k: e for k, e in whole.items() if k not in again
    }


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
        ("v.csv", "key,tag.a(b)\np/a,1\n", "a tag takes letters"),
        ("v.csv", "key,meta.a,meta.A\np/a,1,2\n", "two columns are meta.a"),
        (
            "v.csv",
            "key,meta.a,meta.a\np/a,1,2\n",
            "line 1: two columns are named 'meta.a'",
        ),
        ("v.csv", "key,meta.a\np/a,1,2\n", "line 2: 3 cells, where the header has 2"),
        ("v.csv", 'key,meta.a\np/a,"1\n2"\n', "line 3: meta.a: a value may not hold"),
        ("v.csv", 'key,meta.a\np/a,"1', "line 2: unexpected end of data"),
        ("v.csv", "key,tag.a\np/a,(1)\n", "line 2: tag.a: a tag takes letters"),
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
        (("--unset", "a"), "'a' is named 2 times"),
        (("--tag", "t=1"), "--tag and a column of --values both set 't'"),
        (("--untag", "t"), "'t' is named 2 times"),
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


def test_rows_of_other_prefixes_are_told(
    bucket: EmbeddedOSS, bulkmeta: Command
) -> None:
    """A prefix with a slip in it does not go unseen."""
    Path("v.csv").write_text("key,meta.a\np/a,1\nP/b,2\npp/c,3\n")
    result = bulkmeta(*ORDER, "--values", "v.csv", "--run-file", "run.jsonl")
    assert result.code == 0
    assert "1 rows of " in result.err
    assert "; 2 others are not under it" in result.err
    assert stored(bucket, "p/a").meta == {"a": "1"}


def test_many_tag_columns(bucket: EmbeddedOSS, bulkmeta: Command) -> None:
    """An object holds ten; a file may name more, in different rows."""
    names = [f"tag.{letter}{n}" for letter in "tu" for n in range(6)]
    rows = [["p/a", *["1"] * 6, *[""] * 6], ["p/b", *[""] * 6, *["2"] * 6]]
    rows.append(["p/c", *["3"] * 12])
    lines_ = [["key", *names], *rows]
    Path("v.csv").write_text("".join(f"{','.join(line)}\n" for line in lines_))
    result = bulkmeta(*ORDER, "--values", "v.csv", "--run-file", "run.jsonl")
    assert result.code == 1, result.err
    assert stored(bucket, "p/a").tags == {f"t{n}": "1" for n in range(6)}
    assert stored(bucket, "p/b").tags == {f"u{n}": "2" for n in range(6)}
    assert lines()["p/c"]["reason"] == "too_many_tags"


def test_undo_of_tags_on_a_bucket_with_versions(
    bucket: EmbeddedOSS, bulkmeta: Command
) -> None:
    """They are put back in place, so nothing has to be allowed."""
    bucket.store.configure_bucket("bucket", versioning="Enabled")
    Path("v.csv").write_text("key,tag.a\np/a,1\n")
    result = bulkmeta(*ORDER, "--values", "v.csv", "--run-file", "run.jsonl")
    assert result.code == 0, result.err
    undone = bulkmeta("undo", "run.jsonl", "--yes", "--run-file", "undo.jsonl")
    assert undone.code == 0, undone.err
    assert stored(bucket, "p/a").tags == {}
    assert len(bucket.store.versions("bucket", "p/a")) == 1


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
