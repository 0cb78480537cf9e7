"""Commands whose options may stand in a job file, and count in their order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import click

from bulkmeta.cli.help import HelpfulCommand
from bulkmeta.cli.output import conceal
from bulkmeta.cli.outside import Outside
from bulkmeta.cli.types import Assignment
from bulkmeta.errors import UsageError
from bulkmeta.model.job import SCHEME

ORDER = "bulkmeta.order"
"""Where a command line keeps the names of its options as they came."""

WRITTEN = "bulkmeta.written"
"""Where it keeps its options as they were written, with those of a job file."""

FILED = "bulkmeta.filed"
"""Where it keeps the names of options of which a job file's value counts."""

_JOB = "bulkmeta.job"
JOB_SUFFIX = ".toml"


class RunCommand(HelpfulCommand):
    """A command whose run may be seen from outside."""

    def __init__(
        self, *args: Any, means: Mapping[int, str] | None = None, **attrs: Any
    ) -> None:
        super().__init__(*args, means=means or {}, **attrs)

    def invoke(self, ctx: click.Context) -> Any:
        filed = ctx.meta.get(FILED, ())
        ctx.ensure_object(Outside).open(str(ctx.info_name), ctx.params, filed)
        return super().invoke(ctx)


class SelectingCommand(RunCommand):
    """A command that remembers in which order its options were given."""

    def make_parser(self, ctx: click.Context) -> Any:
        parser = super().make_parser(ctx)
        parse = parser.parse_args

        def parse_args(args: list[str]) -> Any:
            options, rest, order = parse(args)
            options, order = self.completed(ctx, options, order)
            ctx.meta[ORDER] = [param.name for param in order]
            ctx.meta[WRITTEN] = options
            return options, rest, order

        parser.parse_args = parse_args  # type: ignore[method-assign]
        return parser

    def completed(
        self,
        ctx: click.Context,
        options: dict[str, Any],
        order: list[click.Parameter],
    ) -> tuple[dict[str, Any], list[click.Parameter]]:
        """What was typed, as it was given."""
        return options, order


class JobCommand(SelectingCommand):
    """A command whose target may be a job file; what is typed goes before it."""

    def completed(
        self,
        ctx: click.Context,
        options: dict[str, Any],
        order: list[click.Parameter],
    ) -> tuple[dict[str, Any], list[click.Parameter]]:
        """What was typed, behind what the job file says."""
        target = options.get("target")
        if not (isinstance(target, tuple) and any(map(_names_job, target))):
            return options, order
        if len(target) > 1:
            raise UsageError("a job file names its targets; give it alone")
        from bulkmeta.cli.job_file import read_job_file

        job = read_job_file(target[0])
        conceal(job.secrets())
        by_flag = {flag: param for param in self.params for flag in param.opts}
        counting = [
            (flag, text)
            for flag, text in job.options
            if flag in by_flag and _counts(by_flag[flag], text, options)
        ]
        typed = {
            flag: _names(options[param.name])
            for flag, param in by_flag.items()
            if param.name in options
        }
        ctx.meta[_JOB] = replace(job, options=tuple(counting)), typed
        given = [(by_flag[flag], text) for flag, text in counting]
        ctx.meta[FILED] = {str(param.name) for param, _ in given}
        options = _merged(given, options) | {"target": job.target}
        return options, [*(param for param, _ in given), *order]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        with _located(ctx):
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        with _located(ctx):
            return super().invoke(ctx)


def _names_job(target: str) -> bool:
    return target.endswith(JOB_SUFFIX) and not target.startswith(SCHEME)


def _counts(param: click.Parameter, value: object, typed: Mapping[str, Any]) -> bool:
    """Whether what a job file gives counts beside what was typed: both do of an option
    that may come often, but of assignments to one name the typed one."""
    if param.name not in typed:
        return True
    if not isinstance(param.type, Assignment):
        return param.multiple
    return _name_of(value) not in _names(typed[param.name])


def _merged(
    given: list[tuple[click.Parameter, str | bool]], typed: dict[str, Any]
) -> dict[str, Any]:
    """A job file's options that count under those that were typed."""
    merged: dict[str, Any] = {}
    for param, value in given:
        name = str(param.name)
        if param.multiple:
            merged.setdefault(name, []).append(value)
        else:
            merged[name] = value
    for name, value in typed.items():
        both = isinstance(value, list) and name in merged
        merged[name] = [*merged[name], *value] if both else value
    return merged


def _names(given: object) -> list[str]:
    """The names, or texts, that an option was given."""
    return [*map(_name_of, given)] if isinstance(given, list) else []


def _name_of(assignment: object) -> str:
    return str(assignment).partition("=")[0].strip().lower()


@contextmanager
def _located(ctx: click.Context) -> Iterator[None]:
    """Errors that are about what a job file says name its lines."""
    try:
        yield
    except (click.UsageError, UsageError) as error:
        if _JOB not in ctx.meta:
            raise
        job, typed = ctx.meta[_JOB]
        message = (
            error.format_message()
            if isinstance(error, click.UsageError)
            else str(error)
        )
        raise UsageError(job.located(message, typed)) from error
