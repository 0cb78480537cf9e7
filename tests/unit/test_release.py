"""Version and changelog say the same."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from bulkmeta import __version__

CHANGELOG = (Path(__file__).parents[2] / "CHANGELOG.md").read_text()
VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)(\.dev0)?")
HEADING = re.compile(r"\[(?P<version>\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d")


def headings(text: str) -> list[str]:
    return re.findall(r"^## (.*)$", text, re.MULTILINE)


def fault(version: str, text: str) -> str | None:
    """What of a changelog does not go with a version."""
    found, form = headings(text), VERSION.fullmatch(version)
    if form is None:
        return "no such version"
    released = [
        match["version"] for head in found if (match := HEADING.fullmatch(head))
    ]
    if len(released) + ("[Unreleased]" in found) != len(found):
        return "a heading is neither [Unreleased] nor [VERSION] - DATE"
    order = [tuple(map(int, name.split("."))) for name in released]
    if any(later <= earlier for later, earlier in pairwise(order)):
        return "versions are not in order"
    if form[4]:  # on the way to the next one
        ahead = not order or tuple(map(int, form.groups()[:3])) > order[0]
        return None if found[0] == "[Unreleased]" and ahead else "nothing is unreleased"
    last = found[:1] != ["[Unreleased]"] and released[:1] == [version]
    return None if last else "it is not the last one"


def test_they_are_equal() -> None:
    """Between releases the version is one on the way, and the changelog has a section
    for it; a released one heads it."""
    assert fault(__version__, CHANGELOG) is None


@pytest.mark.parametrize(
    ("version", "heads", "well"),
    [
        ("0.1.0.dev0", ["[Unreleased]"], True),
        ("0.1.0", ["[0.1.0] - 2026-12-01"], True),
        ("0.2.0.dev0", ["[Unreleased]", "[0.1.0] - 2026-12-01"], True),
        ("0.2.0", ["[0.2.0] - 2027-01-01", "[0.1.0] - 2026-12-01"], True),
        ("0.1.0", ["[Unreleased]"], False),
        ("0.1.0", ["[Unreleased]", "[0.1.0] - 2026-12-01"], False),
        ("0.1.0.dev0", ["[Unreleased]", "[0.1.0] - 2026-12-01"], False),
        ("0.2.0.dev0", ["[0.1.0] - 2026-12-01"], False),
        ("0.2.0", ["[0.2.0] - 2027-01-01", "[0.3.0] - 2026-12-01"], False),
        ("0.1.0", ["[0.1.0]"], False),
        ("1", ["[Unreleased]"], False),
    ],
)
def test_what_goes_together(version: str, heads: list[str], well: bool) -> None:
    """The rule itself."""
    text = "".join(f"## {head}\n" for head in heads)
    assert (fault(version, text) is None) is well
