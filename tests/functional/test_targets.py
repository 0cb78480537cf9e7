"""Several prefixes in one run, and a former run as the source of another."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS

Command = Callable[..., Any]
OLD_S = 1_790_000_000.0
KEYS = ["a/1", "a/2", "b/1", "c/1", "c/d/2", "e/1"]
QUICK = ("--yes", "--rate", "max", "--acl-policy", "skip", "--set", "n=1")


@pytest.fixture
def bucket(oss: EmbeddedOSS) -> EmbeddedOSS:
    for key in KEYS:
        oss.store.put_object("bucket", key, last_modified=OLD_S)
    return oss


def keys(name: str = "run.jsonl") -> list[str]:
    parsed = map(json.loads, Path(name).read_text().splitlines())
    return [line["key"] for line in parsed if line["type"] == "object"]


@pytest.mark.parametrize("spread", ["off", "3"])
@pytest.mark.parametrize(
    ("targets", "named"),
    [
        (["a/", "c/"], ["a/1", "a/2", "c/1", "c/d/2"]),
        (["e/", "a/"], ["a/1", "a/2", "e/1"]),
        (["c/d/", "c/", "c/"], ["c/1", "c/d/2"]),
        (["nothing/", "b/"], ["b/1"]),
    ],
)
def test_several_prefixes(
    bucket: EmbeddedOSS,
    bulkmeta: Command,
    targets: list[str],
    named: list[str],
    spread: str,
) -> None:
    """One run in key order; a prefix within another is part of it."""
    words = [f"oss://bucket/{prefix}" for prefix in targets]
    order = (*QUICK, "--run-file", "run.jsonl", "--spread", spread)
    assert bulkmeta("apply", *words, *order).code == 0
    assert sorted(keys()) == named
    changed = [found.key for found in bucket.store.objects("bucket") if found.meta]
    assert changed == named
    shown = bulkmeta("show", *words, "--format", "jsonl").out.splitlines()
    assert [json.loads(line)["key"] for line in shown] == named


@pytest.mark.parametrize("kept", range(6))
@pytest.mark.parametrize("spread", ["off", "3"])
def test_resume(bucket: EmbeddedOSS, bulkmeta: Command, kept: int, spread: str) -> None:
    """From anywhere, each object has exactly one line."""
    words = ["oss://bucket/c/", "oss://bucket/a/", "oss://bucket/e/"]
    order = (*QUICK, "--run-file", "run.jsonl", "--spread", spread)
    assert bulkmeta("apply", *words, *order).code == 0
    header, *others = Path("run.jsonl").read_text().splitlines(keepends=True)
    Path("run.jsonl").write_text("".join([header, *others[:kept]]))
    start = json.loads(header)
    journal = {"job_hash": start["job_hash"], "run_started": start["started"]}
    Path("run.jsonl.journal").write_text(
        json.dumps({"type": "journal", "schema": 1, **journal}) + "\n"
    )
    bucket.clock.offset_s += 5
    assert bulkmeta("resume", "run.jsonl").code == 0
    assert sorted(keys()) == ["a/1", "a/2", "c/1", "c/d/2", "e/1"]


def test_values_and_keys_of_several_prefixes(
    bucket: EmbeddedOSS, bulkmeta: Command
) -> None:
    """Rows and keys under any of them count."""
    assert bucket.store.find("bucket", "a/1")
    Path("v.csv").write_text("key,meta.m\na/1,1\nb/1,2\nc/1,3\nc/9,4\n")
    words = ["oss://bucket/a/", "oss://bucket/c/"]
    order = ("--values", "v.csv", "--run-file", "run.jsonl")
    result = bulkmeta("apply", *words, *QUICK, *order)
    assert (result.code, "3 rows of" in result.err) == (0, True)
    assert sorted(keys()) == ["a/1", "a/2", "c/1", "c/9", "c/d/2"]

    Path("keys").write_text("a/1\nb/1\n")
    result = bulkmeta("plan", *words, "--set", "x=1", "--keys-from", "keys")
    assert (result.code, "not under 'a/' or 'c/'" in result.err) == (2, True)


@pytest.mark.parametrize(
    ("targets", "words"),
    [
        (["oss://bucket/a/", "oss://other/a/"], "several buckets (bucket, other)"),
        (["oss://bucket/a/", "oss://bucket/"], "is the whole bucket"),
        (
            ["oss://bucket/a/", "plan.jsonl"],
            "a plan file names its objects; give it alone",
        ),
        (
            [],
            "apply needs oss://BUCKET/PREFIX…|JOB.toml|PLAN.jsonl; bulkmeta apply --h",
        ),
    ],
)
def test_bad_targets(
    bucket: EmbeddedOSS, bulkmeta: Command, targets: list[str], words: str
) -> None:
    """One line, and nothing sent."""
    result = bulkmeta("apply", *targets, *QUICK)
    assert (result.code, words in result.err) == (2, True), result.err
    assert bucket.log.operations() == []


def test_a_former_run_as_source(bucket: EmbeddedOSS, bulkmeta: Command) -> None:
    """Its objects by how they ended, for another change."""
    for key in ("b/1", "c/1"):
        found = bucket.store.find("bucket", key)
        assert found is not None
        bucket.store.update_object(found, meta={"n": "1"})
    first = ("apply", "oss://bucket/", "--all", *QUICK, "--run-file", "first.jsonl")
    assert bulkmeta(*first).code == 0
    bucket.clock.offset_s += 5

    order = ("--keys-from", "first.jsonl", "--status", "unchanged", "--set", "m=1")
    target = ("apply", "oss://bucket/", "--yes", "--run-file", "run.jsonl")
    assert bulkmeta(*target, *order).code == 0
    assert sorted(keys()) == ["b/1", "c/1"]

    both = ("--status", "updated", "--status", "unchanged", "--limit", "3")
    shown = bulkmeta("plan", "oss://bucket/", "--set", "z=1", *order[:2], *both)
    assert "3 planned" in shown.out + shown.err


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (("--status", "failed"), "--status goes with --keys-from"),
        (("--status", "failed", "--keys-from", "-"), "goes with a run file"),
        (("--status", "failed", "--keys-from", "keys"), "no run file"),
        (("--status", "lost", "--keys-from", "keys"), "'failed'"),
    ],
)
def test_statuses_of_nothing(
    bucket: EmbeddedOSS, bulkmeta: Command, order: tuple[str, ...], words: str
) -> None:
    """Only a run file has them."""
    Path("keys").write_text("a/1\n")
    result = bulkmeta("apply", "oss://bucket/a/", *QUICK, *order)
    assert (result.code, words in result.err) == (2, True), result.err
    assert bucket.log.operations() == []
