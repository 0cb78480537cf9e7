"""What a job keeps between its runs: one at a time, each from where the last was."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from bulkmeta import __version__
from bulkmeta.cli.commands import WRITTEN
from bulkmeta.cli.exit_codes import OK, OUT_OF_TIME, SOME_FAILED
from bulkmeta.cli.next_steps import resume_command
from bulkmeta.cli.options import job_options
from bulkmeta.cli.output import tell, warn
from bulkmeta.cli.specs import is_given
from bulkmeta.errors import FolderError, OutputError, UsageError
from bulkmeta.journal.job_folder import JobFolder, JobState, held_job
from bulkmeta.journal.records import journal_path
from bulkmeta.journal.run_reader import read_header, read_outcomes, scan_progress
from bulkmeta.model.job import SCHEME, Recent
from bulkmeta.model.limits import is_utf8
from bulkmeta.oss.connect import locate, settings_of
from bulkmeta.runners.loop import run_loop
from bulkmeta.runners.preflight import service_time
from bulkmeta.runners.transforms import load_transform
from bulkmeta.sources.key_file import fingerprint

if TYPE_CHECKING:
    from bulkmeta.model.job import JobSpec, RunSpec

MOST_FAILED: Final = 1000
"""Failed objects that are looked at again by name; with more, the next run looks at all
that the last one looked at."""

MARGIN: Final = timedelta(minutes=1)
"""Servers of the service need not agree on the time to the second."""

_FOLDER: Final = ".bulkmeta/jobs"
_PATHS: Final = ("values_file", "keys_from", "inventory", "types", "target")


@contextmanager
def kept_job(spec: RunSpec, values: dict[str, Any]) -> Iterator[Kept | None]:
    """The job, held by this process alone while the body lasts; None if there is no
    place to keep anything.

    Raises:
        LockedError: another process is at it.
        UsageError: the folder that was named cannot be used, or --since-last-run does
            not go with the job, or --full-every stands alone.
    """
    settings = settings_of(spec.connection)
    key = _key(locate(spec.job.target.bucket, spec.connection, settings).base)
    named = values["state"]
    if named == "":
        raise UsageError("--state names no folder")
    path = Path(named) if named else settings.home / _FOLDER / key[:16]
    if values["since_last_run"]:
        _refuse_since(spec.job, values)
    elif is_given("full_every"):
        raise UsageError("--full-every goes with --since-last-run")
    with ExitStack() as stack:
        held = held_job(path, key, wait_s=values["wait_lock"] or 0.0, say=tell)
        try:
            folder = stack.enter_context(held)
        except FolderError as error:
            if named or values["since_last_run"]:
                raise
            warn(f"{error}: nothing keeps this job from running twice at once")
            yield None
        else:
            yield Kept(folder, folder.read(), spec, values)


def _key(address: str) -> str:
    """A fingerprint of the job as it is written, on that service: ages and files are
    what they say, not what that comes to today."""
    written: dict[str, Any] = click.get_current_context().meta[WRITTEN]
    names = job_options()
    told = {
        name: _whole(name, value) for name, value in written.items() if name in names
    }
    canonical = json.dumps([address, told], sort_keys=True)  # names may be any bytes
    return hashlib.sha256(canonical.encode()).hexdigest()


def _whole(name: str, value: Any) -> Any:
    """An option as it is written, with the names of files in full."""
    if name == "shard" and value is not None:
        index, _, of = value.partition("/")
        return value if of.isdecimal() else [index, _absolute(of)]
    return _absolute(value) if name in _PATHS else value


def _absolute(value: Any) -> Any:
    """Names of files as those of the whole machine."""
    if isinstance(value, list | tuple):
        return [*map(_absolute, value)]
    is_file = isinstance(value, str) and "://" not in value and value != "-"
    return os.path.abspath(value) if is_file else value  # noqa: PTH100 it need not exist


def _refuse_since(job: JobSpec, values: dict[str, Any]) -> None:
    """Stop where an object may become one to change without being modified."""
    named = values["keys_from"] is not None or values["inventory"] is not None
    if job.takes != "listing" or named:
        raise UsageError("--since-last-run goes with a listing, not with named objects")
    if job.select.modified_before or job.select.limit:
        raise UsageError(
            "--since-last-run would miss objects with --modified-before or --limit"
        )


@dataclass(slots=True)
class Kept:
    """A job that this process holds, and how far it came."""

    folder: JobFolder
    state: JobState
    spec: RunSpec
    values: dict[str, Any]

    def stopped(self) -> Path | None:
        """The run that was stopped in time, if it still waits to be continued, and what
        it was given is as it was."""
        path = Path(self.state.stopped) if self.state.stopped else None
        if path is None:
            return None
        if not path.exists():
            warn(
                f"{path}, which was stopped in time, is gone: beginning anew; to undo "
                "what it changed takes that file"
            )
            return None
        progress = scan_progress(path, set())
        if progress.complete:
            return None
        why = self._why_anew(progress.header.job)
        if why:
            warn(f"{path} was stopped in time, and stays as it is: {why}")
        return None if why else path

    def _why_anew(self, job: JobSpec) -> str | None:
        """Why a run of that job is not what this call asks for, if it is not."""
        if self.values["keys_from"] == "-":
            return "its keys came from standard input, which may name others by now"
        other = _other_file(job) or _other_origin(job, self.spec.job)
        return f"{other!r} is not as it was then" if other else None

    def recent(self, job: JobSpec) -> Recent | None:
        """Which objects the run is to look at: those modified since the last one, or
        (without a time) all. None if nobody asked for that."""
        if not self.values["since_last_run"]:
            return None
        began = run_loop(service_time(self.spec))
        if why := self._why_all(job, began):
            tell(f"since     all objects: {why}")
            return Recent(began=began)
        return Recent(began=began, since=self.state.since, again=self.state.failed)

    def _why_all(self, job: JobSpec, began: str) -> str | None:
        """Why a run looks at all objects, if it does."""
        since, full = self.state.since, self.state.full
        if self.folder.is_of_others:
            return f"the last run kept in {self.folder.path} was of another job"
        if not (since and full):
            return self._why_none()
        if self.state.job is None or self.state.job != _identity(job):
            return "the job is another one than in the last run, or may be"
        if not _is_before(since, began):
            return "the last run began later than now, by the service's clock"
        every = timedelta(seconds=self.values["full_every"])
        if not _is_before(began, full, every):
            return "it is time for that (--full-every)"
        return None

    def _why_none(self) -> str:
        """Why there is no last run to go by."""
        if any(map(_is_unfinished, (self.state.begun, self.state.stopped))):
            return "no run of this job has come to its end yet"
        return "there is no last run of this job"

    @contextmanager
    def begun(self, run_file: Path) -> Iterator[None]:
        """A new run while the body lasts, which the next one knows of if it does not
        come to its end; what is left of the last one is told."""
        last = self.state.begun if _is_unfinished(self.state.begun) else None
        if last:
            how = resume_command(Path(last))
            warn(f"the last run of this job was interrupted; {how} finishes it")
        self._note_begun(_named(run_file))
        try:
            yield
        finally:
            if not journal_path(run_file).exists():
                self._note_begun(last)

    def _note_begun(self, run_file: str | None) -> None:
        """As far as there is room: no run is to end for that."""
        if self.folder.is_of_others:
            return
        try:
            self._note(msgspec.structs.replace(self.state, begun=run_file))
        except OutputError as error:
            warn(f"{error}; if it is killed, the next run does not tell of it")

    def end(self, code: int, run_file: Path) -> None:
        """Note how the run ended."""
        state = msgspec.structs.replace(self.state, begun=None)
        if code == OUT_OF_TIME:
            self._note(msgspec.structs.replace(state, stopped=_named(run_file)))
        elif code in {OK, SOME_FAILED}:
            header = read_header(run_file)
            if header.recent:
                identity = _identity(header.job)
                state = _after(state, run_file, header.recent, identity)
            self._note(msgspec.structs.replace(state, stopped=None))

    def _note(self, state: JobState) -> None:
        if state != self.state:
            self.folder.write(state)
            self.state = state


def _is_unfinished(run_file: str | None) -> bool:
    """Whether a run began there that has not come to its end since."""
    return bool(run_file) and os.path.exists(journal_path(Path(str(run_file))))  # noqa: PTH110 never raises


def _named(run_file: Path) -> str | None:
    """Where it is found from anywhere; None if no text can say that."""
    name = str(run_file.resolve())
    return name if is_utf8(name) else None


def _other_file(job: JobSpec) -> str | None:
    """The first of the files that the job was given that has another content by now."""
    for file in (job.keys, job.values, job.inventory):
        if file is None or file.path.startswith(SCHEME):  # an inventory in its bucket
            continue
        if fingerprint(Path(file.path)) != file.sha256:
            return file.path
    return None


def _other_origin(job: JobSpec, now: JobSpec) -> str | None:
    """The plan file or transform of the job, if it is another one `now`."""
    if job.parent and job.parent != now.parent:
        return job.parent.path
    if job.transform and load_transform(job.transform.name)[0] != job.transform:
        return job.transform.name
    return None


def _after(
    state: JobState, run_file: Path, recent: Recent, job: str | None
) -> JobState:
    """What is known after a run that came to its end."""
    failed = []
    for outcome in read_outcomes(run_file):
        if outcome.status == "failed":
            failed.append(outcome.key)
            if len(failed) > MOST_FAILED:  # the next run begins where this one did
                since = recent.since if state.job == job else None
                return msgspec.structs.replace(state, since=since)
    since = (datetime.fromisoformat(recent.began) - MARGIN).isoformat()
    full = state.full if recent.since else recent.began
    return msgspec.structs.replace(
        state, job=job, since=since, full=full, failed=tuple(failed)
    )


def _identity(job: JobSpec) -> str | None:
    """A fingerprint of all that decides what becomes of an object, but for when it was
    modified; None if a program's part in that cannot be told from another's."""
    if job.transform and job.transform.sha256 is None:
        return None
    select = msgspec.structs.replace(job.select, modified_after=None)
    whole = msgspec.structs.replace(job, select=select).hash()
    return f"{__version__}:{whole}"


def _is_before(one: str, other: str, span: timedelta = timedelta()) -> bool:
    """Whether `one` comes before `other`, or before so long after it."""
    return datetime.fromisoformat(one) < datetime.fromisoformat(other) + span
