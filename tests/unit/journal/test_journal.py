"""The journal: no update before its intent is stored; nothing unsettled is lost."""

from __future__ import annotations

import asyncio
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from bulkmeta.errors import OutputError, UsageError
from bulkmeta.journal import writer
from bulkmeta.journal.files import AppendFile
from bulkmeta.journal.reader import intended_keys, read_doubts, read_intents
from bulkmeta.journal.records import Intent, JournalHeader, intent_of
from bulkmeta.journal.writer import Journal, open_journal
from bulkmeta.model.job import JobSpec, Target
from bulkmeta.model.metadata import Metadata
from bulkmeta.model.outcome import Outcome
from bulkmeta.model.plan import UpdatePlan
from bulkmeta.model.run_file import RunHeader
from bulkmeta.runners.flow import ungrouped

HEADER = JournalHeader(job_hash="hash", run_started="now")
RUN = RunHeader(
    version="1",
    command="apply",
    job=JobSpec(Target("bucket", "p")),
    job_hash="hash",
    bucket="bucket",
    endpoint="https://h",
    region="r",
    started="now",
)
HANG_S = 10.0
"""Only a test that fails waits that long."""


def plan(key: str, value: str = "2") -> UpdatePlan:
    return UpdatePlan(key, Metadata({}, {}), Metadata({"b": value}, {}), "E", "T")


def intent(seq: int) -> Intent:
    return intent_of(seq, plan(f"k{seq}"))


def settle(journal: Journal, *seqs: int) -> None:
    for seq in seqs:
        journal.emit(Outcome(seq=seq, key=f"k{seq}", status="updated"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a journal may be made."""
    return tmp_path / "run.jsonl.journal"


class Syncs:
    """Counts syncs of files, holds them up, and lets them fail."""

    def __init__(self) -> None:
        self.count = 0
        self.go = threading.Event()
        self.go.set()
        self.one_by_one: threading.Semaphore | None = None
        self.error: OutputError | None = None

    def __call__(self, _file: AppendFile) -> None:
        self.count += 1
        assert self.go.wait(HANG_S)
        assert self.one_by_one is None or self.one_by_one.acquire(timeout=HANG_S)
        if self.error:
            raise self.error


@pytest.fixture
def syncs(monkeypatch: pytest.MonkeyPatch) -> Syncs:
    """Syncs in the test's hands."""
    hand = Syncs()
    monkeypatch.setattr(AppendFile, "sync", lambda file: hand(file))  # noqa: PLW0108 a function binds
    return hand


def folder(path: Path) -> dict[str, int]:
    """What lies beside a file, and who may read it."""
    return {
        file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()
    }


class Outcomes:
    """A run file that tells when it is made durable; what it holds back is handed over
    before that."""

    def __init__(self, synced: Callable[[], None] = lambda: None) -> None:
        self._synced = synced
        self._handed_over = True  # when the journal is opened
        self._opened = False

    def write_out(self) -> None:
        self._handed_over = True

    def sync(self) -> None:
        assert self._handed_over
        self._handed_over = False
        if self._opened:
            self._synced()
        self._opened = True


async def reached(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(HANG_S):
        while not done():  # noqa: ASYNC110 no event tells of another thread
            await asyncio.sleep(0)


async def test_many_intents_few_syncs(path: Path, syncs: Syncs) -> None:
    """What gathers during one sync is made durable by the next; none returns before
    its own."""
    async with open_journal(path, HEADER, outcomes=Outcomes()) as journal:
        syncs.go.clear()
        first = asyncio.create_task(journal.record_intent(intent(1)))
        await reached(lambda: syncs.count == 2)
        others = [
            asyncio.create_task(journal.record_intent(intent(seq)))
            for seq in range(2, 100)
        ]
        await asyncio.sleep(0)
        assert not any(task.done() for task in [first, *others])
        syncs.go.set()
        await asyncio.gather(first, *others)
    assert syncs.count == 3
    assert [i.seq for i in read_intents(path, RUN)] == [*range(1, 100)]


async def test_intent_of_the_next_group_waits_for_its_own_sync(
    path: Path, syncs: Syncs
) -> None:
    """The sync under way may have missed what came after it began."""
    async with open_journal(path, HEADER, outcomes=Outcomes()) as journal:
        syncs.one_by_one = threading.Semaphore(0)
        first = asyncio.create_task(journal.record_intent(intent(1)))
        await reached(lambda: syncs.count == 2)
        second = asyncio.create_task(journal.record_intent(intent(2)))
        await asyncio.sleep(0)
        syncs.one_by_one.release()
        await first
        await reached(lambda: syncs.count == 3)
        assert not second.done()
        syncs.one_by_one.release()
        await second


async def test_failing_sync_reaches_everyone(path: Path, syncs: Syncs) -> None:
    """Those of the group, those gathered meanwhile, and whoever comes later."""
    async with open_journal(path, HEADER, outcomes=Outcomes()) as journal:
        syncs.go.clear()
        syncs.error = OutputError("disk full")
        tasks = [asyncio.create_task(journal.record_intent(intent(1)))]
        await reached(lambda: syncs.count == 2)
        tasks += [asyncio.create_task(journal.record_intent(intent(n))) for n in (2, 3)]
        await asyncio.sleep(0)
        tasks[0].add_done_callback(lambda _: setattr(syncs, "error", None))
        syncs.go.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        with pytest.raises(OutputError, match="disk full"):
            await journal.record_intent(intent(4))
    assert [str(error) for error in found] == ["disk full"] * 3
    # Nothing was written behind what failed: a torn line would swallow it.
    assert [i.seq for i in read_intents(path, RUN)] == [1]


async def fill(
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    synced: Callable[[], None] = lambda: None,
) -> None:
    """Settle intents 1 to 3, and compact when 4 is recorded; 9 was there before."""
    monkeypatch.setattr(Journal.__init__, "__kwdefaults__", {"compact_bytes": 600})
    async with open_journal(
        path, HEADER, unsettled=[intent_of(0, plan("k9"))], outcomes=Outcomes(synced)
    ) as journal:
        for seq in (1, 2, 3):
            await journal.record_intent(intent(seq))
        settle(journal, 1, 3)
        for seq in (4, 5):
            await journal.record_intent(intent(seq))


async def test_compaction_keeps_what_is_unsettled(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outcomes are stored before their intents are forgotten; the others stay, those of
    the interrupted run too."""
    seen: list[set[str]] = []
    await fill(path, monkeypatch, lambda: seen.append(intended_keys(path, RUN)))
    assert {"k9", "k1", "k2", "k3"} <= seen[0]
    assert intended_keys(path, RUN) == {"k9", "k2", "k4", "k5"}
    assert folder(path) == {path.name: 0o600}


@pytest.mark.parametrize("step", ["outcomes", "create", "replace", "folder"])
async def test_compaction_that_fails_loses_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Wherever it breaks, the run ends in order, and what was durable still is."""
    armed: list[bool] = []

    def arm() -> None:
        armed.append(True)
        if step == "outcomes":
            raise OutputError("broken")

    def breaking(name: str, holder: object, attribute: str) -> None:
        real = getattr(holder, attribute)

        def maybe(*args: object) -> object:
            if armed and step == name:
                raise UsageError("broken") if name == "create" else OSError(5, "broken")
            return real(*args)

        monkeypatch.setattr(holder, attribute, maybe)

    breaking("create", writer, "create_file")
    breaking("replace", os, "replace")
    breaking("replace", Path, "replace")
    breaking("folder", writer, "sync_folder")
    with pytest.raises(OutputError, match="broken"), ungrouped():
        await fill(path, monkeypatch, arm)
    assert {"k9", "k2"} <= intended_keys(path, RUN)


async def test_new_journal_replaces_the_old_one(path: Path) -> None:
    """A resumed run begins with what is in doubt, and forgets the rest."""
    write(path, HEADER, intent(1))
    write(path.with_name(path.name + ".new"), tail=b"left by a crash")
    doubted = intent_of(0, plan("k9"))
    async with open_journal(path, HEADER, unsettled=[doubted], outcomes=Outcomes()):
        assert list(read_intents(path, RUN)) == [doubted]
    assert folder(path) == {path.name: 0o600}


# Reading


def write(path: Path, *records: JournalHeader | Intent, tail: bytes = b"") -> None:
    lines = b"".join(msgspec.json.encode(record) + b"\n" for record in records)
    path.write_bytes(lines + tail)


def test_no_journal_no_intents(path: Path) -> None:
    """It is removed when everything is settled."""
    assert list(read_intents(path, RUN)) == []


def test_last_intent_of_a_key_counts(path: Path) -> None:
    """An object that was updated again after a conflict is in doubt as sent last."""
    last = intent_of(1, plan("k1", "3"))
    write(path, HEADER, intent(1), intent(2), last)
    assert intended_keys(path, RUN) == {"k1", "k2"}
    assert read_doubts(path, RUN, {"k1"}) == {"k1": plan("k1", "3")}


def test_torn_intent_was_never_sent(path: Path) -> None:
    """Its sync did not return, so its update did not leave."""
    write(path, HEADER, intent(1), tail=msgspec.json.encode(intent(2)))
    assert intended_keys(path, RUN) == {"k1"}


@pytest.mark.parametrize("other", [{"job_hash": "other"}, {"started": "then"}])
def test_foreign_journal(path: Path, other: dict[str, str]) -> None:
    """Another run's journal says nothing about this one, be it of the same job."""
    write(path, HEADER, intent(1))
    with pytest.raises(UsageError, match="belongs to another run"):
        intended_keys(path, msgspec.structs.replace(RUN, **other))


def test_journal_without_header(path: Path) -> None:
    """Nobody can say which run it belongs to."""
    write(path, intent(1))
    with pytest.raises(UsageError, match=r"journal', line 1: "):
        intended_keys(path, RUN)


def test_newer_journal(path: Path) -> None:
    """What a later version wrote is not guessed at."""
    write(path, msgspec.structs.replace(HEADER, schema=2), intent(1))
    with pytest.raises(UsageError, match="newer bulkmeta"):
        intended_keys(path, RUN)


def test_empty_journal(path: Path) -> None:
    """It stands for one that was lost for good."""
    path.touch()
    assert intended_keys(path, RUN) == set()


def test_bad_line(path: Path) -> None:
    """A line that was altered is named by its number."""
    write(path, HEADER, intent(1), tail=b'{"type":"intent"}\n')
    with pytest.raises(UsageError, match=r"journal', line 3: "):
        intended_keys(path, RUN)
