"""Finding out on temporary objects what a bucket's copies do to what they do not name.

Each experiment puts an object, copies it onto itself and looks at it again. What cannot
be asked, as where a permission is missing, is an answer, too.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final

from bulkmeta import __version__
from bulkmeta.engine.shutdown import StopRequest, stop_on_signals
from bulkmeta.errors import ObjectError, RunFatalError, ServiceError, Verdict
from bulkmeta.model.metadata import DEFAULT_ACL, SSE_HEADER, STANDARD_CLASS
from bulkmeta.model.outcome import timestamp
from bulkmeta.model.probe import (
    DROPPED,
    HELD,
    KEPT,
    QUESTIONS,
    RESET,
    TRIED_CLASS,
    TRIED_ENCRYPTION,
    UNKNOWN,
    Probed,
)
from bulkmeta.oss.connect import open_bucket
from bulkmeta.oss.facts import read_retention
from bulkmeta.oss.retry import RetryPolicy
from bulkmeta.oss.scratch import Scratch
from bulkmeta.oss.wire import ACL_HEADER, CLASS_HEADER
from bulkmeta.runners.preflight import versions_kept

if TYPE_CHECKING:
    from bulkmeta.model.job import Connection, Target
    from bulkmeta.model.metadata import ObjectHead
    from bulkmeta.oss.bucket import Bucket

NAME: Final = ".bulkmeta-probe-"
"""How the name of a temporary folder begins."""

_RETRIES: Final = 5
_CONNECTIONS: Final = 10

TICK_S: Final = 1.1
"""Last-Modified has a granularity of 1 s: a copy that comes later shows."""

_BEFORE: Final = {
    "x-oss-meta-before": "1",
    "content-type": "text/x-bulkmeta",
    "cache-control": "max-age=1",
}
_AFTER: Final = {"x-oss-meta-after": "1"}
_TAGS: Final = {"probe": "1"}
_COLDER: Final = {CLASS_HEADER: TRIED_CLASS}

Answers = dict[str, str]
Left = Callable[[list[str]], object]


async def probe_at(target: Target, connection: Connection, left: Left) -> Probed:
    """Ask a bucket, on temporary objects under the target's prefix, which are removed
    whatever happens; `left` is told of those that could not be.

    Raises:
        RunFatalError: objects could not be removed again, or no request succeeds.
    """
    retry = RetryPolicy(_RETRIES)
    with cancelled_by_signals():
        async with open_bucket(
            target.bucket, connection, rate=None, retry=retry, connections=_CONNECTIONS
        ) as bucket:
            return await _probe(bucket, target.prefix, left)


@contextmanager
def cancelled_by_signals() -> Iterator[None]:
    """Let signals cancel what is done here, so that it cleans up behind itself; a
    second one cuts that short."""
    task, stop = asyncio.current_task(), StopRequest()
    assert task is not None  # noqa: S101 narrows for the type checker
    stop.on_request(task.cancel)
    with stop_on_signals(stop, task.cancel):
        yield


async def _probe(bucket: Bucket, prefix: str, left: Left) -> Probed:
    await _refuse_retention(bucket)
    keeps_versions = await versions_kept(bucket)
    async with scratch(bucket, prefix, left, keeps_versions=keeps_versions) as made:
        found = await _answers(made)
    return Probed(
        version=__version__,
        bucket=bucket.name,
        endpoint=bucket.address,
        keeps_versions=keeps_versions,
        at=timestamp(time.time()),
        found={name: found[name] for name in QUESTIONS},
    )


@asynccontextmanager
async def scratch(
    bucket: Bucket, prefix: str, left: Left, *, keeps_versions: bool | None
) -> AsyncIterator[Scratch]:
    """A folder for temporary objects under `prefix`, removed at the end."""
    folder = f"{prefix}{NAME}{secrets.token_hex(4)}/"
    made = Scratch(bucket, folder, keeps_versions=keeps_versions)
    try:
        yield made
    finally:
        try:
            remaining = await made.clear()
        except asyncio.CancelledError:
            remaining = [f"oss://{bucket.name}/{folder} (interrupted)"]
            raise
        finally:
            if remaining:
                left(remaining)


async def _refuse_retention(bucket: Bucket) -> None:
    """Where nothing can be removed, nothing is to be put."""
    try:
        policy = await read_retention(bucket)
    except ObjectError:
        return  # not for us to know; few buckets have one
    if policy.state:
        raise RunFatalError(
            f"bucket {bucket.name!r} keeps every object for {policy.days} days "
            f"(retention policy {policy.state}): temporary ones could not be removed"
        )


async def _answers(made: Scratch) -> Answers:
    """What all experiments show. They are made side by side, and all come to their end
    before an error of one is raised: nothing is put any more then."""
    results = await asyncio.gather(
        *(_tried(experiment(made), about) for experiment, about in _EXPERIMENTS),
        return_exceptions=True,
    )
    found: Answers = {}
    for result in results:
        if isinstance(result, BaseException):
            raise result
        found |= result
    return found


async def _tried(experiment: Awaitable[Answers], about: tuple[str, ...]) -> Answers:
    try:
        return await experiment
    except ObjectError as error:
        return dict.fromkeys(about, f"{UNKNOWN}{error.detail.code}")


async def _copied(made: Scratch, name: str, sent: Mapping[str, str]) -> str | None:
    """Copy an object with just these headers, when that can be seen by the time; the
    version that it made."""
    await asyncio.sleep(TICK_S)
    return await made.copy(name, {**_AFTER, **sent})


async def _plain(made: Scratch) -> Answers:
    """What becomes of an object that has nothing special."""
    await made.put("plain", _BEFORE)
    before = await made.head("plain")
    version = await _copied(made, "plain", {})
    after = await made.head("plain")
    was, now = before.metadata, after.metadata
    kind = now.headers.get("content-type")
    return {
        "user_metadata": KEPT if "before" in now.meta else DROPPED,
        "headers": KEPT if "cache-control" in now.headers else DROPPED,
        "content_type": _compared(kind, was.headers.get("content-type")),
        "etag": _compared(after.etag, before.etag),
        "object_type": _compared(after.object_type, before.object_type),
        "last_modified": _renewed(before, after),
        "version": "none added" if version in {None, before.version_id} else "added",
    }


def _renewed(before: ObjectHead, after: ObjectHead) -> str:
    return "renewed" if after.modified_at() > before.modified_at() else KEPT


def _compared(now: str | None, was: str | None, reset: str | None = None) -> str:
    """What became of a value, where `reset` is what it may have been set back to."""
    if now == was:
        return KEPT
    if now == reset:
        return RESET
    return f"changed to {now}"


async def _conditions(made: Scratch) -> Answers:
    """Whether a copy is refused if the object is not as its conditions say."""
    await made.put("conditions", _BEFORE)
    before = (await made.head("conditions")).modified_at() - timedelta(hours=1)
    source = "x-oss-copy-source-if"
    time_ = {f"{source}-unmodified-since": format_datetime(before, usegmt=True)}
    return {
        "condition_etag": await _refused(made, {f"{source}-match": f'"{"0" * 32}"'}),
        "condition_time": await _refused(made, time_),
    }


async def _refused(made: Scratch, condition: dict[str, str]) -> str:
    try:
        await made.copy("conditions", {**_AFTER, **condition})
    except ServiceError as error:
        if error.verdict is Verdict.CONFLICT:
            return HELD
        raise
    return "ignored"


async def _tags(made: Scratch) -> Answers:
    await made.put("tags", {"x-oss-tagging": "probe=1"})
    await _copied(made, "tags", {})
    return {"tags": KEPT if await made.tags("tags") == _TAGS else DROPPED}


async def _acl(made: Scratch) -> Answers:
    return {"acl": await _acl_of(made, "acl", {})}


async def _acl_with_class(made: Scratch) -> Answers:
    return {"acl_with_class": await _acl_of(made, "acl-class", _COLDER)}


async def _acl_with_encryption(made: Scratch) -> Answers:
    return {
        "acl_with_encryption": await _acl_of(made, "acl-encryption", TRIED_ENCRYPTION)
    }


async def _acl_of(made: Scratch, name: str, sent: dict[str, str]) -> str:
    """What becomes of an ACL where the copy names these headers again."""
    await made.put(name, {ACL_HEADER: "private", **sent})
    await _copied(made, name, sent)
    return _compared(await made.acl(name), "private", DEFAULT_ACL)


async def _storage_class(made: Scratch) -> Answers:
    """What becomes of a class that is not the bucket's own."""
    await made.put("class", _BEFORE)
    usual = (await made.head("class")).metadata.storage_class
    other = TRIED_CLASS if usual == STANDARD_CLASS else STANDARD_CLASS
    await made.put("class", {CLASS_HEADER: other})
    await _copied(made, "class", {})
    now = (await made.head("class")).metadata.storage_class
    return {"storage_class": _compared(now, other, usual)}


async def _encryption(made: Scratch) -> Answers:
    """What becomes of an encryption that is not the bucket's own."""
    await made.put("encryption", _BEFORE)
    if (await made.head("encryption")).metadata.sse:
        return {"encryption": f"{UNKNOWN}the bucket encrypts every object"}
    await made.put("encryption", TRIED_ENCRYPTION)
    await _copied(made, "encryption", {})
    now = (await made.head("encryption")).metadata.sse.get(SSE_HEADER)
    tried = TRIED_ENCRYPTION[SSE_HEADER]
    return {"encryption": DROPPED if now is None else _compared(now, tried)}


async def _appendable(made: Scratch) -> Answers:
    await made.append("appendable", _BEFORE)
    try:
        await _copied(made, "appendable", {})
    except ServiceError as error:
        if error.verdict is Verdict.REFUSED:
            return {"appendable": "refused"}
        raise
    return {"appendable": "copied"}


_EXPERIMENTS: Final = (
    (
        _plain,
        (
            "user_metadata",
            "headers",
            "content_type",
            "etag",
            "object_type",
            "last_modified",
            "version",
        ),
    ),
    (_conditions, ("condition_etag", "condition_time")),
    (_tags, ("tags",)),
    (_acl, ("acl",)),
    (_acl_with_class, ("acl_with_class",)),
    (_acl_with_encryption, ("acl_with_encryption",)),
    (_storage_class, ("storage_class",)),
    (_encryption, ("encryption",)),
    (_appendable, ("appendable",)),
)
"""Each with the questions that it answers."""
