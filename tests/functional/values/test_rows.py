"""`--values`: each object gets what its row says; rows and objects are all counted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.functional.values.conftest import (
    DATA,
    KEYS,
    OLD_S,
    ORDER,
    Command,
    cut,
    ends,
    lines,
    state,
    stored,
    write,
)

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS


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


def test_rows_of_other_prefixes_are_told(
    bucket: EmbeddedOSS, bulkmeta: Command
) -> None:
    """A prefix with a slip in it does not go unseen."""
    Path("v.csv").write_text("key,meta.a\np/a,1\nP/b,2\npp/c,3\n")
    result = bulkmeta(*ORDER, "--values", "v.csv", "--run-file", "run.jsonl")
    assert result.code == 0
    path = Path("v.csv").resolve()
    told = f"values    1 row of {path}: set a; 2 others are not under it\n"
    assert told in result.err
    assert stored(bucket, "p/a").meta == {"a": "1"}
    assert told in bulkmeta("report", "run.jsonl").out

    Path("v.csv").write_text("key,meta.a\np/a,1\nP/b,2\n")
    again = bulkmeta("plan", "oss://bucket/p/", "--values", "v.csv")
    assert "; 1 other is not under it\n" in again.err


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
