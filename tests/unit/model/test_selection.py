"""Which keys a selection admits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkmeta.model.selection import KeyRule, Selection

KEYS = ("p/a.jpg", "p/b.png", "p/logs/a.jpg", "p/[x].jpg", "p/Ä.JPG")


def selection(*rules: str) -> Selection:
    """Of rules written as `+glob` and `-glob`."""
    return Selection(tuple(KeyRule(rule[1:], wanted=rule[0] == "+") for rule in rules))


@pytest.mark.parametrize(
    ("rules", "admitted"),
    [
        ((), "p/a.jpg p/b.png p/logs/a.jpg p/[x].jpg p/Ä.JPG"),
        (("+*.jpg",), "p/a.jpg p/logs/a.jpg p/[x].jpg"),
        (("-*.jpg",), "p/b.png p/Ä.JPG"),
        (("-*", "+*.jpg"), "p/a.jpg p/logs/a.jpg p/[x].jpg"),
        (("+*.jpg", "-*"), ""),
        (("+*.jpg", "-p/logs/*"), "p/a.jpg p/[x].jpg"),
        (("-p/logs/*", "+*/a.jpg"), "p/a.jpg p/b.png p/logs/a.jpg p/[x].jpg p/Ä.JPG"),
        (("+a.jpg",), ""),
        (("+p/?.jpg",), "p/a.jpg"),
        (("+p/[ab].*",), "p/a.jpg p/b.png"),
        (("+p/[[]x].jpg",), "p/[x].jpg"),
    ],
)
def test_the_last_match_decides(rules: tuple[str, ...], admitted: str) -> None:
    """Whole keys, case and all; unmatched ones are wanted unless it begins with an
    inclusion."""
    wanted = selection(*rules)
    assert [key for key in KEYS if wanted.admits(key)] == admitted.split()


@given(st.text(), st.text())
def test_any_text_is_a_pattern(glob: str, key: str) -> None:
    """No pattern is an error, and inclusion is the opposite of exclusion."""
    assert selection(f"+{glob}").admits(key) != selection(f"-{glob}").admits(key)
