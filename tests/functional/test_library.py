"""The library: all of it from Python, on an embedded OSS."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import oss2
import pytest
from oss2.credentials import StaticCredentialsProvider

import bulkmeta
from bulkmeta import Change, Rules, Selection
from bulkmeta.emulator.faults import Fault

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS

EXAMPLE = Path(__file__).parents[2] / "docs/examples/retag.py"
OLD_S = 1_790_000_000.0
KEY_ID, SECRET = "embedded-key-id", "embedded-key-secret"
QUICK = Rules(acl="skip")
PROJECT = Change(set_meta={"Project": "atlas"})


@pytest.fixture(autouse=True)
def surroundings(
    oss: EmbeddedOSS, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The environment of the command, an empty folder, and twenty objects."""
    for name, value in oss.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    for number in range(20):
        oss.store.put_object("bucket", f"p/{number:02}", last_modified=OLD_S)


def metas(oss: EmbeddedOSS) -> list[dict[str, str]]:
    return [dict(found.meta) for found in oss.store.objects("bucket")]


async def ends(outcomes: AsyncIterator[bulkmeta.Outcome]) -> Counter[str]:
    """How many objects ended how."""
    return Counter([outcome.status async for outcome in outcomes])


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


async def test_resume_needs_what_a_program_gave(oss: EmbeddedOSS) -> None:
    """The function, and the objects."""
    keys = [f"p/{number:02}" for number in range(20)]

    def change(found: bulkmeta.ObjectView) -> Change | None:
        return Change(set_meta={"k": found.key.removeprefix("p/")})

    async with bulkmeta.open_bucket("oss://bucket/", concurrency=2) as bucket:
        outcomes = bulkmeta.apply(bucket, change, objects=keys, run_file="run.jsonl")
        async with aclosing(outcomes):
            async for _ in outcomes:
                break
        with pytest.raises(bulkmeta.UsageError):
            await ends(bulkmeta.resume(bucket, "run.jsonl", change=change))
        with pytest.raises(bulkmeta.UsageError, match="in the same order"):
            await ends(
                bulkmeta.resume(bucket, "run.jsonl", change=change, objects=["x"])
            )
        rest = bulkmeta.resume(bucket, "run.jsonl", change=change, objects=keys)
        assert 0 < (await ends(rest)).total() < 20
    assert metas(oss) == [{"k": f"{number:02}"} for number in range(20)]
    lines = [
        o for o in bulkmeta.read_run("run.jsonl") if isinstance(o, bulkmeta.Outcome)
    ]
    assert sorted(line.key for line in lines) == keys


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


ODD: Any = 1
TEXT: Any = "1"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (bulkmeta.apply, "no change given"),
        (lambda b: bulkmeta.apply(b, Change(set_meta={"a_b": "1"})), "only letters"),
        (lambda b: bulkmeta.apply(b, Change(set_meta={"a": "{b}"})), "no field"),
        (lambda b: bulkmeta.apply(b, PROJECT, where=["siz > 1"]), "column 1"),
        (lambda b: bulkmeta.apply(b, PROJECT, run_file="there"), "exists"),
        (lambda b: bulkmeta.apply(b, lambda _: None, values="v.csv"), "whole change"),
        (lambda b: bulkmeta.apply(b, values="none.csv"), "No such file"),
        (
            lambda b: bulkmeta.apply(
                b, PROJECT, objects=[], select=Selection(min_size=1)
            ),
            "only keys",
        ),
        (lambda b: bulkmeta.apply(b, Change(set_meta={"a": ODD})), "Expected `str`"),
        (lambda b: bulkmeta.plan(b, PROJECT, select=Selection(limit=TEXT)), "`int"),
        (lambda b: bulkmeta.plan(b, PROJECT, where=[ODD]), "Expected `str`"),
        (lambda b: bulkmeta.plan(b, PROJECT, select=Selection(limit=0)), ">= 1"),
        (lambda b: bulkmeta.plan(b, PROJECT, select=Selection(max_size=-1)), ">= 0"),
        (lambda b: bulkmeta.apply(b, TEXT), "no function"),
        (lambda b: bulkmeta.undo(b, "there"), "no run file"),
        (lambda b: bulkmeta.resume(b, "none"), "cannot read"),
        (lambda b: bulkmeta.verify(b, "there"), "no run file"),
        (lambda b: bulkmeta.apply_plan(b, "there"), "no run file"),
    ],
)
async def test_mistakes(oss: EmbeddedOSS, call: Any, words: str) -> None:
    """Found before anything is sent, where the call is made."""
    Path("there").write_text("")
    async with bulkmeta.open_bucket("oss://bucket/p/") as bucket:
        with pytest.raises(bulkmeta.UsageError, match=words):
            call(bucket)
    assert oss.log.operations() == []


@pytest.mark.parametrize(
    "setting",
    [{"rate": -1}, {"rate": "1"}, {"concurrency": 0}, {"retries": -1}, {"spread": 0}],
)
async def test_impossible_settings(setting: dict[str, Any]) -> None:
    """None of them is taken for another."""
    with pytest.raises(bulkmeta.UsageError, match="Expected"):
        async with bulkmeta.open_bucket("oss://bucket/p/", **setting):
            pass


async def test_given_objects_outside_of_the_prefix(oss: EmbeddedOSS) -> None:
    """They are not what the bucket was opened for."""
    oss.store.put_object("bucket", "q/1", body=b"")
    async with bulkmeta.open_bucket("oss://bucket/p/") as bucket:
        with pytest.raises(bulkmeta.UsageError, match="'q/1' is not under 'p/'"):
            await anext(bulkmeta.apply(bucket, PROJECT, objects=["q/1"]))
        with pytest.raises(bulkmeta.UsageError, match="one by one"):
            bulkmeta.apply(bucket, PROJECT, objects="p/1")
    assert not oss.store.get_object("bucket", "q/1").meta


async def test_an_object_that_is_given_twice(oss: EmbeddedOSS) -> None:
    """It is changed once."""
    oss.store.put_object("bucket", "p/1", body=b"")
    change = Change(set_tags={"n": "{tag[n]}1"}, missing="empty")
    async with bulkmeta.open_bucket("oss://bucket/p/") as bucket:
        outcomes = bulkmeta.apply(bucket, change, objects=["p/1"] * 3)
        assert [o.status async for o in outcomes] == ["updated"]
    assert oss.store.get_object("bucket", "p/1").tags == {"n": "1"}


async def test_a_closed_bucket(oss: EmbeddedOSS) -> None:
    """Outcomes are there while it is open."""
    async with bulkmeta.open_bucket("oss://bucket/p/") as bucket:
        outcomes = bulkmeta.plan(bucket, PROJECT)
    with pytest.raises(bulkmeta.UsageError, match="is closed"):
        await anext(outcomes)
    assert oss.log.operations() == []


async def test_a_source_of_something_else(oss: EmbeddedOSS) -> None:
    """The run ends in words, and can be resumed."""
    oss.store.put_object("bucket", "p/a", body=b"")
    async with bulkmeta.open_bucket("oss://bucket/p/") as bucket:
        outcomes = bulkmeta.plan(bucket, PROJECT, objects=[Path("p/a")])  # type: ignore[list-item]  # the mistake
        with pytest.raises(bulkmeta.UsageError, match="is no object"):
            await anext(outcomes)


@pytest.mark.parametrize("target", ["bucket", 7, "oss://B"])
async def test_no_bucket(target: Any) -> None:
    """Neither a name nor an oss2.Bucket; and no credentials."""
    with pytest.raises(bulkmeta.UsageError):
        async with bulkmeta.open_bucket(target):
            pass
    with pytest.raises(bulkmeta.UsageError, match="holds no credentials"):
        async with bulkmeta.open_bucket(
            "oss://bucket", credentials=oss2.AnonymousAuth()
        ):
            pass


async def test_new_versions_are_refused(oss: EmbeddedOSS) -> None:
    """As on the command line, unless they are allowed."""
    oss.store.configure_bucket("bucket", versioning="Enabled")
    async with bulkmeta.open_bucket("oss://bucket/p/") as bucket:
        with pytest.raises(bulkmeta.UsageError, match="keeps versions"):
            await ends(bulkmeta.apply(bucket, PROJECT))
        allowed = Rules(allow_new_versions=True)
        assert await ends(bulkmeta.apply(bucket, PROJECT, rules=allowed)) == {
            "updated": 20
        }
        tags = Change(set_tags={"a": "1"})
        assert await ends(bulkmeta.apply(bucket, tags)) == {"updated": 20}


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


@pytest.mark.usefixtures("time_jumps")
async def test_resume_with_another_change(oss: EmbeddedOSS) -> None:
    """What was agreed to is what is done."""

    def other(_: bulkmeta.ObjectView) -> Change:
        return Change(set_meta={"a": "wrong"})

    async with bulkmeta.open_bucket("oss://bucket/p/", concurrency=1) as bucket:
        async for _ in bulkmeta.apply(bucket, PROJECT, run_file="run.jsonl"):
            break
    async with bulkmeta.open_bucket("oss://bucket/p/") as bucket:
        with pytest.raises(bulkmeta.UsageError, match="not made by a function"):
            bulkmeta.resume(bucket, "run.jsonl", change=other)

    async with bulkmeta.open_bucket("oss://bucket/p/", concurrency=1) as bucket:
        async for _ in bulkmeta.apply(bucket, named, run_file="named.jsonl"):
            break
    async with bulkmeta.open_bucket("oss://bucket/p/") as bucket:
        with pytest.raises(bulkmeta.UsageError, match=r"were made by '.*:named', not"):
            bulkmeta.resume(bucket, "named.jsonl", change=other)
        outcomes = bulkmeta.resume(bucket, "named.jsonl", change=named)
        assert (await ends(outcomes)).keys() == {"updated"}


def named(_: bulkmeta.ObjectView) -> Change:
    return Change(set_meta={"a": "right"})


async def test_what_a_function_is_bound_to_is_not_kept(oss: EmbeddedOSS) -> None:
    """It may be secret."""
    del oss

    def with_key(key: str, _: bulkmeta.ObjectView) -> Change:
        return Change(set_meta={"n": str(len(key))})

    function = partial(with_key, "s3cret")
    async with bulkmeta.open_bucket("oss://bucket/p/") as bucket:
        outcomes = bulkmeta.apply(bucket, function, run_file="run.jsonl")
        assert await ends(outcomes) == {"updated": 20}
    text = Path("run.jsonl").read_text()
    assert ("s3cret" in text, "with_key" in text, " at 0x" in text) == (
        False,
        True,
        False,
    )


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


def test_leaving_a_loop_that_waits(oss: EmbeddedOSS) -> None:
    """It does not wait for an outcome that may never come."""
    del oss
    results = bulkmeta.iterate("oss://bucket/p/", endless)
    next(results)
    began_s = time.monotonic()
    results.close()
    assert time.monotonic() - began_s < 10


async def endless(_: bulkmeta.OpenBucket) -> AsyncGenerator[int, None]:
    yield 1
    await asyncio.sleep(60)


async def test_undo_under_other_rules(oss: EmbeddedOSS) -> None:
    """What moved to a colder class has to be allowed to come back."""
    change = Change(storage_class="IA")
    async with bulkmeta.open_bucket("oss://bucket/p/") as bucket:
        outcomes = bulkmeta.apply(bucket, change, rules=QUICK, run_file="run.jsonl")
        assert await ends(outcomes) == {"updated": 20}
        oss.clock.offset_s += 5
        assert await ends(bulkmeta.undo(bucket, "run.jsonl")) == {"skipped": 20}
        allowed = Rules(acl="skip", allow_early_rewrite=True)
        undone = bulkmeta.undo(bucket, "run.jsonl", rules=allowed)
        assert await ends(undone) == {"updated": 20}
