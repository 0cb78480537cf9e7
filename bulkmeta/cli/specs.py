"""What the options of a command line stand for: jobs, runs and their parts."""

from __future__ import annotations

import itertools
import logging
import os
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from shlex import join
from typing import Any

import click
import msgspec
from click.core import ParameterSource

from bulkmeta.cli.change_options import change_of
from bulkmeta.cli.commands import FILED, ORDER
from bulkmeta.cli.exit_codes import OUT_OF_TIME
from bulkmeta.cli.output import complain
from bulkmeta.cli.selection_options import refuse_alone
from bulkmeta.cli.types import KeptShard
from bulkmeta.errors import UsageError
from bulkmeta.model import limits
from bulkmeta.model.conditions import Condition
from bulkmeta.model.job import (
    SCHEME,
    Command,
    Connection,
    JobSpec,
    LockObject,
    Pace,
    Rules,
    RunSpec,
    StopRules,
    Target,
    parse_targets,
    spread_for,
)
from bulkmeta.model.selection import KeyRule, Selection
from bulkmeta.model.tolerance import parse_tolerance
from bulkmeta.model.windows import parse_window
from bulkmeta.report.text import utc

LEAST_LEASE_S = 10.0
"""Below that a slow answer or two would lose a lock."""

MOST_LEASE_S = 86_400.0
"""So long others may have to wait for one that was killed."""

_EARLY_S = 60
_TARGET = "write the target as oss://bucket/prefix; --keys-from takes keys from a file"
_SELECTS = set(Selection.__struct_fields__) - {"keys", "part"}


def file_named(name: str) -> Path:
    """The file of that name; a link to a run file leads to where its journal lies.

    Raises:
        UsageError: there can be none of that name.
    """
    path = Path(name)
    if not limits.is_utf8(name):
        raise UsageError(f"{name!r}: the name is not UTF-8, so it cannot be recorded")
    if "\0" in name:
        raise UsageError(f"{name!r}: a file's name holds no NUL")
    try:
        if not name or path.is_dir():
            raise UsageError(f"{name!r} is no file")
        return path.resolve() if path.is_symlink() else path
    except OSError as error:
        raise UsageError(f"cannot read {name!r}: {error.strerror}") from error


def run_spec(
    target: tuple[str, ...], command: Command, values: dict[str, Any]
) -> RunSpec:
    """The run that a command line asks for."""
    _refuse_records(target)
    _refuse_files(target, "a job file is named .toml")
    where = _target(target, values)
    job = JobSpec(
        target=where,
        change=change_of(values),
        rules=rules_of(values, Rules()),
        select=selection_of(values, where),
        where=where_of(values),
    )
    return RunSpec(
        job,
        command,
        connection_of(values),
        pace_of(values),
        _heeded(until_of(values), command),
        lock=lock_of(values),
    )


def _heeded(until: StopRules, command: Command) -> StopRules:
    """The rules as the command heeds them: a job file's window is about its run, not
    about a look at it."""
    filed = click.get_current_context().meta.get(FILED, ())
    if command == "plan" and "window" in filed:
        return msgspec.structs.replace(until, window=None)
    return until


def viewing_spec(target: tuple[str, ...], values: dict[str, Any]) -> RunSpec:
    """A run that only looks at objects."""
    _refuse_files(target, _TARGET)
    named = _target(target, values)
    job = JobSpec(named, select=selection_of(values, named), where=where_of(values))
    return RunSpec(job, "plan", connection_of(values), pace_of(values))


def listing_spec(target: tuple[str, ...], values: dict[str, Any]) -> RunSpec:
    """A run that only lists objects."""
    _refuse_files(target, _TARGET)
    job = JobSpec(_target(target, values))
    pace = Pace(
        rate=values["rate"],
        retries=values["retries"],
        spread=_spread(values),
    )
    return RunSpec(job, "plan", connection_of(values), pace)


def _refuse_files(target: tuple[str, ...], instead: str) -> None:
    """Stop at a file in the place of a target, and say what to do `instead`."""
    for text in target:
        if not text.startswith(SCHEME) and os.path.isfile(text):  # noqa: PTH113 never raises
            raise UsageError(f"{text!r} is a file; {instead}")


def _refuse_records(target: tuple[str, ...]) -> None:
    """Stop at a plan or run file in the place of a target, and say what takes it."""
    from bulkmeta.journal.run_reader import read_header

    for text in target:
        command = None
        if not text.startswith(SCHEME) and os.path.isfile(text):  # noqa: PTH113 never raises
            with suppress(UsageError):
                command = read_header(Path(text)).command
        if command == "plan":
            order = join(["bulkmeta", "apply", text])
            raise UsageError(f"{text!r} is a plan; carry it out by {order}")
        if command:
            takers = "report, resume, retry, verify and undo take it"
            raise UsageError(f"{text!r} is a run file; {takers}")


def _target(target: tuple[str, ...], values: dict[str, Any]) -> Target:
    refuse_alone(values)
    named = values["keys_from"] is not None or values["inventory"] is not None
    return parse_targets(target, allow_all=values["allow_all"] or named)


def where_of(values: dict[str, Any]) -> tuple[str, ...]:
    """The conditions that the options name.

    Raises:
        UsageError: one of them is none, or the library for them is missing.
    """
    texts: tuple[str, ...] = values["where"]
    if texts:
        Condition(texts)
    return texts


def selection_of(values: dict[str, Any], target: Target) -> Selection:
    """Which objects at a target the options admit; call it while the command is under
    way.

    Raises:
        UsageError: no object can be admitted, or a pattern is not UTF-8; or a file of
            shards is none of that target's.
    """
    texts = ("include", "exclude", "regexes")
    for text in itertools.chain.from_iterable(values[name] for name in texts):
        if not limits.is_utf8(text):
            raise UsageError(f"{text!r}: the pattern is not valid UTF-8, as keys are")
    fields = {name: values[name] for name in _SELECTS if name in values}
    if isinstance(kept := values.get("shard"), KeptShard):
        from bulkmeta.cli.sharding import read_part

        fields |= {"shard": None, "part": read_part(kept.path, kept.number, target)}
    selection = Selection(keys=_key_rules(values), **fields)
    _refuse_empty(selection)
    return selection


def _key_rules(values: dict[str, Any]) -> tuple[KeyRule, ...]:
    given = {name: iter(values[name]) for name in ("include", "exclude")}
    order = click.get_current_context().meta.get(ORDER, ())
    return tuple(
        KeyRule(next(given[name]), wanted=name == "include")
        for name in order
        if name in given
    )


def _refuse_empty(selection: Selection) -> None:
    for what, options, least, most in (
        ("size", "--min-size, --max-size", selection.min_size, selection.max_size),
        (
            "key",
            "--start-after, --end-before",
            selection.start_after,
            selection.end_before,
        ),
    ):
        if least is not None and most is not None and least > most:  # type: ignore[operator]
            raise UsageError(
                f"no {what} is above {least!r} and below {most!r} ({options})"
            )
    after, before = selection.modified_after, selection.modified_before
    if (
        after
        and before
        and datetime.fromisoformat(after) >= datetime.fromisoformat(before)
    ):
        raise UsageError(f"no time is after {utc(after)} and before {utc(before)}")


def rules_of(values: dict[str, Any], given: Rules) -> Rules:
    """What a job may do: what is `given`, and what the options add to it."""
    return Rules(
        acl=given.acl if values["acl_policy"] == "auto" else values["acl_policy"],
        allow_appendable=values["allow_appendable"] or given.allow_appendable,
        allow_early_rewrite=values["allow_early_rewrite"] or given.allow_early_rewrite,
        allow_new_versions=values["allow_new_versions"] or given.allow_new_versions,
        allow_rewritten=values.get("allow_rewritten", given.allow_rewritten),
    )


def connection_of(values: dict[str, Any]) -> Connection:
    """How the options say that the service is reached.

    Raises:
        UsageError: they name several endpoints.
    """
    connection = Connection(
        endpoint=values["endpoint"],
        region=values["region"],
        internal=values["internal"],
        sign_version=values["sign_version"],
        profile=values["profile"],
        accelerate=values["accelerate"],
        dual_stack=values["dual_stack"],
        request_payer=values["request_payer"],
    )
    network = connection.network
    if connection.endpoint and network != "public":
        raise UsageError(f"--{network} and --endpoint name different endpoints")
    return connection


def until_of(values: dict[str, Any]) -> StopRules:
    """When the options say that a run is to stop.

    Raises:
        UsageError: they say it in a way that means nothing.
    """
    window = None if values["window"] is None else parse_window(values["window"])
    return StopRules(
        parse_tolerance(values["max_failures"]),
        values["max_duration"],
        window,
        values.get("canary", 0),
    )


def lock_of(values: dict[str, Any]) -> LockObject | None:
    """Which object the options name as a lock that only one run has at a time.

    Raises:
        UsageError: it is none, or for too short a time; or there is nothing to wait
            for.
    """
    name = values.get("lock_object")
    if name is None:
        if values.get("wait_lock") and "state" not in values:
            raise UsageError("--wait-lock goes with --lock-object here")
        if is_given("lease"):
            raise UsageError("--lease goes with --lock-object")
        return None
    bucket, _, key = name.removeprefix(SCHEME).partition("/")
    if not name.startswith(SCHEME) or not key or key.endswith("/"):
        raise UsageError(f"--lock-object {name!r}: write it as {SCHEME}BUCKET/KEY")
    if fault := limits.bucket_fault(bucket) or limits.key_fault(key):
        raise UsageError(f"--lock-object {name!r}: {fault}")
    if not LEAST_LEASE_S <= values["lease"] <= MOST_LEASE_S:
        raise UsageError(f"--lease takes {LEAST_LEASE_S:g}s at least, 24h at most")
    return LockObject(bucket, key, values["lease"], values["wait_lock"] or 0.0)


def until_again(values: dict[str, Any], before: StopRules | None) -> StopRules:
    """When a run that goes on is to stop: as `before`, where no option says otherwise;
    but it has all the time that it takes.

    Raises:
        UsageError: as for `until_of`.
    """
    now = until_of(values)
    if before is None:
        return now
    window = now.window
    if before.window and not is_given("window"):
        window = parse_window(str(before.window))  # its zone may not be known here
    return StopRules(
        now.tolerance if is_given("max_failures") else before.tolerance,
        now.max_duration_s,
        window,
        before.canary,
    )


def lock_again(values: dict[str, Any], before: LockObject | None) -> LockObject | None:
    """The lock of a run that goes on: the one that it had, unless another is given.

    Raises:
        UsageError: as for `lock_of`.
    """
    if before is None or is_given("lock_object"):
        return lock_of(values)
    lease_s = values["lease"] if is_given("lease") else before.lease_s
    return lock_of({**values, "lock_object": str(before), "lease": lease_s})


def is_given(name: str) -> bool:
    """Whether an option stands on the command line, or in its job file."""
    context = click.get_current_context(silent=True)
    source = context.get_parameter_source(name) if context else None
    return source is ParameterSource.COMMANDLINE


def await_window(until: StopRules) -> None:
    """Begin nothing outside of the window; one that opens within a minute is waited
    for, since not all clocks go alike.

    Raises:
        click.exceptions.Exit: it is closed.
    """
    now = datetime.now(UTC)
    if until.window is None or until.window.closes_at(now):
        return
    opens = until.window.opens_at(now)
    if (seconds := (opens - now).total_seconds()) > _EARLY_S:
        when = f"{opens.astimezone():%Y-%m-%d %H:%M %Z}"
        words = f"nothing was begun: window {until.window} opens {when}"
        complain(words, logging.INFO)
        raise click.exceptions.Exit(OUT_OF_TIME)
    time.sleep(seconds)


def pace_of(values: dict[str, Any]) -> Pace:
    """How fast the options say that a run may go.

    Raises:
        UsageError: on a cluster, and what is needed for that is not installed.
    """
    if values.get("cluster"):
        from bulkmeta.runners.cluster import require_ray

        require_ray()
    return Pace(
        concurrency=values["concurrency"],
        rate=values["rate"],
        retries=values["retries"],
        spread=_spread(values),
        processes=values.get("processes") or (2 if values.get("cluster") else 1),
        cluster=values.get("cluster"),
    )


def pace_again(values: dict[str, Any], before: Pace | None) -> Pace:
    """How fast a run that goes on may go: as fast as `before`, where no option says
    otherwise. By which processes is said anew.

    Raises:
        UsageError: as for `pace_of`.
    """
    names = ("concurrency", "rate", "retries")
    kept = (name for name in names if before and not is_given(name))
    return pace_of(values | {name: getattr(before, name) for name in kept})


def _spread(values: dict[str, Any]) -> int:
    """How many key ranges; one for commands that do not list."""
    if "spread" not in values:
        return 1
    if values["spread"] is None:
        return spread_for(values["rate"])
    return int(values["spread"])
