"""`--processes`: the objects of one run are handed to several processes, and nothing of
what it promises changes. `--objects N`: of so large a run.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from bulkmeta.emulator.faults import Fault
from tests.functional.processes.conftest import APPLY, COUNT, Read, put, state

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS
    from tests.conftest import Command

TWO = ("--processes", "2", "--rate", "max", "--progress", "none")


def sent(oss: EmbeddedOSS) -> Counter[str]:
    """How many requests of each kind there were, without those of a look around."""
    kinds = Counter(name for name, _ in oss.log.operations())
    return Counter({k: n for k, n in kinds.items() if not k.startswith("GetBucket")})


def test_as_in_one_process(
    oss: EmbeddedOSS, bulkmeta: Command, read_run: Read, run_objects: int
) -> None:
    """The same states, lines and requests."""
    ends = []
    for processes in ("1", "2"):
        put(oss, run_objects)
        oss.log.clear()
        name = f"{processes}.jsonl"
        more = ("--run-file", name, "--rate", "max", "--processes", processes)
        assert bulkmeta(*APPLY, *more).code == 0
        run = read_run(name)
        assert run.summary
        assert run.summary["requests"] == sent(oss)
        lines = {
            key: (line["status"], line["before"], line["after"], line["etag"])
            for key, line in run.by_key().items()
        }
        seqs = sorted(line["seq"] for line in run.objects)
        assert seqs == list(range(1, run_objects + 1))
        assert not Path(f"{name}.journal").exists()
        ends.append((state(oss), lines, sent(oss), run.summary["counts"]))
    assert ends[0] == ends[1]
    assert ends[1][2]["CopyObject"] == run_objects


def test_every_command(oss: EmbeddedOSS, bulkmeta: Command, read_run: Read) -> None:
    """A plan, what it says, verification, what failed again, and back."""
    put(oss)
    before = state(oss)
    plan = ("plan", *APPLY[1:2], *APPLY[3:], "--out", "plan.jsonl", *TWO)
    assert bulkmeta(*plan).code == 0
    assert state(oss) == before
    oss.faults.add(Fault("error", operation="HeadObject", key="p/0007", status=403))
    done = bulkmeta("apply", "plan.jsonl", "--yes", "--run-file", "run.jsonl", *TWO)
    assert done.code == 1
    assert read_run("run.jsonl").by_key()["p/0007"]["status"] == "failed"
    oss.faults.clear()
    again = ("apply", "plan.jsonl", "--yes", "--run-file", "again.jsonl", *TWO)
    assert bulkmeta(*again).code == 0
    counts = read_run("again.jsonl").summary
    assert counts
    assert counts["counts"]["updated"] == 1
    assert bulkmeta("verify", "run.jsonl", *TWO).code == 0
    for name in ("again", "run"):
        undo = ("undo", f"{name}.jsonl", "--yes", "--run-file", f"un{name}.jsonl", *TWO)
        assert bulkmeta(*undo).code == 0
    assert state(oss) == before
    found = bulkmeta("verify", "run.jsonl", *TWO)
    assert (found.code, f"{COUNT - 1} failed" in found.out) == (1, True)


def test_values_functions_and_conditions(
    oss: EmbeddedOSS, bulkmeta: Command, tmp_path: Path, read_run: Read
) -> None:
    """Rows of a file, a program's function and conditions are where the objects are."""
    put(oss, 40)
    rows = "".join(f"p/{n:04},team {n}\n" for n in range(0, 40, 2))
    (tmp_path / "rows.csv").write_text("key,meta.team\n" + rows)
    (tmp_path / "mine.py").write_text(
        "import bulkmeta\n"
        "def change(seen):\n"
        "    print('a word too many')\n"
        "    return bulkmeta.Change(set_meta={'by': seen.meta['owner'][::-1]})\n"
    )
    order = ("apply", "oss://bucket/p/", "--yes", *TWO, "--run-file")
    assert bulkmeta(*order, "v.jsonl", "--values", "rows.csv").code == 0
    named = read_run("v.jsonl").by_key()
    assert named["p/0008"]["after"]["meta"]["team"] == "team 8"
    assert named["p/0009"]["reason"] == "no_row"
    done = bulkmeta(*order, "t.jsonl", "--transform", "mine:change")
    assert (done.code, "word" in done.out) == (0, False)
    assert state(oss)["p/0003"][0]["by"] == "3 影摄"
    where = ("--where", "meta.n == '5' || has(tags.none)", "--unset", "n")
    assert bulkmeta(*order, "w.jsonl", *where).code == 0
    counts = Counter(line["status"] for line in read_run("w.jsonl").objects)
    assert counts == {"updated": 1, "skipped": 39}


def test_one_budget_of_requests(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """All together keep to the rate, which each for itself would pass threefold. That
    it is kept to in any second is held in virtual time (`test_sharing`); here requests
    arrive in bunches when the machine is busy."""
    put(oss, 500)
    done = bulkmeta(*APPLY, "--processes", "3", "--rate", "300", "--concurrency", "20")
    assert done.code == 0
    times = sorted(logged.at for logged in oss.log.requests())
    most = max(
        sum(start <= at_s < start + 1.0 for at_s in times) for start in times[::10]
    )
    assert most <= 300 * 1.5
    assert len(times) / (times[-1] - times[0]) <= 300 * 1.05


def test_throttling_is_no_failure(bulkmeta: Command, oss: EmbeddedOSS) -> None:
    """What the service refuses one process, all wait for: no object fails, and few
    requests are refused."""
    put(oss)
    oss.limits.configure(account_qps=200.0)
    done = bulkmeta(*APPLY, *TWO, "--json")
    found = json.loads(done.out)
    assert (done.code, found["counts"]["updated"]) == (0, COUNT)
    answers = Counter(logged.status for logged in oss.log.requests())
    assert answers[503] < 0.35 * answers.total()


def test_what_ends_a_run(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Credentials that are refused end it for all processes, in one line; so do too
    many failures, and the time."""
    put(oss)
    oss.faults.add(
        Fault("error", operation="HeadObject", status=403, code="InvalidAccessKeyId")
    )
    done = bulkmeta(*APPLY, *TWO, "--run-file", "1.jsonl")
    assert done.code == 4
    assert "check the access key" in done.err.splitlines()[-1]
    oss.faults.clear()
    oss.faults.add(Fault("error", operation="HeadObject", status=403, probability=0.5))
    limit = ("--max-failures", "10", "--run-file", "2.jsonl")
    assert bulkmeta(*APPLY, *TWO, *limit).code == 3
    oss.faults.clear()
    limit = ("--max-duration", "2s", "--run-file", "3.jsonl")
    assert bulkmeta(*APPLY, *TWO[:2], "--rate", "20", *limit).code == 6
    assert bulkmeta("resume", "3.jsonl", *TWO).code == 0


def test_what_processes_do_is_told(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """--debug tells of the requests of all processes, without a secret."""
    put(oss, 5)
    done = bulkmeta(*APPLY, *TWO, "--debug")
    assert (done.code, done.err.count("CopyObject")) == (0, 5)
    assert "embedded-key-secret" not in done.err


def test_how_many_are_under_way(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """The driver's number: what it handed out and has no end of yet."""
    put(oss)
    more = ("--processes", "2", "--concurrency", "4", "--rate", "60")
    order = (*APPLY, *more, "--max-duration", "1s", "--progress", "plain")
    result = bulkmeta(*order)
    words = "at most 8 objects under way come to their end; Ctrl-C ends at once"
    stopping = f"stopping: --max-duration is over; {words}"
    assert (result.code, stopping in result.err) == (6, True), result.err
