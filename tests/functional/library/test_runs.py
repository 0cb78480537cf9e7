"""All of it from Python, as on the command line."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import oss2
import pytest
from oss2.credentials import StaticCredentialsProvider

import bulkmeta
from bulkmeta import Change, Selection
from bulkmeta.emulator.faults import Fault
from tests.functional.library.conftest import OLD_S, PROJECT, QUICK, ends, metas

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS

EXAMPLE = Path(__file__).parents[3] / "docs/examples/retag.py"
KEY_ID, SECRET = "embedded-key-id", "embedded-key-secret"


async def test_the_way_through(oss: EmbeddedOSS) -> None:
    """Plan, apply, verify, undo; over one connection pool, each on record."""
    async with bulkmeta.open_bucket("oss://bucket/p/") as bucket:
        plan = bulkmeta.plan(bucket, PROJECT, out="plan.jsonl")
        assert await ends(plan) == {"planned": 20}
        assert metas(oss) == [{}] * 20

        applied = bulkmeta.apply_plan(bucket, "plan.jsonl", run_file="run.jsonl")
        assert await ends(applied) == {"updated": 20}
        assert metas(oss) == [{"project": "atlas"}] * 20

        again = bulkmeta.apply(bucket, PROJECT, rules=QUICK)
        assert await ends(again) == {"unchanged": 20}
        assert await ends(bulkmeta.verify(bucket, "run.jsonl")) == {"unchanged": 20}

        oss.clock.offset_s += 5
        undone = bulkmeta.undo(bucket, "run.jsonl", run_file="undo.jsonl")
        assert await ends(undone) == {"updated": 20}
        assert metas(oss) == [{}] * 20
        assert await ends(bulkmeta.verify(bucket, "run.jsonl", sample=5)) == {
            "failed": 5
        }
    lines = list(bulkmeta.read_run("run.jsonl"))
    assert isinstance(lines[-1], bulkmeta.Summary)
    assert len(list(Path().glob("bulkmeta-bucket-*.jsonl"))) == 1


async def test_retry(oss: EmbeddedOSS) -> None:
    """What failed is tried again."""
    oss.faults.add(
        Fault(
            "error", operation="HeadObject", key="p/07", status=403, code="AccessDenied"
        )
    )
    async with bulkmeta.open_bucket("oss://bucket/p/") as bucket:
        applied = bulkmeta.apply(bucket, PROJECT, run_file="run.jsonl", rules=QUICK)
        assert await ends(applied) == {"updated": 19, "failed": 1}
        oss.faults.clear()
        again = [outcome async for outcome in bulkmeta.retry(bucket, "run.jsonl")]
        assert [(o.key, o.status) for o in again] == [("p/07", "updated")]
    assert len(list(Path().glob("bulkmeta-bucket-*Z-retry-*.jsonl"))) == 1


async def test_selections_and_conditions(oss: EmbeddedOSS) -> None:
    """As on the command line."""
    select = Selection(
        keys=(bulkmeta.KeyRule("*1*", wanted=True),), end_before="p/15", limit=4
    )
    async with bulkmeta.open_bucket("oss://bucket") as bucket:
        there = bucket.at("p/")
        done = bulkmeta.apply(
            there, PROJECT, select=select, where=['key != "p/10"'], rules=QUICK
        )
        keys = {outcome.key async for outcome in done}
    assert keys == {"p/01", "p/11", "p/12", "p/13"}
    assert len(oss.log.operations()) == 2 + 2 * 4


@pytest.mark.parametrize("kind", ["list", "generator", "listed"])
async def test_given_objects(oss: EmbeddedOSS, kind: str) -> None:
    """Keys, or what a listing says of objects, from anything that can be iterated."""

    async def generate() -> AsyncIterator[str]:
        yield "p/03"
        yield "p/nothing"

    listed = bulkmeta.ListedObject("p/03", object_type="Symlink")
    sources: dict[str, Any] = {
        "list": ["p/03", "p/nothing"],
        "generator": generate(),
        "listed": [listed],
    }
    async with bulkmeta.open_bucket("oss://bucket") as bucket:
        outcomes = bulkmeta.apply(
            bucket, PROJECT, objects=sources[kind], run_file="run.jsonl"
        )
        found = {o.key: (o.status, o.reason) async for o in outcomes}
    if kind == "listed":
        assert found == {"p/03": ("skipped", "symlink")}
    else:
        assert found == {"p/03": ("updated", None), "p/nothing": ("skipped", "gone")}
    assert "ListObjectsV2" not in dict(oss.log.operations())


async def test_values_and_transforms(oss: EmbeddedOSS) -> None:
    """A file of rows, and a function; both are checked before anything is sent."""
    Path("v.csv").write_text("key,meta.n\np/00,{0}\np/01,1\n")

    def change(found: bulkmeta.ObjectView) -> Change | None:
        return Change(set_meta={"n": "{}"}) if found.key > "p/17" else None

    async with bulkmeta.open_bucket("oss://bucket/p/") as bucket:
        rows = bulkmeta.apply(bucket, values="v.csv", rules=QUICK)
        assert await ends(rows) == {"updated": 2, "skipped": 18}
        made = bulkmeta.apply(bucket, change, run_file="run.jsonl", rules=QUICK)
        assert await ends(made) == {"updated": 2, "unchanged": 18}
    assert [m.get("n") for m in metas(oss)] == ["{0}", "1", *[None] * 16, "{}", "{}"]


class Broken:
    """A sink that fails at its third result."""

    def __init__(self) -> None:
        self.seen = 0

    def emit(self, result: bulkmeta.Outcome) -> None:
        self.seen += 1
        if self.seen == 3:
            raise ValueError(result.key)

    def flush(self) -> None:
        """Nothing is held back."""


async def test_sinks_and_resume(oss: EmbeddedOSS) -> None:
    """A sink that fails ends the run, which is taken up again."""
    async with bulkmeta.open_bucket("oss://bucket/p/", concurrency=2) as bucket:
        with pytest.raises(ValueError, match="p/02"):
            await ends(
                bulkmeta.apply(bucket, PROJECT, run_file="run.jsonl", sinks=[Broken()])
            )
        rest = await ends(bulkmeta.resume(bucket, "run.jsonl"))
    assert 10 < rest.total() < 20
    assert metas(oss) == [{"project": "atlas"}] * 20


async def test_resume_where_the_parent_changed(oss: EmbeddedOSS) -> None:
    """Is refused before anything is written or asked for."""
    undo = Path("undo.jsonl")
    words = "is not as it was when this run began"
    async with bulkmeta.open_bucket("oss://bucket/p/") as bucket:
        await ends(bulkmeta.apply(bucket, PROJECT, run_file="run.jsonl"))
        oss.clock.offset_s += 10
        await ends(bulkmeta.undo(bucket, "run.jsonl", run_file=undo))
        header, *_ = undo.read_bytes().splitlines(keepends=True)
        undo.write_bytes(header)
        Path("undo.jsonl.journal").touch()
        parent = Path("run.jsonl")
        parent.write_bytes(parent.read_bytes() + b"\n")
        oss.log.clear()
        with pytest.raises(bulkmeta.UsageError, match=words):
            await ends(bulkmeta.resume(bucket, undo))
    assert (undo.read_bytes(), oss.log.requests()) == (header, [])


async def test_left_early(oss: EmbeddedOSS) -> None:
    """A `break` lets objects under way come to their end before the bucket closes."""
    async with bulkmeta.open_bucket("oss://bucket/p/", concurrency=3) as bucket:
        async for outcome in bulkmeta.apply(bucket, PROJECT, run_file="run.jsonl"):
            assert outcome.status == "updated"
            break
    lines = list(bulkmeta.read_run("run.jsonl"))
    done = [line.key for line in lines if isinstance(line, bulkmeta.Outcome)]
    changed = [o.key for o in oss.store.objects("bucket") if o.meta]
    assert 1 <= len(done) < 20
    assert sorted(done) == changed
    assert not isinstance(lines[-1], bulkmeta.Summary)


async def test_cancelled(oss: EmbeddedOSS) -> None:
    """A time limit ends it, and the run can be resumed."""
    oss.faults.add(Fault("latency", operation="HeadObject", seconds=0.05))
    async with bulkmeta.open_bucket("oss://bucket/p/", concurrency=1) as bucket:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.4):
                await ends(bulkmeta.apply(bucket, PROJECT, run_file="run.jsonl"))
        oss.faults.clear()
        await ends(bulkmeta.resume(bucket, "run.jsonl"))
    assert metas(oss) == [{"project": "atlas"}] * 20


async def test_a_slow_taker_sets_the_pace(oss: EmbeddedOSS) -> None:
    """Outcomes are not heaped up for one who does not take them."""
    oss.store.put_objects("bucket", ({"key": f"q/{n:04}"} for n in range(1000)))
    async with bulkmeta.open_bucket("oss://bucket/q/", concurrency=2) as bucket:
        outcomes = bulkmeta.plan(bucket, PROJECT)
        async with aclosing(outcomes):
            async for _ in outcomes:
                await asyncio.sleep(0.3)
                break
            heads = [name for name, _ in oss.log.operations() if name == "HeadObject"]
    assert len(heads) < 40


@pytest.mark.parametrize(
    "credentials",
    [
        StaticCredentialsProvider(KEY_ID, SECRET),
        oss2.Auth(KEY_ID, SECRET),
        oss2.AuthV4(KEY_ID, SECRET),
        oss2.ProviderAuthV4(StaticCredentialsProvider(KEY_ID, SECRET)),
    ],
    ids=lambda it: type(it).__name__,
)
async def test_credentials(
    oss: EmbeddedOSS, monkeypatch: pytest.MonkeyPatch, credentials: Any
) -> None:
    """Any of oss2's providers and auths, without the environment."""
    for name in oss.environment:
        monkeypatch.delenv(name)
    async with bulkmeta.open_bucket(
        "oss://bucket/p/",
        credentials=credentials,
        endpoint=oss.endpoint,
        region="cn-hangzhou",
    ) as bucket:
        assert await ends(bulkmeta.plan(bucket, PROJECT)) == {"planned": 20}
        assert SECRET not in repr(bucket)


async def test_an_existing_bucket(
    oss: EmbeddedOSS, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its address and credentials are taken."""
    for name in oss.environment:
        monkeypatch.delenv(name)
    auth = oss2.ProviderAuthV4(StaticCredentialsProvider(KEY_ID, SECRET))
    theirs = oss2.Bucket(auth, oss.endpoint, "bucket", region="cn-hangzhou")
    async with bulkmeta.open_bucket(theirs) as bucket:
        assert await ends(bulkmeta.plan(bucket.at("p/"), PROJECT)) == {"planned": 20}


def test_temporary_credentials() -> None:
    """oss2 keeps their provider under a private name."""
    from bulkmeta.oss.credentials import provider_of

    provider = provider_of(oss2.StsAuth("id", "secret", "token", "v4"))
    assert provider.get_credentials().get_security_token() == "token"


@pytest.mark.usefixtures("time_jumps")
def test_not_async(oss: EmbeddedOSS) -> None:
    """All of it in a thread; leaving it early lets go of it."""
    found = bulkmeta.iterate(
        "oss://bucket/p/", lambda bucket: bulkmeta.apply(bucket, PROJECT), concurrency=2
    )
    assert Counter(outcome.status for outcome in found) == {"updated": 20}
    assert metas(oss) == [{"project": "atlas"}] * 20

    other = Change(unset_meta=("project",))
    for _ in bulkmeta.iterate(
        "oss://bucket/p/", lambda bucket: bulkmeta.apply(bucket, other), concurrency=2
    ):
        break
    with pytest.raises(bulkmeta.RunFatalError, match="NoSuchBucket"):
        list(bulkmeta.iterate("oss://nothing/p/", lambda b: bulkmeta.plan(b, PROJECT)))


def test_the_example(oss: EmbeddedOSS) -> None:
    """The documentation's program runs as it stands."""
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        oss.store.put_object("bucket", f"photos/{name}", body=b"x", last_modified=OLD_S)
    done = subprocess.run(  # noqa: S603 our own program
        [sys.executable, str(EXAMPLE), "oss://bucket/photos/"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "{'updated': 3}" in done.stdout
    assert "photos/b.jpg updated {'owner': 'nobody'}" in done.stdout
    assert "drifted: []" in done.stdout


async def test_each_run_counts_its_own_requests(oss: EmbeddedOSS) -> None:
    """Also if several go over one bucket."""
    del oss
    async with bulkmeta.open_bucket("oss://bucket/p/") as bucket:
        assert await ends(bulkmeta.plan(bucket, PROJECT)) == {"planned": 20}
        outcomes = bulkmeta.apply(bucket, PROJECT, rules=QUICK, run_file="run.jsonl")
        assert await ends(outcomes) == {"updated": 20}
    *_, summary = bulkmeta.read_run("run.jsonl")
    assert isinstance(summary, bulkmeta.Summary)
    assert (summary.requests["HeadObject"], summary.requests["CopyObject"]) == (20, 20)
