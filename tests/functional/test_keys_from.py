"""Jobs on objects that a file names: every form, odd ones, resumed, replayed."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bulkmeta.emulator.faults import Fault

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS

Command = Callable[..., Any]
SET = ("--set", "a=1")
KEYS = ["p/a", "p/b c", "p/ü\t'", "q/d"]


@pytest.fixture
def objects(oss: EmbeddedOSS) -> EmbeddedOSS:
    """A few objects, one with a line break in its key."""
    for key in (*KEYS, "p/new\nline", "p/other"):
        oss.store.put_object("bucket", key, body=b"")
    return oss


def changed(oss: EmbeddedOSS) -> set[str]:
    """The keys of all objects that have what was set."""
    keys = (*KEYS, "p/new\nline", "p/other")
    return {key for key in keys if oss.store.get_object("bucket", key).meta}


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("keys.txt", "\n".join(KEYS), ()),
        ("keys.txt", "\ufeff" + "\r\n".join(KEYS) + "\r\n\r\n", ()),
        ("keys.bin", "\0".join([*KEYS, "p/new\nline"]) + "\0", ("--null",)),
        (
            "keys.jsonl",
            "".join(
                json.dumps(key if number % 2 else {"key": key, "size": 1}) + "\n"
                for number, key in enumerate([*KEYS, "p/new\nline"])
            ),
            (),
        ),
    ],
)
def test_forms(
    objects: EmbeddedOSS,
    bulkmeta: Command,
    name: str,
    content: str,
    options: tuple[str, ...],
) -> None:
    """Lines, lines of Windows, NUL and JSON lines; nothing is listed."""
    Path(name).write_bytes(content.encode())

    result = bulkmeta(
        "apply", "oss://bucket", "--keys-from", name, *options, *SET, "--yes",
        "--run-file", "run.jsonl",
    )  # fmt: skip

    assert result.code == 0, result.err
    odd = {"p/new\nline"} if "new" in content else set()
    assert changed(objects) == {*KEYS, *odd}
    assert f"keys      {len(changed(objects))} from " in result.err
    assert "ListObjectsV2" not in {each.operation for each in objects.log.requests()}


def test_standard_input_is_kept(
    objects: EmbeddedOSS,
    bulkmeta: Command,
    read_run: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A run whose keys came through a pipe is resumed like any other."""
    given = io.TextIOWrapper(io.BytesIO("\n".join(KEYS).encode()))
    monkeypatch.setattr(sys, "stdin", given)
    run = bulkmeta(
        "apply", "oss://bucket", "--keys-from", "-", *SET, "--yes",
        "--run-file", "run.jsonl",
    )  # fmt: skip
    lines = Path("run.jsonl").read_text().splitlines(keepends=True)
    Path("run.jsonl").write_text("".join(lines[:3]))
    Path("run.jsonl.journal").write_text("")

    resumed = bulkmeta("resume", "run.jsonl")

    assert (run.code, resumed.code) == (0, 0), resumed.err
    told = (
        f"keys      4 from standard input, kept in {Path('run.jsonl.keys').resolve()}"
    )
    assert (told in run.err, told in resumed.err) == (True, True), run.err
    assert Path("run.jsonl.keys").stat().st_mode & 0o777 == 0o600
    assert sorted(read_run("run.jsonl").by_key()) == sorted(KEYS)


def test_plan_of_standard_input(
    objects: EmbeddedOSS, bulkmeta: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a file to keep, nothing is left behind in the folder."""
    given = io.TextIOWrapper(io.BytesIO(b"p/a\n"))
    monkeypatch.setattr(sys, "stdin", given)

    result = bulkmeta("plan", "oss://bucket/p/", "--keys-from", "-", *SET)

    assert (result.code, "p/a" in result.out) == (0, True), result.err
    assert "keys      1 from standard input\n" in result.err
    assert not [*Path().iterdir()]


@pytest.mark.parametrize(
    ("content", "yes", "words"),
    [
        (b"p/a\n/x\n", ("--yes",), "bulkmeta: standard input, line 2, key '/x'"),
        (b"p/a\n\xff\n", ("--yes",), "standard input, line 2: it is not UTF-8"),
        (b"\n", ("--yes",), "bulkmeta: standard input names no keys"),
        (b"p/a\n", (), "standard input cannot name keys and answer, too"),
        (b"", ("--yes",), "standard input names no keys"),
    ],
)
def test_refused_standard_input_leaves_nothing(
    objects: EmbeddedOSS,
    bulkmeta: Command,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
    yes: tuple[str, ...],
    words: str,
) -> None:
    """The same command with better input works."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    result = bulkmeta(
        "apply", "oss://bucket", "--keys-from", "-", *SET, *yes,
        "--run-file", "run.jsonl",
    )  # fmt: skip

    assert (result.code, words in result.err) == (2, True), result.err
    assert not [*Path().iterdir()]


def test_objects_that_are_not_there(
    objects: EmbeddedOSS, bulkmeta: Command, read_run: Any
) -> None:
    """Each has its line; the others go on."""
    Path("keys").write_text("p/a\np/none\nq/d\n")

    result = bulkmeta(
        "apply", "oss://bucket", "--keys-from", "keys", *SET, "--yes",
        "--run-file", "run.jsonl",
    )  # fmt: skip

    assert result.code == 0, result.err
    assert read_run("run.jsonl").by_key()["p/none"]["reason"] == "gone"
    assert changed(objects) == {"p/a", "q/d"}


def test_a_key_that_comes_twice(
    objects: EmbeddedOSS, bulkmeta: Command, read_run: Any
) -> None:
    """It is taken once, wherever it stands again; also by a resumed run."""
    Path("keys").write_text("p/a\np/b c\np/a\nq/d\np/a\nq/d\n")
    order = ("--set", "n={key}", "--tag", "n={tag[n]}1", "--missing", "empty")
    result = bulkmeta(
        "apply", "oss://bucket", "--keys-from", "keys", *order, "--yes",
        "--concurrency", "1", "--run-file", "run.jsonl",
    )  # fmt: skip
    assert result.code == 0, result.err
    assert "warning   3 of the 6 keys were named before; each object" in result.err
    told = [line["key"] for line in read_run("run.jsonl").objects]
    assert sorted(told) == ["p/a", "p/b c", "q/d"]
    some = ("plan", "oss://bucket", "--keys-from", "keys", "--limit", "1", "--set", "a")
    assert "named before" not in bulkmeta(*some[:-1], "a=1").err
    undone = bulkmeta("undo", "run.jsonl", "--dry-run")
    assert (undone.code, "named before" in undone.err) == (0, False)

    for kept in range(4):
        whole = Path("run.jsonl").read_text().splitlines(keepends=True)
        name = f"cut{kept}.jsonl"
        Path(name).write_text("".join(whole[: 1 + kept]))
        start = json.loads(whole[0])
        journal = {"job_hash": start["job_hash"], "run_started": start["started"]}
        text = json.dumps({"type": "journal", "schema": 1, **journal})
        Path(f"{name}.journal").write_text(f"{text}\n")
        objects.clock.offset_s += 5
        assert bulkmeta("resume", name).code == 0
        keys = [line["key"] for line in read_run(name).objects]
        assert sorted(keys) == ["p/a", "p/b c", "q/d"]
    tags = [objects.store.get_object("bucket", k).tags["n"] for k in ("p/a", "q/d")]
    assert tags == ["11", "1111"]


def test_keys_with_a_nul_between_them(objects: EmbeddedOSS, bulkmeta: Command) -> None:
    """They are not taken for one key."""
    Path("keys").write_text("p/a\0q/d\0")
    result = bulkmeta("apply", "oss://bucket", "--keys-from", "keys", *SET, "--yes")
    assert (result.code, "give --null" in result.err) == (2, True)
    assert objects.log.operations() == []


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("keys.jsonl", '{{"key": "{}", "version_id": "{}"}}'),
        ("keys.csv", '"{}","{}"'),
    ],
)
def test_only_the_version_that_is_named(
    oss: EmbeddedOSS, bulkmeta: Command, read_run: Any, name: str, row: str
) -> None:
    """Rewrites and changes in place go to that version, or to none."""
    oss.store.configure_bucket("bucket", versioning="Enabled")
    for key in ("p/same", "p/other"):
        oss.store.put_object("bucket", key, body=b"")
    head = "key,version_id\n" if name.endswith("csv") else ""
    ids = {key: version(oss, key) for key in ("p/same", "p/other")}
    Path(name).write_text(head + "\n".join(row.format(*each) for each in ids.items()))
    oss.store.put_object("bucket", "p/other", body=b"new")
    newer = version(oss, "p/other")

    for number, change in enumerate([("--tag", "t=1"), SET]):
        result = bulkmeta(
            "apply", "oss://bucket", "--keys-from", name, *change, "--yes",
            "--allow-new-versions", "--run-file", f"{number}.jsonl",
        )  # fmt: skip
        assert result.code == 0, result.err
        lines = read_run(f"{number}.jsonl").by_key()
        assert lines["p/same"]["status"] == "updated"
        assert lines["p/other"]["reason"] == "other_version"
        assert lines["p/other"]["version_id"] == ids["p/other"]

    assert version(oss, "p/other") == newer
    assert version(oss, "p/same") != ids["p/same"]


def version(oss: EmbeddedOSS, key: str) -> str | None:
    """The current version of an object."""
    return oss.store.get_object("bucket", key).version_id


def test_retry_still_means_that_version(
    oss: EmbeddedOSS, bulkmeta: Command, read_run: Any
) -> None:
    """The object is overwritten after its change failed: the new one is not meant."""
    oss.store.configure_bucket("bucket", versioning="Enabled")
    oss.store.put_object("bucket", "p/a", body=b"")
    row = {"key": "p/a", "version_id": version(oss, "p/a")}
    Path("keys.jsonl").write_text(json.dumps(row))
    refusal = Fault("error", operation="CopyObject", status=409, code="FileImmutable")
    oss.faults.add(refusal)
    result = bulkmeta(
        "apply", "oss://bucket", "--keys-from", "keys.jsonl", *SET, "--yes",
        "--allow-new-versions", "--run-file", "run.jsonl",
    )  # fmt: skip
    assert result.code == 1, result.err
    oss.faults.clear()
    oss.store.put_object("bucket", "p/a", body=b"new")

    retried = bulkmeta("retry", "run.jsonl", "--yes", "--run-file", "retry.jsonl")

    assert retried.code == 0, retried.err
    assert read_run("retry.jsonl").by_key()["p/a"]["reason"] == "other_version"
    assert not oss.store.get_object("bucket", "p/a").meta


def test_undo_and_retry_take_the_run_not_the_file(
    objects: EmbeddedOSS, bulkmeta: Command
) -> None:
    """What was done is in the run file; the keys may be gone by then."""
    Path("keys").write_text("p/a\np/b c\n")
    run = bulkmeta(
        "apply", "oss://bucket", "--keys-from", "keys", "--include", "*a", *SET,
        "--yes", "--run-file", "run.jsonl",
    )  # fmt: skip
    assert (run.code, changed(objects)) == (0, {"p/a"})
    Path("keys").unlink()
    objects.clock.offset_s += 5

    undone = bulkmeta("undo", "run.jsonl", "--yes", "--run-file", "undo.jsonl")

    assert (undone.code, changed(objects)) == (0, set()), undone.err


def test_changed_file_is_not_resumed(objects: EmbeddedOSS, bulkmeta: Command) -> None:
    """Another list of keys is another job."""
    Path("keys").write_text("p/a\np/b c\n")
    bulkmeta(
        "apply", "oss://bucket", "--keys-from", "keys", *SET, "--yes",
        "--run-file", "run.jsonl",
    )  # fmt: skip
    lines = Path("run.jsonl").read_text().splitlines(keepends=True)
    Path("run.jsonl").write_text(lines[0])
    Path("run.jsonl.journal").write_text("")
    Path("keys").write_text("p/a\np/other\n")

    result = bulkmeta("resume", "run.jsonl")

    assert result.code == 2
    words = "keys' is not as it was when the run began; put it back, or apply anew"
    assert (words in result.err, result.err.count("\n")) == (True, 1)
    assert Path("run.jsonl").read_text() == lines[0]
    assert "p/other" not in changed(objects)


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        (b"", (), "names no keys"),
        (b"\n\n", (), "names no keys"),
        (b"p/a\n\xff\n", (), "line 2: it is not UTF-8"),
        (b"p/a\n/x\n", (), "line 2, key '/x': a key cannot begin"),
        (b"oss://bucket/p/a\n", (), "': it begins with oss://; give keys, without the"),
        (b'"oss://bucket/p/a"\n', ("jsonl",), "line 1, key 'oss://bucket/p/a': it be"),
        (b"key\noss://bucket/p/a\n", ("csv",), "line 2, key 'oss://bucket/p/a': it"),
        (b"p/a\n" + b"x" * 1024, (), "a key has 1 to 1023 bytes"),
        (b"x" * 3_000_000, (), "too long a line"),
        (b'"p/a"\n{"name": "x"}\n', ("jsonl",), "line 2: write a key as"),
        (b"p/a\n", ("jsonl",), "line 1: write a key as"),
        (b"q/d\n", ("prefix",), "line 1, key 'q/d': it is not under 'p/'"),
        (b"p/a\n", ("--min-size", "1"), "only keys can be selected"),
    ],
)
def test_bad_files(
    objects: EmbeddedOSS,
    bulkmeta: Command,
    content: bytes,
    options: tuple[str, ...],
    words: str,
) -> None:
    """One line with the number of the bad one, exit 2, and no request at all."""
    forms = {"jsonl", "csv"} & {*options}
    name = f"keys.{next(iter(forms), 'txt')}"
    Path(name).write_bytes(content)
    target = "oss://bucket/p/" if "prefix" in options else "oss://bucket"
    more = [option for option in options if option not in {*forms, "prefix"}]

    result = bulkmeta("plan", target, "--keys-from", name, *SET, *more)

    assert (result.code, words in result.err) == (2, True), result.err
    assert not objects.log.requests()


def test_no_such_file(objects: EmbeddedOSS, bulkmeta: Command) -> None:
    """The name stands in the line."""
    missing = bulkmeta("plan", "oss://bucket", "--keys-from", "none", *SET)

    assert (missing.code, "'none'" in missing.err or "/none'" in missing.err) == (
        2,
        True,
    )


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--null",), "--null goes with --keys-from"),
        (("--status", "failed"), "--status goes with --keys-from"),
        (
            ("--status", "failed", "--null"),
            "--null and --status go with --keys-from",
        ),
    ],
)
@pytest.mark.usefixtures("objects")
def test_a_flag_without_its_partner(
    bulkmeta: Command, flags: tuple[str, ...], words: str
) -> None:
    """Just what was given is told, before anything about the target."""
    for target in ("oss://bucket/p/", "oss://bucket/"):
        result = bulkmeta("plan", target, *flags, *SET)
        assert (result.code, result.err) == (2, f"bulkmeta: {words}\n")
