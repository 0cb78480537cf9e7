"""Commands on a run file. Heavy to import, so commands do it late."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from bulkmeta.cli import change_options, options, specs
from bulkmeta.cli.addresses import connection_for
from bulkmeta.cli.describe import end_lines, order_lines, unprinted_lines
from bulkmeta.cli.next_steps import resume_command
from bulkmeta.cli.output import tell, warn
from bulkmeta.cli.outside import outside
from bulkmeta.cli.session import (
    agree,
    carry_out,
    end_at_once,
    exit_code,
    preview,
    refuse_existing,
    see_through,
)
from bulkmeta.cli.watching import telling_of
from bulkmeta.errors import UsageError
from bulkmeta.journal.files import held_for_reading
from bulkmeta.journal.run_reader import read_outcomes, scan_progress
from bulkmeta.model.job import RunSpec
from bulkmeta.model.outcome import AS_BEFORE
from bulkmeta.model.quantity import counted
from bulkmeta.model.selection import Selection
from bulkmeta.report.diff import DiffPrinter
from bulkmeta.report.order import InOrder
from bulkmeta.report.text import printable
from bulkmeta.runners.host import NOBODY, Host
from bulkmeta.runners.ledger import default_run_file
from bulkmeta.runners.local import resume_job
from bulkmeta.runners.loop import run_loop
from bulkmeta.runners.reading import sampled, verify_objects
from bulkmeta.runners.rerun import Rerun, plan_job, refuse_plan, rerun_job
from bulkmeta.runners.restart import find_restart, refuse_altered
from bulkmeta.runners.work import refuse_changed, takes_nothing
from bulkmeta.sources.replay import may_have_changed

if TYPE_CHECKING:
    from bulkmeta.journal.run_reader import Progress
    from bulkmeta.model.job import JobSpec
    from bulkmeta.model.outcome import Outcome

_UNFINISHED: Final = {
    "retry": "the run was interrupted; what failed, also by that, is run again, and "
    "the rest is left to resume",
    "undo": "the run did not come to its end; what it did is put back, and resume "
    "would do the rest",
}


def resume_run(run_file: Path, values: dict[str, Any]) -> int:
    """Go on with an interrupted run; the exit code."""
    found = find_restart(run_file)
    header = found.header
    refuse_changed(header.job)
    spec = RunSpec(
        header.job,
        header.command,
        connection_for(run_file, header, values),
        specs.pace_again(values, header.pace),
        specs.until_again(values, header.until),
        header.recent,
        specs.lock_again(values, header.lock),
    )
    outside().learn(spec)
    specs.await_window(spec.until)
    done = found.start.counts.total()
    tell(f"resuming  {run_file}: {counted(done)} done")
    if doubts := len(found.start.doubts):
        tell(f"in doubt  {counted(doubts)}, under way then: looked at first")
    for line in order_lines(spec):
        tell(line)
    told = telling_of(values)
    told.begin(spec, run_file)
    running = resume_job(spec, run_file, found, host=told.hosted(NOBODY))
    return see_through(running, spec, run_file, told)


def rerun(
    parent: Path, command: Literal["retry", "undo"], values: dict[str, Any]
) -> int:
    """Run again what failed, or put back what was changed; the exit code.

    Raises:
        LockedError: the run is still under way.
    """
    takes: Rerun = "failed" if command == "retry" else "former"
    progress, job = rerun_job(
        parent, "drifted" if values.get("only_failed_verify") else takes
    )
    job = _ruled(job, values)
    spec = RunSpec(
        job,
        command,
        connection_for(parent, progress.header, values),
        specs.pace_of(values),
        specs.until_of(values),
    )
    if values.get("dry_run"):
        return _look(spec, parent, progress, values)
    spec = msgspec.structs.replace(spec, lock=specs.lock_of(values))
    outside().learn(spec)
    nothing, name = takes_nothing(job), values["run_file"]
    words = _nothing_words(spec, parent, progress)
    if nothing and name is None:
        return end_at_once(spec, words, telling_of(values))
    bucket = progress.header.bucket
    run_file = Path(default_run_file(bucket, command) if name is None else name)
    refuse_existing(run_file, "--run-file")
    told, yes = telling_of(values), values["yes"] or nothing
    if nothing:  # a file that was named is to be there
        warn(words)
    else:
        _warn_of_rest(job, parent, progress, _UNFINISHED[command])
    host = Host(total=agree(spec, told, yes=yes) or _counted(progress, job))
    return carry_out(spec, run_file, told=told, yes=yes, host=host)


def _look(
    spec: RunSpec, parent: Path, progress: Progress, values: dict[str, Any]
) -> int:
    """What an undo would put back; the exit code."""
    if takes_nothing(spec.job):
        warn(_nothing_words(spec, parent, progress))
    else:
        _warn_of_rest(spec.job, parent, progress, _UNFINISHED["undo"])
    most = None if values["full"] else options.SHOWN
    told = telling_of(values, prints=True)
    host = Host(total=_counted(progress, spec.job))
    spec = msgspec.structs.replace(spec, command="plan")
    return preview(spec, None, told=told, most=most, host=host)


def _warn_of_rest(
    job: JobSpec, parent: Path, progress: Progress, unfinished: str
) -> None:
    """Tell what of a run is not taken up, though one might think so."""
    if not progress.complete:
        warn(unfinished)
    if job.takes == "former" and (number := _unchanged(job, parent, progress)):
        are = "is" if number == 1 else "are"
        warn(
            f"{counted(number)} failed in {printable(str(parent))} and {are} not put "
            "back; what a retry changed is undone by the retry's own run file"
        )


def _unchanged(job: JobSpec, parent: Path, progress: Progress) -> int:
    """How many selected objects failed in a run without being changed by it."""
    if not progress.counts["failed"]:
        return 0
    return sum(
        outcome.status == "failed"
        and not may_have_changed(outcome)
        and job.select.admits(outcome.key)
        for outcome in read_outcomes(parent)
    )


def _counted(progress: Progress, job: JobSpec) -> int | None:
    """How many objects of a run are taken up, by its counters; None if only some, or if
    further ones may be in doubt."""
    if job.select != Selection() or not progress.complete:
        return None
    return progress.counts["failed" if job.takes == "failed" else "updated"]


def _nothing_words(spec: RunSpec, run_file: Path, progress: Progress) -> str:
    """Why there is no object to retry or to undo."""
    parent = printable(str(run_file))
    chosen, is_retry = spec.job.select != Selection(), spec.command == "retry"
    number = progress.counts["failed" if is_retry else "updated"]
    lost = is_retry and progress.reasons["failed: invalid_key"]  # never tried again
    if chosen and number and not lost:
        did = f"that failed in {parent}" if is_retry else f"that {parent} changed"
        if number == 1:
            return f"the only object {did} is not selected"
        return f"none of the {counted(number)} {did} is selected"
    whole = msgspec.structs.replace(spec.job, select=Selection())
    if (is_retry and number) or (chosen and not takes_nothing(whole)):
        done = "retried" if is_retry else "undone"
        which = "object that is selected" if chosen else "object"
        return f"no {which} in {parent} can be {done}"
    if not progress.complete:
        goes_on = f"{resume_command(run_file)} goes on with it"
        none = f"nothing {'failed' if is_retry else 'was changed'} in {parent} so far"
        return f"{none}; {goes_on}"
    if is_retry:
        return f"nothing failed in {parent}; nothing to retry"
    return f"nothing in {parent} was changed; nothing to undo"


def _ruled(job: JobSpec, values: dict[str, Any]) -> JobSpec:
    """The job with the rules and the selection that the options add."""
    return msgspec.structs.replace(
        job,
        rules=specs.rules_of(values, job.rules),
        select=specs.selection_of(values, job.target),
    )


def plan_spec(plan: Path, values: dict[str, Any]) -> RunSpec:
    """The run that carries a plan file out.

    Raises:
        UsageError: it is no plan, or was not finished, or changes are given besides.
    """
    header, job = plan_job(plan, replan=values["replan"])
    named = values["keys_from"] is not None or values["inventory"] is not None
    if named or values["null"] or values["statuses"]:
        raise UsageError(
            "a plan file names its objects; --keys-from and --inventory go with a "
            "target"
        )
    if values["where"] or values["values_file"] or values["transform"]:
        raise UsageError(
            "a plan file says what changes where; --where, --values and --transform "
            "go with a target"
        )
    if change_options.gives_change(values):
        raise UsageError("a plan file says what changes; give it no further ones")
    job = _ruled(job, values)
    if job.select.looks_at_listing():
        raise UsageError(
            "sizes, times, classes and types are those of a listing; of a plan file "
            "only keys can be selected"
        )
    connection = connection_for(plan, header, values)
    pace, until = specs.pace_of(values), specs.until_of(values)
    return RunSpec(job, "apply", connection, pace, until, lock=specs.lock_of(values))


def verify_run(run_file: Path, values: dict[str, Any]) -> int:
    """Report what is not as the run left it; the exit code."""
    with held_for_reading(run_file):
        progress = scan_progress(run_file, set())
    header = progress.header
    refuse_altered(run_file, header)
    refuse_plan(run_file, header)
    if not progress.complete:
        warn(
            "the run did not come to its end; looked at is what it did "
            f"({resume_command(run_file)} finishes it)"
        )
    spec = RunSpec(
        header.job,
        "plan",
        connection_for(run_file, header, values),
        specs.pace_of(values),
        specs.until_of(values),
    )
    specs.await_window(spec.until)
    told = telling_of(values, prints=True)
    told.begin(spec, run_file)
    differences = DiffPrinter(told.result, None if values["full"] else options.SHOWN)
    printer, restored = InOrder(differences), _Restored()
    wanted = sampled(run_file, values["sample"])
    every = progress.counts["updated"] + progress.counts["unchanged"]
    total = every if values["sample"] is None else None
    host = told.hosted(Host(total=total), printer, restored)
    with held_for_reading(run_file):
        try:
            end = run_loop(verify_objects(spec, run_file, wanted, host=host))
        finally:  # what was found is shown, whatever ended it
            printer.finish()
    rest = unprinted_lines(differences.unprinted)
    told.end(end, (*rest, *end_lines(end), *restored.lines()), run_file)
    return exit_code(end)


class _Restored:
    """Counts what is as it was before the run."""

    def __init__(self) -> None:
        self._count = 0

    def emit(self, result: Outcome) -> None:
        self._count += bool(result.error and result.error.message == AS_BEFORE)

    def flush(self) -> None:
        """Nothing is held back."""

    def lines(self) -> Iterator[str]:
        """How many there are, if there are some, and what that may come from."""
        if self._count:
            are = "is as it was" if self._count == 1 else "are as they were"
            yield f"  {counted(self._count)} {are} before the run, as after an undo"
