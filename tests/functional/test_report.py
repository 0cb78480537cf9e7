"""`report`: a run file summed up, on the terminal and as a page."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bulkmeta.emulator.faults import Fault
from bulkmeta.journal.run_reader import read_run

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS

Command = Callable[..., Any]
EVIL = "<script>alert(1)</script>"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture
def ran(oss: EmbeddedOSS, bulkmeta: Command) -> str:
    """A run with all kinds of ends."""
    for number in range(30):
        oss.store.put_object("bucket", f"p/{number:02}", body=b"", meta={"old": "x"})
    oss.store.put_object("bucket", f"p/{EVIL}", body=b"", meta={"old": EVIL})
    oss.store.put_object("bucket", "p/cold", body=b"", storage_class="IA")
    refusal = Fault("error", status=403, code="AccessDenied", key="p/0*")
    oss.faults.add(refusal)
    order = (
        "--set",
        "new={key}",
        "--unset",
        "old",
        "--header",
        "cache-control=no-cache",
    )
    bulkmeta(
        "apply", "oss://bucket/p/", *order, "--yes", "--run-file", "run.jsonl",
        "--rate", "max",
    )  # fmt: skip
    oss.faults.clear()
    return "run.jsonl"


def test_on_the_terminal(bulkmeta: Command, ran: str) -> None:
    """Outcomes, what changed by name and value, and errors with examples."""
    result = bulkmeta("report", ran)
    assert (result.code, result.err) == (0, "")
    text = result.out
    assert "apply     oss://bucket/p/" in text
    assert "objects   32: 21 updated, 1 skipped, 10 failed" in text
    assert re.search(r"21 {2}\+ header cache-control: \"no-cache\"\n", text)
    assert re.search(r'21 {2}- meta old: "x" \(20\), "<script>', text)
    assert re.search(r"21 {2}\+ meta new: .* and more than 17 other values\n", text)
    assert re.search(r"10 {2}failed: access_denied .*\n +p/0\d: .*\[request ", text)
    assert re.search(r"1 {2}skipped: early_rewrite ", text)


def test_one_more_value(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Is one."""
    oss.store.put_objects("bucket", ({"key": f"four/{n}"} for n in range(4)))
    told = bulkmeta("plan", "oss://bucket/four/", "--set", "new={key}").out
    assert '" (1), and 1 other value\n' in told


def test_for_programs(bulkmeta: Command, ran: str) -> None:
    """The names of `--json` at a run's end, and what only a file can tell."""
    result = bulkmeta("report", ran, "--json")
    assert (result.code, result.err) == (0, "")
    told = json.loads(result.out)
    summary = json.loads(Path(ran).read_text().splitlines()[-1])
    same = ("objects", "reasons", "requests", "elapsed_s", "finished")
    assert {name: told[name] for name in same} == {x: summary[x] for x in same}
    assert told["counts"] == {
        "updated": 21, "unchanged": 0, "planned": 0, "skipped": 1, "failed": 10
    }  # fmt: skip
    named = (told["command"], told["target"], told["run_file"])
    assert named == ("apply", "oss://bucket/p/", ran)
    assert (told["state"], told["interrupted"], told["resumed"]) == (
        "complete",
        False,
        0,
    )


def test_an_interrupted_run_for_programs(bulkmeta: Command, ran: str) -> None:
    """As far as it is; what it took is not known. With a page, both are made."""
    lines = Path(ran).read_text().splitlines(keepends=True)
    Path("cut.jsonl").write_text("".join(lines[:5]))
    result = bulkmeta("report", "cut.jsonl", "--json", "--html", "cut.html")
    told = json.loads(result.out)
    assert (told["state"], told["interrupted"], told["objects"]) == (
        "interrupted",
        True,
        4,
    )
    assert (told["requests"], told["elapsed_s"], told["finished"]) == (None, None, None)
    assert Path("cut.html").stat().st_size > 1000


def test_a_run_that_ends_while_it_is_read(
    bulkmeta: Command, ran: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was under way when it was read, and is not told to be interrupted."""
    lines = Path(ran).read_text().splitlines(keepends=True)
    Path("cut.jsonl").write_text("".join(lines[:5]))
    with Path("cut.jsonl").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)

        def ended(path: Path) -> Iterator[Any]:
            yield from read_run(path)
            fcntl.flock(file, fcntl.LOCK_UN)

        monkeypatch.setattr("bulkmeta.cli.reporting.read_run", ended)
        told = json.loads(bulkmeta("report", "cut.jsonl", "--json").out)
    assert (told["state"], told["interrupted"]) == ("running", False)


def test_what_may_be_reported(bulkmeta: Command, ran: str) -> None:
    """Plans, compressed and interrupted runs; nothing else."""
    order = ("--set", "z=1", "--out", "plan.jsonl.gz")
    assert bulkmeta("plan", "oss://bucket/p/1", *order).code == 0
    plan = bulkmeta("report", "plan.jsonl.gz")
    assert (plan.code, "10 planned" in plan.out) == (0, True), plan.err

    lines = Path(ran).read_text().splitlines(keepends=True)
    Path("cut.jsonl").write_text("".join(lines[:5]) + lines[5][:40])
    cut = bulkmeta("report", "cut.jsonl")
    ended = "ended     interrupted, or stopped before its end\n"
    assert (cut.code, ended in cut.out) == (0, True)
    assert bulkmeta("report", "cut.jsonl", "--html", "cut.html").code == 0
    assert "<dd>interrupted, or stopped before" in Path("cut.html").read_text()
    with Path("cut.jsonl").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        under_way = bulkmeta("report", "cut.jsonl")
    assert "ended     not yet: another process is at it\n" in under_way.out
    assert "objects   4: " in cut.out

    Path("none.jsonl").write_text("nonsense")
    assert bulkmeta("report", "none.jsonl").code == 2
    assert bulkmeta("report", "missing.jsonl").code == 2
    assert bulkmeta("report", os.devnull).code == 2


def test_the_page(bulkmeta: Command, ran: str) -> None:
    """One file with everything in it, and nothing that could run or be fetched."""
    result = bulkmeta("report", ran, "--html", "run.html")
    assert (result.code, result.out) == (0, "")
    text = Path("run.html").read_text()
    assert "AccessDenied (403)" in text
    assert re.search(r"request [0-9A-F]{24}", text)
    assert EVIL not in text
    assert text.count("<script>") == 1
    assert not re.search(r"""(src|href)=|url\(|https?://""", text)
    assert "default-src 'none'" in text
    assert len(text) < 100_000

    again = bulkmeta("report", ran, "--html", "run.html")
    assert (again.code, "exists; name another file" in again.err) == (2, True)
    nowhere = bulkmeta("report", ran, "--html", "none/run.html")
    assert nowhere.code == 2


def spread_in_time(run: str, path: str, without: str = "") -> None:
    """The same run, an object a second, whatever time it took."""
    lines = [json.loads(line) for line in Path(run).read_text().splitlines()]
    for number, line in enumerate(lines):
        line.pop(without, None)
        if line["type"] == "object":
            line["at"] = f"2026-11-22T00:00:{number:02}.000Z"
    Path(path).write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def test_the_pace_over_time(
    oss: EmbeddedOSS, bulkmeta: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run file tells it, and the page draws it: two more charts, and a sum."""
    monkeypatch.setattr("bulkmeta.report.run_file.PACE_S", 1e-9)
    oss.clock.offset_s = -60.0
    oss.store.put_objects("bucket", ({"key": f"p/{n:02}"} for n in range(30)))
    oss.clock.offset_s = 0.0
    oss.faults.add(Fault("error", "HeadObject", every=3, times=8, code="SlowDown"))
    order = ("apply", "oss://bucket/p/", "--set", "a=1", "--yes", "--rate", "max")
    assert bulkmeta(*order, "--run-file", "run.jsonl").code == 0

    lines = map(json.loads, Path("run.jsonl").read_text().splitlines())
    paces = [line["pace"] for line in lines if line["type"] == "object"]
    last = paces[-1]
    assert (len(paces), last["throttled"]) == (30, 8)
    assert last["rate"] > 0
    assert all(pace["in_flight"] <= 64 for pace in paces)

    spread_in_time("run.jsonl", "spread.jsonl")
    assert bulkmeta("report", "spread.jsonl", "--html", "run.html").code == 0
    text = Path("run.html").read_text()
    assert "<dd>8 answers</dd>" in text
    titles = re.findall("<h2>(.*?)</h2>\n<svg", text)
    assert titles == [
        "Objects per second",
        "Time per object, ms",
        "Requests under way",
        "Throttled answers per second",
    ]


def test_no_pace_where_none_is_told(bulkmeta: Command, ran: str) -> None:
    """Run files of former versions, and short runs: two charts, and no sum."""
    spread_in_time(ran, "old.jsonl", without="pace")
    assert bulkmeta("report", "old.jsonl", "--html", "old.html").code == 0
    text = Path("old.html").read_text()
    assert (text.count("<svg"), "throttled" in text.lower()) == (2, False)


def test_the_page_of_a_large_run(bulkmeta: Command, ran: str) -> None:
    """Its size does not grow with the number of objects."""
    lines = Path(ran).read_text().splitlines(keepends=True)
    line = json.loads(next(each for each in lines if '"updated"' in each))
    with Path("large.jsonl").open("w") as file:
        file.write(lines[0])
        for seq in range(30_000):
            line.update(seq=seq, key=f"photos/2026/{seq:09}/" + "k" * 150)
            line["after"]["meta"] = {f"name{seq % 900}": f"{seq}" * 20}
            file.write(json.dumps(line) + "\n")
        file.write(lines[-1])
    assert bulkmeta("report", "large.jsonl", "--html", "large.html").code == 0
    assert Path("large.html").stat().st_size < 3_000_000


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
@pytest.mark.parametrize("width", [1000, 360])
def test_in_a_browser(bulkmeta: Command, ran: str, width: int) -> None:
    """Drawn without a complaint, no wider than the window, and it can be searched."""
    assert bulkmeta("report", ran, "--html", "run.html").code == 0
    page = Path("run.html").read_text()
    probe = """<script>
      text.value = "p/1"; text.dispatchEvent(new Event("input"));
      document.title = [rows.filter(row => !row.hidden).length,
        document.documentElement.scrollWidth <= innerWidth].join(" ");
    </script>"""
    Path("probe.html").write_text(page.replace("</body>", f"{probe}</body>"))
    shown = subprocess.run(  # noqa: S603 the browser that was found
        [
            str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu",
            "--dump-dom", f"--window-size={width},900",
            f"--user-data-dir={Path.cwd() / 'profile'}",
            Path("probe.html").absolute().as_uri(),
        ],
        capture_output=True, text=True, timeout=50, check=True,
    ).stdout  # fmt: skip
    title = re.search("<title>(.*?)</title>", shown)
    assert title
    assert title[1] == "10 true"
