"""What a job is about: every way to select, each alone and some together."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS

Command = Callable[..., Any]
CHANGE = ("--set", "a=1")
OBJECTS = {
    "p/a.jpg": {"body": b"", "storage_class": "Standard"},
    "p/b.jpg": {"body": b"x" * 1024, "storage_class": "IA"},
    "p/c.png": {"body": b"x" * 5000, "storage_class": "Standard"},
    "p/d/e.jpg": {"body": b"x" * 2048, "storage_class": "Standard"},
    "p/ü.txt": {"body": b"x" * 10, "storage_class": "IA"},
}
DAY_S = 86_400.0
NEWEST_S = 1_790_000_000.0  # 2026-09-21T14:13:20Z


@pytest.fixture
def bucket(oss: EmbeddedOSS) -> EmbeddedOSS:
    """Objects that are a day apart, the first one the newest."""
    for days, (key, given) in enumerate(OBJECTS.items()):
        oss.store.put_object(
            "bucket",
            key,
            last_modified=NEWEST_S - days * DAY_S,
            **given,  # type: ignore[arg-type]
        )
    return oss


def keys_of(result: Any) -> list[str]:
    """What `show --format jsonl` printed."""
    return [json.loads(line)["key"] for line in result.out.splitlines()]


@pytest.mark.parametrize(
    ("options", "admitted"),
    [
        ("", "a.jpg b.jpg c.png d/e.jpg ü.txt"),
        ("--include *.jpg --exclude p/d/*", "a.jpg b.jpg"),
        (r"--regex \.(png|txt)$", "c.png ü.txt"),
        (r"--regex ^p/[ab] --regex d/", "a.jpg b.jpg d/e.jpg"),
        ("--start-after p/b.jpg", "c.png d/e.jpg ü.txt"),
        ("--start-after p/b", "b.jpg c.png d/e.jpg ü.txt"),
        ("--end-before p/c.png", "a.jpg b.jpg"),
        ("--start-after p/a.jpg --end-before p/d", "b.jpg c.png"),
        ("--start-after z", ""),
        ("--end-before p/", ""),
        ("--min-size 1K", "b.jpg c.png d/e.jpg"),
        ("--max-size 1024", "a.jpg b.jpg ü.txt"),
        ("--min-size 1 --max-size 2KiB", "b.jpg d/e.jpg ü.txt"),
        ("--modified-after 2026-09-21", "a.jpg"),
        ("--modified-after 2026-09-20T14:13:20", "a.jpg b.jpg"),
        ("--modified-before 2026-09-20T14:13:20", "c.png d/e.jpg ü.txt"),
        ("--modified-before 2026-09-20T16:13:21+02:00", "b.jpg c.png d/e.jpg ü.txt"),
        ("--modified-after 50000w", "a.jpg b.jpg c.png d/e.jpg ü.txt"),
        ("--in-class ia", "b.jpg ü.txt"),
        ("--in-class IA --in-class Standard", "a.jpg b.jpg c.png d/e.jpg ü.txt"),
        ("--object-type Symlink", ""),
        ("--object-type normal --limit 2", "a.jpg b.jpg"),
        ("--in-class IA --limit 1", "b.jpg"),
        ("--limit 99", "a.jpg b.jpg c.png d/e.jpg ü.txt"),
        ("--sample 100%", "a.jpg b.jpg c.png d/e.jpg ü.txt"),
        ("--shard 0/1", "a.jpg b.jpg c.png d/e.jpg ü.txt"),
    ],
)
@pytest.mark.parametrize("spread", ["off", "3"])
def test_selections(
    bucket: EmbeddedOSS,
    bulkmeta: Command,
    read_run: Any,
    options: str,
    admitted: str,
    spread: str,
) -> None:
    """`show` and `plan` are about the same objects, in key order and spread."""
    words = [*options.split()]
    shown = bulkmeta("show", "oss://bucket/p/", "--format", "jsonl", *words)
    planned = bulkmeta(
        "plan", "oss://bucket/p/", *CHANGE, *words, "--out", "plan.jsonl",
        "--spread", spread,
    )  # fmt: skip

    wanted = [f"p/{key}" for key in admitted.split()]
    assert (shown.code, keys_of(shown)) == (0, wanted), shown.err
    assert planned.code == 0, planned.err
    assert sorted(read_run("plan.jsonl").by_key()) == wanted


def test_selected_by_the_listing_costs_no_request(
    bucket: EmbeddedOSS, bulkmeta: Command
) -> None:
    """What a listing tells is decided before any head."""
    result = bulkmeta(
        "plan", "oss://bucket/p/", *CHANGE, "--min-size", "1", "--in-class", "Standard"
    )

    asked = [entry.operation for entry in bucket.log.requests()]
    assert (result.code, asked.count("HeadObject")) == (0, 2)


def test_shards_make_up_the_whole(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Each key is in just one shard, whether they are counted from 0 or from 1."""
    keys = [f"p/{number:03}" for number in range(200)]
    for key in keys:
        oss.store.put_object("bucket", key, body=b"")
    parts = [
        keys_of(bulkmeta("show", "oss://bucket/p/", "--format", "jsonl", "--shard", s))
        for s in ("1/3", "2/3", "3/3")
    ]
    again = bulkmeta("show", "oss://bucket/p/", "--format", "jsonl", "--shard", "0/3")

    assert sorted(key for part in parts for key in part) == keys
    assert min(map(len, parts)) > 40
    assert keys_of(again) == parts[2]


def test_samples_are_independent_of_shards(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """A sample of a shard is neither all of it nor nothing; a larger sample holds the
    smaller one."""
    for number in range(400):
        oss.store.put_object("bucket", f"p/{number:03}", body=b"")
    show = ("show", "oss://bucket/p/", "--format", "jsonl")
    both = keys_of(bulkmeta(*show, "--shard", "0/2", "--sample", "50%"))
    half = keys_of(bulkmeta(*show, "--sample", "50%"))
    tenth = keys_of(bulkmeta(*show, "--sample", "10%"))

    assert 60 < len(both) < 140
    assert 150 < len(half) < 250
    assert set(tenth) < set(half)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ("--min-size 10X", "'10X' is no size; give bytes, or as 512K, 10M, 5G"),
        ("--min-size -1", "'-1' is no size"),
        (
            "--min-size 2 --max-size 1",
            "no size is above 2 and below 1 (--min-size, --max-size)",
        ),
        (
            "--start-after b --end-before a",
            "no key is above 'b' and below 'a' (--start-after, --end-before)",
        ),
        ("--modified-after soon", "'soon' is no time"),
        ("--modified-after 99999999999999d", "'99999999999999d' is no time"),
        ("--modified-after 2026-02-30", "'2026-02-30' is no time"),
        (
            "--modified-after 2026-02-02 --modified-before 2026-02-01",
            "no time is after 2026-02-02T00:00:00Z and before 2026-02-01T00:00:00Z",
        ),
        ("--regex (", "'(' is no regular expression"),
        ("--sample 0%", "'0%': give a percentage"),
        ("--sample 101%", "'101%': give a percentage"),
        ("--sample 5", "'5': give a percentage"),
        ("--shard 3", "'3': write it as 0/8 to 7/8"),
        ("--shard 9/8", "'9/8': write it as"),
        ("--shard 0/0", "'0/0': write it as"),
        ("--shard -1/2", "'-1/2': write it as"),
        ("--limit 0", "0 is not in the range"),
        ("--in-class Cold", "'Cold' is not one of"),
    ],
)
def test_bad_selections(
    bucket: EmbeddedOSS, bulkmeta: Command, options: str, line: str
) -> None:
    """One line, exit 2, and no request."""
    result = bulkmeta("plan", "oss://bucket/p/", *CHANGE, *options.split())

    assert (result.code, result.out) == (2, "")
    assert line in result.err
    assert not bucket.log.requests()


def test_plan_files_know_no_listing(bucket: EmbeddedOSS, bulkmeta: Command) -> None:
    """What cannot be decided is refused, not ignored."""
    bulkmeta("plan", "oss://bucket/p/", *CHANGE, "--out", "plan.jsonl")

    result = bulkmeta("apply", "plan.jsonl", "--yes", "--min-size", "1")

    assert (result.code, "of a plan file only keys" in result.err) == (2, True)


def test_resumed_run_keeps_its_limit(
    oss: EmbeddedOSS, bulkmeta: Command, read_run: Any
) -> None:
    """The limit is that of the whole run; the selection is on record."""
    for number in range(30):
        oss.store.put_object("bucket", f"p/{number:03}", body=b"")
    run = bulkmeta(
        "apply", "oss://bucket/p/", *CHANGE, "--yes", "--run-file", "run.jsonl",
        "--start-after", "p/004", "--end-before", "p/020", "--limit", "10",
    )  # fmt: skip
    path = Path("run.jsonl")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:5]))
    Path("run.jsonl.journal").write_text("")

    resumed = bulkmeta("resume", "run.jsonl")

    assert (run.code, resumed.code) == (0, 0), resumed.err
    assert 'keys after "p/004"; keys before "p/020"; at most 10 objects' in run.err
    assert sorted(read_run("run.jsonl").by_key()) == [
        f"p/{number:03}" for number in range(5, 15)
    ]
