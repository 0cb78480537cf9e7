"""The name that was probably meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkmeta.cli.suggest import nearest

COMMANDS = ("plan", "apply", "show", "emulator", "demo")
OPTIONS = ("--set", "--unset", "--unset-header", "--header", "--rename", "--rate")


@pytest.mark.parametrize(
    ("typed", "known", "meant"),
    [
        ("aply", COMMANDS, "apply"),
        ("plna", COMMANDS, "plan"),
        ("keys", ("etag", "key"), "key"),
        ("--se", ("--sse", "--set", "--sample"), "--set"),
        ("--hea", ("--head", "--header"), "--head"),
        ("--max-failure-rate", ("--rate", "--max-failures"), "--max-failures"),
        ("emulate", COMMANDS, "emulator"),
        ("shwo", COMMANDS, "show"),
        ("--hedaer", OPTIONS, "--header"),
        ("--unset-heder", OPTIONS, "--unset-header"),
        ("--renam", OPTIONS, "--rename"),
        ("apply" * 10, COMMANDS, "apply"),
        ("--header-cache-control-max-age-86400-please-do-it-a", OPTIONS, "--header"),
        (
            "--unset-header-cache-control-from-all-of-the-object",
            OPTIONS,
            "--unset-header",
        ),
    ],
)
def test_typos(typed: str, known: tuple[str, ...], meant: str) -> None:
    """Letters swapped, left out and doubled, and fifty characters of good intention."""
    assert nearest(typed, known) == meant


def test_nothing_known() -> None:
    """Without names there is nothing to suggest."""
    assert nearest("apply", ()) is None


@pytest.mark.parametrize(
    ("typed", "known"),
    [
        ("help", ("report", "shows")),
        ("version", ("verify",)),
        ("--quiet", ("--unset", "--objects")),
        ("--verbose", ("--version", "--values")),
        ("--yes", ("--lease", "--json")),
        ("--set-acl", ("--unset-acl",)),
        ("--zzz", ("--on", "--md")),
        ("-v", ("--values", "--version")),
        ("--only", ("--on",)),
        ("ls", COMMANDS),
        ("", COMMANDS),
        ("-", OPTIONS),
        ("--", OPTIONS),
    ],
)
def test_nothing_near(typed: str, known: tuple[str, ...]) -> None:
    """A name that has little to do with what was typed is not suggested."""
    assert nearest(typed, known) is None


@given(st.text(max_size=60))
def test_none_but_the_known(typed: str) -> None:
    """Whatever was typed, a suggestion is a name that exists."""
    assert nearest(typed, iter(COMMANDS)) in {None, *COMMANDS}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_name_itself(name: str) -> None:
    """A name is most like itself."""
    assert nearest(name, COMMANDS) == name
