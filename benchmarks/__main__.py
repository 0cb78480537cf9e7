"""bulkmeta and other clients do the same job against the same server, in turns.

    python -m benchmarks                    # all scenarios, five rounds: half an hour
    python -m benchmarks --instructions     # counted, not timed: a quarter of an hour

It needs nginx (and says what to install if that is missing) and, for the other clients,
an environment of their own, which `make bench` makes:

    python3 -m venv .venv-peers && .venv-peers/bin/pip install -r benchmarks/peers.txt
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from platform import python_version
from typing import Final

from benchmarks.chart import chart
from benchmarks.clients.task import KEY_ID, REGION, SECRET, Task
from benchmarks.contestants import BULKMETA, Contestant, contestants
from benchmarks.pages import bucket_of
from benchmarks.runs import FailedRunError, Run, count_instructions, measure
from benchmarks.server import INSTALL, Server, is_installed, serve
from benchmarks.table import Figures, figures, table

TITLES: Final = {
    "http": "No delay, http",
    "https": "No delay, https",
    "20ms": "20 ms for every answer, http",
}
COUNTED: Final = (500, 1500)
"""Instructions per object are the difference between runs of so many objects."""


def main() -> None:
    """Measure as the options say; the table goes to stdout."""
    options = _parser().parse_args()
    options.scenario = options.scenario or list(TITLES)
    if not is_installed():
        sys.exit(f"nginx with its echo module is not installed: {INSTALL}")
    if options.instructions and not shutil.which("valgrind"):
        sys.exit("valgrind is not installed: apt-get install valgrind")
    everyone = contestants(options.peers, options.external)
    if not options.peers.exists():
        print(f"no {options.peers}, so bulkmeta alone; see --help", file=sys.stderr)
    if options.only:
        everyone = [c for c in everyone if any(word in c.name for word in options.only)]
    sizes = set(COUNTED)
    if not options.instructions:
        sizes = {_objects(each, options.objects) for each in everyone}
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder), sizes) as server:
        if options.instructions:
            _count_all(everyone, options.scenario, server)
        else:
            _measure_all(everyone, options, server)


def _measure_all(
    everyone: Sequence[Contestant], options: argparse.Namespace, server: Server
) -> None:
    results = {}
    print(f"Python {python_version()}, medians of {options.rounds} runs in turns")
    for scenario in options.scenario:
        results[TITLES[scenario]] = rows = _rounds(everyone, scenario, options, server)
        print(f"\n{TITLES[scenario]}\n{table(rows)}", flush=True)
    if options.chart:
        options.chart.write_text(chart(results))


def _rounds(
    everyone: Sequence[Contestant],
    scenario: str,
    options: argparse.Namespace,
    server: Server,
) -> list[Figures]:
    runs: dict[str, list[Run]] = defaultdict(list)
    for number in range(options.rounds):
        for one in everyone:
            if scenario in one.scenarios:
                objects = _objects(one, options.objects)
                run = _run(one, scenario, objects, server)
                runs[one.name].append(run)
                _tell(f"{scenario} {number + 1}/{options.rounds} {one.name}")
    yardstick = BULKMETA.name if BULKMETA.name in runs else next(iter(runs))
    return figures(runs, yardstick)


def _run(one: Contestant, scenario: str, objects: int, server: Server) -> Run:
    with tempfile.TemporaryDirectory() as folder:
        task = _task(one, scenario, objects, server, folder)
        try:
            return measure(one.words(task), objects, _environment(task, server), server)
        except FailedRunError as error:
            sys.exit(f"{one.name}, {scenario}: {error}")


def _count_all(
    everyone: Sequence[Contestant], scenarios: Sequence[str], server: Server
) -> None:
    for scenario in scenarios:
        print(f"\n{TITLES[scenario]}: 1,000 user instructions per object, and ratio")
        counted = {
            one.name: _instructions(one, scenario, server)
            for one in everyone
            if scenario in one.scenarios
        }
        own = counted.get(BULKMETA.name) or next(iter(counted.values()))
        for name, count in counted.items():
            print(f"{name[:25]:26}{count / 1000:10,.0f}{count / own:8.2f}", flush=True)


def _instructions(one: Contestant, scenario: str, server: Server) -> float:
    counts = []
    for objects in COUNTED:
        with tempfile.TemporaryDirectory() as folder:
            task = _task(one, scenario, objects, server, folder)
            try:
                words = one.words(task)
                counts.append(count_instructions(words, _environment(task, server)))
            except FailedRunError as error:
                sys.exit(f"{one.name}, {scenario}: {error}")
        _tell(f"{scenario} {one.name}")
    return (counts[1] - counts[0]) / (COUNTED[1] - COUNTED[0])


def _objects(one: Contestant, objects: int) -> int:
    return max(1000, int(objects * one.share))


def _task(
    one: Contestant, scenario: str, objects: int, server: Server, folder: str
) -> Task:
    out = str(Path(folder) / "out.jsonl")
    return Task(server.endpoints[scenario], bucket_of(objects), out, one.workers)


def _environment(task: Task, server: Server) -> dict[str, str]:
    known = {name: value for name, value in os.environ.items() if "OSS" not in name}
    trust = str(server.certificate)
    return known | {
        "OSS_ENDPOINT": task.endpoint,
        "OSS_REGION": REGION,
        "OSS_ACCESS_KEY_ID": KEY_ID,
        "OSS_ACCESS_KEY_SECRET": SECRET,
        "PYTHONPATH": str(Path(__file__).parent.parent),
        "SSL_CERT_FILE": trust,
        "REQUESTS_CA_BUNDLE": trust,
    }


def _tell(words: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{words:60}", end="", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--objects", type=int, default=20_000, metavar="N")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument(
        "--scenario", action="append", choices=[*TITLES], help="default: all of them"
    )
    parser.add_argument(
        "--only", action="append", metavar="TEXT", help="clients whose name holds TEXT"
    )
    parser.add_argument(
        "--external",
        action="append",
        default=[],
        metavar="CMD",
        help="another tool's command, with {endpoint}, {bucket}, {out} and {workers}",
    )
    parser.add_argument(
        "--peers", type=Path, default=Path(".venv-peers/bin/python"), metavar="PYTHON"
    )
    parser.add_argument(
        "--instructions", action="store_true", help="count them, by valgrind"
    )
    parser.add_argument("--chart", type=Path, metavar="SVG", help="write a chart")
    return parser


if __name__ == "__main__":
    main()
