"""What is seen of a command from outside: its log, its metrics, and a command that runs
when it has ended. It is told what becomes known on the way."""

from __future__ import annotations

import logging
import time
from collections.abc import Container, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from bulkmeta import __version__
from bulkmeta.cli.exit_codes import (
    INTERRUPTED,
    OK,
    OUT_OF_TIME,
    PENDING,
    RUN_FATAL,
    SOME_FAILED,
    THRESHOLD,
    USAGE,
)
from bulkmeta.cli.facts import SIGNALLED, RunFacts, as_json, counts_of, named
from bulkmeta.cli.hook import hook_words, refuse_missing, run_hook
from bulkmeta.cli.log import STDERR, JsonLog, close_log, open_log, run_name
from bulkmeta.cli.metrics import Measured, metrics_file, write_metrics
from bulkmeta.cli.output import complain, complaint, concealed, print_summary, warn
from bulkmeta.errors import BulkmetaError, UsageError
from bulkmeta.model.job import SCHEME, parse_targets
from bulkmeta.report.text import writable

if TYPE_CHECKING:
    from bulkmeta.model.job import RunSpec, Target
    from bulkmeta.report.progress import RunState
    from bulkmeta.report.stats import RunStats

_LOG: Final = logging.getLogger(__name__)
_CALM: Final = {OK, OUT_OF_TIME, PENDING}
"""Exit codes of runs that ended as they were to end."""

_CUT_SHORT: Final = {THRESHOLD, RUN_FATAL, OUT_OF_TIME, INTERRUPTED}
"""Exit codes of runs that something kept from their end."""


class Outside:
    """What one command line tells to others than its terminal, and what is known of its
    run so far."""

    def __init__(self) -> None:
        self._began_s = time.time()
        self._since_s = time.monotonic()
        self._command = ""
        self._params: Mapping[str, Any] = {}
        self._filed: Container[str] = ()
        self._spec: RunSpec | None = None
        self._run_file: Path | None = None
        self._state: RunState | None = None
        self._ended: RunFacts | None = None
        self._more: Mapping[str, object] = {}
        self._hook: list[str] = []
        self._metrics: Path | None = None
        self._log: JsonLog | None = None
        self._missed: str | None = None

    def open(
        self, command: str, params: Mapping[str, Any], filed: Container[str] = ()
    ) -> None:
        """Take up what the options ask for; the command line is understood. Where one
        of them cannot be done, the others are told of it. A job file's hook and metrics
        (of its options are the names in `filed`) wait for its run, not for a plan.

        Raises:
            UsageError: it cannot be done.
        """
        self._command, self._params, self._filed = command, params, filed
        faults: list[UsageError] = []
        for take in (self._take_log, self._take_metrics, self._take_hook):
            try:
                take(params)
            except UsageError as error:
                faults.append(error)
        if faults:
            raise faults[0]

    def _take_log(self, params: Mapping[str, Any]) -> None:
        if params.get("log_file") is None:
            return
        if _names_one_file(params):
            raise UsageError("--log-file and --metrics-file name the same file")
        self._log = open_log(params["log_file"], params["log_level"])

    def _take_metrics(self, params: Mapping[str, Any]) -> None:
        if params.get("metrics_file") is not None and not _names_one_file(params):
            file = metrics_file(params["metrics_file"])
            if file.suffix != ".prom":
                warn("--metrics-file: node_exporter reads only files named *.prom")
            self._metrics = None if self._waits("metrics_file") else file

    def _take_hook(self, params: Mapping[str, Any]) -> None:
        if params.get("on_finish") is not None:
            words = hook_words(params["on_finish"])
            if not self._waits("on_finish"):
                refuse_missing(words[0])
                self._hook = words

    def _waits(self, option: str) -> bool:
        """Whether it is a job file's, and about its run, where this is a plan of it."""
        return self._command == "plan" and option in self._filed

    @property
    def command(self) -> str:
        """What the command is called."""
        return self._command

    @property
    def logs(self) -> bool:
        """Whether there is a log."""
        return self._log is not None

    def learn(self, spec: RunSpec) -> None:
        """Take note of what is to be run; say once if others can read it on its way."""
        if self._spec is None:
            from bulkmeta.cli.addresses import warn_if_readable

            warn_if_readable(spec.job.target.bucket, spec.connection)
        self._spec = spec

    def begin(self, spec: RunSpec, run_file: Path | None) -> None:
        """Take note of the run that begins now."""
        self.learn(spec)
        self._run_file = run_file
        if self._log:
            self._log.run = run_name(run_file) if run_file else None
            _tell(
                logging.INFO,
                "run began",
                command=self._command,
                target=str(spec.job.target),
                job_hash=spec.job.hash(),
                version=__version__,
                run_file=str(run_file) if run_file else None,
            )

    def watch(self, state: RunState) -> None:
        """Take note of where the run's counters are."""
        self._state = state

    def end(self, facts: RunFacts, more: Mapping[str, object]) -> None:
        """Take note of how the run ended."""
        self._ended, self._more = facts, more

    def so_far(self) -> tuple[RunStats | None, float]:
        """The counters of the run, if it was begun, and how long it has taken."""
        stats = self._state.stats if self._state else None
        return stats, time.monotonic() - self._since_s

    @property
    def throttled(self) -> int:
        """How many answers asked for fewer requests so far."""
        return self._state.pace().throttled if self._state else 0

    def miss(self, fault: str | None) -> None:
        """Take note of what kept the command from telling its result."""
        self._missed = fault

    def finish(self, code: int) -> int:
        """Tell those outside that the command ended so, all but whoever reads stdout;
        the exit code, in which a success that could not be told shows."""
        if not self._command:
            return code
        self._ended = facts = self._facts(code)
        code = self._judged(self._missed, code)
        ended_s, error = time.time(), complaint()
        if self._log:
            _tell_end(facts, code, error)
        if self._metrics:
            code = self._measure(self._metrics, facts, code, ended_s)
        if self._hook:
            told = self._told(facts, code) + b"\n"
            code = self._judged(run_hook(self._hook, told), code)
        return code

    def print_end(self, code: int) -> int:
        """Print what `--json` asks for, last of all: with the exit code that it all
        came to, which is returned."""
        if not self._params.get("as_json") or code == USAGE:
            return code
        return self._judged(print_summary([self._told(self._facts(code), code)]), code)

    def _told(self, facts: RunFacts, code: int) -> bytes:
        """How it ended, for programs."""
        error = complaint()
        text = None if error is None else writable(error)
        return as_json(facts, self._more, exit_code=code, error=text)

    def close(self) -> None:
        """Tell nobody any more."""
        if self._log:
            close_log(self._log)

    def _facts(self, code: int) -> RunFacts:
        """How it ended, from what is known."""
        if self._ended:
            return self._ended
        state, spec, target = self._state, self._spec, self._target()
        made = self._made()
        unended = code in _CUT_SHORT or (code != OK and made is not None)
        return RunFacts(
            command=spec.command if spec else self._command,
            target=str(target) if target else None,
            run_file=named(made),
            interrupted=unended,
            why=_cause(code) if unended else None,
            objects=state.stats.objects if state else 0,
            counts=counts_of(state.stats if state else None),
            reasons=dict(state.stats.reasons) if state else {},
            requests=dict(state.requests) if state else {},
            elapsed_s=round(time.monotonic() - self._since_s, 3),
        )

    def _made(self) -> Path | None:
        """The run file, if the run came so far as to make it."""
        return self._run_file if self._run_file and self._run_file.exists() else None

    def _target(self) -> Target | None:
        """What it is about; of a command that came not far, as its words say."""
        return self._spec.job.target if self._spec else _named_target(self._params)

    def _measure(self, path: Path, facts: RunFacts, code: int, ended_s: float) -> int:
        target = self._target()
        labels = {
            "bucket": target.bucket if target else "",
            "prefix": " ".join(target.prefixes) if target else "",
        }
        labels = {name: writable(concealed(text)) for name, text in labels.items()}
        measured = Measured(labels, code, facts, self.throttled, self._began_s, ended_s)
        try:
            write_metrics(path, measured)
        except OSError as error:
            fault = f"cannot write --metrics-file {str(path)!r}: {error.strerror}"
            return self._judged(fault, code)
        except UsageError as error:
            return self._judged(str(error), code)
        return code

    def _judged(self, fault: str | None, code: int) -> int:
        """The exit code with what went wrong behind the run; other failures are worse,
        and stay."""
        if fault is None:
            return code
        complain(fault)
        if self._log and self._params["log_file"] != STDERR:
            _LOG.error("%s", fault)
        return code or SOME_FAILED


def outside() -> Outside:
    """What is seen of the command under way."""
    context = click.get_current_context(silent=True)
    return context.ensure_object(Outside) if context else Outside()


def _names_one_file(params: Mapping[str, Any]) -> bool:
    log, metrics = params.get("log_file"), params.get("metrics_file")
    if log in {None, STDERR} or metrics is None:
        return False
    return Path(log).resolve() == Path(metrics).resolve()


def _named_target(params: Mapping[str, Any]) -> Target | None:
    """What a command line is about, by its words, or by the run file it names."""
    from bulkmeta.journal.run_reader import read_header

    names: tuple[str, ...] = params.get("target") or ()
    with suppress(BulkmetaError, OSError, ValueError):
        if names and all(name.startswith(SCHEME) for name in names):
            return parse_targets(names, allow_all=True)
        path = Path(params.get("run") or names[0])
        if path.is_file():  # others may never come to their end
            return read_header(path).job.target
    return None


def _cause(code: int) -> str:
    """What kept a run from its end, in words; it was complained of last."""
    words = complaint() or "nobody reads the results any more"
    if (code, words) == (INTERRUPTED, "interrupted"):
        return SIGNALLED
    return writable(words.removeprefix("stopped: "))


def _tell_end(facts: RunFacts, code: int, error: str | None) -> None:
    _tell(
        logging.INFO if code in _CALM else logging.ERROR,
        "run ended",
        exit_code=code,
        error=error,
        interrupted=facts.interrupted,
        why=facts.why,
        objects=facts.objects,
        counts=facts.counts,
        reasons=facts.reasons,
        requests=facts.requests,
        elapsed_s=facts.elapsed_s,
    )


def _tell(level: int, words: str, **fields: object) -> None:
    _LOG.log(level, words, extra={"fields": fields})
