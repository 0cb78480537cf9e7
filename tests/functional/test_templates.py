"""Values made from each object, on the embedded OSS: written, recorded, undone."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS

Command = Callable[..., Any]
RUN = ("--yes", "--run-file", "run.jsonl")


@pytest.fixture
def objects(oss: EmbeddedOSS) -> EmbeddedOSS:
    """Three objects, of which only the first has an owner."""
    then_s = time.time() - 3600
    for key, meta in (
        ("p/2026/a.webp", {"owner": "Ada Lovelace"}),
        ("p/2025/b.html", {"camera": "x"}),
        ("p/readme", {}),
    ):
        oss.store.put_object("bucket", key, body=b"x", meta=meta, last_modified=then_s)
    return oss


def state(oss: EmbeddedOSS) -> dict[str, tuple[dict[str, str], str]]:
    """Metadata and content type of every object."""
    keys = ("p/2026/a.webp", "p/2025/b.html", "p/readme")
    found = {key: oss.store.get_object("bucket", key) for key in keys}
    return {key: (dict(each.meta), each.content_type) for key, each in found.items()}


def test_each_object_gets_its_own(
    objects: EmbeddedOSS, bulkmeta: Command, read_run: Any
) -> None:
    """Templates, a rewritten value and types by extension; a second run writes
    nothing, and undo takes all of it back."""
    before = state(objects)
    change = (
        "--set", "album={part[1]}", "--set", "file={stem}",
        "--sub", r"owner=/(\w+) (\w+)/\2, \1/", "--content-type", "auto",
    )  # fmt: skip

    result = bulkmeta("apply", "oss://bucket/p/", *change, *RUN)

    assert result.code == 0, result.err
    assert state(objects) == {
        "p/2026/a.webp": (
            {"owner": "Lovelace, Ada", "album": "2026", "file": "a"},
            "image/webp",
        ),
        "p/2025/b.html": ({"camera": "x", "album": "2025", "file": "b"}, "text/html"),
        "p/readme": ({"album": "readme", "file": "readme"}, "application/octet-stream"),
    }
    assert read_run("run.jsonl").header["job"]["change"]["set_meta"] == {
        "album": "{part[1]}",
        "file": "{stem}",
    }
    objects.clock.offset_s += 5
    again = bulkmeta(
        "apply", "oss://bucket/p/", *change[:4], "--yes", "--run-file", "again.jsonl"
    )
    assert "3 unchanged" in again.out
    undone = bulkmeta("undo", "run.jsonl", "--yes", "--run-file", "undo.jsonl")
    assert (undone.code, state(objects)) == (0, before)


@pytest.mark.parametrize(
    ("policy", "code", "statuses"),
    [
        ("fail", 1, ["updated", "failed", "failed"]),
        ("skip", 0, ["updated", "skipped", "skipped"]),
        ("empty", 0, ["updated", "updated", "updated"]),
    ],
)
def test_missing_fields(
    objects: EmbeddedOSS,
    bulkmeta: Command,
    read_run: Any,
    policy: str,
    code: int,
    statuses: list[str],
) -> None:
    """An object without the field is no reason to stop, and is told of."""
    result = bulkmeta(
        "apply", "oss://bucket/p/", "--set", "by={meta[owner]}", "--missing", policy,
        *RUN,
    )  # fmt: skip

    lines = read_run("run.jsonl").by_key()
    keys = ["p/2026/a.webp", "p/2025/b.html", "p/readme"]
    assert (result.code, [lines[key]["status"] for key in keys]) == (code, statuses)
    reasons = {lines[key]["reason"] for key in keys[1:]}
    assert reasons == ({None} if policy == "empty" else {"missing_field"})


def test_a_charset_is_kept(objects: EmbeddedOSS, bulkmeta: Command) -> None:
    """A type that fits is left alone with its parameters."""
    kept = "text/html; charset=utf-8"
    found = objects.store.get_object("bucket", "p/2025/b.html")
    objects.store.update_object(found, content_type=kept)
    order = ("oss://bucket/p/2025/", "--content-type", "auto", "--detailed-exitcode")
    assert bulkmeta("plan", *order).code == 0
    own = Path("own.types")
    own.write_text("text/html;charset=gbk html\n")
    assert bulkmeta("plan", *order, "--types", "own.types").code == 10


def test_types_of_ones_own(objects: EmbeddedOSS, bulkmeta: Command) -> None:
    """A file of types goes before the table, and is part of the job."""
    Path("my.types").write_text("text/x-page html\nimage/x-own webp\n")

    result = bulkmeta(
        "apply", "oss://bucket/p/", "--content-type", "auto", "--types", "my.types",
        *RUN,
    )  # fmt: skip

    assert result.code == 0, result.err
    assert "content type by extension, 2 types of --types first" in result.err
    assert [kind for _, kind in state(objects).values()] == [
        "image/x-own",
        "text/x-page",
        "application/octet-stream",
    ]


@pytest.mark.parametrize(
    ("change", "warned"),
    [
        (("--set", "seen={last_modified}"), True),
        (("--header", "content-type={header[content-type]};x"), True),
        (("--set", "file={name}", "--set", "file2={meta[file]}x"), False),
        (("--default", "seen={last_modified}"), False),
    ],
)
def test_values_that_never_settle(
    objects: EmbeddedOSS, bulkmeta: Command, change: tuple[str, ...], warned: bool
) -> None:
    """They are written again each time, and that is said; of others it is not."""
    order = ("oss://bucket/p/", *change, "--missing", "empty")
    ends = []
    for number in range(3):
        planned = bulkmeta("plan", *order)
        result = bulkmeta("apply", *order, "--yes", "--run-file", f"{number}.jsonl")
        for done in (planned, result):
            assert ("a further run" in done.err) is warned
        objects.clock.offset_s += 10
        ends.append("3 updated" in result.out)
    assert ends[0]
    assert ends[2] is warned


@pytest.mark.parametrize(
    ("beside", "updated"), [(("--set", "a=1"), [3, 3, 0]), ((), [3, 0, 0])]
)
def test_tags_of_the_time(
    objects: EmbeddedOSS,
    bulkmeta: Command,
    read_run: Any,
    beside: tuple[str, ...],
    updated: list[int],
) -> None:
    """Alone they settle at once; beside what renews that time, a run later: that is
    said."""
    order = ("oss://bucket/p/", *beside, "--tag", "d={last_modified:%Y%m%dT%H%M%S}")
    found = []
    for number in range(3):
        name = f"{number}.jsonl"
        result = bulkmeta("apply", *order, "--yes", "--run-file", name)
        assert ("a further run" in result.err) is bool(beside)
        objects.clock.offset_s += 10
        found.append(read_run(Path(name)).summary["counts"]["updated"])
    assert found == updated


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--set", "a={keys}"), "there is no field '{keys}'"),
        (("--header", "expires={"), "write '{{' if that is meant"),
        (("--content-type", "auto", "--types", "none.types"), "No such file"),
        (("--content-type", "auto", "--types", "bad.types"), "line 1: write a type"),
        (("--content-type", "auto", "--types", "raw.types"), "it is not UTF-8 text"),
        (("--content-type", "a/b", "--types", "ok.types"), "goes with --content-type"),
        (("--content-type", "auto", "--header", "content-type=a/b"), "2 times"),
        (("--set", "a=1", "--missing", "ignore"), "'ignore' is not one of"),
    ],
)
def test_bad_templates(
    objects: EmbeddedOSS, bulkmeta: Command, options: tuple[str, ...], words: str
) -> None:
    """One line, exit 2, and no request."""
    Path("bad.types").write_text("what\n")
    Path("ok.types").write_text("text/plain txt\n")
    Path("raw.types").write_bytes(b"\xff\xfe\n")

    result = bulkmeta("plan", "oss://bucket/p/", *options)

    assert (result.code, words in result.err) == (2, True), result.err
    assert not objects.log.requests()
