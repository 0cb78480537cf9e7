"""Writes what of the documentation is made from the code: `reference/commands.md`,
`reference/job-file.md`, and the modules that `architecture.md` names.

    python docs/make_reference.py        (or: make reference)

A test holds the pages to it.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from itertools import starmap
from pathlib import Path

import click

from bulkmeta.cli.help import ASKS, EXIT_CODES, LIMIT, HelpfulCommand
from bulkmeta.cli.init import EXAMPLE
from bulkmeta.cli.main import COMMANDS
from bulkmeta.cli.main import bulkmeta as group
from bulkmeta.cli.options import sections

HERE = Path(__file__).parent
PACKAGE = HERE.parent / "bulkmeta"
OWN = "Options"
Records = dict[tuple[str, str], list[str]]
"""An option's names and words, and the commands that have it."""

HEAD = """\
# Commands

<!-- made by docs/make_reference.py -->

What `bulkmeta COMMAND --help` tells. The options [by purpose](options.md), with what
lies behind them; [recipes](../recipes.md) show them at work. What goes for any command:
results go to stdout, everything else to stderr; a mistake is one line and exit code 2;
options may also stand in a [job file](../job-files.md).

| command | does |
|---|---|
"""

JOB_FILE = """\
# The job file, with all its keys

<!-- made by docs/make_reference.py -->

What `bulkmeta init` writes. Each key is the [option](commands.md#options) of the same
name; [how job files work](../job-files.md). `bulkmeta schema job` prints a JSON Schema
for editors.

```toml
"""


def command_of(name: str) -> click.Command:
    if found := group.get_command(click.Context(group), name):
        return found
    raise ValueError(name)


def anchor(title: str) -> str:
    return title.lower().replace(" ", "-")


def options_of(name: str) -> Iterator[tuple[str, str, str]]:
    """Section, names and words of each of a command's options but --help."""
    command = command_of(name)
    kinds = sections() if isinstance(command, HelpfulCommand) else ()
    titles = {param: title for title, params in kinds for param in params}
    context = click.Context(command, info_name=name)
    for param in command.params:
        record = param.get_help_record(context)
        if record and isinstance(param, click.Option):
            yield titles.get(str(param.name), OWN), *record


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def rows(records: Records, *, told: bool) -> Iterator[str]:
    """A table of options; `told` adds which commands have each."""
    yield "| option | |" + (" of |" if told else "")
    yield "|---|---|" + ("---|" if told else "")
    for (names, words), commands in records.items():
        of = f" {', '.join(f'`{name}`' for name in commands)} |" if told else ""
        yield f"| `{cell(names)}` | {cell(words)} |{of}"


def paragraphs(command: click.Command) -> Iterator[str]:
    """What a command says of itself; examples as they stand."""
    for part in re.split(r"\n\s*\n", inspect.cleandoc(command.help or "")):
        if part.startswith("\b"):
            title, _, example = part.removeprefix("\b\n").partition("\n")
            yield f"{title}\n\n```text\n{textwrap.dedent(example)}\n```"
        else:
            yield " ".join(part.split())


def section_of(name: str) -> Iterator[str]:
    command = command_of(name)
    usage = command.get_usage(click.Context(command, info_name=f"bulkmeta {name}"))
    yield f"## {name}\n\n`{' '.join(usage.removeprefix('Usage: ').split())}`"
    yield from paragraphs(command)
    own: Records = {}
    shared: dict[str, None] = {}
    for title, names, words in options_of(name):
        if title == OWN:
            own[names, words] = [name]
        else:
            shared[title] = None
    if shared:
        links = " · ".join(f"[{title}](#{anchor(title)})" for title in shared)
        yield f"Options: {links}" + (", and:" if own else "")
    if own:
        yield "\n".join(rows(own, told=False))
    if isinstance(command, HelpfulCommand):
        yield f"Exit codes: {', '.join(starmap(ending, command.exits.items()))}"


def ending(code: int, words: str) -> str:
    """The code, with words if they are not those of the table."""
    if words in {EXIT_CODES[code], ASKS.get(code), LIMIT}:
        return str(code)
    return f"{code} ({words[0].lower()}{words[1:].removesuffix('.')})"


def shared_options() -> Iterator[str]:
    yield "## Options"
    for title, _ in sections():
        records: Records = {}
        for name in COMMANDS:
            for section, names, words in options_of(name):
                if section == title:
                    records.setdefault((names, words), []).append(name)
        yield f"### {title}"
        yield "\n".join(rows(records, told=True))


def exit_codes() -> Iterator[str]:
    yield "## Exit codes"
    lines = [f"| {code} | {words} |" for code, words in EXIT_CODES.items()]
    yield "\n".join(["| code | meaning |", "|---|---|", *lines])


def commands_page() -> str:
    index = "\n".join(
        f"| [`{name}`](#{name}) | {words} |" for name, (_, words) in COMMANDS.items()
    )
    parts = [HEAD + index]
    for name in COMMANDS:
        parts.extend(section_of(name))
    return "\n\n".join([*parts, *shared_options(), *exit_codes()]) + "\n"


def modules_in(folder: Path) -> str:
    """The names of a folder's modules and other files, in lines."""
    names = sorted(
        path.name.removesuffix(".py")
        for path in folder.iterdir()
        if path.is_file() and path.name != "__init__.py" and path.suffix != ".pyc"
    )
    return textwrap.fill(
        " ".join(names),
        100,
        initial_indent=f"{folder.name + '/':12}",
        subsequent_indent=" " * 12,
        break_on_hyphens=False,
    )


def tree() -> str:
    """The package's folders, and the modules in each."""
    folders = [path.parent for path in sorted(PACKAGE.glob("*/__init__.py"))]
    return "\n".join(map(modules_in, (PACKAGE, *folders)))


def with_tree(page: str) -> str:
    """A page with the tree in its place."""
    start, end = "<!-- modules: made by docs/make_reference.py -->\n```text\n", "\n```"
    before, _, rest = page.partition(start)
    return f"{before}{start}{tree()}{end}{rest.partition(end)[2]}"


def pages() -> dict[Path, str]:
    """The pages by their files."""
    architecture = HERE / "architecture.md"
    return {
        HERE / "reference/commands.md": commands_page(),
        HERE / "reference/job-file.md": f"{JOB_FILE}{EXAMPLE.read_text('utf-8')}```\n",
        architecture: with_tree(architecture.read_text("utf-8")),
    }


if __name__ == "__main__":
    for page, text in pages().items():
        page.write_text(text, "utf-8")
