"""Commands whose options may stand in a job file, and count in their order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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

_JOB = "bulkmeta.job"
JOB_SUFFIX = ".toml"


class RunCommand(HelpfulCommand):
    """A command whose run may be seen from outside."""

    def __init__(
        self, *args: Any, means: Mapping[int, str] | None = None, **attrs: Any
    ) -> None:
        super().__init__(*args, means=means or {}, **attrs)

    def invoke(self, ctx: click.Context) -> Any:
        ctx.ensure_object(Outside).open(str(ctx.info_name), ctx.params)
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

        ctx.meta[_JOB] = job = read_job_file(target[0])
        conceal(job.secrets())
        by_flag = {flag: param for param in self.params for flag in param.opts}
        given = [(by_flag[f], text) for f, text in job.options if f in by_flag]
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


def _merged(
    given: list[tuple[click.Parameter, str | bool]], typed: dict[str, Any]
) -> dict[str, Any]:
    """A job file's options under those that were typed: of one that may come often
    both count, but of assignments to one name the typed one."""
    merged: dict[str, Any] = {}
    for param, value in given:
        name = str(param.name)
        if not param.multiple:
            merged[name] = value
        elif _name_of(value) not in map(_name_of, typed.get(name, ())) or not (
            isinstance(param.type, Assignment)
        ):
            merged.setdefault(name, []).append(value)
    for name, value in typed.items():
        both = isinstance(value, list) and name in merged
        merged[name] = [*merged[name], *value] if both else value
    return merged


def _name_of(assignment: object) -> str:
    return str(assignment).partition("=")[0].strip().lower()


@contextmanager
def _located(ctx: click.Context) -> Iterator[None]:
    """Errors that are about what a job file says name its lines."""
    try:
        yield
    except (click.UsageError, UsageError) as error:
        job = ctx.meta.get(_JOB)
        if job is None:
            raise
        message = (
            error.format_message()
            if isinstance(error, click.UsageError)
            else str(error)
        )
        raise UsageError(job.located(message)) from error
