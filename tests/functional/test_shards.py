"""`bulkmeta shards`, `--shard I/FILE`: each host has its part, and lists no more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS
    from tests.conftest import Command

OLD_S = 1_790_000_000.0
KEYS = sorted(
    [f"p/{n:04}" for n in range(2500)] + [f"p/照片/{n}\n" for n in range(500)]
)
CUT = ("shards", "oss://bucket/p/", "--into", "4", "--out", "cut.json")
SET = ("--set", "a=b", "--yes", "--rate", "max", "--acl-policy", "skip")


@pytest.fixture(autouse=True)
def _objects(oss: EmbeddedOSS) -> None:
    oss.store.put_objects("bucket", ({"key": k, "last_modified": OLD_S} for k in KEYS))


def lines(name: str) -> list[dict[str, Any]]:
    found = map(json.loads, Path(name).read_text().splitlines())
    return [line for line in found if line["type"] == "object"]


def test_parts_make_up_the_whole(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Each object is in one part of about a quarter, also one that came since; pages of
    other parts are not asked for, and each part is a job of its own."""
    done = bulkmeta(*CUT)
    assert done.code == 0
    assert "3,000 objects in 4 shards of 750 (the largest has 75" in done.out
    late = ["p/", "p/00", "p/zz"]
    oss.store.put_objects("bucket", ({"key": k, "last_modified": OLD_S} for k in late))
    seen, hashes = [], set()
    for index in range(4):
        oss.log.clear()
        name = f"{index}.jsonl"
        more = ("--shard", f"{index}/cut.json", "--limit", "5000", "--run-file", name)
        assert (
            bulkmeta("apply", "oss://bucket/p/", *SET, "--spread", "off", *more).code
            == 0
        )
        seen += [line["key"] for line in lines(name)]
        listed = [name for name, _ in oss.log.operations() if name == "ListObjectsV2"]
        assert len(listed) <= 2
        hashes.add(json.loads(Path(name).read_text().split("\n")[0])["job_hash"])
    assert sorted(seen) == sorted([*KEYS, *late])
    assert len(hashes) == 4


def test_in_key_ranges_as_well(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """A part may be walked, and cut, in several ranges at once."""
    assert bulkmeta(*CUT, "--rate", "max", "--spread", "6").code == 0
    shards = json.loads(Path("cut.json").read_text())
    assert max(shards["objects"]) <= 760
    more = ("--shard", "2/cut.json", "--spread", "5", "--out", "plan.jsonl")
    assert bulkmeta("plan", "oss://bucket/p/", "--set", "a=b", *more).code == 0
    after, up_to = shards["bounds"][1:3]
    assert sorted(line["key"] for line in lines("plan.jsonl")) == [
        key for key in KEYS if after < key <= up_to
    ]


def test_parts_of_named_keys_and_of_a_run(bulkmeta: Command, tmp_path: Path) -> None:
    """Also of key files, of job files, and of what is undone."""
    assert bulkmeta(*CUT).code == 0
    (tmp_path / "keys.jsonl").write_text(
        "".join(f"{json.dumps(k)}\n" for k in KEYS[::50])
    )
    named = ("--keys-from", "keys.jsonl", "--run-file")
    (tmp_path / "job.toml").write_text(
        '[source]\ntarget = "oss://bucket/p/"\n[select]\nshard = "1/cut.json"\n'
        '[change]\nset = {a = "b"}\n'
    )
    assert bulkmeta("apply", "job.toml", "--yes", *named, "run.jsonl").code == 0
    part = sorted(line["key"] for line in lines("run.jsonl"))
    bounds = json.loads(Path("cut.json").read_text())["bounds"]
    assert part == [key for key in KEYS[::50] if bounds[0] < key <= bounds[1]]
    undo = ("undo", "run.jsonl", "--yes", "--run-file", "undo.jsonl", "--shard")
    assert bulkmeta(*undo, "0/cut.json").code == 0
    assert lines("undo.jsonl") == []


@pytest.mark.parametrize(
    ("shard", "words"),
    [
        ("4/cut.json", "shards 0 to 3, no 4"),
        ("0/none.json", "cannot read 'none.json': No such file"),
        ("0/other.json", "cuts oss://bucket/q/, not oss://bucket/p/"),
        ("0/torn.json", "torn.json"),
        ("0/swapped.json", "altered"),
        ("x/cut.json", "write it as 0/8 to 7/8 (8/8 is 0/8), or I/FILE"),
    ],
)
def test_files_that_are_of_no_use(bulkmeta: Command, shard: str, words: str) -> None:
    """One line says what is wrong, and nothing is done."""
    assert bulkmeta(*CUT).code == 0
    text = Path("cut.json").read_text()
    found = json.loads(text)
    Path("other.json").write_text(json.dumps(found | {"prefixes": ["q/"]}))
    Path("swapped.json").write_text(
        json.dumps(found | {"bounds": found["bounds"][::-1]})
    )
    Path("torn.json").write_text(text[:100])
    done = bulkmeta("apply", "oss://bucket/p/", *SET, "--shard", shard)
    assert (done.code, words in done.err) == (2, True), done.err
    assert "Traceback" not in done.err


def test_no_file_is_written_over(bulkmeta: Command) -> None:
    """The file of a cut that hosts are at work with stays."""
    assert bulkmeta(*CUT).code == 0
    again = bulkmeta(*CUT)
    assert (again.code, "exists" in again.err) == (2, True)


def test_fewer_objects_than_shards(bulkmeta: Command) -> None:
    """Some have none; each number can be asked for."""
    cut = ("shards", "oss://bucket/p/照片/1", "--into", "200", "--out", "few.json")
    assert bulkmeta(*cut).code == 0
    target = ("plan", "oss://bucket/p/照片/1", "--set", "a=b", "--shard")
    assert bulkmeta(*target, "199/few.json").code == 0
