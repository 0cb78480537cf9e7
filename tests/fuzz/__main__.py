"""Runs the harnesses for a given time: `python -m tests.fuzz --seconds 3600 [FORMAT…]`.

Most of a format's time goes to libFuzzer (atheris), which follows the branches that an
input takes; a quarter, or all of it where atheris is not installed, to Hypothesis,
which is told what inputs are made of. Each runs in a process of its own, which is ended
if one input takes too long or too much memory.
"""

from __future__ import annotations

import argparse
import re
import resource
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz.harness import FORMATS

_HANG_S = 20
_MOST_MB = 1024
_GROWTH_MB = 64
"""What may come on top after the first tenth of the time: caches fill early."""


def main() -> int:
    """Run all of it; 1 if there was a finding."""
    parser = argparse.ArgumentParser("tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--engine", choices=("atheris", "hypothesis"))
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("formats", nargs="*", choices=[*FORMATS, []])
    args = parser.parse_args()
    if args.alone:
        return _alone(args.formats[0], args.engine, args.seconds)
    formats = args.formats or FORMATS
    each_s = args.seconds / len(formats)
    found = [
        _run(name, engine, each_s * share)
        for name in formats
        for engine, share in _shares(args.engine).items()
    ]
    total = sum(count for count, _ in found)
    findings = sum(not good for _, good in found)
    print(f"{total:,} executions in {args.seconds:,.0f} s; findings: {findings}")
    return 1 if findings else 0


def _shares(engine: str | None) -> dict[str, float]:
    if engine:
        return {engine: 1.0}
    return (
        {"hypothesis": 0.25, "atheris": 0.75}
        if find_spec("atheris")
        else {"hypothesis": 1.0}
    )


def _run(name: str, engine: str, seconds: float) -> tuple[int, bool]:
    """One format by one engine, in a process of its own: how many inputs, and whether
    all was well."""
    command = [
        sys.executable, "-m", "tests.fuzz", "--alone", "--engine", engine,
        "--seconds", f"{seconds:.0f}", name,
    ]  # fmt: skip
    began_s = time.monotonic()
    ended = subprocess.run(  # noqa: S603 this very program
        command, capture_output=True, text=True, errors="replace", check=False
    )
    took_s = time.monotonic() - began_s
    told = ended.stdout + ended.stderr
    counted = re.search(
        r"number_of_executed_units: (\d+)|^executions (\d+)", told, re.MULTILINE
    )
    count = int(next(filter(None, counted.groups()))) if counted else 0
    memory = re.findall(r"rss: (\d+)Mb", told)
    grown = f"{memory[len(memory) // 10]} -> {memory[-1]} MB" if memory else ""
    good = ended.returncode == 0 and count > 0
    print(f"{name:18} {engine:10} {count:>10,} in {took_s:5.0f} s  {grown}", flush=True)
    if not good:
        lines = [line for line in told.splitlines() if line[:1] != "#"]
        print("\n".join(lines[-60:]), flush=True)
    return count, good


def _alone(name: str, engine: str, seconds: float) -> int:
    if engine == "atheris":
        return _by_atheris(name, seconds)
    return _by_hypothesis(name, seconds)


def _by_atheris(name: str, seconds: float) -> int:
    import atheris

    watched = ["bulkmeta", "tomllib", "configparser", "oss2.exceptions"]
    with atheris.instrument_imports(include=watched):
        from tests.fuzz.harness import harness_of

        harness = harness_of(name)
    with TemporaryDirectory() as folder:
        corpus, words = Path(folder, "corpus"), Path(folder, "words")
        corpus.mkdir()
        for number, seed in enumerate(harness.seeds):
            (corpus / str(number)).write_bytes(seed)
        short = (word for word in harness.words if len(word) < 64)
        words.write_text("".join(f'"{_escaped(word)}"\n' for word in short))
        arguments = [
            sys.argv[0], str(corpus), f"-dict={words}", "-max_len=16384",
            f"-max_total_time={seconds:.0f}", f"-timeout={_HANG_S}",
            f"-rss_limit_mb={_MOST_MB}", "-print_final_stats=1",
            f"-artifact_prefix={folder}/",
        ]  # fmt: skip
        atheris.Setup(arguments, harness)
        atheris.Fuzz()  # ends the process
    return 0


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def _by_hypothesis(name: str, seconds: float) -> int:
    import faulthandler
    import warnings

    from hypothesis import HealthCheck, Phase, given, settings

    from tests.fuzz.harness import harness_of, mutated

    harness, count = harness_of(name), 0
    warnings.simplefilter("ignore")

    @settings(
        max_examples=500,
        database=None,
        deadline=None,
        suppress_health_check=[*HealthCheck],
        phases=[Phase.generate, Phase.shrink],
    )
    @given(mutated(harness))
    def batch(data: bytes) -> None:
        nonlocal count
        count += 1
        harness(data)

    resource.setrlimit(resource.RLIMIT_AS, (8 * _MOST_MB << 20,) * 2)
    end_s, memory = time.monotonic() + seconds, [_memory_mb()]
    while time.monotonic() < end_s:
        faulthandler.dump_traceback_later(30 * _HANG_S, exit=True)
        batch()
        memory.append(_memory_mb())
        print(f"rss: {memory[-1]}Mb")
    print(f"executions {count}")
    grown_mb = memory[-1] - memory[len(memory) // 10]
    return 1 if grown_mb > _GROWTH_MB else 0


def _memory_mb() -> int:
    """What this process holds now; where the system does not tell, what it held."""
    status = Path("/proc/self/statm")
    if status.exists():
        return int(status.read_text().split()[1]) * resource.getpagesize() >> 20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


if __name__ == "__main__":
    raise SystemExit(main())
