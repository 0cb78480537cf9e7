"""`bulkmeta shards`, `--shard I/FILE`: each host has its part, and lists no more."""

from __future__ import annotations

import errno
import json
from bisect import bisect_right
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bulkmeta.emulator.faults import Fault
from bulkmeta.model.shards import Tally
from bulkmeta.runners.sharding import cut_shards
from tests.functional.inventory.conftest import made, row

if TYPE_CHECKING:
    from collections.abc import Callable

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
    assert Path("cut.json").stat().st_mode & 0o777 == 0o600
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
    assert bulkmeta(*CUT, "--exact", "--rate", "max", "--spread", "6").code == 0
    shards = json.loads(Path("cut.json").read_text())
    assert max(shards["objects"]) <= 760
    more = ("--shard", "2/cut.json", "--spread", "5", "--out", "plan.jsonl")
    assert bulkmeta("plan", "oss://bucket/p/", "--set", "a=b", *more).code == 0
    after, up_to = shards["bounds"][1:3]
    assert sorted(line["key"] for line in lines("plan.jsonl")) == [
        key for key in KEYS if after < key <= up_to
    ]


def test_a_survey(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Most keys are passed over where they lie evenly, and sizes are said to be about
    right; each key is in one part all the same. All are counted if that is wanted."""
    keys = [f"q/{number:06}" for number in range(30_000)]
    oss.store.put_objects("bucket", ({"key": k, "last_modified": OLD_S} for k in keys))
    cut = ("shards", "oss://bucket/q/", "--into", "3", "--out")
    done = bulkmeta(*cut, "cut.json")
    assert done.code == 0
    assert done.out.startswith("about ")
    assert " objects in 3 shards of about " in done.out
    assert len(listed(oss)) < 20
    ends = [0, *(bisect_right(keys, bound) for bound in bounds()), len(keys)]
    sizes = [after - before for before, after in pairwise(ends)]
    assert 9_000 < min(sizes) < max(sizes) < 11_000
    oss.log.clear()
    exact = bulkmeta(*cut, "exact.json", "--exact")
    assert exact.out.startswith("30,000 objects in 3 shards of 10,000 (the largest ")
    assert len(listed(oss)) == 30


def test_a_survey_tells_how_far_it_is(
    bulkmeta: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every few seconds, by what it took."""
    monkeypatch.setattr("bulkmeta.runners.sharding._TELL_EVERY_S", 0.0)
    assert "about 1,000 objects counted by 2 requests" in bulkmeta(*CUT).err


def test_a_survey_remembers_no_more_than_it_has_to(
    bulkmeta: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the bucket holds; the parts are alike all the same."""
    made: list[Tally] = []

    def tally(start_of: Callable[[str], str]) -> Tally:
        made.append(Tally(start_of, 100))
        return made[-1]

    monkeypatch.setattr("bulkmeta.runners.sharding.Tally", tally)
    assert "in 4 shards of 752 (the largest has 768;" in bulkmeta(*CUT).out
    assert 50 <= len(made[0].known()) <= 101


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
        ("0//dev/zero", "no file of shards: too long"),
        ("0/newer.json", "written by a newer bulkmeta (9.9)"),
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
    newer = {"type": "shards", "schema": 2, "version": "9.9", "cuts": []}
    Path("newer.json").write_text(json.dumps(newer))
    done = bulkmeta("apply", "oss://bucket/p/", *SET, "--shard", shard)
    assert (done.code, words in done.err) == (2, True), done.err
    assert "Traceback" not in done.err


def test_no_file_is_written_over(bulkmeta: Command) -> None:
    """The file of a cut that hosts are at work with stays."""
    assert bulkmeta(*CUT).code == 0
    again = bulkmeta(*CUT)
    assert (again.code, "exists" in again.err) == (2, True)


def test_where_it_cannot_be(
    bulkmeta: Command, oss: EmbeddedOSS, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is said before an hour is spent on counting."""

    def refused(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("bulkmeta.cli.sharding.new_text", refused)
    done = bulkmeta(*CUT)
    words = "cannot create 'cut.json': Read-only file system; name another"
    assert (done.code, words in done.err) == (2, True), done.err
    assert listed(oss) == []


def test_nothing_half_cut_is_left(bulkmeta: Command, oss: EmbeddedOSS) -> None:
    """Where the keys cannot be counted to the end, there is no file."""
    oss.faults.add(Fault("error", status=403, code="AccessDenied"))
    done = bulkmeta(*CUT)
    assert (done.code, Path("cut.json").exists()) == (4, False), done.err


def test_no_file_while_it_is_counted(
    bulkmeta: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that none is left that holds nothing, if the command is killed."""
    seen: list[bool] = []

    def counting(*given: Any, **more: Any) -> Any:
        seen.append(Path("cut.json").exists())
        return cut_shards(*given, **more)

    monkeypatch.setattr("bulkmeta.cli.sharding.cut_shards", counting)
    assert bulkmeta(*CUT).code == 0
    assert (seen, [*map(str, Path().iterdir())]) == ([False], ["cut.json"])


def test_fewer_objects_than_shards(bulkmeta: Command) -> None:
    """Some have none; each number can be asked for."""
    cut = ("shards", "oss://bucket/p/照片/1", "--into", "200", "--out", "few.json")
    assert bulkmeta(*cut).code == 0
    target = ("plan", "oss://bucket/p/照片/1", "--set", "a=b", "--shard")
    assert bulkmeta(*target, "199/few.json").code == 0


def listed(oss: EmbeddedOSS) -> list[dict[str, str]]:
    """The listing requests, by what decides where they begin."""
    return [
        {name: r.query[name] for name in ("prefix", "start-after") if name in r.query}
        for r in oss.log.requests()
        if r.operation == "ListObjectsV2"
    ]


def bounds() -> list[str]:
    found: list[str] = json.loads(Path("cut.json").read_text())["bounds"]
    return found


def test_a_listing_begins_where_its_part_does(
    oss: EmbeddedOSS, bulkmeta: Command
) -> None:
    """One page of it, from behind the part before; none of another."""
    assert bulkmeta(*CUT).code == 0
    oss.log.clear()
    more = ("--set", "a=b", "--spread", "off", "--shard", "1/cut.json")
    assert bulkmeta("plan", "oss://bucket/p/", *more).code == 0
    assert listed(oss) == [{"prefix": "p/", "start-after": bounds()[0]}]


def test_prefixes_outside_of_a_part_are_not_listed(
    oss: EmbeddedOSS, bulkmeta: Command
) -> None:
    """Of several targets, only those in which the part has keys; of an empty part none
    at all."""
    oss.store.put_objects("bucket", ({"key": f"q/{n}"} for n in range(3000)))
    targets = ("oss://bucket/p/", "oss://bucket/q/")
    assert bulkmeta("shards", *targets, "--into", "4", "--out", "two.json").code == 0
    seen = []
    for index, prefix in ((0, "p/"), (3, "q/")):
        oss.log.clear()
        words = ("--set", "a=b", "--spread", "off", "--out", f"{index}.jsonl")
        part = ("--shard", f"{index}/two.json")
        assert bulkmeta("plan", *targets, *words, *part).code == 0
        assert {query["prefix"] for query in listed(oss)} == {prefix}
        seen += lines(f"{index}.jsonl")
    assert 2900 < len(seen) < 3100
    cut = ("shards", "oss://bucket/p/00000", "--into", "3", "--out", "none.json")
    assert bulkmeta(*cut).code == 0
    oss.log.clear()
    empty = ("plan", "oss://bucket/p/00000", "--set", "a=b", "--shard", "1/none.json")
    assert bulkmeta(*empty).code == 0
    assert listed(oss) == []


@pytest.mark.parametrize("spread", ["off", "4"])
def test_a_part_is_resumed(oss: EmbeddedOSS, bulkmeta: Command, spread: str) -> None:
    """It stays what it was, without the file: each object has one line."""
    assert bulkmeta(*CUT).code == 0
    first, second = bounds()[:2]
    oss.faults.add(
        Fault("error", "CopyObject", skip=300, status=403, code="InvalidAccessKeyId")
    )
    words = ("--shard", "1/cut.json", "--spread", spread, "--run-file", "run.jsonl")
    assert bulkmeta("apply", "oss://bucket/p/", *SET, *words).code == 4
    oss.faults.clear()
    Path("cut.json").unlink()
    assert bulkmeta("resume", "run.jsonl", "--rate", "max").code == 0
    done = sorted(line["key"] for line in lines("run.jsonl"))
    assert done == [key for key in KEYS if first < key <= second]


def test_a_part_of_what_failed(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Retry takes a part of a run as any command does."""
    assert bulkmeta(*CUT).code == 0
    denied = Fault("error", "CopyObject", key="p/*7", status=403, code="AccessDenied")
    oss.faults.add(denied)
    words = ("--limit", "1000", "--spread", "off", "--run-file", "run.jsonl")
    assert bulkmeta("apply", "oss://bucket/p/", *SET, *words).code == 1
    oss.faults.clear()
    more = ("--shard", "1/cut.json", "--run-file", "again.jsonl", "--yes")
    assert bulkmeta("retry", "run.jsonl", *more).code == 0
    first, second = bounds()[:2]
    assert sorted(line["key"] for line in lines("again.jsonl")) == [
        key for key in KEYS[:1000] if first < key <= second and key.endswith("7")
    ]


def test_a_part_of_an_inventory(bulkmeta: Command) -> None:
    """Its rows are left out where they are another part's."""
    assert bulkmeta(*CUT).code == 0
    Path("reports").mkdir()
    rows = [row(key, Bucket="bucket") for key in KEYS[::100]]
    for key, data in made([rows]).items():
        (Path("reports") / Path(key).name).write_bytes(data)
    words = ("--inventory", "reports/manifest.json", "--out", "plan.jsonl")
    part = ("--set", "a=b", "--shard", "2/cut.json")
    assert bulkmeta("plan", "oss://bucket/p/", *part, *words).code == 0
    _, second, third = bounds()
    assert sorted(line["key"] for line in lines("plan.jsonl")) == [
        key for key in KEYS[::100] if second < key <= third
    ]


@pytest.mark.parametrize("named_by", ["inventory", "keys"])
def test_a_cut_of_what_is_named(
    oss: EmbeddedOSS, bulkmeta: Command, named_by: str
) -> None:
    """Nothing is listed, in whatever order the rows are; the parts are alike, and each
    host lists its own."""
    mixed = sorted(KEYS, key=lambda key: key[::-1])
    Path("reports").mkdir()
    rows = [row(key, Bucket="bucket") for key in mixed]
    for key, data in made([rows[:1000], rows[1000:]]).items():
        (Path("reports") / Path(key).name).write_bytes(data)
    Path("keys.jsonl").write_text("".join(f"{json.dumps(key)}\n" for key in mixed))
    named = {"inventory": "reports/manifest.json", "keys": "keys.jsonl"}[named_by]
    option = {"inventory": "--inventory", "keys": "--keys-from"}[named_by]
    done = bulkmeta(*CUT, option, named)
    assert done.code == 0, done.err
    assert "3,000 objects in 4 shards of 750 (the largest has 750; " in done.out
    assert "listing requests: 0" in done.out
    assert listed(oss) == []
    words = ("--set", "a=b", "--shard", "1/cut.json", "--out", "plan.jsonl")
    assert bulkmeta("plan", "oss://bucket/p/", *words).code == 0
    assert sorted(line["key"] for line in lines("plan.jsonl")) == KEYS[750:1500]


def test_the_same_part_by_another_path(bulkmeta: Command) -> None:
    """A job is what its part holds, not where the file of it lies."""
    assert bulkmeta(*CUT).code == 0
    Path("folder").mkdir()
    Path("folder/other.json").write_bytes(Path("cut.json").read_bytes())
    hashes: list[str] = []
    for name in ("cut.json", "folder/other.json"):
        out = f"{len(hashes)}.jsonl"
        words = ("--set", "a=b", "--shard", f"1/{name}", "--limit", "1", "--out", out)
        assert bulkmeta("plan", "oss://bucket/p/", *words).code == 0
        hashes.append(json.loads(Path(out).read_text().split("\n")[0])["job_hash"])
    assert hashes[0] == hashes[1]


def test_what_is_kept_goes_by_the_file(
    bulkmeta: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two folders' files of one name are two jobs to what is kept between runs: a run
    of the one that was stopped is not gone on with for the other."""
    homes = []
    for name, parts in (("one", "4"), ("two", "8")):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        cut = ("shards", "oss://bucket/p/", "--into", parts, "--out", "cut.json")
        assert bulkmeta(*cut).code == 0
        words = ("--shard", "1/cut.json", "--since-last-run", "--run-file", "run.jsonl")
        assert bulkmeta("apply", "oss://bucket/p/", *SET, *words).code == 0
        homes.append(len(list((Path.home() / ".bulkmeta/jobs").iterdir())))
    assert homes == [1, 2]
