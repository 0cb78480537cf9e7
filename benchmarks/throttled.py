"""How a run behaves on a throttled service: finds the quota, follows it, shares it.

Three scenarios, in real time: the embedded OSS in a process of its own, with a quota;
`bulkmeta apply` in others; a foreground client (the official SDK) here. What was asked
and refused is counted by the service. Three processes on few cores disturb each other,
the more so on a busy machine: there, `nice -n -10` makes the foreground's times speak
of the pace.

    python benchmarks/throttled.py [--quota 300] [--phase 30] [--latency-ms 20]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.request import Request, urlopen

import oss2

SETTLED_S: Final = 10.0
"""How long after a change the pace may still be looking for the quota."""

FOREGROUND_RATE: Final = 25.0
"""Requests per second of the foreground client."""

BACK_OFF_S: Final = 0.05
OBJECTS: Final = 20_000
FOREGROUND: Final = "foreground"
REQUESTS_SECRET: Final = "embedded-key-secret"  # noqa: S105 of the embedded OSS


@dataclass(slots=True)
class Setting:
    """A served embedded OSS, and where its log of requests is."""

    environment: dict[str, str]
    folder: Path
    runs: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def endpoint(self) -> str:
        return self.environment["OSS_ENDPOINT"]

    def control(self, name: str, value: object) -> None:
        """Tell the embedded OSS to do something else from now on."""
        body = json.dumps(value).encode()
        request = Request(f"{self.endpoint}/-/{name}", body, method="POST")  # noqa: S310 our own
        with urlopen(request) as answer:  # noqa: S310 the same
            answer.read()

    def fill(self, bucket: str, count: int) -> None:
        """Make a bucket of small objects."""
        objects = [{"key": f"{n:06}", "meta": {"is": "old"}} for n in range(count)]
        self.control("objects", {"bucket": bucket, "create": {}, "objects": objects})

    def apply(self, bucket: str) -> None:
        """Start a run on all of a bucket, with no cap of its own."""
        words = (
            f"apply oss://{bucket}/ --all --set project=atlas --yes --rate max "
            f"--progress none --run-file {bucket}.jsonl"
        )
        code = "from bulkmeta.cli.main import main; main()"
        self.runs.append(
            subprocess.Popen(  # noqa: S603 our own command line
                [sys.executable, "-c", code, *words.split()],
                env={**os.environ, **self.environment},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )

    def stop(self) -> None:
        """Interrupt the runs, and wait for their end."""
        for run in self.runs:
            run.terminate()
        for run in self.runs:
            run.wait()

    def requests(self) -> list[tuple[float, str, bool]]:
        """When each request came, for which bucket, and whether it was admitted."""
        with (self.folder / "requests.jsonl").open() as lines:
            found = (json.loads(line) for line in lines)
            return [
                (one["at"], one["bucket"], one["status"] not in {429, 503})
                for one in found
            ]

    def failed(self) -> int:
        """Objects that failed, for whatever reason."""
        return sum(
            json.loads(line).get("status") == "failed"
            for path in self.folder.glob("run-*.jsonl")
            for line in path.read_text().splitlines()
        )


@contextmanager
def served(latency_ms: float) -> Iterator[Setting]:
    """An embedded OSS with a foreground bucket and two to run on."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        process = subprocess.Popen(  # noqa: S603 our own command line
            [
                sys.executable, "-m", "bulkmeta.emulator", "--port", "0",
                "--until-eof", "--log-file", str(folder / "requests.jsonl"),
                "--latency", str(latency_ms / 1000),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        with process:
            assert process.stdout  # noqa: S101 it is a pipe
            lines = iter(process.stdout.readline, "")
            environment = {}
            for line in lines:
                word, _, value = line.removeprefix("export ").strip().partition("=")
                environment[word] = value.strip("'")
                if word == "OSS_BUCKET":
                    break
            setting = Setting(environment, folder)
            for bucket in ("run-1", "run-2"):
                setting.fill(bucket, OBJECTS)
            setting.fill(FOREGROUND, 1)
            time.sleep(2.5)  # what was just written is not updated at once
            try:
                yield setting
            finally:
                setting.stop()
                assert process.stdin  # noqa: S101 it is a pipe
                process.stdin.close()


@dataclass(slots=True)
class Foreground:
    """What somebody else's production sees, in milliseconds."""

    answers_ms: list[float] = field(default_factory=list)
    with_retries_ms: list[float] = field(default_factory=list)
    refused: int = 0

    def __str__(self) -> str:
        p50, p99 = (quantile(self.answers_ms, part) for part in (0.5, 0.99))
        retried = quantile(self.with_retries_ms, 0.99)
        share = self.refused / (self.refused + len(self.answers_ms))
        return (
            f"p50 {p50:.1f} ms  p99 {p99:.1f} ms  (with retries {retried:.1f} ms)  "
            f"refused {share:.1%} of {len(self.answers_ms)}"
        )


def quantile(values: Sequence[float], part: float) -> float:
    return sorted(values)[int(len(values) * part)]


def be_foreground(setting: Setting, seconds: float) -> Foreground:
    """HEAD requests at random, until each is answered."""
    auth = oss2.AuthV4("embedded-key-id", REQUESTS_SECRET)
    bucket = oss2.Bucket(
        auth, setting.endpoint, FOREGROUND, region="cn-hangzhou", is_path_style=True
    )
    seen, until_s = Foreground(), time.monotonic() + seconds
    while time.monotonic() < until_s:
        time.sleep(random.expovariate(FOREGROUND_RATE))
        wanted_s = time.monotonic()
        while not _is_answered(bucket, seen):
            time.sleep(random.uniform(0.0, BACK_OFF_S))  # noqa: S311 no secret
        seen.with_retries_ms.append((time.monotonic() - wanted_s) * 1000)
    return seen


def _is_answered(bucket: oss2.Bucket, seen: Foreground) -> bool:
    sent_s = time.monotonic()
    try:
        bucket.head_object("000000")
    except oss2.exceptions.ServerError:
        seen.refused += 1
        return False
    seen.answers_ms.append((time.monotonic() - sent_s) * 1000)
    return True


def report(setting: Setting, start_s: float, end_s: float, quota: float) -> None:
    """One line: how much of the quota was used, refused, and by whom."""
    seen = [one for one in setting.requests() if start_s <= one[0] < end_s]
    ours = [one for one in seen if one[1] != FOREGROUND]
    admitted = Counter(bucket for _, bucket, is_admitted in seen if is_admitted)
    used = admitted.total() / (end_s - start_s) / quota
    refused = sum(not is_admitted for *_, is_admitted in ours) / max(1, len(ours))
    own = {name: n for name, n in admitted.items() if name != FOREGROUND}
    shares = " : ".join(f"{n / sum(own.values()):.0%}" for _, n in sorted(own.items()))
    print(f"  quota {quota:5.0f}/s  used {used:6.1%}  refused {refused:5.2%}  {shares}")


def follow(args: argparse.Namespace) -> None:
    """One run; the quota doubles and halves."""
    print(f"one run, {SETTLED_S:.0f} s after each change, then with the search:")
    with served(args.latency_ms) as setting:
        phases = []
        for quota in (args.quota, 2 * args.quota, args.quota):
            setting.control("limits", {"account_qps": quota})
            if not setting.runs:
                setting.apply("run-1")
            start_s = time.time()
            time.sleep(args.phase)
            phases.append((start_s, time.time(), quota))
        setting.stop()
        for settled_s in (SETTLED_S, 0.0):
            for start_s, end_s, quota in phases:
                report(setting, start_s + settled_s, end_s, quota)
        print(f"  objects that failed: {setting.failed()}")


def share(args: argparse.Namespace) -> None:
    """Two runs, the second one ten seconds later."""
    print("two runs, from 10 s after the start of the second one:")
    with served(args.latency_ms) as setting:
        setting.control("limits", {"account_qps": 2 * args.quota})
        setting.apply("run-1")
        time.sleep(10.0)
        setting.apply("run-2")
        time.sleep(SETTLED_S)
        start_s = time.time()
        time.sleep(args.phase)
        setting.stop()
        report(setting, start_s, start_s + args.phase, 2 * args.quota)
        print(f"  objects that failed: {setting.failed()}")


def disturb(args: argparse.Namespace) -> None:
    """A foreground client: alone, then beside a run that is at the quota."""
    print("a foreground client, alone, then beside a run at the quota:")
    with served(args.latency_ms) as setting:
        print(f"  {be_foreground(setting, args.phase)}")
        setting.control("limits", {"account_qps": 2 * args.quota})
        setting.apply("run-1")
        time.sleep(SETTLED_S)
        start_s = time.time()
        print(f"  {be_foreground(setting, args.phase)}")
        report(setting, start_s, start_s + args.phase, 2 * args.quota)


def main() -> None:
    parser = argparse.ArgumentParser(description=re.split(r"\n\n", __doc__ or "")[0])
    parser.add_argument("--quota", type=float, default=300.0, metavar="PER_S")
    parser.add_argument("--phase", type=float, default=30.0, metavar="SECONDS")
    parser.add_argument("--latency-ms", type=float, default=20.0, metavar="MS")
    parser.add_argument("--only", choices=["follow", "share", "disturb"])
    args = parser.parse_args()
    for scenario in (follow, share, disturb):
        if args.only in {None, scenario.__name__}:
            scenario(args)


if __name__ == "__main__":
    main()
