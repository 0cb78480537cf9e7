"""What was probably meant by a name that is none; nothing where none is near."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import click

_LEAST: Final = 3
"""Fewer letters are the start of too much."""


def nearest(typed: str, known: Iterable[str]) -> str | None:
    """The known name that `typed` is a slip of the hand away from, or else the longest
    one that it starts like; None if none is that near."""
    names = list(known)
    near = [name for name in names if _is_near(typed, name)]
    if near:
        return min(near, key=lambda name: _distance(typed, name))
    starts = (
        name
        for name in names
        if len(_bare(name)) >= _LEAST and _is_near(typed[: len(name)], name)
    )
    return max(starts, key=len, default=None)


def about_command(typed: str, ctx: click.Context) -> str:
    """That the program has no such command, and what may have been meant."""
    group = ctx.command
    told = f"no such command {typed!r}"
    if isinstance(group, click.Group):
        if f"--{typed}" in _options(group, ctx):
            return f"{told}; it is an option: {ctx.command_path} --{typed}"
        guess = nearest(typed, group.list_commands(ctx))
        if guess:
            return f"{told}; did you mean {guess!r}?"
    return f"{told}; {ctx.command_path} --help names all"


def about_option(error: click.NoSuchOption) -> str:
    """That a command has no such option; which commands have it, or what may have been
    meant."""
    name, ctx = error.option_name, error.ctx
    told = f"no such option {name}"
    if ctx is None:
        return told
    others = list(_owners(name, ctx.find_root()))
    if others:
        return f"{told} {_place(name, ctx)}; it belongs to {_and(others)}"
    known = [flag for flag in _options(ctx.command, ctx) if flag.startswith("--")]
    guess = nearest(name, known)
    if guess:
        return f"{told}; did you mean {guess}?"
    return f"{told}; {ctx.command_path} --help names all"


def _place(name: str, ctx: click.Context) -> str:
    if ctx.parent is None:
        return "in front of the command"
    asks = ", which asks nothing" if name in {"--yes", "-y"} else ""
    return f"for {ctx.info_name}{asks}"


def _owners(flag: str, root: click.Context) -> Iterator[str]:
    """The commands that have that option."""
    group = root.command
    if isinstance(group, click.Group):
        for name in group.list_commands(root):
            command = group.get_command(root, name)
            if command is not None and flag in _options(command, root):
                yield name


def _options(command: click.Command, ctx: click.Context) -> list[str]:
    return [
        flag
        for param in command.get_params(ctx)
        if isinstance(param, click.Option) and not param.hidden
        for flag in (*param.opts, *param.secondary_opts)
    ]


def _and(names: list[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _is_near(typed: str, name: str) -> bool:
    """Whether a third of the name's letters, at most, are wrong."""
    most = len(_bare(name)) // 3
    within = abs(len(typed) - len(name)) <= most
    return within and _distance(typed, name) <= most


def _bare(name: str) -> str:
    return name.lstrip("-")


def _distance(typed: str, name: str) -> int:
    """How many letters are left out, added, wrong, or swapped with the next."""
    before: list[int] = []
    last = list(range(len(name) + 1))
    for i, letter in enumerate(typed):
        row = [i + 1]
        for j, wanted in enumerate(name):
            cost = min(last[j + 1] + 1, row[j] + 1, last[j] + (letter != wanted))
            if i and j and (letter, typed[i - 1]) == (name[j - 1], wanted):
                cost = min(cost, before[j - 1] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]
