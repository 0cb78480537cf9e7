"""Reading run files: what was done, and how far a run came."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from bulkmeta.errors import UsageError
from bulkmeta.journal.run_reader import read_header, read_run, scan_progress
from bulkmeta.model.job import JobSpec, Target
from bulkmeta.model.key_ranges import Span
from bulkmeta.model.outcome import Outcome
from bulkmeta.model.run_file import Record, Resumed, RunHeader, Summary

HEADER = RunHeader(
    version="1",
    command="apply",
    job=JobSpec(Target("bucket", "p")),
    job_hash="hash",
    bucket="bucket",
    endpoint="https://h",
    region="r",
    started="now",
)
SUMMARY = Summary(
    objects=0, counts={}, reasons={}, requests={}, elapsed_s=0.0, finished="later"
)


def line(seq: int, key: str, **other: Any) -> Outcome:
    return msgspec.structs.replace(Outcome(seq=seq, key=key, status="updated"), **other)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a run file may be made."""
    return tmp_path / "run.jsonl"


def write(path: Path, *records: Record, tail: bytes = b"") -> int:
    """The size of the whole lines."""
    lines = b"".join(msgspec.json.encode(record) + b"\n" for record in records)
    path.write_bytes(lines + tail)
    return len(lines)


def test_all_lines_but_a_torn_one(path: Path) -> None:
    """Every whole line comes back as it was written."""
    records: list[Record] = [
        HEADER,
        line(1, "a"),
        Resumed(seq=2, after="a", at="t"),
        SUMMARY,
    ]
    write(path, *records, tail=b'{"type":"object","se')
    assert (list(read_run(path)), read_header(path)) == (records, HEADER)


DAMAGED = r"run\.jsonl', line 3: the file is damaged there, or was altered; put a whole"
BAD = [
    b"{}",
    b"{",
    b'{"type":"object","seq":"x"}',
    b'{"type":"object","seq":2,"key":"b","status":"updatex"}',
    b'{"type":"object","seq":2,"key":"b","status":"updated","before":{"meta":[]}}',
]


@pytest.mark.parametrize("bad", BAD)
def test_bad_line_in_the_middle(path: Path, bad: bytes) -> None:
    """A line that was altered is named by its number, by both ways of reading."""
    last = msgspec.json.encode(line(3, "c"))
    write(path, HEADER, line(1, "a"), tail=bad + b"\n" + last + b"\n")
    with pytest.raises(UsageError, match=DAMAGED):
        list(read_run(path))
    with pytest.raises(UsageError, match=DAMAGED):
        scan_progress(path, set())


def test_an_empty_line(path: Path) -> None:
    """As an editor leaves one at the end: told in words."""
    write(path, HEADER, line(1, "a"), tail=b"\n")
    with pytest.raises(UsageError, match=r"run\.jsonl', line 3: it is empty; take"):
        scan_progress(path, set())


def test_key_that_is_not_utf8(path: Path) -> None:
    """Bytes that no text has are a bad line, not a crash."""
    text = msgspec.json.encode(line(1, "KEY")).replace(b"KEY", b"\xff")
    write(path, HEADER, tail=text + b"\n")
    with pytest.raises(UsageError, match="line 2"):
        list(read_run(path))


def test_newer_schema(path: Path) -> None:
    """A later version's file is not guessed at."""
    write(path, msgspec.structs.replace(HEADER, schema=2, version="9.9"))
    with pytest.raises(UsageError, match=r"by a newer bulkmeta \(9\.9\)"):
        read_header(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no whole line"),
        (b'{"type":"run"', "holds no whole line"),
        (
            msgspec.json.encode(SUMMARY) + b"\n",
            "is no run file: its first line tells of no run; give the file that",
        ),
        (b'{"schema":1,"version":"1"}\n', "its first line tells of no run"),
        (b"text\n", "its first line tells of no run"),
        (b'{"type":"run"}\n', "line 1: the file is damaged there, or was altered"),
    ],
)
def test_no_run_file(path: Path, content: bytes, message: str) -> None:
    """Any other file is told apart by its first line."""
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message):
        read_header(path)


def test_progress_of_nothing_but_a_header(path: Path) -> None:
    """A run that died at its first object goes on behind its header."""
    size_bytes = write(path, HEADER, tail=b'{"type"')
    progress = scan_progress(path, set())
    assert (progress.header, progress.size_bytes, progress.last_seq) == (
        HEADER,
        size_bytes,
        0,
    )
    assert (progress.low.marks.first, progress.done, progress.complete) == (
        None,
        set(),
        False,
    )


def test_progress(path: Path) -> None:
    """The mark, what is done beyond it, the counts, and what has no line."""
    size_bytes = write(
        path,
        HEADER,
        line(2, "b", status="skipped", reason="gone"),
        line(1, "a"),
        line(5, "e"),
        tail=b"torn",
    )
    unsettled = {"a", "d", "e"}
    progress = scan_progress(path, unsettled)
    assert (progress.low.marks.first, progress.done, progress.last_seq) == (
        "b",
        {"e"},
        5,
    )
    assert (progress.counts, progress.reasons) == (
        {"updated": 2, "skipped": 1},
        {"skipped: gone": 1},
    )
    assert (unsettled, progress.size_bytes) == ({"d"}, size_bytes)


def test_progress_over_several_resumes(path: Path) -> None:
    """Each takes up where the one before ended; what was done beyond stays known."""
    write(
        path,
        HEADER,
        line(1, "a"),
        line(3, "c"),
        line(5, "e"),
        Resumed(seq=6, after="a", at="t"),
        line(7, "d"),
        Resumed(seq=8, after="a", at="t"),
        line(8, "b"),
        line(10, "g"),
    )
    progress = scan_progress(path, set())
    assert (progress.low.marks.first, progress.low.next_seq, progress.last_seq) == (
        "b",
        9,
        10,
    )
    assert (progress.done, progress.counts) == ({"c", "e", "d", "g"}, {"updated": 6})


def test_progress_in_ranges(path: Path) -> None:
    """Each range has its mark, over several resumes; what is done beyond them, the
    unfinished object in front of it, stays known."""
    write(
        path,
        HEADER,
        line(1, "a", bounds=["f", "p"]),
        line(2, "g"),
        line(3, "q"),
        line(5, "h"),
        line(6, "r"),
        line(7, "c", bounds=["t"]),
        Resumed(seq=8, after="a", at="t"),
        line(8, "b"),
        line(9, "u"),
        line(11, "j"),
    )
    progress = scan_progress(path, set())
    marks = progress.low.marks
    assert (marks.bounds, progress.low.next_seq) == (("f", "p", "t"), 10)
    assert marks.left() == (
        Span("b", "f"), Span("g", "p"), Span("q", "t"), Span("u"),
    )  # fmt: skip
    assert progress.done == {"h", "r", "c", "j"}


def test_progress_of_a_resume_without_a_line(path: Path) -> None:
    """A second crash right after the first changes nothing."""
    size_bytes = write(
        path, HEADER, line(1, "a"), line(3, "c"), Resumed(seq=4, after="a", at="t")
    )
    progress = scan_progress(path, set())
    assert (progress.low.marks.first, progress.last_seq, progress.done) == (
        "a",
        3,
        {"c"},
    )
    assert (progress.size_bytes, progress.complete) == (size_bytes, False)


def test_complete(path: Path) -> None:
    """A summary at the end says that the run is complete."""
    write(path, HEADER, line(1, "a"), SUMMARY)
    assert scan_progress(path, set()).complete


def test_nothing_is_listed_from_behind_a_key_that_cannot_be_named(path: Path) -> None:
    """Its text in the line is not the key."""
    write(path, HEADER, line(1, "a"), line(2, "p/\\udcff", reason="invalid_key"))
    progress = scan_progress(path, set())
    assert (progress.low.marks.first, progress.done) == ("a", set())
