"""The demonstration: an embedded OSS in a process of its own, and commands on it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Final
from urllib.request import ProxyHandler, Request, build_opener

import click
import msgspec

from bulkmeta.cli.exit_codes import OK, RUN_FATAL, SOME_FAILED
from bulkmeta.cli.main import run
from bulkmeta.emulator.dataset import Spec, varied_objects
from bulkmeta.model.outcome import Outcome
from bulkmeta.report.diff import diff_lines
from bulkmeta.report.text import last_line

_RUN: Final = "run.jsonl"
_BATCH: Final = 1000
_READ_TIMEOUT_S: Final = 60
JOB: Final = (
    "oss://demo/",
    "--all",
    "--set",
    "project=atlas",
    "--rename",
    "owner=team",
    "--header",
    "cache-control=max-age=86400",
)


def demonstrate(objects: int) -> int:
    """Run the demonstration; 0 if everything came out as it must."""
    with _folder() as folder:
        return _demonstrate(objects, folder)


def _demonstrate(objects: int, folder: Path) -> int:
    first, second = folder / _RUN, folder / "again.jsonl"
    with _embedded_oss(folder) as environment:
        _point_at(environment)
        _seed(environment["OSS_ENDPOINT"], objects)
        click.echo(f"An embedded OSS on {environment['OSS_ENDPOINT']}, ", nl=False)
        click.echo(f"with {objects:,} objects in bucket 'demo'.")
        code = _command("apply", *JOB, "--yes", "--run-file", str(first))
        if code not in {OK, SOME_FAILED}:
            return code
        _show_some(first)
        click.echo("\nThe same again: nothing is left to do.")
        code = _command("apply", *JOB, "--yes", "--run-file", str(second))
        if code not in {OK, SOME_FAILED}:
            return code
    return OK if _is_as_promised(first, second, objects) else RUN_FATAL


@contextmanager
def _folder() -> Iterator[Path]:
    """A new folder; it stays if there is a run file in it at the end, and that is
    said."""
    folder = Path(tempfile.mkdtemp(prefix="bulkmeta-demo-"))
    try:
        yield folder
    finally:
        if (folder / _RUN).exists():
            click.echo(
                f"\nEach object's line, with its former metadata: {folder / _RUN}\n"
                "It is kept for you to read, as `bulkmeta report` does; the embedded "
                "OSS has ended, so that\nnothing is left to undo. To remove it: "
                f"rm -r {shlex.quote(str(folder))}"
            )
        else:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _embedded_oss(folder: Path) -> Iterator[dict[str, str]]:
    """The embedded OSS in its own process; the environment that it tells to set."""
    command = [sys.executable, "-m", "bulkmeta.emulator", "--port", "0", "--until-eof"]
    with (
        (folder / "emulator.log").open("wb") as log,
        subprocess.Popen(  # noqa: S603 our own module
            command,
            stdin=subprocess.PIPE,  # the emulator ends with it, however we end
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield _announced(process, Path(log.name))
        finally:
            process.terminate()


def _announced(process: subprocess.Popen[str], log: Path) -> dict[str, str]:
    environment: dict[str, str] = {}
    for line in process.stdout or ():
        name, _, value = shlex.split(line)[1].partition("=")
        environment[name] = value
        if name == "OSS_BUCKET":
            return environment
    why = last_line(log.read_text(errors="replace"))
    told = f": {why}" if why else ""
    raise click.ClickException(f"the embedded OSS did not start{told}")


def _point_at(environment: dict[str, str]) -> None:
    """Let the commands see the embedded OSS only, and it none of the user's secrets."""
    for name in list(os.environ):
        if name.startswith(("OSS_", "ALIBABA_CLOUD_")):
            del os.environ[name]
    os.environ.update(environment)


def _seed(endpoint: str, objects: int) -> None:
    specs = varied_objects(objects)
    while batch := list(islice(specs, _BATCH)):
        _post(f"{endpoint}/-/objects", {"bucket": "demo", "objects": batch})


def _post(url: str, value: dict[str, str | list[Spec]]) -> None:
    request = Request(url, json.dumps(value).encode(), method="POST")  # noqa: S310 loopback
    direct = build_opener(ProxyHandler({}))  # a proxy could not reach loopback
    with direct.open(request, timeout=_READ_TIMEOUT_S) as answer:
        answer.read()


def _command(*args: str) -> int:
    click.echo(f"\n$ bulkmeta {shlex.join(args)}")
    code = run(list(args))
    note = " (some objects failed, as they must here)" if code == SOME_FAILED else ""
    click.echo(f"exit code {code}{note}")
    return code


def _show_some(run_file: Path) -> None:
    click.echo("\nThe first difference in each folder:")
    shown: set[str] = set()
    for outcome in _outcomes(run_file):
        folder = outcome.key.partition("/")[0]
        if outcome.status == "updated" and folder not in shown:
            shown.add(folder)
            click.echo("\n".join(diff_lines(outcome)))


def _outcomes(run_file: Path) -> Iterator[Outcome]:
    with run_file.open("rb") as lines:
        for line in lines:
            if line.startswith(b'{"type":"object"'):
                yield msgspec.json.decode(line, type=Outcome)


def _is_as_promised(first: Path, second: Path, objects: int) -> bool:
    """Whether each object has its line, and the second run had nothing to write."""
    one = Counter(line.status for line in _outcomes(first))
    two = Counter(line.status for line in _outcomes(second))
    return (
        one.total() == two.total() == objects
        and two["updated"] == 0
        and two["unchanged"] == one["updated"] + one["unchanged"]
    )
