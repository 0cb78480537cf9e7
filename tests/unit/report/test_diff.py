"""Differences for people."""

from __future__ import annotations

import pytest

from bulkmeta.errors import ErrorDetail
from bulkmeta.model.metadata import Metadata
from bulkmeta.model.outcome import Outcome, Status
from bulkmeta.report.diff import DiffPrinter, diff_lines
from bulkmeta.report.text import printable

BEFORE = Metadata({"a": "1", "old": "x"}, {"expires": 'say "never"'})
AFTER = Metadata({"a": "测试", "new": ""}, {})


def outcome(status: Status) -> Outcome:
    return Outcome(seq=1, key="k", status=status, before=BEFORE, after=AFTER)


LINES = [
    "k",
    '  ~ meta a: "1" -> "测试"',
    '  + meta new = ""',
    '  - meta old = "x"',
    '  - header expires = "say \\"never\\""',
]


def test_lines_of_one_object() -> None:
    """The key, then a line for each thing that differs, values quoted."""
    assert diff_lines(outcome("updated")) == LINES


def test_without_states() -> None:
    """An object of which nothing is known is only named."""
    assert diff_lines(Outcome(seq=1, key="k", status="failed")) == ["k"]


def test_what_is_printed() -> None:
    """Changed objects and failed ones; those that stay as they are, not."""
    printed: list[str] = []
    printer = DiffPrinter(printed.append)
    statuses: tuple[Status, ...] = ("planned", "updated", "unchanged", "skipped")
    for status in statuses:
        printer.emit(outcome(status))
    printer.emit(
        Outcome(
            seq=1,
            key="k\n",
            status="failed",
            reason="gone",
            error=ErrorDetail("C", 404, "words"),
        )
    )
    printer.flush()
    assert printed == ["\n".join(LINES), "\n".join(LINES), '"k\\n"\n  ! gone: words']


@pytest.mark.parametrize("key", ["a b", "照片/é.jpg", "😀", "", "'\""])
def test_readable_keys_are_shown_as_they_are(key: str) -> None:
    """Any printable text is its own best form."""
    assert printable(key) == key


@pytest.mark.parametrize(
    "key",
    [
        "a\nb",
        "a\x1b[31mb",
        "a\x9b31mb",
        "a\x7fb",
        "a\u2028b",
        "a\u202eb",
        "a\udcffb",
        "测\n",
    ],
)
def test_odd_keys_stay_on_their_line(key: str) -> None:
    """No key moves the cursor, changes colours or turns the line around."""
    assert (printable(key).isprintable(), printable(key) != key) == (True, True)


def test_odd_values_stay_on_their_line() -> None:
    """Neither does a value."""
    odd = Outcome(
        seq=1,
        key="k",
        status="updated",
        before=Metadata({}, {}),
        after=Metadata({"a": "\x9b31m\u202e测"}, {}),
    )
    assert [line.isprintable() for line in diff_lines(odd)] == [True, True]
