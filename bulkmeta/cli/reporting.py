"""A run file summed up, as lines or as a page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from bulkmeta.cli.describe import (
    advice,
    job_words,
    kind_lines,
    selection_words,
    values_words,
)
from bulkmeta.cli.facts import RunFacts, as_json, named
from bulkmeta.cli.next_steps import resume_line
from bulkmeta.cli.output import print_line, print_result, tell, warn
from bulkmeta.errors import LockedError, OutputError, UsageError
from bulkmeta.journal.files import held_for_reading, new_text
from bulkmeta.journal.run_reader import read_run
from bulkmeta.model.outcome import STATUSES
from bulkmeta.model.quantity import counted
from bulkmeta.report.account import Account
from bulkmeta.report.text import last_line, plain, printable
from bulkmeta.runners.restart import alteration

if TYPE_CHECKING:
    from bulkmeta.model.run_file import RunHeader

State = Literal["complete", "running", "interrupted"]

_EXAMPLES: Final = 2
_UNENDED: Final[dict[State, str]] = {
    "running": "not yet: another process is at it",
    "interrupted": "interrupted, or stopped before its end",
}


def print_report(run: Path) -> None:
    """Sum the run up on stdout."""
    account, state = _account_of(run)
    for line in (*_head_lines(account, state), *account_lines(account)):
        print_line(line)
    _tell_resume(run, account, state)


def print_json(run: Path) -> None:
    """Sum the run up on one line for programs: the names are those that `--json` has at
    a run's end. Requests and time are of the last part; they are known with its end."""
    account, state = _account_of(run)
    header, summary = account.header, account.summary
    facts = RunFacts(
        command=header.command if header else "",
        target=str(header.job.target) if header else None,
        run_file=named(run),
        interrupted=state == "interrupted",
        objects=account.objects,
        counts={status: account.counts[status] for status in STATUSES},
        reasons=dict(account.reasons),
    )
    more = {
        "requests": summary.requests if summary else None,
        "elapsed_s": summary.elapsed_s if summary else None,
        "state": state,
        "started": header.started if header else None,
        "finished": summary.finished if summary else None,
        "resumed": account.resumed,
    }
    print_result(as_json(facts, more))


def write_page(run: Path, page: Path) -> None:
    """Write the run's page.

    Raises:
        UsageError: there is such a file.
        OutputError: it cannot be written.
    """
    from bulkmeta.cli.session import refuse_existing
    from bulkmeta.report.page import render_page

    refuse_existing(page, "--html")
    account, state = _account_of(run)
    words = _job_lines(account.header) if account.header else ()
    unended = _UNENDED.get(state, "")
    text = render_page(account, run.name, list(words), unended)
    try:
        with new_text(page, 0o600) as file:
            file.write(text)
    except OSError as error:
        raise OutputError(f"cannot write {str(page)!r}: {error.strerror}") from error
    tell(f"wrote     {page}")
    _tell_resume(run, account, state)


def _tell_resume(run: Path, account: Account, state: State) -> None:
    """How the run goes on, if it was interrupted and nobody is at it, or that somebody
    is."""
    header = account.header
    if not header or header.command == "plan" or not run.is_file():
        return
    if state == "running":
        tell("running   another process is at it")
    elif state == "interrupted":
        tell(resume_line(run))


def _account_of(run: Path) -> tuple[Account, State]:
    """What the file tells, and whether the run came to its end; whether it is of the
    job that it was written for, is said. Somebody who was at it may have ended it while
    it was read."""
    busy = _is_busy(run)
    account = Account().add(read_run(run))
    if account.header and (fault := alteration(run, account.header)):
        warn(fault)
    if account.summary:
        return account, "complete"
    return account, "running" if busy or _is_busy(run) else "interrupted"


def _is_busy(run: Path) -> bool:
    """Whether another process is at the run."""
    if not run.is_file():  # of a pipe it would take what is to be read
        return False
    try:
        with held_for_reading(run):
            return False
    except LockedError:
        return True
    except (OSError, UsageError):  # nothing can be locked there
        return False


def _head_lines(account: Account, state: State) -> Iterator[str]:
    header, summary = account.header, account.summary
    if header:
        yield from _job_lines(header)
        yield f"began     {header.started}"
    part = "last part: " if account.resumed else ""
    if account.resumed:
        yield f"resumed   {counted(account.resumed, 'time')}"
    if summary:
        yield f"ended     {summary.finished} ({part}{summary.elapsed_s:,.1f} s)"
        requests = (f"{count:,} {name}" for name, count in summary.requests.items())
        yield f"requests  {part}{', '.join(requests) or 'none'}"
    else:
        yield f"ended     {_UNENDED[state]}"


def _job_lines(header: RunHeader) -> Iterator[str]:
    yield f"{header.command:<9} {printable(str(header.job.target))}"
    words = "; ".join([*job_words(header.job), *selection_words(header.job.select)])
    if words:
        yield f"change    {words}"
    if header.job.values:
        yield f"values    {values_words(header.job.values)}"


def account_lines(account: Account) -> Iterator[str]:
    """Outcomes, what changed in how many objects, and why others did not."""
    counts = ", ".join(f"{count:,} {name}" for name, count in account.by_status())
    yield f"objects   {account.objects:,}: {counts or 'none'}"
    yield from kind_lines(account)
    for reason, count in account.reasons.most_common():
        hint = advice(reason, account.header.job.target) if account.header else ""
        yield f"  {count:>10,}  {reason}{hint}"
        for one in account.examples[reason][:_EXAMPLES]:
            said = last_line(one.error.message) if one.error else ""
            request = f" [request {one.request_id}]" if one.request_id else ""
            told = f": {plain(said)}" if said else ""
            yield f"              {printable(one.key)}{told}{request}"
