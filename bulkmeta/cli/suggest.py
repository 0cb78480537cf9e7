"""What was probably meant by a name that is none; nothing where none is near."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import click

_LIKENESS: Final = 0.7
"""Of a slip of the hand: twice the letters that both have, in order, by all letters."""

_LEAST: Final = 3
"""Fewer letters are the start of too much."""

TYPED: Final = "bulkmeta.typed"
"""Where a command's context keeps the words that were typed behind it."""

_INSTEAD: Final = {
    ("apply", "--dry-run"): "bulkmeta plan shows what it would change",
    ("plan", "--dry-run"): "plan changes nothing anyway; leave it out",
    ("show", "--json"): "--format jsonl prints lines of JSON",
    **{
        (command, flag): "--yes answers its question"
        for command in ("apply", "retry", "undo", "probe")
        for flag in ("-f", "--force")
    },
    **{
        (command, flag): "all keys under a prefix are meant anyway"
        for command in ("apply", "plan", "show")
        for flag in ("-r", "--recursive")
    },
}
"""What has another name here than with other commands, or other tools."""

_CHANGES: Final = "bulkmeta apply changes metadata"
_SHOWS: Final = "bulkmeta show prints each object's metadata"
_ELSEWHERE: Final = {
    "set-meta": _CHANGES,
    "setmeta": _CHANGES,
    "set-props": _CHANGES,
    "set-acl": "bulkmeta apply --acl sets that of objects",
    "object-tagging": "bulkmeta apply --tag and --untag change tags",
    "ls": _SHOWS,
    "stat": _SHOWS,
}
"""Commands of other tools, and what does the same here."""


def nearest(typed: str, known: Iterable[str]) -> str | None:
    """The known name that `typed` is a slip of the hand away from, or else the longest
    one that it starts like; None if none is that near."""
    from difflib import get_close_matches

    bare = _bare(typed)
    # `--unset-header` is near `--set-header`, and the contrary of it.
    names = {_bare(name): name for name in known if _bare(name) != f"un{bare}"}
    close = get_close_matches(bare, names, n=len(names) or 1, cutoff=_LIKENESS)
    if close:  # who stopped too early has made no slip
        return names[next((name for name in close if name.startswith(bare)), close[0])]
    starts = (
        name
        for name in names
        if len(name) >= _LEAST
        and get_close_matches(bare[: len(name)], [name], cutoff=_LIKENESS)
    )
    longest = max(starts, key=len, default=None)
    return None if longest is None else names[longest]


def about_command(typed: str, ctx: click.Context) -> str:
    """That the program has no such command, and what may have been meant."""
    group = ctx.command
    told = f"no such command {typed!r}"
    if isinstance(group, click.Group):
        if f"--{typed}" in _options(group, ctx):
            return f"{told}; it is an option: {ctx.command_path} --{typed}"
        if instead := _ELSEWHERE.get(typed):
            return f"{told}; {instead}"
        guess = nearest(typed, group.list_commands(ctx))
        if guess:
            return f"{told}; did you mean {guess!r}?"
    return f"{told}; {ctx.command_path} --help names all"


def about_option(error: click.NoSuchOption) -> str:
    """That a command has no such option; which commands have it, or what may have been
    meant."""
    ctx = error.ctx
    if ctx is None:
        return f"no such option {error.option_name}"
    name = _as_typed(error.option_name, ctx)
    told = f"no such option {name}"
    if instead := _INSTEAD.get((str(ctx.info_name), name)):
        return f"{told} for {ctx.info_name}; {instead}"
    others = list(_owners(name, ctx.find_root()))
    if others:
        return f"{told} {_place(name, ctx)}; it belongs to {_and(others)}"
    if "." in name and _takes_arguments(ctx):
        return f"{told}; a file of that name is ./{name}"
    known = [flag for flag in _options(ctx.command, ctx) if flag.startswith("--")]
    guess = nearest(name, known)
    if guess:
        return f"{told}; did you mean {guess}?"
    hyphens = "" if name.startswith("--") else "options have two hyphens; "
    return f"{told}; {hyphens}{ctx.command_path} --help names all"


def _takes_arguments(ctx: click.Context) -> bool:
    params = ctx.command.get_params(ctx)
    return any(isinstance(param, click.Argument) for param in params)


def _as_typed(name: str, ctx: click.Context) -> str:
    """What was typed: of `-set a=b` click tells that there is no `-s`."""
    typed = (word.partition("=")[0] for word in ctx.meta.get(TYPED, ()))
    short = (word for word in typed if word[:1] == "-" != word[1:2])
    return next((word for word in short if name[1:] in word), name)


def about_missing(error: click.MissingParameter) -> str:
    """What a command needs, all of it at once."""
    ctx = error.ctx
    if ctx is None or error.param is None:
        return error.format_message()
    needed = [param for param in ctx.command.get_params(ctx) if param.required]
    words = [
        param.make_metavar(ctx) if isinstance(param, click.Argument) else param.opts[0]
        for param in needed
    ]
    hint = f"{ctx.command_path} --help shows examples"
    return f"{ctx.info_name} needs {_and(words)}; {hint}"


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


def _bare(name: str) -> str:
    return name.lstrip("-")
