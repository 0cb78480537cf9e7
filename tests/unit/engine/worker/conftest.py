"""One object's journey, against a bucket that plays a script."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest

from bulkmeta.engine.worker import Goal, Worker
from bulkmeta.errors import (
    AmbiguousWriteError,
    ErrorDetail,
    ServiceError,
    TransportError,
    Verdict,
)
from bulkmeta.model.changes import make_change
from bulkmeta.model.item import Item
from bulkmeta.model.job import Rules
from bulkmeta.model.metadata import ListedObject, Metadata, ObjectHead
from bulkmeta.model.outcome import Outcome
from bulkmeta.model.parts import Parts
from bulkmeta.model.plan import UpdatePlan, plan_update
from bulkmeta.oss.wire import Written

if TYPE_CHECKING:
    from bulkmeta.oss.bucket import Bucket
    from bulkmeta.oss.effort import Effort
    from tests.unit.conftest import VirtualTime


OLD_TIME = "Sun, 22 Nov 2026 10:00:00 GMT"
NEW_TIME = "Sun, 22 Nov 2026 12:00:00 GMT"
OLD = Metadata({"a": "1"}, {"expires": "x"})
WANTED = Metadata({"a": "1", "b": "2"}, {"expires": "x"})
OTHERS = Metadata({"a": "9"}, {"expires": "x"})
BOTH = Metadata({"a": "9", "b": "2"}, {"expires": "x"})
CHANGE = make_change(set_meta=[("b", "2")])
LISTED = ListedObject("k")


def head(metadata: Metadata, **other: Any) -> ObjectHead:
    plain = ObjectHead(metadata, "E", OLD_TIME, NEW_TIME, 0, "Normal", None, "head")
    return msgspec.structs.replace(plain, **other)


def refused(
    verdict: Verdict, reason: str = "reason", status: int = 400
) -> ServiceError:
    return ServiceError(verdict, reason, ErrorDetail("Code", status, "words", "req"))


CONFLICT = refused(Verdict.CONFLICT, "conflict", 412)


def lost(reason: str = "timeout") -> AmbiguousWriteError:
    return AmbiguousWriteError(TransportError(reason, "no answer", sent=True))


class ScriptedBucket:
    """Answers each kind of request from its script; the last answer stays."""

    name = "bucket"

    def __init__(self, heads: list[Any], updates: list[Any], acls: list[Any]) -> None:
        self._scripts = {"head": heads, "update": updates, "acl": acls}
        self.asked: list[str] = []
        self.sent: list[UpdatePlan] = []
        self.recorded: list[tuple[int, UpdatePlan, int]] = []

    def _next(self, kind: str) -> Any:
        self.asked.append(kind)
        script = self._scripts[kind]
        answer = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def head(self, _key: str, effort: Effort) -> ObjectHead:
        found: ObjectHead = self._next("head")
        effort.request_id = "head"
        return found

    async def acl(self, _key: str, _effort: Effort, _version: str | None = None) -> str:
        acl: str = self._next("acl")
        return acl

    async def record(self, seq: int, plan: UpdatePlan) -> None:
        self.recorded.append((seq, plan, len(self.sent)))

    async def replace_metadata(self, plan: UpdatePlan, effort: Effort) -> Written:
        self.sent.append(plan)
        result: Written = self._next("update")
        effort.request_id = "update"
        return result


@dataclass
class Stopping:
    """Asked to stop or not, in virtual time."""

    time: VirtualTime
    is_requested: Callable[[], bool]

    async def sleep(self, seconds: float) -> None:
        await self.time.sleep(seconds)


def require(_item: Item, _found: ObjectHead) -> None:
    """All objects are meant."""


def decide(item: Item, found: ObjectHead) -> UpdatePlan:
    return plan_update(item.key, found, CHANGE)


Run = Callable[..., Any]
ACCEPTED = Written(NEW_TIME, None)


@pytest.fixture
def run_one(virtual_time: VirtualTime) -> Run:
    """Process one object against a script; its outcome, less times, what ends the
    run, and the bucket."""

    async def run(
        heads: list[Any],
        updates: list[Any] | None = None,
        *,
        acls: list[Any] | None = None,
        rules: Rules | None = None,
        write: bool = True,
        retries: int = 3,
        listed: ListedObject = LISTED,
        item: Item | None = None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> tuple[Outcome | None, Exception | None, ScriptedBucket]:
        bucket = ScriptedBucket(heads, updates or [ACCEPTED], acls or ["default"])
        worker = Worker(
            cast("Bucket", bucket),
            rules or Rules(acl="skip"),
            Goal(lambda _item: Parts(rewrite=True), require, decide),
            record=bucket.record if write else None,
            retries=retries,
            stop=Stopping(virtual_time, stopping),
        )
        done = await worker.process_object(7, item or Item(listed.key, listed))
        outcome = done.result
        if outcome is not None:
            assert outcome.at.endswith("Z")
            outcome = msgspec.structs.replace(outcome, at="", elapsed_ms=0.0)
        return outcome, done.error, bucket

    return run


@pytest.fixture
def process(run_one: Run) -> Run:
    """The same for objects with a line of their own, and nothing for the run."""

    async def run(*args: Any, **options: Any) -> tuple[Outcome, ScriptedBucket]:
        outcome, error, bucket = await run_one(*args, **options)
        assert error is None
        assert outcome is not None
        return outcome, bucket

    return run


UPDATED = Outcome(
    seq=7,
    key="k",
    status="updated",
    before=OLD,
    after=WANTED,
    etag="E",
    last_modified=NEW_TIME,
    request_id="update",
)


def plan(before: Metadata, after: Metadata) -> UpdatePlan:
    return UpdatePlan("k", before, after, "E", OLD_TIME)
