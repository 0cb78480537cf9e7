"""Where histories take place: everything but what is promised."""

from __future__ import annotations

import asyncio
import io
import itertools
import time
from collections.abc import Iterator
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
)

from bulkmeta.cli.main import run as run_command
from bulkmeta.emulator.options import EmulatorOptions
from bulkmeta.emulator.server import EmbeddedOSS
from bulkmeta.engine.shutdown import StopRequest
from bulkmeta.journal.writer import Journal
from tests.functional.promises.disk import Crash, Disk
from tests.functional.promises.histories import (
    KINDS,
    OBJECTS,
    OUTSIDE,
    REFUSED,
    SMALL_FRAME_BYTES,
    SMALL_JOURNAL_BYTES,
    THEIRS,
    WRITES,
    Cut,
    Json,
    Setting,
)
from tests.functional.promises.witness import Run, Witness


class World(RuleBasedStateMachine):
    """A bucket, a folder on a disk, and others who write as well."""

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
        code, err = self._told(*words)
        assert code == REFUSED, err
        assert self.oss.log.requests() == []

    def _does_nothing(self, *words: str) -> None:
        """A retry of an undo: it cannot be, unless nothing failed."""
        code, err = self._told(*words)
        assert code == REFUSED or (code == 0 and "nothing failed in " in err), err
        assert [found for found in self.oss.log.requests() if found.key] == []

    def _told(self, *words: str) -> tuple[int, str]:
        self.oss.log.clear()
        self.disk.begin(Cut())
        return self._invoke(*words)


def excuses(run: Run, setting: Setting) -> Iterator[str]:
    """For which reasons an object may fail."""
    yield "unknown_header"
    if run.command == "undo":
        yield from ("changed_since_run", "rewritten")
    elif run.job.renames:
        yield "rename_target_exists"
    if setting.cut.how == "stop":
        yield "interrupted"
    if any(trouble.kind == "denied" for trouble in setting.troubles):
        yield "access_denied"
