"""Key ranges: where they are cut, and how far each is done."""

from __future__ import annotations

from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkmeta.model.key_ranges import (
    Marks,
    Sample,
    Span,
    behind,
    between,
    keys_beyond,
    next_letter,
    sample_of,
    shared_length,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
KEYS = st.lists(TEXT, min_size=2, max_size=20, unique=True).map(sorted)


# Marks


@given(st.sets(TEXT), st.lists(TEXT))
def test_ranges_make_up_the_key_space(keys: set[str], bounds: list[str]) -> None:
    """Whatever the bounds are, each key lies in just one range."""
    spans = Marks(bounds).left()
    assert len(spans) == len(set(bounds)) + 1
    for key in keys:
        assert sum(span.after < key and span.reaches(key) for span in spans) == 1


@given(KEYS, st.lists(TEXT), st.data())
def test_marks(keys: list[str], bounds: list[str], data: st.DataObject) -> None:
    """Each range is done up to its last key that was reached, however late it was cut;
    just the keys behind that are left."""
    marks = Marks()
    reached: list[str] = []
    for key in keys:
        if data.draw(st.booleans()):
            marks.reach(key)
            reached.append(key)
        if data.draw(st.booleans()):
            # A range is cut where nothing of it is done yet.
            marks.cut(bound for bound in bounds if bound >= key)
    cut = marks.bounds

    def is_done(key: str) -> bool:
        place = bisect_left(cut, key)
        same = [other for other in reached if bisect_left(cut, other) == place]
        return any(key <= other for other in same)

    assert [marks.is_passed(key) for key in keys] == [is_done(key) for key in keys]
    for key in keys:
        left = any(s.after < key and s.reaches(key) for s in marks.left())
        assert left is not is_done(key)


def test_marks_of_a_parents_lines() -> None:
    """Without bounds the mark is the last key that was reached, in whatever order."""
    marks = Marks()
    marks.reach("b")
    marks.reach("a")
    assert (marks.first, marks.bounds, marks.left()) == ("a", (), (Span("a"),))


def test_start_of_a_range() -> None:
    """A bound belongs to the range that it ends."""
    marks = Marks(["m", "c"])
    assert [marks.start_of(key) for key in "acdmn"] == ["", "", "c", "c", "m"]


# Where half of the keys may lie


@given(KEYS, st.floats(0, 0.999))
def test_between(keys: list[str], share: float) -> None:
    """A cut lies strictly between, and is a key that a request can name."""
    *keys, end = keys
    cut = between(sample_of(keys), end, share)
    assert cut is None or keys[-1] < cut < end
    if cut:
        assert len(cut.encode()) <= 1023


@pytest.mark.parametrize(
    ("keys", "end", "cut"),
    [
        ([f"p/{n:06}" for n in range(100)], "p/01", "p/0050"),
        ([f"p/{n:03o}" for n in range(64)], "p/8", "p/4"),
        ([f"p/2026/01/{n:02}" for n in range(1, 31)], "p/2026/09/31", "p/2026/05"),
        (["文/一", "文/丁"], "文/七", "文/丂"),
        (["a", "b"], "b\0", None),
    ],
)
def test_half_way(keys: list[str], end: str, cut: str | None) -> None:
    """Digits, hexadecimal digits, dates: about in the middle of what is to come."""
    found = between(sample_of(keys), end, 0.5)
    assert found == cut or (found and cut and found.startswith(cut))


@pytest.mark.parametrize(
    ("keys", "end", "count"),
    [
        ([f"p/{n:06}" for n in range(100)], "p/001000", 900),
        ([f"p/{n:06}" for n in range(100)], "p/01", 9900),
        ([f"p/{n:05x}" for n in range(256)], "p/01", 0x1000 - 256),
    ],
)
def test_keys_beyond(keys: list[str], end: str, count: int) -> None:
    """As many as there would be at the same density, give or take a fifth."""
    assert keys_beyond(sample_of(keys), end) == pytest.approx(count, rel=0.2)


def test_a_sample() -> None:
    """Its first and last key, and the characters in which its keys differ."""
    assert sample_of(["p/ab1", "p/ac0", "p/b"]) == Sample("p/ab1", "p/b", 3, "01abc")
    assert sample_of(["p/a"]) == Sample("p/a", "p/a", 1, "")
    assert keys_beyond(sample_of(["p/a"]), "p/b") > 0


# Texts in their order


@given(TEXT, st.text(st.characters(exclude_categories=["Cs"]), max_size=3), TEXT)
def test_behind(beginning: str, rest: str, other: str) -> None:
    """It is behind all that begin so, and before all that come behind those."""
    text = behind(beginning)
    if text is not None:
        assert beginning + rest < text
        if other > beginning and not other.startswith(beginning):
            assert text <= other


def test_behind_the_last() -> None:
    """Behind the last character there is nothing; surrogates are no characters."""
    assert (behind("a\U0010ffff"), behind("")) == (None, None)
    assert next_letter("a", 0xD7FF) == "a\ue000"


@given(TEXT, TEXT)
def test_shared_length(one: str, other: str) -> None:
    """As far as both are the same, and no further."""
    length = shared_length(one, other)
    assert one[:length] == other[:length]
    assert one[length : length + 1] != other[length : length + 1] or one == other
