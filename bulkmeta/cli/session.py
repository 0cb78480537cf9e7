"""One run at the terminal: ask, run, tell. Heavy to import, so commands do it late."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bulkmeta.cli.describe import end_lines, estimate_lines, order_lines
from bulkmeta.cli.main import INTERRUPTED, OK, SOME_FAILED
from bulkmeta.errors import UsageError
from bulkmeta.report.diff import DiffPrinter
from bulkmeta.report.order import InOrder
from bulkmeta.runners.local import run_job
from bulkmeta.runners.preflight import inspect_bucket, refuse_unwanted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bulkmeta.model.job import RunSpec
    from bulkmeta.model.outcome import Outcome
    from bulkmeta.report.drain import Sink
    from bulkmeta.runners.local import RunEnd


def refuse_existing(run_file: Path) -> None:
    """Stop before anything is sent if the run file cannot be a new one.

    Raises:
        UsageError: it exists, its folder does not, or no file can have that name.
    """
    try:
        exists = run_file.is_symlink() or run_file.exists()
    except OSError as error:
        raise UsageError(
            f"run file {str(run_file)!r}: {error.strerror}; name another with "
            "--run-file"
        ) from error
    if exists:
        raise UsageError(
            f"run file {str(run_file)!r} exists; name another with --run-file"
        )
    if not run_file.parent.is_dir():
        raise UsageError(
            f"run file {str(run_file)!r}: no folder {str(run_file.parent)!r}"
        )


def agree(spec: RunSpec, *, yes: bool) -> None:
    """Show what is about to be done, and get consent to it.

    Raises:
        UsageError: there is nobody to ask, or the bucket forbids it.
        click.exceptions.Exit: the answer is no.
    """
    if not yes and not (sys.stdin and sys.stdin.isatty()):
        raise UsageError("no terminal to ask on; pass --yes if the run is meant")
    findings = asyncio.run(inspect_bucket(spec, sample=not yes))
    refuse_unwanted(spec.job, findings)
    _tell(order_lines(spec, findings))
    _tell(estimate_lines(spec, findings))
    if not yes:
        _ask()


def _ask() -> None:
    if not click.confirm("Change these objects?", err=True):
        _tell_line("bulkmeta: nothing was changed")
        raise click.exceptions.Exit(INTERRUPTED)


def carry_out(spec: RunSpec, run_file: Path, *, progress: bool) -> int:
    """Run it, and tell how it ended; the exit code."""
    _tell([f"run file  {run_file}"])
    end = asyncio.run(
        run_job(spec, run_file=run_file, progress=_tell_line if progress else None)
    )
    return _told(end)


def preview(spec: RunSpec, out: Path | None, *, progress: bool) -> int:
    """Show what a run would do, object by object; the exit code."""
    findings = asyncio.run(inspect_bucket(spec, sample=True))
    _tell(order_lines(spec, findings))
    printer = InOrder(DiffPrinter(click.echo))
    sinks: Sequence[Sink[Outcome]] = [printer]
    end = asyncio.run(
        run_job(
            spec,
            run_file=out,
            sinks=sinks,
            progress=_tell_line if progress else None,
        )
    )
    printer.finish()
    _tell(estimate_lines(spec, findings))
    return _told(end)


def _told(end: RunEnd) -> int:
    for line in end_lines(end):
        click.echo(line)
    if end.interrupted:
        click.echo("bulkmeta: interrupted", err=True)
        return INTERRUPTED
    return SOME_FAILED if end.stats.counts["failed"] else OK


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        _tell_line(line)


def _tell_line(line: str) -> None:
    with suppress(OSError):  # a run does not depend on who watches it
        click.echo(line, err=True)
