"""What the service saw, and what the files say."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulkmeta.emulator import operations
from tests.functional.promises.histories import COPY, Commands, Job, Json

if TYPE_CHECKING:
    import pytest

    from bulkmeta.emulator.faults import Fault
    from bulkmeta.emulator.server import EmbeddedOSS
    from bulkmeta.emulator.stored import StoredObject
    from tests.functional.promises.disk import (
        Disk,
    )


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
