"""What walking key ranges in turn is worth, where each has a quota of its own.

The embedded OSS runs in a process of its own, with a limit per key range (R) and one of
five times that for the account. `bulkmeta apply` runs on four kinds of keys, in key
order and spread; the rate is that of the requests the service accepted, by its own
count, while the middle 90 % of them came in (a run ends with its last back-off), and
over the whole of it. A mode is `SPREAD:RATE`; `5R` is the account's limit.

    python benchmarks/spread.py [--objects 2000] [--range-qps 60] [--kinds dates,hashed]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ACCOUNT_RANGES = 5
BATCH = 2000


def sequential(count: int) -> Iterator[str]:
    return (f"p/{number:012d}.jpg" for number in range(count))


def dates(count: int) -> Iterator[str]:
    for number in range(count):
        day = number * 365 // count
        yield f"p/2026/{day // 31 + 1:02d}/{day % 31 + 1:02d}/{number:07d}.json"


def hashed(count: int) -> Iterator[str]:
    for number in range(count):
        yield f"p/{hashlib.sha256(str(number).encode()).hexdigest()}"


def one_giant_prefix(count: int) -> Iterator[str]:
    """Nineteen of twenty under one prefix, the rest all over the alphabet."""
    for number in range(count):
        if number % 20:
            yield f"p/events/production/{number:09d}.gz"
        else:
            yield f"p/{hashlib.sha256(b'%d' % number).hexdigest()[:6]}/{number}"


KINDS: dict[str, Callable[[int], Iterator[str]]] = {
    "sequential": sequential,
    "dates": dates,
    "hashed": hashed,
    "giant": one_giant_prefix,
}


@contextmanager
def emulator(range_qps: float) -> Iterator[dict[str, str]]:
    """The embedded OSS; its environment for a client."""
    process = subprocess.Popen(  # noqa: S603 our own command
        [
            sys.executable, "-m", "bulkmeta", "emulator", "--port", "0",
            "--range-qps", str(range_qps),
            "--account-qps", str(ACCOUNT_RANGES * range_qps), "--until-eof",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    found: dict[str, str] = {}
    try:
        for line in process.stdout or ():
            if line.startswith("export "):
                name, value = line.removeprefix("export ").strip().split("=", 1)
                found[name] = value.strip("'\"")
            if len(found) == 4:
                break
        yield found
    finally:
        process.communicate()


def call(endpoint: str, method: str, name: str, body: Any = None) -> Any:
    """Ask the control interface."""
    request = urllib.request.Request(  # noqa: S310 our own address
        f"{endpoint}/-/{name}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310 the same
        return json.load(answer)


def seed(endpoint: str, bucket: str, keys: list[str]) -> None:
    for first in range(0, len(keys), BATCH):
        objects = [{"key": key} for key in keys[first : first + BATCH]]
        body = {"bucket": bucket, "create": {}, "objects": objects}
        call(endpoint, "POST", "objects", body)


def measure(
    environment: dict[str, str], bucket: str, spread: str, rate: str
) -> tuple[list[float], Counter[str]]:
    """When requests for objects were accepted, and requests by kind and refusal."""
    endpoint = environment["OSS_ENDPOINT"]
    call(endpoint, "DELETE", "log")
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(  # noqa: S603 our own command
            [
                sys.executable, "-m", "bulkmeta", "apply", f"oss://{bucket}/p/",
                "--set", f"spread={spread}", "--yes", "--acl-policy", "skip",
                "--rate", rate, "--spread", spread, "--progress", "none",
                "--run-file", str(Path(folder, "run.jsonl")),
            ],
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path.cwd()), **environment},
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
    if done.returncode:
        sys.exit(done.stderr)
    log = call(endpoint, "GET", "log")
    served = [x["at"] for x in log if x["status"] == 200 and x["key"]]
    return served, Counter(x["code"] or x["operation"] for x in log)


def pace(times: list[float]) -> float:
    return (len(times) - 1) / (times[-1] - times[0])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--objects", type=int, default=2000)
    parser.add_argument("--range-qps", type=float, default=60)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--modes", default="off:max,auto:max,20:5R")
    given = parser.parse_args()
    print(
        f"{given.objects} objects, R = {given.range_qps:g} requests/s per key range, "
        f"{ACCOUNT_RANGES}R for the account; 2 requests per object"
    )
    print("keys        mode        x R  whole  lists  range 503s  account 503s      s")
    for kind in given.kinds.split(","):
        for mode in given.modes.split(","):
            spread, rate = mode.split(":")
            if rate == "5R":
                rate = str(ACCOUNT_RANGES * given.range_qps)
            keys = list(KINDS[kind](given.objects))
            with emulator(given.range_qps) as environment:
                seed(environment["OSS_ENDPOINT"], kind, keys)
                times, counts = measure(environment, kind, spread, rate)
            middle = times[len(times) // 20 : -len(times) // 20]
            print(
                f"{kind:<12}{mode:<9}{pace(middle) / given.range_qps:>6.2f}"
                f"{pace(times) / given.range_qps:>7.2f}{counts['ListObjectsV2']:>7}"
                f"{counts['PartitionQpsLimitted']:>12}"
                f"{counts['TotalQpsLimitExceeded']:>14}{times[-1] - times[0]:>7.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
