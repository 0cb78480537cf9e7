"""Promises 1, 3 and 5 to 8 in random histories of runs, crashes and other writers.

A state machine drives the real command line, in this process, against the embedded OSS:
`apply`, `resume`, `retry` and `undo`, with troubles of the service, other writers in
between and in the middle, and ends before their time. Such an end (`Cut`) comes at a
certain write, sync or request: the process is killed, which leaves all that it wrote;
or the power goes, which leaves what was synced and any part of what was written behind
it; or Ctrl-C is pressed.

What is expected is said here once more, from the design, and shares nothing with the
code under test. Each update is held against the state that it met at the service and
the synced part of the journal at that moment; each line and intent in the files against
the updates that there were.

A small form runs always, in about 20 s. In the full one every 6 crashes asked for stand
for a part, each with other histories:

    pytest tests/functional/test_promises.py --crashes 600 -n auto
"""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import os
import signal
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, Literal

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bulkmeta.cli.main import run as run_command
from bulkmeta.emulator import operations
from bulkmeta.emulator.faults import Fault
from bulkmeta.emulator.options import EmulatorOptions
from bulkmeta.emulator.server import EmbeddedOSS
from bulkmeta.engine.shutdown import StopRequest
from bulkmeta.journal.files import AppendFile
from bulkmeta.journal.writer import Journal
from bulkmeta.oss.transport import Transport

if TYPE_CHECKING:
    from bulkmeta.emulator.stored import StoredObject

HISTORIES, STEPS, CRASHES_A_PART = 100, 12, 6
SMALL_JOURNAL_BYTES, SMALL_FRAME_BYTES = 1_800, 1_500
HEAD, ACL, COPY = "HeadObject", "GetObjectAcl", "CopyObject"
REFUSED, INTERRUPTED = 2, 130
OUTSIDE = "q/outside"

Json = dict[str, Any]
Commands = Literal["apply", "retry", "undo"]


# Jobs, and what they mean


@dataclass(frozen=True, slots=True)
class Job:
    """A change: how the command line says it, and what becomes of a state by it."""

    project: str = "a"
    renames: bool = False
    unsets: bool = False
    header: tuple[str, str] | None = None
    unset_header: str | None = None
    default: bool = False

    def args(self) -> Iterator[str]:
        """The change as options."""
        yield from ("--set", f"project={self.project}")
        if self.renames:
            yield from ("--rename", "owner=team")
        if self.unsets:
            yield from ("--unset", "note")
        if self.default:
            yield from ("--default", "lang=中文")
        if self.header:
            yield from ("--header", "=".join(self.header))
        if self.unset_header:
            yield from ("--unset-header", self.unset_header)

    def applied(self, state: Json) -> Json | None:
        """The state after the change; None if it cannot be made without a loss."""
        meta, headers = dict(state["meta"]), dict(state["headers"])
        if self.renames and "owner" in meta:
            owner = meta.pop("owner")
            if meta.setdefault("team", owner) != owner:
                return None
        if self.unsets:
            meta.pop("note", None)
        meta["project"] = self.project
        if self.default:
            meta.setdefault("lang", "中文")
        headers.pop(self.unset_header, None)
        headers.update([self.header] if self.header else [])
        return {**state, "meta": meta, "headers": headers}


JOBS = st.builds(
    Job,
    project=st.sampled_from(["a", "b"]),
    renames=st.booleans(),
    unsets=st.booleans(),
    header=st.sampled_from([None, ("expires", "never"), ("content-type", "text/新")]),
    unset_header=st.sampled_from([None, "content-language", "content-disposition"]),
    default=st.booleans(),
)

OBJECTS: Final[list[Json]] = [
    {"meta": {"owner": "测试 1", "note": "x"}, "tags": {"t": "1"}},
    {
        "meta": {"owner": "a", "team": "b"},
        "headers": {"expires": "Wed, 21 Oct 2026 7:28:00 GMT"},
    },
    {"meta": {"owner": "a", "team": "a"}, "acl": "public-read", "tags": {"t": "2"}},
    {
        "content_type": "text/html; charset=utf-8",
        "headers": {
            "content-language": "zh-CN",
            "content-disposition": 'attachment; filename="报告.pdf"',
        },
        "acl": "private",
    },
    {"meta": {"empty": "", "project": "a", "lang": "en"}, "storage_class": "IA"},
    {
        "sse": {"x-oss-server-side-encryption": "AES256"},
        "headers": {"content-encoding": "gzip", "cache-control": "no-cache"},
    },
    {"meta": {"note": "y"}, "extra": {"x-oss-brand-new": "1"}},
    {},
]
KINDS = st.sampled_from(range(len(OBJECTS)))


def recorded(stored: StoredObject) -> Json:
    """A stored object's state as `before` and `after` hold it."""
    return {
        "meta": dict(stored.meta),
        "headers": {**stored.headers, "content-type": stored.content_type},
        "acl": stored.acl,
        "storage_class": stored.storage_class,
        "sse": dict(stored.sse),
    }


def told(state: Json | None) -> Json:
    """A `before` or `after` with what is left out where it is empty."""
    return {"sse": {}, **(state or {})}


def shown(state: Json) -> Json:
    """As much of a state as a head shows."""
    return {name: value for name, value in state.items() if name != "acl"}


# Troubles, other writers, and ends before the time


THEIRS: Final[dict[str, Callable[[Iterator[str]], Json]]] = {
    "meta": lambda serials: {"meta": {"theirs": next(serials)}},
    "named": lambda serials: {"meta": {"project": next(serials), "team": "theirs"}},
    "headers": lambda serials: {"headers": {"cache-control": next(serials)}},
    "tags": lambda serials: {"tags": {"theirs": next(serials)}},
    "acl": lambda _: {"acl": "public-read-write"},
    "touch": lambda _: {},
}
"""What another writer changes in an object."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that goes wrong at the service, or another writer in the middle."""

    kind: str
    operation: str
    skip: int
    times: int
    which: int
    theirs: str

    def faults(self, keys: list[str], serials: Iterator[str]) -> Iterator[Fault]:
        """The rules that make it happen; other writers never write the same twice."""
        rare: Json = {"skip": self.skip, "times": self.times}
        one: Json = {"key": keys[self.which % len(keys)], "exact": True}
        match self.kind:
            case "busy":
                yield Fault("error", self.operation, **rare)
            case "broken":
                rare |= {"status": 500, "code": "InternalError"}
                yield Fault("error", self.operation, **rare)
            case "denied":
                yield Fault("error", COPY, status=403, code="AccessDenied", **one)
            case "latency":
                yield Fault("latency", self.operation, seconds=0.02, times=1, **one)
            case "foreign_write":
                for skip in range(self.skip, self.skip + self.times):
                    once = {"skip": skip, "times": 1, **THEIRS[self.theirs](serials)}
                    yield Fault("foreign_write", self.operation, **once)
            case kind:
                yield Fault(kind, self.operation, **rare)


@dataclass(frozen=True, slots=True)
class Cut:
    """An end before the time: at the `nth` step of a kind. Of what is being written, or
    was not synced when the power went, such a `share` is left."""

    how: Literal["kill", "power", "stop"] = "kill"
    step: str = "never"
    nth: int = 1
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Setting:
    """Under which circumstances a command runs."""

    workers: int = 3
    troubles: tuple[Trouble, ...] = ()
    cut: Cut = Cut()


WRITES = st.tuples(
    st.integers(0, 8), st.sampled_from([*THEIRS, "put", "create", "delete"])
)
KINDS_OF_TROUBLE = [
    "busy", "broken", "denied", "reset_before", "reset_after",
    "foreign_write", "foreign_write", "foreign_write", "latency", "latency",
]  # fmt: skip
TROUBLES = st.builds(
    Trouble,
    kind=st.sampled_from(KINDS_OF_TROUBLE),
    operation=st.sampled_from([COPY, HEAD, ACL]),
    skip=st.integers(0, 4),
    times=st.integers(1, 2),
    which=st.integers(0, 8),
    theirs=st.sampled_from(sorted(THEIRS)),
)
CRASH_STEPS = {
    "send": 6, "answer": 6, "write run": 6, "write journal": 4, "sync journal": 4,
    "synced journal": 4, "sync run": 4, "synced run": 4, "fsync": 4,
}  # fmt: skip
"""Up to which step of a kind a crash makes a difference, about."""

CRASHES_AT = [(step, nth) for step, most in CRASH_STEPS.items() for nth in range(most)]
CUTS = st.one_of(
    st.just(Cut()),
    st.builds(Cut, how=st.just("stop"), step=st.just("send"), nth=st.integers(1, 5)),
    *(
        st.builds(
            lambda at, how, share: Cut(how, at[0], at[1] + 1, share),
            at=st.sampled_from(CRASHES_AT),
            how=st.sampled_from(["power", "kill"]),
            share=st.sampled_from([0.0, 0.4, 0.8]),
        )
        for _ in range(3)
    ),
)
SETTINGS = st.builds(
    Setting,
    workers=st.sampled_from([3, 1]),
    troubles=st.lists(TROUBLES, max_size=2).map(tuple),
    cut=CUTS,
)
LIVES = st.lists(SETTINGS, min_size=1, max_size=3)
"""How a run goes, and goes on each time that it was interrupted."""


# What is on stable storage


class Crash(BaseException):
    """The process is no more: nothing behind this can be noticed outside of it."""


class Disk:
    """The folder of all files, and what of it would survive.

    Counts the steps of a command; at the one that its `Cut` names, it keeps the files
    as they are then, and lets nothing happen to them any more.
    """

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._lock = threading.RLock()
        self._synced: dict[int, int] = {}
        self._open: set[int] = set()
        self._cut = Cut()
        self._steps: Counter[str] = Counter()
        self._left: dict[Path, tuple[bytearray, int]] | None = None
        self._watch_files(patch)
        self._watch_syncs(patch)
        self._watch_requests(patch)

    def begin(self, cut: Cut) -> None:
        """A command begins."""
        self._cut, self._left = cut, None
        self._steps.clear()

    @property
    def dead(self) -> bool:
        """Whether the process is no more."""
        return self._left is not None

    def synced(self, path: Path) -> bytes:
        """What of a file is on stable storage."""
        with suppress(FileNotFoundError), path.open("rb") as file:
            size = self._synced.get(os.fstat(file.fileno()).st_ino, 0)
            return file.read(size)
        return b""

    def bury(self) -> None:
        """Put the files back as the crash left them, and what was open away."""
        assert self._left is not None
        for fd in self._open:
            os.close(fd)
        self._open.clear()
        for path in set(self.folder.iterdir()) - self._left.keys():
            path.unlink()
        self._synced.clear()
        for path, (content, synced) in self._left.items():
            safe = synced
            if self._cut.how == "power":
                safe += round((len(content) - synced) * self._cut.share)
                del content[safe:]
            path.write_bytes(content)
            self._synced[path.stat().st_ino] = safe

    def _reached(self, step: str) -> bool:
        """Whether the command is to end at this step."""
        if self.dead:
            raise Crash
        self._steps[step] += 1
        return (step, self._steps[step]) == (self._cut.step, self._cut.nth)

    def _pass(self, step: str) -> None:
        with self._lock:
            if self._reached(step):
                self._end()

    def _end(self) -> None:
        if self._cut.how == "stop":
            signal.raise_signal(signal.SIGINT)
            return
        self._left = {
            path: (bytearray(path.read_bytes()), len(self.synced(path)))
            for path in self.folder.iterdir()
        }
        raise Crash

    def _watch_files(self, patch: pytest.MonkeyPatch) -> None:
        made, write, sync = AppendFile.__init__, AppendFile.write, AppendFile.sync
        close = AppendFile.close

        def watched_init(file: AppendFile, path: Path, fd: int) -> None:
            made(file, path, fd)
            self._open.add(fd)

        def watched_write(file: AppendFile, data: bytes | bytearray) -> None:
            with self._lock:
                self._book(file._fd, synced=False)
                if self._reached(f"write {_kind(file)}"):
                    write(file, data[: int(len(data) * self._cut.share)])
                    self._end()
                write(file, data)

        def watched_sync(file: AppendFile) -> None:
            with self._lock:
                self._pass(f"sync {_kind(file)}")
                sync(file)
                self._pass(f"synced {_kind(file)}")

        def watched_close(file: AppendFile) -> None:
            self._open.discard(file._fd)
            close(file)

        patch.setattr(AppendFile, "__init__", watched_init)
        patch.setattr(AppendFile, "write", watched_write)
        patch.setattr(AppendFile, "sync", watched_sync)
        patch.setattr(AppendFile, "close", watched_close)

    def _watch_syncs(self, patch: pytest.MonkeyPatch) -> None:
        """Syncs are booked, and not waited for."""

        def watched(fd: int) -> None:
            with self._lock:
                self._pass("fsync")
                self._book(fd, synced=True)

        patch.setattr("os.fsync", watched)
        patch.setattr("os.fdatasync", lambda fd: self._book(fd, synced=True))

    def _book(self, fd: int, *, synced: bool) -> None:
        """All of a file is on stable storage now; or no more than before, of what is
        left of it."""
        found = os.fstat(fd)
        before = found.st_size if synced else self._synced.get(found.st_ino, 0)
        self._synced[found.st_ino] = min(found.st_size, before)

    def _watch_requests(self, patch: pytest.MonkeyPatch) -> None:
        send = Transport.send

        async def watched(transport: Transport, request: Any, into: Any = None) -> Any:
            if self.dead:
                raise Crash
            if request.operation != COPY:
                return await send(transport, request, into)
            self._pass("send")
            answer = await send(transport, request)
            self._pass("answer")
            return answer

        patch.setattr(Transport, "send", watched)


def _kind(file: AppendFile) -> str:
    return "journal" if ".journal" in file.path.name else "run"


# What the service saw, and what the files say


@dataclass(frozen=True, slots=True)
class Commit:
    """An update that took effect, the state that it met, and the intents for its key
    that were on stable storage then."""

    before: StoredObject
    after: StoredObject
    intents: list[Json]
    same_body: bool

    @property
    def key(self) -> str:
        return self.after.key


@dataclass(eq=False, slots=True)
class Run:
    """A run, what it may and must speak of, and what it did.

    `owed` are the parent's lines that a retry or an undo is about; `excuses` the
    reasons for which an object may fail by what happened to the run.
    """

    path: Path
    command: Commands
    job: Job
    must: set[str]
    parent: Run | None = None
    may: set[str] = field(default_factory=set)
    owed: dict[str, Json] = field(default_factory=dict)
    excuses: set[str] = field(default_factory=set)
    commits: dict[str, list[Commit]] = field(default_factory=dict)
    is_parent: bool = False

    @property
    def journal(self) -> Path:
        return self.path.with_name(f"{self.path.name}.journal")

    def lines(self) -> list[Json]:
        """The whole lines of the run file."""
        return lines_of(content_of(self.path))

    def outcomes(self) -> dict[str, Json]:
        """Outcomes by key; each key has at most one."""
        found = [line for line in self.lines() if line["type"] == "object"]
        by_key = {line["key"]: line for line in found}
        assert len(by_key) == len(found), "a key has two outcomes"
        assert len({line["seq"] for line in found}) == len(found)
        return by_key

    def intents(self) -> list[Json]:
        """The intents of the journal, the oldest first."""
        return intents_of(content_of(self.journal))

    def is_begun(self) -> bool:
        return bool(self.lines())

    def is_complete(self) -> bool:
        lines = self.lines()
        return bool(lines) and lines[-1]["type"] == "summary"

    def standing(self) -> dict[str, Json]:
        """What is known of each key: its line, or else its last intent."""
        doubts = {
            intent["key"]: {**intent, "status": "failed", "last_modified": None}
            for intent in self.intents()
        }
        return {**doubts, **self.outcomes()}

    def owes(self, command: str) -> dict[str, Json]:
        """What of it such a command is about."""
        standing = self.standing().items()
        if command == "retry":
            return {key: line for key, line in standing if line["status"] == "failed"}
        return {key: line for key, line in standing if line["after"] and _is_done(line)}


def _is_done(line: Json) -> bool:
    """Whether an update was sent, or may have been."""
    return line["status"] in {"updated", "failed", "skipped"}


def content_of(path: Path) -> bytes:
    """What stands in a file; of a compressed one, in its whole frames."""
    data = path.read_bytes() if path.exists() else b""
    if path.suffix != ".gz":
        return data
    content = b""
    while data:
        decoder = zlib.decompressobj(31)
        frame = decoder.decompress(data)
        if not decoder.eof:
            break
        content, data = content + frame, decoder.unused_data
    return content


def lines_of(data: bytes) -> list[Json]:
    """The whole lines."""
    return [json.loads(line) for line in data.split(b"\n")[:-1]]


def intents_of(data: bytes) -> list[Json]:
    """The intents among the whole lines."""
    return [line for line in lines_of(data) if line["type"] == "intent"]


class Witness:
    """Sees every update arrive at the service, and each that takes effect."""

    def __init__(self, oss: EmbeddedOSS, disk: Disk, patch: pytest.MonkeyPatch) -> None:
        self.journal = Path()
        self.unrecorded: list[str] = []
        self.commits: list[Commit] = []
        fire, copy = oss.faults.fire, operations.HANDLERS[COPY]

        def intents(key: str) -> list[Json]:
            found = intents_of(disk.synced(self.journal))
            return [intent for intent in found if intent["key"] == key]

        def arriving(operation: str, key: str, *, reused: bool) -> tuple[Fault, ...]:
            if operation == COPY and not intents(key):
                self.unrecorded.append(key)
            return fire(operation, key, reused=reused)

        def copying(context: Any, request: Any, bucket: Any) -> Any:
            before = oss.store.get_object("bucket", request.key)
            body = oss.store.body(before)
            reply = copy(context, request, bucket)
            after = oss.store.get_object("bucket", request.key)
            same_body = oss.store.body(after) == body
            commit = Commit(before, after, intents(request.key), same_body)
            self.commits.append(commit)
            return reply

        patch.setattr(oss.faults, "fire", arriving)
        patch.setitem(operations.HANDLERS, COPY, copying)

    def begin(self, run: Run) -> None:
        """A command of this run begins."""
        self.journal = run.journal
        self.unrecorded.clear()
        self.commits.clear()


# The machine


class Promises(RuleBasedStateMachine):
    """Any order of commands, crashes and other writers."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        enter = self.stack.enter_context
        self.folder = Path(enter(TemporaryDirectory()))
        self.patch = enter(pytest.MonkeyPatch.context())
        self.oss = enter(EmbeddedOSS(EmulatorOptions()))
        self.disk = Disk(self.folder, self.patch)
        self.witness = Witness(self.oss, self.disk, self.patch)
        self.begun: list[Run] = []
        self.serials = map(str, itertools.count(1))
        self.deleted: set[str] = set()
        self.passed = True
        self._prepare()

    def _prepare(self) -> None:
        """The service's time stands still but for waits; files are soon full."""
        for name, value in self.oss.environment.items():
            self.patch.setenv(name, value)
        now_s = time.time()
        self.oss.clock._now = lambda: now_s

        async def jump(_stop: StopRequest, seconds: float) -> None:
            self.oss.clock.offset_s += seconds
            await asyncio.sleep(0)

        self.patch.setattr(StopRequest, "sleep", jump)
        self.patch.setattr("bulkmeta.oss.retry.backoff_s", lambda _: 0.0)
        self.patch.setattr("bulkmeta.engine.worker.backoff_s", lambda _: 0.0)
        self.patch.setattr("bulkmeta.report.run_file.FRAME_BYTES", SMALL_FRAME_BYTES)
        defaults: Any = Journal.__init__.__kwdefaults__
        self.patch.setitem(defaults, "compact_bytes", SMALL_JOURNAL_BYTES)

    @initialize(kinds=st.lists(KINDS, min_size=4, unique=True))
    def fill(self, kinds: list[int]) -> None:
        """A few varied objects, and one that is none of the runs' business."""
        self.oss.store.create_bucket("bucket")
        for kind in kinds:
            self._create(OBJECTS[kind])
        self.outside = self.oss.store.put_object("bucket", OUTSIDE, meta={"note": "z"})

    # Commands

    @rule(job=JOBS, lives=LIVES, suffix=st.sampled_from(["", ".gz"]))
    def apply(self, job: Job, lives: list[Setting], suffix: str) -> None:
        """The main job, on all of `p/`."""
        run = Run(self._path(suffix), "apply", job, set(self._keys()))
        run.may |= run.must
        self._live(run, lives, "apply", "oss://bucket/p/", *job.args(),
            "--allow-early-rewrite", "--yes", "--run-file", str(run.path),
        )  # fmt: skip

    @precondition(lambda self: self.begun)
    @rule(back=st.integers(0, 3), lives=LIVES)
    def resume(self, back: int, lives: list[Setting]) -> None:
        """An interrupted run goes on; what is complete, or never began, does not."""
        open_runs = [run for run in self.begun if self._can_go_on(run)]
        if open_runs:
            self._go_on(_nth_last(open_runs, back), lives)
            return
        run = _nth_last(self.begun, back)
        if run.is_complete() or not run.is_begun():
            self._refused("resume", str(run.path))

    @precondition(lambda self: self.begun)
    @rule(back=st.integers(0, 3), lives=LIVES)
    def retry(self, back: int, lives: list[Setting]) -> None:
        """What failed is tried again."""
        self._rerun(_nth_last(self.begun, back), "retry", lives)

    @precondition(lambda self: self.begun)
    @rule(back=st.integers(0, 3), lives=LIVES)
    def undo(self, back: int, lives: list[Setting]) -> None:
        """What was changed is put back."""
        self._rerun(_nth_last(self.begun, back), "undo", lives)

    def _rerun(self, parent: Run, command: Commands, lives: list[Setting]) -> None:
        path = self._path("")
        words = command, str(parent.path), "--yes", "--run-file", str(path)
        if not parent.is_begun() or (command, parent.command) == ("retry", "undo"):
            self._refused(*words)
            return
        run = Run(path, command, parent.job, set(), parent)
        parent.is_parent = True
        run.must = self._take_over(run)
        self._live(run, lives, *words)

    def _live(self, run: Run, lives: list[Setting], *words: str) -> None:
        """Begin a run, and take it up again as long as it has lives and needs them."""
        self.begun.append(run)
        self._carry_out(run, lives[0], *words)
        self._go_on(run, lives[1:])

    def _go_on(self, run: Run, lives: list[Setting]) -> None:
        for setting in lives:
            if self._can_go_on(run):
                if run.parent:
                    run.must &= self._take_over(run)
                self._carry_out(run, setting, "resume", str(run.path))

    def _can_go_on(self, run: Run) -> bool:
        """Whether to resume it: not if another run takes its objects from it."""
        return run.is_begun() and not run.is_complete() and not run.is_parent

    def _take_over(self, run: Run) -> set[str]:
        """What the parent owes, as its files say it now; the keys that must be tried
        (those of objects that were gone already need not)."""
        assert run.parent
        run.owed = run.parent.owes(run.command)
        run.may |= run.owed.keys()
        return {key for key, line in run.owed.items() if line["status"] != "skipped"}

    def _path(self, suffix: str) -> Path:
        return self.folder / f"{next(self.serials)}.jsonl{suffix}"

    # Other writers

    @rule(writes=st.lists(WRITES, min_size=1, max_size=4))
    def write(self, writes: list[tuple[int, str]]) -> None:
        """Others change, overwrite, create and delete objects."""
        for which, how in writes:
            self._age()
            keys = self._keys()
            self._write(keys[which % len(keys)], how)

    def _write(self, key: str, how: str) -> None:
        if how == "create":
            self._came(self._create(OBJECTS[len(self._keys()) % len(OBJECTS)]))
        elif how == "put":
            self._put(key)
        elif how != "delete":
            self._change(key, THEIRS[how](self.serials))
        elif len(self._keys()) > 1:
            self.oss.store.delete_object("bucket", key)
            self._went(key)

    def _change(self, key: str, changes: Json) -> None:
        found = self.oss.store.get_object("bucket", key)
        merged = {
            name: {**getattr(found, name), **value}
            for name, value in changes.items()
            if name in {"meta", "headers"}
        }
        now_s = int(self.oss.clock.time())
        made = replace(found, **{**changes, **merged, "last_modified": now_s})
        self.oss.store.save(made, self.oss.store.body(found))

    def _put(self, key: str) -> None:
        serial = next(self.serials)
        self.oss.store.put_object(
            "bucket", key, body=serial, meta={"theirs": serial, "owner": "o"},
            last_modified=self.oss.clock.time(),
        )  # fmt: skip

    def _came(self, key: str) -> None:
        for run in self.begun:
            run.may |= {key} if run.command == "apply" else set()

    def _went(self, key: str) -> None:
        self.deleted.add(key)
        for run in self.begun:
            run.must -= {key} if run.command == "apply" else set()

    def _create(self, spec: Json) -> str:
        serial = next(self.serials)
        key = f"p/{int(serial) % 7} ä+%20 {serial}"
        now_s = self.oss.clock.time()
        self.oss.store.put_object(
            "bucket", key, body=serial, last_modified=now_s, **spec
        )
        return key

    def _keys(self) -> list[str]:
        return [found.key for found in self.oss.store.objects("bucket", "p/")]

    def _age(self) -> None:
        """Time passes between what happens, so that dates tell one from the other."""
        self.oss.clock.offset_s += 10

    # One command

    def _carry_out(self, run: Run, setting: Setting, *words: str) -> None:
        """Run a command as far as it comes; hold the promises against what it did."""
        self.passed = False
        self._set_up(run, setting)
        code, err = self._invoke(*words, "--rate", "max", "--progress", "none",
            "--concurrency", str(setting.workers),
        )  # fmt: skip
        self._quiet()
        self.oss.faults.clear()
        if self.disk.dead:
            self.disk.bury()
        for commit in self.witness.commits:
            self._assert_kept(run, commit)
            run.commits.setdefault(commit.key, []).append(commit)
        self._assert_told(run, None if self.disk.dead else code, err)
        self.passed = True

    def _set_up(self, run: Run, setting: Setting) -> None:
        self._age()
        self.oss.log.clear()
        self.witness.begin(run)
        self.disk.begin(setting.cut)
        keys = self._keys()
        for trouble in setting.troubles:
            for fault in trouble.faults(keys, self.serials):
                self.oss.faults.add(fault)
        run.excuses.update(excuses(run, setting))

    def _invoke(self, *words: str) -> tuple[int, str]:
        out, err, code = io.StringIO(), io.StringIO(), -1
        with redirect_stdout(out), redirect_stderr(err):
            try:
                code = run_command(list(words))
            except (Crash, BaseExceptionGroup):
                if not self.disk.dead:
                    raise
        return code, err.getvalue()

    def _quiet(self) -> None:
        """Let the service notice that its clients have left."""

        async def turns() -> None:
            for _ in range(20):
                await asyncio.sleep(0)

        asyncio.run_coroutine_threadsafe(turns(), self.oss._loop).result()

    def _refused(self, *words: str) -> None:
        """A command that cannot be: exit 2, nothing asked of the service."""
        self.oss.log.clear()
        self.disk.begin(Cut())
        code, err = self._invoke(*words)
        assert code == REFUSED, err
        assert self.oss.log.requests() == []

    # Promises 1, 3, 5 and 7, by what the service saw

    def _assert_kept(self, run: Run, commit: Commit) -> None:
        """The update did what it was to do to the state that it met, and no more; that
        state was on stable storage."""
        before, after = commit.before, commit.after
        moved = {"last_modified", "number", "meta", "headers", "content_type"}
        same = {name: getattr(after, name) for name in moved}
        assert replace(before, **same) == after, "something else was lost"
        assert commit.same_body
        assert recorded(after) == self._wanted(run, commit), "not what was wanted"
        assert recorded(after) != recorded(before), "a pointless update"
        assert any(
            told(intent["before"]) == recorded(before) for intent in commit.intents
        ), "the former state was not on stable storage"

    def _wanted(self, run: Run, commit: Commit) -> Json | None:
        state = recorded(commit.before)
        if run.parent:
            assert commit.key in run.owed, "not the run's business"
        if run.command != "undo":
            return run.job.applied(state)
        line = run.owed[commit.key]
        self._assert_left_as_was(run, line, commit.before)
        former = told(line["before"])
        return {**state, "meta": former["meta"], "headers": former["headers"]}

    def _assert_left_as_was(self, run: Run, line: Json, met: StoredObject) -> None:
        """An undo met the object just as the parent's run had left it."""
        assert shown(recorded(met)) == shown(told(line["after"]))
        assert met.etag == line["etag"]
        if line["status"] != "updated" or not line["last_modified"]:
            return
        assert formatdate(met.last_modified, usegmt=True) == line["last_modified"]
        assert run.parent
        own = run.parent.commits.get(met.key)
        if own and not line["confirmed"]:
            assert met.number == own[-1].after.number, "somebody wrote in between"

    # Promises 5, 6 and 8, by what the files say

    def _assert_told(self, run: Run, code: int | None, err: str) -> None:
        """The files tell what happened; `code` is None after a crash."""
        assert self.witness.unrecorded == [], "sent before it was recorded"
        if run.parent:
            asked = {key for _, key in self.oss.log.operations() if key}
            assert asked <= run.may
        if not run.is_begun():
            assert code is None, err
            assert not run.commits, "updates were sent, and no run file tells of them"
            return
        if code == INTERRUPTED:
            assert "interrupted" in run.excuses, err
        elif code is not None:
            assert code in {0, 1}, err
            assert run.is_complete()
            assert not run.journal.exists()
        if run.is_complete():
            self._assert_complete(run, code)

    def _assert_complete(self, run: Run, code: int | None) -> None:
        """Each key has its one outcome, and the numbers are right."""
        outcomes = run.outcomes()
        assert run.must <= outcomes.keys() <= run.may
        found = Counter(line["status"] for line in outcomes.values())
        counts = run.lines()[-1]["counts"]
        assert {status: n for status, n in counts.items() if n} == found
        assert code in {None, 1 if found["failed"] else 0}
        if run.command == "undo":
            self._assert_undone(run, outcomes)

    def _assert_undone(self, run: Run, outcomes: dict[str, Json]) -> None:
        """What nobody touched was put back, unless the service refused it."""
        assert run.parent
        for key in run.owed.keys() - self.deleted:
            own = run.parent.commits.get(key)
            now = self.oss.store.get_object("bucket", key)
            if own and now.number == own[-1].after.number:
                assert outcomes[key]["status"] == "failed"
                assert outcomes[key]["reason"] in {"access_denied", "interrupted"}

    @invariant()
    def recorded_and_honest(self) -> None:
        """At any time each former state is on record, and each line is true."""
        for run in self.begun:
            outcomes, intents = run.outcomes(), run.intents()
            for line in outcomes.values():
                self._assert_honest(run, line)
            for key in run.commits.keys() - outcomes.keys():
                met = recorded(run.commits[key][-1].before)
                states = [told(i["before"]) for i in intents if i["key"] == key]
                assert met in states, "a former state is lost"

    @invariant()
    def minds_its_own_business(self) -> None:
        """What is not under the prefix is never written."""
        assert self.oss.store.get_object("bucket", OUTSIDE) == self.outside

    def _assert_honest(self, run: Run, line: Json) -> None:
        own = run.commits.get(line["key"], [])
        same_content = [c for c in own if c.after.etag == line["etag"]]
        match line["status"]:
            case "updated":
                self._assert_updated(run, line)
            case "unchanged":
                assert not same_content, "it was changed, and says otherwise"
                if run.command != "undo":
                    state = told(line["before"])
                    assert run.job.applied(state) == state
            case "failed":
                assert line["reason"] in run.excuses, line
                assert not own or line["before"], "it was changed, and says otherwise"
            case "skipped":
                assert line["reason"] == "gone", line
                assert line["key"] in self.deleted
            case status:
                pytest.fail(f"no such status here: {status}")

    def _assert_updated(self, run: Run, line: Json) -> None:
        """There was such an update: the run's last; or one in doubt was found to be in
        effect, and it was another run that has done the same since."""
        key, states = line["key"], (told(line["before"]), told(line["after"]))
        own = run.commits.get(key, [])
        if own and states == (recorded(own[-1].before), recorded(own[-1].after)):
            return
        assert line["confirmed"], "not as it was"
        since = own[-1].after.number if own else 0
        others = [
            recorded(commit.after)
            for other in self.begun
            for commit in other.commits.get(key, [])
            if commit.after.number > since
        ]
        assert any(
            state == states[1]
            or (run.command != "undo" and run.job.applied(state) == state)
            for state in others
        ), "nobody did this"

    def teardown(self) -> None:
        """Whatever was interrupted can be brought to its end."""
        try:
            for run in self.begun if self.passed else []:
                if self._can_go_on(run):
                    self._go_on(run, [Setting()])
                    assert run.is_complete()
                    self.recorded_and_honest()
        finally:
            self.stack.close()


def _nth_last(runs: list[Run], back: int) -> Run:
    return runs[~back % len(runs)]


def excuses(run: Run, setting: Setting) -> Iterator[str]:
    """For which reasons an object may fail."""
    yield "unknown_header"
    if run.command == "undo":
        yield "changed_since_run"
    elif run.job.renames:
        yield "rename_target_exists"
    if setting.cut.how == "stop":
        yield "interrupted"
    if any(trouble.kind == "denied" for trouble in setting.troubles):
        yield "access_denied"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A part for every few crashes asked for; one, unless more are."""
    crashes = metafunc.config.getoption("--crashes")
    metafunc.parametrize("part", range(max(1, crashes // CRASHES_A_PART)))


@pytest.mark.timeout(600)
def test_promises(part: int) -> None:
    """No history breaks a promise."""
    machine = seed(part)(Promises)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=HISTORIES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=True,
            report_multiple_bugs=False,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
