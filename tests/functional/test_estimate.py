"""What a plan says that applying it takes, held against what is then asked of OSS; and
what it says that comes with it."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bulkmeta.emulator.faults import Fault
from bulkmeta.emulator.options import EmulatorOptions
from bulkmeta.emulator.server import EmbeddedOSS

Command = Callable[..., Any]
TARGET = "oss://bucket/p/"
GET_CLASS = {"HeadObject", "GetObjectAcl", "GetObjectTagging"}
META = ("--set", "a=1")
SAME = "application/octet-stream"
LONG_AGO_S = 1_700_000_000.0
TRANSFORM = """
from bulkmeta import Change

def halves(found):
    if found.size_bytes:
        return None
    if found.tags:
        return Change(set_tags={"t": "9"})
    return Change(set_meta={"a": "1"})
"""


@pytest.fixture(autouse=True)
def _bucket(oss: EmbeddedOSS, tmp_path: Path) -> None:
    fill(oss)
    (tmp_path / "rows.csv").write_text("key,meta.a,tag.t\np/01,2,\np/02,,7\np/03,1,\n")
    (tmp_path / "halves.py").write_text(TRANSFORM)


def fill(oss: EmbeddedOSS) -> None:
    """Objects of which each change meets some that have it already; to the second the
    same each time."""
    for number in range(12):
        oss.store.put_object(
            "bucket",
            f"p/{number:02}",
            body=b"x" if number % 4 == 3 else b"",
            meta={"a": "1"} if number % 3 == 0 else {},
            tags={"t": "1"} if number % 2 == 0 else {},
            acl="private" if number % 5 == 0 else "default",
            last_modified=LONG_AGO_S,
        )
    oss.store.put_object(
        "bucket", "p/cold", storage_class="IA", last_modified=LONG_AGO_S
    )
    oss.store.put_object("bucket", "p/link", object_type="Symlink")


def asked(oss: EmbeddedOSS) -> dict[str, int]:
    """The requests about objects and listings, by the class they are billed in."""
    names = [name for name, _ in oss.log.operations() if name != "GetBucketVersioning"]
    get = sum(name in GET_CLASS for name in names)
    return {"GET": get, "PUT": len(names) - get}


@pytest.mark.parametrize("policy", ["preserve", "skip"])
@pytest.mark.parametrize(
    "change",
    [
        META,
        ("--header", "cache-control=no-cache"),
        ("--tag", "t=1"),
        ("--untag", "t"),
        ("--acl", "private"),
        ("--tag", "t=1", "--acl", "private"),
        (*META, "--tag", "t=1"),
        (*META, "--acl", "private"),
        (*META, "--allow-early-rewrite"),
        ("--set", "a={tag[t]}", "--missing", "skip"),
        ("--values", "rows.csv"),
        ("--transform", "halves:halves"),
        (*META, "--spread", "4"),
    ],
)
def test_the_figures_are_those_of_the_run(
    oss: EmbeddedOSS, bulkmeta: Command, change: tuple[str, ...], policy: str
) -> None:
    """By the same order, and by the plan file: request by request."""
    order = (TARGET, *change, "--acl-policy", policy, "--rate", "max")
    again = bulkmeta("plan", *order, "--json")
    filed = bulkmeta("plan", *order, "--json", "--out", "plan.jsonl")
    assert (again.code, filed.code) == (0, 0), again.err + filed.err

    oss.log.clear()
    assert bulkmeta("apply", *order, "--yes").code == 0
    assert json.loads(again.out)["estimate"]["requests"] == asked(oss)
    assert json.loads(again.out)["counts"]["planned"] > 0

    fill(oss)
    oss.log.clear()
    policies = ("--acl-policy", policy)
    done = bulkmeta("apply", "plan.jsonl", "--yes", "--rate", "max", *policies)
    assert done.code == 0, done.err
    assert json.loads(filed.out)["estimate"]["requests"] == asked(oss)


def test_many_pages(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Each page of a listing is a PUT request, whatever of it is taken up."""
    specs = ({"key": f"p/x{n:04}", "meta": {"a": "1"}} for n in range(2100))
    oss.store.put_objects("bucket", specs)
    oss.log.clear()
    some = (TARGET, *META, "--exclude", "*/x*")
    plan = bulkmeta("plan", *some, "--json")
    assert asked(oss)["PUT"] == 3
    oss.log.clear()
    assert bulkmeta("apply", *some, "--yes").code == 0
    assert "a" in oss.store.get_object("bucket", "p/01").meta
    assert json.loads(plan.out)["estimate"]["requests"] == asked(oss)


def test_what_was_refused_is_not_needed_again(
    oss: EmbeddedOSS, bulkmeta: Command
) -> None:
    """A plan that was throttled tells what a run takes that is not."""
    oss.faults.add(Fault("error", "HeadObject", every=2, times=5, code="SlowDown"))
    plan = bulkmeta("plan", TARGET, *META, "--json")
    oss.log.clear()
    oss.faults.clear()
    assert bulkmeta("apply", TARGET, *META, "--yes").code == 0
    assert json.loads(plan.out)["estimate"]["requests"] == asked(oss)


def test_after_a_probe(bulkmeta: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a bucket was seen to keep ACLs they are not read, but of uploads in
    parts."""
    with EmbeddedOSS(EmulatorOptions(acl_on_copy="keep")) as oss:
        oss.store.create_bucket("bucket")
        fill(oss)
        etag = f"{'A' * 32}-2"
        oss.store.put_object("bucket", "p/parts", etag=etag, object_type="Multipart")
        monkeypatch.setenv("OSS_ENDPOINT", oss.endpoint)
        assert bulkmeta("probe", TARGET, "--yes").code == 0
        plan = bulkmeta("plan", TARGET, *META, "--json")
        oss.log.clear()
        assert bulkmeta("apply", TARGET, *META, "--yes").code == 0
        names = [name for name, _ in oss.log.operations()]
        assert names.count("GetObjectAcl") == 1
        assert json.loads(plan.out)["estimate"]["requests"] == asked(oss)


def test_an_undo_beforehand(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """`undo --dry-run` tells what the undo takes."""
    order = (TARGET, *META, "--yes", "--rate", "max", "--run-file", "run.jsonl")
    assert bulkmeta("apply", *order).code == 0
    oss.clock.offset_s += 5
    plan = bulkmeta("undo", "run.jsonl", "--dry-run", "--json")
    oss.log.clear()
    assert bulkmeta("undo", "run.jsonl", "--yes").code == 0
    assert json.loads(plan.out)["estimate"]["requests"] == asked(oss)


def test_costs(bulkmeta: Command) -> None:
    """By prices that are given, in options or in a job file."""
    order = ("plan", TARGET, *META, "--rate", "10")
    bare = json.loads(bulkmeta(*order, "--json").out)["estimate"]
    # 12 heads and 8 ACLs; a page and 8 copies
    assert bare == {"requests": {"GET": 20, "PUT": 9}, "cost": None, "seconds": 2.9}

    prices = ("--price-put", "100", "--price-get", "10")
    priced = json.loads(bulkmeta(*order, *prices, "--json").out)["estimate"]
    assert priced == {**bare, "cost": 0.11}
    told = bulkmeta(*order, *prices).out
    assert "about 20 GET and 9 PUT requests (1 of them lists), for 8 updates\n" in told
    assert "cost: 0.110 at these prices\n" in told

    Path("job.toml").write_text(
        f'[source]\ntarget = "{TARGET}"\n[change]\nset = {{ a = "1" }}\n'
        "[pace]\nrate = 'max'\n[report]\nprice-put = 100\njson = true\n"
    )
    half = json.loads(bulkmeta("plan", "job.toml").out)["estimate"]
    assert half == {**bare, "cost": 0.09, "seconds": None}


@pytest.mark.parametrize("price", ["-1", "nan", "inf", "-inf", "free", ""])
@pytest.mark.parametrize("option", ["--price-put", "--price-get"])
def test_what_is_no_price(
    oss: EmbeddedOSS, bulkmeta: Command, option: str, price: str
) -> None:
    """One line, and nothing is asked."""
    result = bulkmeta("plan", TARGET, *META, option, price)
    assert (result.code, result.out, oss.log.requests()) == (2, "", [])
    assert result.err.count("\n") == 1
    assert f"{option!r}: {price!r} is no price; give what 10,000 requests" in result.err


def test_a_job_file_with_no_price(bulkmeta: Command) -> None:
    """Its line is named."""
    start = f'[source]\ntarget = "{TARGET}"\n[change]\nset = {{ a = "1" }}\n[report]\n'
    for line, words in (
        ("price-put = nan", "job.toml, line 6: "),
        ("price-put = '1'", "line 6: price-put: expected a number, got text"),
        ("price = 1", "line 6: no key 'price' in [report]"),
    ):
        Path("job.toml").write_text(f"{start}{line}\n")
        result = bulkmeta("plan", "job.toml")
        assert (result.code, result.err.count("\n")) == (2, 1)
        assert words in result.err


def test_warnings_of_a_plan(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """As words to people, each once; as codes to programs; with the plan's numbers."""
    oss.store.configure_bucket("bucket", versioning="Enabled")
    change = ("--header", "cache-control=no-cache", "--tag", "t=1")
    order = ("plan", TARGET, *change, "--allow-early-rewrite")
    plan = bulkmeta(*order, "--json")
    found = {each["code"]: each["message"] for each in json.loads(plan.out)["warnings"]}
    assert "warning" not in plan.err
    assert list(found) == [
        "new_versions",
        "last_modified",
        "fan_out",
        "minimum_duration",
        "cached_headers",
        "tags",
    ]
    assert "each of 13 updates adds one" in found["new_versions"]
    assert "of 1 object of class IA or colder" in found["minimum_duration"]

    told = bulkmeta(*order)
    assert [told.err.count(f"warning   {text}\n") for text in found.values()] == [1] * 6
    assert "warning" not in told.out
    assert told.err.count("warning") == 6


def test_no_warnings(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Where nothing is rewritten, or nothing at all is left to do."""
    oss.store.configure_bucket("bucket", versioning="Enabled")
    for change in (("--acl", "private"), ("--content-type", SAME)):
        plan = json.loads(bulkmeta("plan", TARGET, *change, "--json").out)
        assert plan["warnings"] == []
        assert "warning" not in bulkmeta("plan", TARGET, *change).err


class Terminal(io.StringIO):
    """A terminal at which somebody says no."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("command", ["apply", "retry", "undo", "plan file"])
def test_the_question(
    oss: EmbeddedOSS, bulkmeta: Command, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """What it takes and what comes with it is told before anything is agreed to."""
    run = ("--yes", "--rate", "max", "--run-file", "run.jsonl")
    order: tuple[str, ...] = ("apply", TARGET, *META, "--price-put", "1")
    if command == "plan file":
        assert bulkmeta("plan", TARGET, *META, "--out", "plan.jsonl").code == 0
        order = ("apply", "plan.jsonl", "--price-put", "1")
    elif command != "apply":
        fails = command == "retry"
        if fails:
            oss.faults.add(Fault("error", "CopyObject", status=403, code="OddRefusal"))
        assert bulkmeta("apply", TARGET, *META, *run).code == fails
        oss.faults.clear()
        order = (command, "run.jsonl")
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    asked = bulkmeta(*order)
    assert asked.code == 130
    assert "billed    2 GET and 1 PUT per object (head, acl, update), 1" in asked.err
    assert ("cost      " in asked.err) == (command in {"apply", "plan file"})
    assert asked.err.count("warning   each update renews Last-Modified") == 1
    assert asked.err.index("warning") < asked.err.index("Change these objects?")
