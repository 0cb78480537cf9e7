"""What each stage of an object's way costs, as a multiple of a fixed piece of work.

    python -m benchmarks.stages              # a table
    python -m benchmarks.stages --check      # exit code 1 if a stage has become dearer

Seconds differ from machine to machine and from hour to hour; the yardstick is measured
in turns with the stages, so that ratios hardly do.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import msgspec
import oss2
from multidict import CIMultiDict

from benchmarks.clients.task import KEY_ID, REGION, SECRET
from benchmarks.pages import PAGE_KEYS, key_of, write_pages
from bulkmeta.journal.records import JournalHeader, intent_of
from bulkmeta.journal.writer import open_journal
from bulkmeta.model.changes import make_change
from bulkmeta.model.job import JobSpec, Target
from bulkmeta.model.outcome import Outcome
from bulkmeta.model.plan import UpdatePlan, plan_update
from bulkmeta.model.run_file import RunHeader
from bulkmeta.oss.page import parse_page
from bulkmeta.oss.signing import SignerV4
from bulkmeta.oss.transport import Response
from bulkmeta.oss.wire import read_head, replace_headers
from bulkmeta.report.run_file import create_run_file

if TYPE_CHECKING:
    from bulkmeta.model.metadata import ObjectHead

OBJECTS: Final = 2000
"""How many objects go through a stage in one turn."""

TURNS: Final = 11
TOLERANCE: Final = 1.3
"""How many times its recorded ratio a stage may take; noise is about a tenth."""

RECORDED: Final = Path(__file__).with_name("stages.json")
NOW: Final = datetime(2026, 11, 22, 10, tzinfo=UTC)
CHANGE: Final = make_change(set_meta=[("project", "x")])
HEAD: Final = Response(
    200,
    CIMultiDict(
        {
            "Server": "AliyunOSS",
            "Date": "Sun, 22 Nov 2026 10:00:00 GMT",
            "Content-Type": "image/jpeg",
            "Content-Length": "344606",
            "Connection": "keep-alive",
            "x-oss-request-id": "6742A1B3C4D5E6F708192A3B",
            "Accept-Ranges": "bytes",
            "ETag": '"5D41402ABC4B2A76B9719D911017C592"',
            "Last-Modified": "Thu, 01 Oct 2026 08:00:00 GMT",
            "x-oss-object-type": "Normal",
            "x-oss-hash-crc64ecma": "9981764719253374193",
            "x-oss-storage-class": "Standard",
            "Cache-Control": "max-age=3600",
            "x-oss-meta-owner": "team-a",
            "x-oss-meta-source": "ingest-2024",
            "x-oss-server-time": "2",
        }
    ),
    b"",
    timedelta(),
)
Stage = Callable[[], object]


class Signable(msgspec.Struct):
    """A request to be signed."""

    method: str
    region: str
    uri: str
    headers: dict[str, str]
    params: dict[str, str] = {}


def yardstick() -> None:
    """What Python programs do most: dictionaries, texts, JSON. It must not change."""
    for number in range(OBJECTS):
        record = {f"name-{n}": f"value {number}" for n in range(8)}
        text = json.dumps(record, sort_keys=True)
        assert json.loads(text)["name-3"].split()[1] == str(number)  # noqa: S101


def sign_stage(plan: UpdatePlan) -> Stage:
    """A HEAD and a PUT are signed."""
    signer = SignerV4(oss2.StaticCredentialsProvider(KEY_ID, SECRET))

    def stage() -> None:
        for number in range(OBJECTS):
            uri = f"/bench/{number}"
            head = Signable("HEAD", REGION, uri, {})
            signer.sign(head, "bench", str(number), NOW)
            put = Signable("PUT", REGION, uri, replace_headers("bench", plan))
            signer.sign(put, "bench", str(number), NOW)

    return stage


def page_stage(folder: Path) -> Stage:
    """Pages of a listing are parsed."""
    write_pages(folder, PAGE_KEYS)
    page = (folder / f"b{PAGE_KEYS}" / "v2" / "start.xml").read_bytes()
    return lambda: [parse_page(page) for _ in range(OBJECTS // PAGE_KEYS)]


def plan_stage() -> None:
    """Heads are read, and updates planned."""
    for number in range(OBJECTS):
        plan_update(key_of(number), read_head(HEAD, NOW), CHANGE)


def journal_stage(folder: Path, plan: UpdatePlan) -> Stage:
    """Intents are made durable, 200 waiting at a time."""
    header = JournalHeader(job_hash="", run_started="")

    async def record() -> None:
        path = folder / "run.jsonl.journal"
        async with open_journal(path, header, outcomes=_NoOutcomes()) as journal:
            numbers = iter(range(OBJECTS))

            async def work() -> None:
                for number in numbers:
                    await journal.record_intent(intent_of(number, plan))

            await asyncio.gather(*(work() for _ in range(200)))
        path.unlink()

    return lambda: asyncio.run(record())


class _NoOutcomes:
    def write_out(self) -> None:
        """There are none."""

    def sync(self) -> None:
        """There are none."""


def record_stage(folder: Path, outcome: Outcome) -> Stage:
    """Outcomes become lines of a run file, ten at a time."""
    job = JobSpec(target=Target("bench", ""), change=CHANGE)
    header = RunHeader(
        version="0",
        command="apply",
        job=job,
        job_hash=job.hash(),
        bucket="bench",
        endpoint="",
        region=REGION,
        started="",
    )

    def stage() -> None:
        path = folder / "run.jsonl"
        with create_run_file(path, header) as run_file:
            for _ in range(OBJECTS // 10):
                for _ in range(10):
                    run_file.emit(outcome)
                run_file.flush()
        path.unlink()

    return stage


def stages(folder: Path) -> dict[str, Stage]:
    """Every stage by its name."""
    head: ObjectHead = read_head(HEAD, NOW)
    plan = plan_update(key_of(1), head, CHANGE)
    outcome = Outcome(
        seq=1,
        key=plan.key,
        status="updated",
        before=plan.before,
        after=plan.after,
        etag=plan.etag,
    )
    return {
        "sign": sign_stage(plan),
        "parse page": page_stage(folder),
        "plan": plan_stage,
        "journal": journal_stage(folder, plan),
        "record": record_stage(folder, outcome),
    }


def measure(turns: int) -> tuple[dict[str, float], float]:
    """Each stage's CPU time as a share of the yardstick's (medians over turns), and
    what the yardstick takes in seconds per object."""
    ratios: dict[str, list[float]] = {}
    lengths: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(turns):
            for name, stage in stages(Path(folder)).items():
                lengths.append(_cpu_s(yardstick))
                ratios.setdefault(name, []).append(_cpu_s(stage) / lengths[-1])
    medians = {name: round(median(each), 3) for name, each in ratios.items()}
    return medians, median(lengths) / OBJECTS


def _cpu_s(stage: Callable[[], Any]) -> float:
    before_s = time.process_time()
    stage()
    return time.process_time() - before_s


def main() -> None:
    """Print a table, or record or check its ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stages")
    parser.add_argument("--turns", type=int, default=TURNS, metavar="N")
    parser.add_argument("--check", action="store_true", help="fail if one has grown")
    parser.add_argument("--record", action="store_true", help="take as the new measure")
    options = parser.parse_args()
    ratios, yardstick_s = measure(options.turns)
    recorded = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    print(f"the yardstick takes {yardstick_s * 1e6:.1f} us per object")
    for name, ratio in ratios.items():
        us, known = ratio * yardstick_s * 1e6, recorded.get(name, "-")
        print(f"{name:12}{us:8.2f} us per object{ratio:8.3f}   recorded {known}")
    if options.record:
        RECORDED.write_text(json.dumps(ratios, indent=2) + "\n")
    grown = [n for n in ratios if ratios[n] > TOLERANCE * recorded.get(n, ratios[n])]
    if options.check and grown:
        sys.exit(f"dearer than recorded: {', '.join(grown)}")


if __name__ == "__main__":
    main()
