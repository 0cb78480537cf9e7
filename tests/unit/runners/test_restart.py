"""Where an interrupted run goes on, and samples of a run's lines."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bulkmeta.errors import BulkmetaError, RunFatalError, UsageError
from bulkmeta.journal.records import JournalHeader, intent_of, journal_path
from bulkmeta.model.job import JobSpec, Parent, Target
from bulkmeta.model.key_ranges import Span
from bulkmeta.model.metadata import Metadata
from bulkmeta.model.outcome import Outcome
from bulkmeta.model.plan import UpdatePlan
from bulkmeta.model.run_file import RunHeader, Summary
from bulkmeta.runners.flow import leading_error
from bulkmeta.runners.reading import sampled
from bulkmeta.runners.restart import Start, examine_run, find_restart

LISTING = JobSpec(Target("bucket", "p"))
RETRY = JobSpec(
    Target("bucket", "p"), parent=Parent("/f", "h", "then", 1), takes="failed"
)
SUMMARY = Summary(
    objects=0, counts={}, reasons={}, requests={}, elapsed_s=0.0, finished="later"
)


def header(job: JobSpec = LISTING, job_hash: str | None = None) -> RunHeader:
    return RunHeader(
        version="1",
        command="apply",
        job=job,
        job_hash=job_hash or job.hash(),
        bucket="bucket",
        endpoint="https://h",
        region="r",
        started="now",
    )


def line(seq: int, key: str) -> Outcome:
    return Outcome(seq=seq, key=key, status="updated")


def plan(key: str) -> UpdatePlan:
    return UpdatePlan(key, Metadata({}, {}), Metadata({"b": "2"}, {}), "E", "T")


def write(path: Path, *records: msgspec.Struct) -> None:
    path.write_bytes(
        b"".join(msgspec.json.encode(record) + b"\n" for record in records)
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a run file may be made."""
    return tmp_path / "run.jsonl"


def test_goes_on(path: Path) -> None:
    """Behind the mark, without what is done, with what is in doubt and has no line."""
    write(path, header(), line(1, "a"), line(3, "c"))
    intents = [intent_of(seq, plan(key)) for seq, key in enumerate("abc", 1)]
    write(
        journal_path(path),
        JournalHeader(job_hash=LISTING.hash(), run_started="now"),
        *intents,
    )
    found = find_restart(path)
    assert (found.header, found.size_bytes) == (header(), path.stat().st_size)
    start = found.start
    assert (start.seq, start.after, start.done, start.doubts, start.counts) == (
        4,
        "a",
        {"c"},
        {"b": plan("b")},
        {"updated": 2},
    )


def test_goes_on_from_the_start(path: Path) -> None:
    """A run that did nothing yet begins like a new one."""
    write(path, header())
    assert find_restart(path).start == Start()


@pytest.mark.parametrize(("job", "done"), [(LISTING, set()), (RETRY, {"a"})])
def test_done_keys_that_are_kept(path: Path, job: JobSpec, done: set[str]) -> None:
    """Only what a listing would show again is kept; lines come in any order."""
    write(path, header(job), line(1, "b"), line(3, "a"))
    journal_path(path).touch()
    start = find_restart(path).start
    assert (start.after, start.done) == ("b", done)


@pytest.mark.parametrize("command", ["resume", "undo"])
def test_interrupted_without_its_journal(path: Path, command: str) -> None:
    """What was under way is not known then; nobody may go on as if nothing was."""
    write(path, header(), line(1, "a"))
    with pytest.raises(UsageError, match=r"journal 'run\.jsonl\.journal' is missing"):
        find_restart(path) if command == "resume" else examine_run(path)


def test_goes_on_in_ranges(path: Path) -> None:
    """Each range behind its own mark; kept is only what a listing would show again."""
    first = msgspec.structs.replace(line(1, "a"), bounds=["m"])
    write(path, header(), first, line(2, "n"), line(4, "o"), line(5, "b"))
    journal_path(path).touch()
    start = find_restart(path).start
    assert (start.seq, start.after, start.bounds) == (6, "a", ("m",))
    assert (start.left, start.done) == ((Span("a", "m"), Span("n")), {"b", "o"})


def test_complete(path: Path) -> None:
    """A run that came to its end is not run again."""
    write(path, header(), line(1, "a"), SUMMARY)
    with pytest.raises(UsageError, match="is complete; there is nothing to resume"):
        find_restart(path)


def test_altered(path: Path) -> None:
    """A job that is not the one whose hash stands beside it was meddled with."""
    write(path, header(job_hash="hash"))
    with pytest.raises(UsageError, match="has been altered"):
        find_restart(path)


def test_journal_without_its_run_file(path: Path) -> None:
    """A journal alone is a loss to be told, not a run that was never begun."""
    journal_path(path).write_bytes(b"")
    with pytest.raises(UsageError, match="but its journal is there"):
        find_restart(path)


def test_nothing_there(path: Path) -> None:
    """Neither of them: there is no such run."""
    with pytest.raises(UsageError, match="cannot read"):
        find_restart(path)


# Samples

LINES = [
    Outcome(seq=n, key=f"k{n}", status="skipped" if n % 10 == 0 else "updated")
    for n in range(1, 501)
]
SETTLED = {line.key for line in LINES if line.status == "updated"}


def sample(path: Path, size: float | int | None) -> set[str]:
    wanted = sampled(path, size)
    return {line.key for line in LINES if wanted(line)}


@pytest.mark.parametrize("size", [1, 20, 449])
def test_sample_of_a_number(path: Path, size: int) -> None:
    """So many lines, of those that say how an object is left; the same each time."""
    write(path, header(), *LINES)
    first = sample(path, size)
    assert (len(first), first <= SETTLED, sample(path, size)) == (size, True, first)


def test_sample_of_a_share(path: Path) -> None:
    """About so many in a hundred; the same each time, and part of a larger share."""
    write(path, header(), *LINES)
    tenth, half = sample(path, 0.1), sample(path, 0.5)
    assert (tenth <= half <= SETTLED, sample(path, 0.1)) == (True, tenth)
    assert (len(tenth) in range(20, 80), len(half) in range(150, 300)) == (True, True)


@pytest.mark.parametrize("size", [None, 450, 10_000, 1.0])
def test_whole(path: Path, size: float | int | None) -> None:
    """Without a sample, or with one larger than the run, all that is settled."""
    write(path, header(), *LINES)
    assert sample(path, size) == SETTLED


# What a group of errors is about


def test_leading_error() -> None:
    """Ours before others, the first of them, however deep."""
    ours: list[BulkmetaError] = [RunFatalError("first"), UsageError("second")]
    deep = BaseExceptionGroup("g", [ValueError(), BaseExceptionGroup("h", ours)])
    bug = ValueError("bug")
    assert (leading_error(deep), leading_error(BaseExceptionGroup("g", [bug]))) == (
        ours[0],
        bug,
    )
