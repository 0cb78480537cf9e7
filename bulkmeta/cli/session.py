"""One run at the terminal: ask, run, tell. Heavy to import, so commands do it late."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from bulkmeta.cli.cautions import (
    CHARGED,
    cautions,
    likely_reach,
    unasked_cautions,
)
from bulkmeta.cli.consent import consents, require_terminal
from bulkmeta.cli.describe import (
    end_lines,
    kind_lines,
    order_lines,
    probe_lines,
    unprinted_lines,
)
from bulkmeta.cli.estimate import (
    beforehand_lines,
    billed_line,
    plan_estimate,
    plan_lines,
)
from bulkmeta.cli.exit_codes import INTERRUPTED, OK, OUT_OF_TIME, PENDING, SOME_FAILED
from bulkmeta.cli.next_steps import (
    apply_line,
    broken_lines,
    next_lines,
    resume_command,
)
from bulkmeta.cli.nothing import left_alone, nothing_words
from bulkmeta.cli.output import complain, tell, warn
from bulkmeta.cli.specs import await_window
from bulkmeta.errors import LockedError, UsageError
from bulkmeta.journal.compression import codec_by_name
from bulkmeta.journal.files import held_for_reading
from bulkmeta.journal.records import LONGEST_SUFFIX
from bulkmeta.journal.run_reader import scan_progress
from bulkmeta.model.quantity import counted
from bulkmeta.report.account import Account
from bulkmeta.report.diff import DiffPrinter
from bulkmeta.report.forecast import Forecast
from bulkmeta.report.order import InOrder
from bulkmeta.report.stats import RunStats
from bulkmeta.runners.host import NOBODY, Host, RunEnd
from bulkmeta.runners.local import run_job
from bulkmeta.runners.loop import run_loop
from bulkmeta.runners.missing import Missing
from bulkmeta.runners.preflight import Findings, inspect_bucket, refuse_unwanted
from bulkmeta.runners.work import count_lines, names_others

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from bulkmeta.cli.watching import Telling
    from bulkmeta.model.job import JobSpec, RunSpec

_NOTHING: Final = Missing()


def refuse_existing(path: Path, option: str) -> None:
    """Stop before anything is sent if a file to be written cannot be a new one.

    Raises:
        UsageError: it exists, its folder does not, no file can have that name, or it
            is to be compressed in a way that is not at hand.
    """
    codec_by_name(path)
    try:
        exists = path.is_symlink() or path.exists()
        exists = exists or Path(f"{path}{LONGEST_SUFFIX}").exists()
    except (OSError, ValueError) as error:  # such as of a NUL in the name
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"{option} {str(path)!r}: {why}; name another file") from error
    if exists:
        words = f"{option} {str(path)!r} exists; name another file"
        raise UsageError(words + _resumed_instead(path, option))
    if not path.parent.is_dir():
        raise UsageError(f"{option} {str(path)!r}: no folder {str(path.parent)!r}")


def _resumed_instead(path: Path, option: str) -> str:
    """How the run in that file goes on, if it was interrupted and nobody is at it."""
    if option != "--run-file" or not path.is_file():
        return ""
    with suppress(LockedError, UsageError), held_for_reading(path):
        progress = scan_progress(path, set())
        if not progress.complete and progress.header.command != "plan":
            return f" (it was interrupted: {resume_command(path)})"
    return ""


def agree(spec: RunSpec, told: Telling, *, yes: bool) -> int | None:
    """Show what is about to be done, what it takes and what comes with it, and get
    consent to it; how many objects it is about, if they were counted.

    Raises:
        UsageError: there is nobody to ask, or the bucket forbids it.
        click.exceptions.Exit: the answer is no, or there is nothing to ask about.
    """
    if not yes:
        require_terminal()
    await_window(spec.until)
    for line in order_lines(spec):
        tell(line)
    if yes:
        return None
    findings = _looked_at(spec)
    refuse_unwanted(spec.job, findings)
    if findings.listed == 0 and not findings.more:
        words = f"{counted(0)}: nothing to change"
        code = end_at_once(spec, words, told, findings.missing)
        raise click.exceptions.Exit(code)
    found = cautions(spec.job, findings, likely_reach(spec.job))
    for line in (
        *probe_lines(findings),
        *beforehand_lines(spec, findings, told.prices),
    ):
        tell(line)
    for caution in found:
        warn(caution.message)
    if not consents("Change these objects?"):
        complain("nothing was changed")
        raise click.exceptions.Exit(INTERRUPTED)
    some = findings.more or names_others(spec.job)
    return None if some else findings.listed


def _looked_at(spec: RunSpec) -> Findings:
    """What the bucket looks like, and how many objects the run is about, by the first
    page of its listing or by the lines of its file."""
    lines = count_lines(spec.job)
    findings = run_loop(inspect_bucket(spec, sample=lines is None))
    if lines is None:
        return findings
    at_most = names_others(spec.job) or bool(spec.job.where)
    return replace(findings, listed=lines, at_most=at_most)


def end_at_once(
    spec: RunSpec, words: str, told: Telling, missing: Missing = _NOTHING
) -> int:
    """Tell, as at a run's end, why there is no object to do; the exit code."""
    told.begin(spec, None)
    end = RunEnd(spec, RunStats(), 0.0, interrupted=False, requests={}, missing=missing)
    for reason in nothing_words(end):
        warn(reason)
    told.end(end, [words], None)
    return exit_code(end)


def carry_out(
    spec: RunSpec,
    run_file: Path,
    *,
    told: Telling,
    yes: bool,
    host: Host = NOBODY,
) -> int:
    """Run it, and tell how it ended; the exit code. Where nobody was asked before
    (`yes`), the bucket is looked at first. `host` has what was read for it already."""

    def inspect(findings: Findings) -> None:
        refuse_unwanted(spec.job, findings)
        found = [*unasked_cautions(spec.job, findings, likely_reach(spec.job))]
        for line in probe_lines(findings):
            tell(line)
        if any(caution.code in CHARGED for caution in found):
            tell(billed_line(spec, findings))
        for caution in found:
            warn(caution.message)

    told.begin(spec, run_file)
    running = run_job(
        spec,
        run_file=run_file,
        host=told.hosted(host),
        inspect=inspect if yes else None,
        begun=lambda: tell(f"run file  {run_file}"),
    )
    return see_through(running, spec, run_file, told)


def see_through(
    running: Coroutine[Any, Any, RunEnd], spec: RunSpec, run_file: Path, told: Telling
) -> int:
    """Have a run come to its end, tell how it ended and what can be done now; the exit
    code."""
    try:
        end = run_loop(running)
    except UsageError:  # it cannot go on as it is
        raise
    except BaseException:
        if run_file.exists():
            stats = told.broken_off(spec.job.target)
            for line in broken_lines(spec.job, stats, run_file):
                tell(line)
        raise
    for words in nothing_words(end):
        warn(words)
    told.end(end, end_lines(end), run_file)
    for line in next_lines(end, run_file):
        tell(line)
    return exit_code(end)


def preview(
    spec: RunSpec,
    out: Path | None,
    *,
    told: Telling,
    most: int | None = None,
    detailed: bool = False,
    host: Host = NOBODY,
) -> int:
    """Show what a run would do, object by object (at `most` so many), and in sum, what
    it takes and what comes with it; the exit code. `detailed` tells pending changes
    from none. `host` has what was read for it already."""
    await_window(spec.until)
    told.begin(spec, out)
    for line in order_lines(spec):
        tell(line)
    account, differences = Account(), DiffPrinter(told.result, most)
    printer, outlook = InOrder(differences), Outlook(spec.job)
    end = run_loop(
        run_job(
            spec,
            run_file=out,
            host=told.hosted(host, printer, account, outlook.forecast),
            inspect=outlook.inspect,
        )
    )
    printer.finish()
    for words in nothing_words(end):
        warn(words)
    rest = unprinted_lines(differences.unprinted)
    groups = kind_lines(account) if account.counts["planned"] > 1 else ()
    outlook.tell(end, out, (*rest, *end_lines(end), *groups), told)
    code = exit_code(end)
    return PENDING if detailed and code == OK and end.stats.counts["planned"] else code


class Outlook:
    """What applying a plan takes, and what comes with it: known when it is made."""

    def __init__(self, job: JobSpec) -> None:
        self.forecast = Forecast(job)
        self._job = job
        self._findings = Findings(keeps_versions=None)

    def inspect(self, findings: Findings) -> None:
        """Take note of what the bucket looks like."""
        self._findings, self.forecast.copies = findings, findings.copies
        for line in probe_lines(findings):
            tell(line)

    def tell(
        self, end: RunEnd, out: Path | None, lines: Iterable[str], told: Telling
    ) -> None:
        """Tell all of it, behind the `lines` that say how the plan ended."""
        estimate = plan_estimate(end, self.forecast, told.prices, out)
        found = [*cautions(self._job, self._findings, self.forecast.reach())]
        more = {
            "estimate": estimate.as_json(),
            "warnings": [caution._asdict() for caution in found],
        }
        words = plan_lines(end, estimate, told.prices, out)
        told.end(end, (*lines, *words), out, more)
        if not told.as_json:
            for caution in found:
                warn(caution.message)
        done = not (end.why or end.interrupted)
        if out and done and end.stats.counts["planned"]:
            tell(apply_line(out))


def exit_code(end: RunEnd) -> int:
    """What a run's end is to the shell."""
    if end.why:
        complain(f"stopped: {end.why}", logging.INFO)
        return OUT_OF_TIME
    if end.interrupted:
        complain("interrupted")
        return INTERRUPTED
    return SOME_FAILED if end.stats.counts["failed"] or left_alone(end) else OK
