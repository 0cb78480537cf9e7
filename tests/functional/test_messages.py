"""What is told where files of a run, a plan, a probe or a profile are not as needed:
one line with what, where and what to do, and nothing is changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from bulkmeta.emulator.faults import Fault

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS

Command = Callable[..., Any]
TARGET = "oss://bucket/p/"
CHANGE = ("--set", "n=1", "--yes", "--rate", "max")
KEYS = ("p/a", "p/b", "p/c")


@pytest.fixture(autouse=True)
def _seeded(oss: EmbeddedOSS) -> None:
    oss.store.put_objects("bucket", ({"key": key} for key in KEYS))


@pytest.fixture
def refused(oss: EmbeddedOSS, bulkmeta: Command) -> Command:
    """Runs a command line that is refused in one line, before anything is written."""

    def refuse(*args: str, words: str, code: int = 2) -> None:
        before = [stored.meta for stored in oss.store.objects("bucket")]
        result = bulkmeta(*args)
        last = result.err.strip().splitlines()[-1]
        assert (result.code, last.startswith("bulkmeta: ")) == (code, True), result.err
        assert words in last
        assert "Traceback" not in result.err
        assert [stored.meta for stored in oss.store.objects("bucket")] == before

    return refuse


@pytest.fixture
def ran(bulkmeta: Command, oss: EmbeddedOSS) -> str:
    """A run that is done."""
    result = bulkmeta("apply", TARGET, *CHANGE, "--run-file", "run.jsonl")
    assert result.code == 0, result.err
    oss.clock.offset_s += 10
    return "run.jsonl"


@pytest.fixture
def planned(bulkmeta: Command) -> str:
    """A plan that was made."""
    result = bulkmeta("plan", TARGET, "--set", "n=1", "--out", "plan.jsonl")
    assert result.code == 0, result.err
    return "plan.jsonl"


def test_a_plan_is_no_run(planned: str, refused: Command) -> None:
    """It cannot be resumed, even if it is cut short."""
    refused("resume", planned, words="is a plan; apply carries it out")
    *lines, _ = Path(planned).read_text().splitlines()
    Path(planned).write_text("\n".join(lines) + "\n")
    refused("resume", planned, words="is a plan; make it anew instead")


def test_a_run_is_no_plan(ran: str, refused: Command) -> None:
    refused("apply", ran, "--yes", words="is no plan; make one with plan --out")


def test_a_plan_names_its_objects(planned: str, refused: Command) -> None:
    Path("keys").write_text("p/a\n")
    words = (
        "a plan file names its objects; --keys-from and --inventory go with a target"
    )
    refused("apply", planned, "--yes", "--keys-from", "keys", words=words)


def test_a_journal_without_its_run(refused: Command) -> None:
    """What is in doubt there may still be asked for."""
    Path("new.jsonl.journal").write_text("{}\n")
    order = ("apply", TARGET, *CHANGE, "--run-file", "new.jsonl")
    refused(*order, words="is the journal of another run; name another run")


@pytest.fixture
def undoing(ran: str, bulkmeta: Command, oss: EmbeddedOSS) -> str:
    """An undo that was interrupted before anything was done."""
    undone = bulkmeta("undo", ran, "--yes", "--run-file", "undo.jsonl")
    assert undone.code == 0, undone.err
    header = Path("undo.jsonl").read_text().splitlines()[0]
    Path("undo.jsonl").write_text(f"{header}\n")
    Path("undo.jsonl.journal").write_text("")
    oss.clock.offset_s += 10
    return "undo.jsonl"


def test_the_parent_is_missing(undoing: str, ran: str, refused: Command) -> None:
    Path(ran).unlink()
    refused("resume", undoing, words="run.jsonl")


def test_the_parent_is_another_run(undoing: str, ran: str, refused: Command) -> None:
    lines = Path(ran).read_text().splitlines()
    header = json.loads(lines[0])
    header["started"] = "2020-01-01T00:00:00.000Z"
    Path(ran).write_text("\n".join([json.dumps(header), *lines[1:]]) + "\n")
    refused("resume", undoing, words="is another run's file now")


def test_the_parent_was_altered(undoing: str, ran: str, refused: Command) -> None:
    with Path(ran).open("a") as file:
        file.write("\n")
    words = "is not as it was when this run began; begin a new one"
    before = Path(undoing).read_text()
    refused("resume", undoing, words=words)
    assert Path(undoing).read_text() == before


@pytest.mark.parametrize("kind", ["keys", "values"])
def test_a_path_that_cannot_be_recorded(refused: Command, kind: str) -> None:
    """A run file is UTF-8 through and through."""
    folder = Path("\udcff")
    try:
        folder.mkdir()
    except OSError:  # a file system that knows UTF-8 only
        pytest.skip("this file system takes no such name")
    option = ("--keys-from", str(folder / "f")) if kind == "keys" else (
        "--values", str(folder / "f.csv"))  # fmt: skip
    Path(option[1]).write_text("key\np/a\n")
    change = ("--yes", "--rate", "max", *(("--set", "n=1") if kind == "keys" else ()))
    refused("apply", TARGET, *change, *option, words="is not UTF-8")


def test_rows_without_a_key(refused: Command) -> None:
    Path("k.csv").write_text("key,x\np/a,1\n,2\n")
    words = "line 3: it has no key; keys stand in column 'key'"
    refused("apply", TARGET, *CHANGE, "--keys-from", "k.csv", words=words)


@pytest.mark.parametrize(
    ("header", "hint"),
    [("name,x", ""), ("key;x", "; columns are separated by commas")],
)
def test_columns_without_a_key(refused: Command, header: str, hint: str) -> None:
    """It is the header's fault, not that of the first row."""
    Path("k.csv").write_text(f"{header}\np/a,1\n")
    words = f"line 1: it has no key; keys stand in column 'key'{hint}"
    refused("apply", TARGET, *CHANGE, "--keys-from", "k.csv", words=words)


def test_parquet_without_a_key(refused: Command) -> None:
    """It has no lines to name."""
    duckdb.sql("COPY (SELECT 'p/a' AS name) TO 'v.parquet'")
    words = "v.parquet': it has no key; keys stand in column 'key'"
    refused("apply", TARGET, *CHANGE, "--keys-from", "v.parquet", words=words)


def test_nested_parquet(refused: Command) -> None:
    sql = "COPY (SELECT 'p/a' AS key, {'a': 1} AS \"meta.x\") TO 'v.parquet'"
    duckdb.sql(sql)
    words = "column 'meta.x' holds more than texts"
    refused("apply", TARGET, "--yes", "--values", "v.parquet", words=words)


def test_keys_of_standard_input_have_a_place_already(
    refused: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("r.jsonl.keys").write_text("")
    order = ("apply", TARGET, *CHANGE, "--run-file", "r.jsonl", "--keys-from", "-")
    refused(*order, words="cannot create 'r.jsonl.keys': File exists")


def test_a_page_that_cannot_be_written(ran: str, refused: Command) -> None:
    if not Path("/proc/self").exists():
        pytest.skip("there is no folder here that takes no files")
    words = "cannot write '/proc/page.html'"
    refused("report", ran, "--html", "/proc/page.html", words=words, code=4)


def test_a_probe_of_another_bucket(
    bulkmeta: Command, refused: Command, oss: EmbeddedOSS
) -> None:
    assert bulkmeta("probe", TARGET, "--yes").code == 0
    (file,) = Path.home().glob(".bulkmeta/probes/*.json")
    found = json.loads(file.read_text())
    file.write_text(json.dumps(found | {"bucket": "other"}))
    oss.clock.offset_s += 10
    words = "is about another bucket; remove it"
    refused("apply", TARGET, *CHANGE, words=words)


def test_verify_sees_another_content(
    ran: str, bulkmeta: Command, oss: EmbeddedOSS
) -> None:
    oss.store.put_object("bucket", "p/b", body=b"other", meta={"n": "1"})
    result = bulkmeta("verify", ran)
    assert result.code == 1
    assert "the content is another one now" in result.out


def test_a_line_that_is_gone(ran: str, bulkmeta: Command, oss: EmbeddedOSS) -> None:
    """A parent of the same size that lacks a line was altered."""
    oss.faults.add(Fault("error", "CopyObject", key="p/c", status=403, code="Odd"))
    undone = bulkmeta(
        "undo", ran, "--yes", "--run-file", "undo.jsonl", "--concurrency", "1"
    )
    assert undone.code == 1
    lines = Path("undo.jsonl").read_text().splitlines()
    Path("undo.jsonl").write_text("\n".join(lines[:2]) + "\n")
    Path("undo.jsonl.journal").write_text("")
    text = Path(ran).read_text()
    Path(ran).write_text(text.replace('"key":"p/a"', '"key":"p/x"'))
    result = bulkmeta("resume", "undo.jsonl")
    assert result.code == 2
    assert "has no line of 'p/a'; it was altered" in result.err


# Profiles


@pytest.mark.parametrize(
    ("text", "args", "code", "words"),
    [
        ("[default]\nregion=cn-hangzhou\n", ("--profile", "default"), 4,
         "profile 'default' holds no credentials"),
        ("[default]\naccessKeyID=a\naccessKeySecret=b\x01c\n", (), 4,
         "credentials: profile 'default'"),
        ("[default]\nmode=Wonder\n", (), 2, "is of mode 'Wonder', which is not known"),
    ],
)  # fmt: skip
def test_profiles(
    refused: Command,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    args: tuple[str, ...],
    code: int,
    words: str,
) -> None:
    """Named with their file, and never with what stands in it."""
    monkeypatch.delenv("OSS_ACCESS_KEY_ID")
    monkeypatch.delenv("OSS_ACCESS_KEY_SECRET")
    (Path.home() / ".ossutilconfig").write_text(text)
    refused("apply", TARGET, *CHANGE, *args, words=words, code=code)


def test_a_moved_run_can_be_used(ran: str, bulkmeta: Command) -> None:
    """A run file is known by what it holds, not by where it lies."""
    Path("elsewhere").mkdir()
    shutil.move(ran, "elsewhere/moved.jsonl")
    result = bulkmeta("undo", "elsewhere/moved.jsonl", "--yes")
    assert result.code == 0, result.err


@pytest.mark.parametrize("command", ["undo", "retry", "resume", "verify", "report"])
def test_a_target_is_no_run_file(refused: Command, command: str) -> None:
    """What is named is what was changed, not what was done."""
    refused(command, TARGET, words="is a target; give the run file of a run on it")


def test_a_run_in_which_nothing_failed(ran: str, refused: Command) -> None:
    """It names keys, but none of those."""
    order = ("apply", TARGET, *CHANGE, "--keys-from", ran, "--status", "failed")
    words = "names no keys of a status that was asked for (failed)"
    refused(*order, "--run-file", "again.jsonl", words=words)


def test_a_prefix_that_moves_the_cursor(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """A target is shown as keys are: nothing in it reaches the terminal as it is."""
    oss.store.put_object("bucket", "p\x1b[31m\n/a", body=b"")
    order = ("apply", "oss://bucket/p\x1b[31m\n/", *CHANGE, "--run-file", "run.jsonl")
    done = bulkmeta(*order)
    told = bulkmeta("report", "run.jsonl")
    assert (done.code, told.code) == (0, 0)
    for text in (done.err, done.out, told.out):
        assert "\x1b" not in text
        assert "\n/" not in text


def test_a_job_file_by_another_name(refused: Command) -> None:
    """A file given as the target is told as the file that it is."""
    Path("job.yaml").write_text("")
    refused("plan", "job.yaml", words="'job.yaml' is a file; a job file is named .toml")
    words = "'job.yaml' is no plan; apply takes oss://BUCKET/PREFIX, a job file (named"
    refused("apply", "job.yaml", "--yes", words=words)


def test_a_plan_or_a_run_to_be_planned(
    planned: str, ran: str, refused: Command
) -> None:
    """The commands that take such a file are named."""
    words = "'plan.jsonl' is a plan; carry it out by bulkmeta apply plan.jsonl"
    refused("plan", planned, words=words)
    words = "'run.jsonl' is a run file; report, resume, retry, verify and undo take it"
    refused("plan", ran, words=words)


@pytest.mark.parametrize(
    "order",
    [
        ("report", "run.jsonl", "--html", "-"),
        ("plan", TARGET, "--set", "n=1", "--out", "-"),
        ("apply", TARGET, *CHANGE, "--run-file", "-"),
        ("shards", TARGET, "--into", "2", "--out", "-"),
    ],
)
def test_no_file_of_that_name(
    ran: str, refused: Command, order: tuple[str, ...]
) -> None:
    """`-` is none by itself; only a log can be stderr."""
    flag = order[-2]
    words = f"Invalid value for '{flag}': '-' is no file; ./- is one of that name"
    refused(*order, words=words)
    assert not Path("-").exists()


@pytest.mark.parametrize("name", ["job.toml", "run.jsonl", "keys.csv"])
def test_a_file_where_none_is_taken(refused: Command, name: str) -> None:
    """Commands that take no file as the target say so, and what they do take."""
    Path(name).write_text("")
    words = f"{name!r} is a file; write the target as oss://bucket/prefix"
    refused("show", name, words=f"{words}; --keys-from takes keys from a file")
    refused("shards", name, "--into", "2", "--out", "s.json", words=words)
