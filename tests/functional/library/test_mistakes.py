"""Found where the call is made, or told in words."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import oss2
import pytest

import bulkmeta
from bulkmeta import Change, Rules, Selection
from tests.functional.library.conftest import PROJECT, QUICK, ends, metas

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS


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


async def test_an_altered_run_file(oss: EmbeddedOSS) -> None:
    """None is compared with what it was not written for, as by the command."""
    run = Path("run.jsonl")
    async with bulkmeta.open_bucket("oss://bucket/p/") as bucket:
        await ends(bulkmeta.apply(bucket, PROJECT, run_file=run, rules=QUICK))
        run.write_text(run.read_text().replace("atlas", "other", 1))
        with pytest.raises(bulkmeta.UsageError, match="has been altered"):
            bulkmeta.verify(bucket, run)


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
