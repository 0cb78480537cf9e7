"""Reading run files: what was done, and how far an interrupted run came."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from bulkmeta.errors import UsageError
from bulkmeta.journal.lines import (
    UNREADABLE,
    Line,
    bad_line,
    damaged,
    first_line,
    read_lines,
)
from bulkmeta.model.limits import bucket_fault
from bulkmeta.model.low_water import LowWater
from bulkmeta.model.outcome import Outcome
from bulkmeta.model.run_file import SCHEMA, Record, Resumed, RunHeader, Summary


class _Kind(msgspec.Struct, frozen=True):
    """As much of a first line as tells what the file is."""

    type: str


class _Form(msgspec.Struct, frozen=True, tag_field="type", tag="run"):
    """As much of the first line as every version writes."""

    schema: int
    version: str


_kinds: Final = msgspec.json.Decoder(_Kind)
_forms: Final = msgspec.json.Decoder(_Form)
_headers: Final = msgspec.json.Decoder(RunHeader)
_records: Final[msgspec.json.Decoder[Outcome | Resumed | Summary]] = (
    msgspec.json.Decoder(Outcome | Resumed | Summary)
)


@dataclass(slots=True)
class Progress:
    """How far a run came: up to `low.marks`, and beyond them the keys in `done`. Of the
    parts that it was done in, the last began at `part_seq`, and the longest has so many
    objects."""

    header: RunHeader
    low: LowWater = field(default_factory=LowWater)
    done: set[str] = field(default_factory=set)
    last_seq: int = 0
    part_seq: int = 1
    longest: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    complete: bool = False
    size_bytes: int = 0


def read_run(path: str | Path) -> Iterator[Record]:
    """Every whole line of a run file or plan file, compressed or not.

    First comes a `RunHeader`; then an `Outcome` per object, and a `Resumed` wherever
    the run was taken up again; at last a `Summary`, if the run came to its end. What a
    crash left of a last line is left out. Memory does not grow with the file.

    Raises:
        UsageError: no run file, or a line that cannot be read (with its number).
    """
    path = Path(path)
    header, _, lines = _opened(path)
    yield header
    for line in lines:
        yield _decoded(path, line)


def read_outcomes(path: str | Path) -> Iterator[Outcome]:
    """The lines of objects in a run file or plan file; raises as `read_run` does."""
    for record in read_run(path):
        if isinstance(record, Outcome):
            yield record


def read_header(path: Path) -> RunHeader:
    """The first line of a run file."""
    return _header(path, first_line(path))


def begins_run(path: Path) -> bool:
    """Whether the first line of a file is that of a run or a plan, whatever else is in
    it.

    Raises:
        UsageError: the file cannot be read.
    """
    first = first_line(path)
    return first is not None and _begins_run(first)


def scan_progress(path: Path, unsettled: set[str]) -> Progress:
    """How far a run came; takes the keys that have a line out of `unsettled`."""
    header, first, lines = _opened(path)
    progress = Progress(header, size_bytes=first.end_bytes)
    for line in lines:
        record = _decoded(path, line)
        progress.size_bytes = line.end_bytes
        if isinstance(record, Outcome):
            _count(progress, record)
            unsettled.discard(record.key)
        elif isinstance(record, Resumed):
            progress.done = _carried(progress)
            progress.low = LowWater(record.seq, progress.low.marks)
            progress.last_seq = record.seq - 1
            progress.part_seq = record.seq
        progress.complete = isinstance(record, Summary)
    progress.done = _carried(progress)
    return progress


def _count(progress: Progress, seen: Outcome) -> None:
    progress.low.marks.cut(seen.bounds or ())
    nameable = seen.reason != "invalid_key"
    progress.low.finish(seen.seq, seen.key if nameable else None)
    progress.last_seq = max(progress.last_seq, seen.seq)
    progress.longest = max(progress.longest, seen.seq - progress.part_seq + 1)
    progress.counts[seen.status] += 1
    if seen.reason:
        progress.reasons[f"{seen.status}: {seen.reason}"] += 1


def _carried(progress: Progress) -> set[str]:
    return progress.done | progress.low.beyond()


def _opened(path: Path) -> tuple[RunHeader, Line, Iterator[Line]]:
    lines = read_lines(path)
    first = next(lines, None)
    header = _header(path, first)
    assert first is not None  # noqa: S101 it has a header
    return header, first, lines


def _header(path: Path, first: Line | None) -> RunHeader:
    if first is None:
        raise UsageError(f"{str(path)!r} holds no whole line; it is no run file")
    if not _begins_run(first):
        raise UsageError(
            f"{str(path)!r} is no run file: its first line tells of no run; give the "
            "file that the run told as its run file"
        )
    try:
        form = _forms.decode(first.text)
        if form.schema > SCHEMA:
            raise UsageError(
                f"{str(path)!r} was written by a newer bulkmeta ({form.version})"
            )
        header = _headers.decode(first.text)
    except UNREADABLE as error:
        raise damaged(path, 1) from error
    if header.bucket != header.job.target.bucket or bucket_fault(header.bucket):
        raise bad_line(path, 1, f"bucket {header.bucket!r} is none of a run")
    return header


def _begins_run(first: Line) -> bool:
    try:
        return _kinds.decode(first.text).type == "run"
    except UNREADABLE:
        return False


def _decoded(path: Path, line: Line) -> Outcome | Resumed | Summary:
    try:
        return _records.decode(line.text)
    except UNREADABLE as error:
        if not line.text.strip():
            raise bad_line(path, line.number, "it is empty; take it out") from error
        raise damaged(path, line.number) from error
