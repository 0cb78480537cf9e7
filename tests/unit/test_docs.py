"""The documentation, the help and the code say the same."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import bulkmeta
from bulkmeta.cli.main import bulkmeta as command

ROOT = Path(__file__).parents[2]
BY_HAND = [
    *sorted(ROOT.glob("README*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "docs/reference/options.md",
]
ON_OTHERS = {"comparison.md", "install.md", "performance.md"}
"""Pages that speak of options of other programs."""
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
OF_OTHERS = {
    "--no-cov",
    "--crashes",
    "--instructions",
    "--scenario",
    "--live",
    "--working-dir",
    "--help",
    "--version",
}
"""Options of pytest and of the benchmarks, and those that no command has of its own."""


def commands(group: click.Group) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        yield name, found


def options() -> dict[str, set[str]]:
    """Each command's long options."""
    return {
        name: {
            text
            for parameter in found.params
            for text in (*parameter.opts, *parameter.secondary_opts)
            if text.startswith("--")
        }
        for name, found in commands(command)
    }


def pages() -> str:
    """What was written by hand; the rest is made from the help, and would hold it to
    itself."""
    return "\n".join(page.read_text() for page in BY_HAND)


def pages_on_ourselves() -> str:
    texts = [page.read_text() for page in BY_HAND if page.name not in ON_OTHERS]
    return "\n".join(text.partition("## Move from ossutil")[0] for text in texts)


def test_every_option_is_documented() -> None:
    """Whatever `--help` offers for changes and selection stands in README or docs."""
    offered = options()
    wanted = offered["apply"] | offered["plan"] | offered["undo"] | offered["verify"]
    named = set(OPTION.findall(pages()))
    assert wanted - named == set()


def test_every_documented_option_exists() -> None:
    """No page speaks of an option that no command has."""
    offered = set().union(*options().values())
    named = set(OPTION.findall(pages_on_ourselves())) - OF_OTHERS
    assert named - offered == set()


@pytest.mark.parametrize("name", list(dict(commands(command))))
def test_commands_are_documented(name: str) -> None:
    """In README or docs; and each says in help what it does."""
    assert f"bulkmeta {name}" in re.sub(" +", " ", pages())
    found = dict(commands(command))[name]
    assert found.help
    undescribed = [
        parameter.opts[0]
        for parameter in found.params
        if isinstance(parameter, click.Option) and not parameter.help
    ]
    assert undescribed == []


@pytest.mark.parametrize("name", bulkmeta.__all__)
def test_public_names_have_docstrings(name: str) -> None:
    """Each public name says what it is, and so does each public method."""
    found = getattr(bulkmeta, name)
    if name in {"Source", "Transform"}:  # aliases have their words in the source
        module = {"Source": "api/given", "Transform": "model/transforms"}[name]
        text = (ROOT / "bulkmeta" / f"{module}.py").read_text()
        assert re.search(rf'^{name} = [^\n]+\n"""', text, re.MULTILINE)
        return
    assert inspect.getdoc(found)
    if inspect.isclass(found):
        silent = [
            attribute
            for attribute, value in vars(found).items()
            if not attribute.startswith("_")
            and (inspect.isfunction(value) or isinstance(value, property))
            and not inspect.getdoc(value)
        ]
        assert silent == [], f"{name}: {silent}"


@pytest.mark.parametrize("name", bulkmeta.__all__)
def test_public_names_are_documented(name: str) -> None:
    """`docs/library.md` or `docs/run-file.md` names each, or its example does."""
    texts = [
        (ROOT / "docs" / page).read_text()
        for page in ("library.md", "run-file.md", "examples/retag.py")
    ]
    assert re.search(rf"\b{name}\b", "\n".join(texts)), name
