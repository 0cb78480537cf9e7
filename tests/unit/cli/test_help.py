"""What `--help` says: options by kind, the environment, how a command may end."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner

from bulkmeta.cli.help import EXIT_CODES, HelpfulCommand
from bulkmeta.cli.main import COMMANDS, bulkmeta

OURS = sorted(set(COMMANDS) - {"emulator"})


def shown(name: str) -> str:
    result = CliRunner().invoke(bulkmeta, [name, "--help"])
    assert result.exit_code == 0
    return result.output


@pytest.mark.parametrize("name", OURS)
def test_each_command_says_how_it_ends(name: str) -> None:
    """Exit codes stand at the end of each command's help, and only known ones."""
    command = bulkmeta.get_command(None, name)  # type: ignore[arg-type]
    assert isinstance(command, HelpfulCommand)
    end = shown(name).partition("Exit codes:")[2]
    told = [
        int(line.split()[0]) for line in end.splitlines() if line.strip()[:1].isdigit()
    ]
    assert told == [*command.exits]
    assert set(command.exits) <= EXIT_CODES.keys()


@pytest.mark.parametrize("name", OURS)
def test_how_it_ends_is_told_in_its_own_words(name: str) -> None:
    """Of options that it has, and of a bucket only where it asks one."""
    command = bulkmeta.get_command(None, name)  # type: ignore[arg-type]
    assert command is not None
    end = shown(name).partition("Exit codes:")[2]
    known = {flag for param in command.params for flag in param.opts}
    assert set(re.findall(r"--[a-z-]+", end)) <= known
    assert "bucket" not in end or "--endpoint" in known


@pytest.mark.parametrize("name", ["retry", "undo"])
def test_who_lists_nothing_speaks_of_no_listing(name: str) -> None:
    """Its objects are those of a run."""
    assert "listing" not in shown(name)
    assert "first N objects of the run" in " ".join(shown(name).split())


@pytest.mark.parametrize("name", ["plan", "verify"])
def test_what_only_looks_is_not_resumed(name: str) -> None:
    """How such a command goes on when its time was over: not at all."""
    words = " ".join(shown(name).split())
    assert "it can be resumed" not in words
    assert "plan and verify begin anew" in words


@pytest.mark.parametrize("name", OURS)
def test_each_command_has_an_example(name: str) -> None:
    """Nobody has to guess what a command line looks like."""
    assert f"    bulkmeta {name}" in shown(name)


def test_options_stand_with_their_kind() -> None:
    """All that selects is together, and so on."""
    text = shown("apply")
    titles = [
        line[:-1]
        for line in text.splitlines()
        if line[:1].isupper() and line[-1:] == ":"
    ]
    assert titles == [
        "What changes",
        "Which objects",
        "What an update may do",
        "How fast",
        "When to stop",
        "From run to run",
        "What is told and kept",
        "How the service is reached",
        "Options",
        "Environment",
        "Exit codes",
    ]  # fmt: skip
    objects = text.partition("Which objects:")[2].partition("What an update may do:")[0]
    assert {"--include", "--where", "--inventory"} <= set(objects.split())
    assert "--concurrency N" in text
