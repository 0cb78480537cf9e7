"""Objects in columns: widths, what is cut, and when lines come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from bulkmeta.errors import ErrorDetail
from bulkmeta.model.metadata import ListedObject, Metadata, ObjectHead
from bulkmeta.model.viewed import Viewed
from bulkmeta.report.table import (
    BRIEF,
    TablePrinter,
    cut,
    cut_inside,
    fitted,
    table_cell,
)

DENIED: Final = ErrorDetail("AccessDenied", 403, "words\x1b")
TIME: Final = "2026-11-22T10:00:00.000Z"


def seen(
    key: str = "a",
    size: int = 10,
    meta: dict[str, str] | None = None,
    kind: str = "text/plain",
) -> Viewed:
    state = Metadata(meta or {}, {"content-type": kind})
    head = ObjectHead(state, "E", "", "", size, "Normal", None, None)
    listed = ListedObject(key, size, "E", TIME, "Normal", "IA")
    return Viewed(1, key, listed, head)


def table(
    *views: Viewed, width: int | None = None, fields: Sequence[str] = BRIEF
) -> list[str]:
    printed: list[str] = []
    printer = TablePrinter(fields, printed.append, width)
    for view in views:
        printer.emit(view)
    printer.finish()
    return printed


def test_columns() -> None:
    """A line each, under titles; sizes to the right, wide characters counted as two."""
    views = [seen("照片/a,\n", 54321, {"b": "测试", "a": "1"}), seen("bc", 7, kind="")]
    assert table(*views) == [
        "key           size  modified (UTC)    class  content-type  meta",
        '"照片/a,\\n"  53.0K  2026-11-22 10:00  IA     text/plain    a=1 b=测试',
        'bc               7  2026-11-22 10:00  IA     ""',
    ]


def test_an_unreadable_object() -> None:
    """What is known of it, and why there is no more; whichever column is the last."""
    unseen = msgspec.structs.replace(seen("b"), head=None, error=DENIED)
    fields = ("meta.x", "key")
    assert table(seen(), unseen)[-1] == (
        "b      10  2026-11-22 10:00  IA  ! AccessDenied: words\\u001b"
    )
    assert table(unseen, fields=fields)[-1] == (
        "        b  ! AccessDenied: words\\u001b"
    )
    assert table(unseen, fields=("key", "error"))[-1] == "b    AccessDenied"


def test_lines_stay_lines() -> None:
    """Control characters do not reach the terminal raw; what a field lacks is told from
    what is empty, and one word from two."""
    view = seen(
        "a\x1b", meta={"a\x1b": "\x9b31m\u202e", "b": "", "c": "x y"}, kind="\r"
    )
    view = msgspec.structs.replace(view, tags={"k k": "v"})
    lines = table(view, fields=("key", "meta", "header.content-type", "tags", "meta.b"))
    assert all(line.isprintable() for line in lines)
    assert lines[1].endswith(' b="" c="x y"  \\r            "k k"=v  ""')
    assert table(view, fields=("key", "meta.none"))[1] == '"a\\u001b"'


def test_first_lines_come_together() -> None:
    """A hundred decide the widths; what is wider later pushes its line aside."""
    printed: list[str] = []
    printer = TablePrinter(("key", "etag"), printed.append)
    for number in range(99):
        printer.emit(seen(f"k{number:03}"))
        printer.flush()
    assert printed == []
    printer.emit(seen("k099"))
    assert len(printed) == 101
    printer.emit(seen("much longer"))
    printer.finish()
    assert (printed[0], printed[-1]) == ("key   etag", "much longer  E")


def test_first_lines_do_not_wait_for_long() -> None:
    """Where objects come slowly, those of the first moment decide."""
    printed: list[str] = []
    now_s = [1000.0]
    printer = TablePrinter(("key",), printed.append, clock=lambda: now_s[0])
    printer.flush()
    now_s[0] += 60.0  # until the first one comes
    printer.emit(seen("a"))
    printer.flush()
    now_s[0] += 0.4
    printer.flush()
    assert printed == []
    now_s[0] += 0.2
    printer.flush()
    assert printed == ["key", "a"]
    printer.emit(seen("b"))
    assert printed == ["key", "a", "b"]


def test_an_empty_table() -> None:
    """No header over nothing."""
    assert table() == []
    assert table(Viewed(1, "a", left_out=True)) == []


def test_without_a_terminal_nothing_is_cut() -> None:
    """One very long key among the first pushes its own line, not all of them."""
    long = "x" * 300
    lines = table(seen(long), seen("b"), fields=("key", "etag"))
    assert lines[1:] == [f"{long}  E", f"{'b':60}  E"]


def test_on_a_terminal_columns_are_cut() -> None:
    """In its width: keys in their middle, sizes and times not at all; a later line has
    no more room than the first ones."""
    views = [
        seen(f"2026/holidays/IMG_{number:05}.jpg", 2000, {"owner": "Ada Lovelace"})
        for number in range(101)
    ]
    views.append(
        seen("2026/照片/夏天的海边和很长的名字.jpg", meta={"owner": "测试 用户"})
    )
    views.append(msgspec.structs.replace(seen("z" * 90), head=None, error=DENIED))
    lines = table(*views, width=76)
    assert lines[0] == (
        "key                   size  modified (UTC)    class  content-t…  meta"
    )
    assert lines[1:2] + lines[-2:] == [
        '2026/ho…MG_00000.jpg  2.0K  2026-11-22 10:00  IA     text/plain  owner="Ada…',
        '2026/照…长的名字.jpg    10  2026-11-22 10:00  IA     text/plain  owner="测…',
        "zzzzzzz…zzzzzzzzzzzz    10  2026-11-22 10:00  IA  ! AccessDenied: words\\u00…",
    ]


def test_later_lines_use_what_there_is_to_spare() -> None:
    """Where the first lines leave some; the values of one line share it."""
    views = [seen(f"k{number:03}", meta={"m": "x"}) for number in range(100)]
    views += [seen("longer" * 3, meta={"m": "y" * 30}), seen("longer" * 9)]
    lines = table(*views, width=40, fields=("key", "meta.m", "size_bytes"))
    assert lines[-3:] == [
        "k099  x         10",
        "longerlongerlonger  yyyyyyyyyyyyy…    10",
        "longerlon…ngerlongerlonger            10",
    ]


@pytest.mark.parametrize(
    ("view", "width", "is_cut"),
    [
        (seen("k" * 30), None, False),
        (seen("k" * 30), 30, False),
        (seen("k" * 30), 29, True),
        (seen("k", meta={"size": "x"}), 29, False),
        (msgspec.structs.replace(seen("k"), head=None, error=DENIED), 12, True),
    ],
)
def test_whether_something_was_cut(
    view: Viewed, width: int | None, is_cut: bool
) -> None:
    """Of values, also in a later line, or of why there are none."""
    for views in ([view], [*[seen("k")] * 100, view]):
        printer = TablePrinter(("key",), str, width)
        for each in views:
            printer.emit(each)
        printer.finish()
        assert printer.has_cut == is_cut


def test_a_title_is_no_value() -> None:
    """Where it alone is cut, nothing is missing."""
    printer = TablePrinter(("last_modified", "meta.a-very-long-name"), str, 28)
    printer.emit(seen("k", meta={"a-very-long-name": "x"}))
    printer.finish()
    assert not printer.has_cut


@given(
    st.lists(st.text(max_size=30), min_size=3, max_size=3),
    st.lists(st.text(max_size=30), min_size=3, max_size=3),
    st.integers(1, 100),
)
def test_lines_end_where_the_terminal_does(
    first: list[str], later: list[str], width: int
) -> None:
    """Whatever the values, and whenever they come."""
    views = [
        seen(key, len(kind), {"m": value}, kind)
        for key, value, kind in [first] * 100 + [later]
    ]
    lines = table(*views, width=width)
    assert max(map(cell_len, lines)) <= width
    assert len(lines) == 102


@pytest.mark.parametrize(
    ("widths", "weights", "room", "found"),
    [
        ([5, 5], [1, 1], 10, [5, 5]),
        ([5, 50], [1, 1], 30, [5, 25]),
        ([50, 50, 3], [2, 1, 1], 33, [20, 10, 3]),
        ([50, 8, 50], [2, 0, 1], 38, [20, 8, 10]),
        ([50, 8, 50], [2, 0, 1], 40, [20, 8, 12]),
        ([50, 20, 50], [1, 0, 1], 30, [10, 10, 10]),
        ([16, 16], [0, 0], 20, [10, 10]),
        ([5, 5, 5], [1, 1, 1], 2, [1, 1, 1]),
    ],
)
def test_widths(
    widths: list[int], weights: list[int], room: int, found: list[int]
) -> None:
    """The widest give way, by their weights; columns without one only in need."""
    assert fitted(widths, weights, room) == found


@pytest.mark.parametrize(
    ("text", "room", "end", "middle"),
    [
        ("abcdefg", 7, "abcdefg", "abcdefg"),
        ("abcdefg", 6, "abcde…", "ab…efg"),
        ("abcdefg", 5, "abcd…", "ab…fg"),
        ("照片照片", 8, "照片照片", "照片照片"),
        ("照片照片", 6, "照片…", "照…片"),
        ("abcdefg", 1, "…", "…"),
        ("abcdefg", 0, "", ""),
    ],
)
def test_cutting(text: str, room: int, end: str, middle: str) -> None:
    """In cells: no wide character is halved."""
    assert (cut(text, room), cut_inside(text, room)) == (end, middle)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (1023, "1023"), (1024, "1.0K"), (1536, "1.5K"), (1024**2 - 1, "1.0M"),
     (5 * 1024**3, "5.0G"), (1024**6, "1024.0P")],
)  # fmt: skip
def test_sizes(count: int, text: str) -> None:
    """Bytes, or three digits or so of a unit."""
    assert table_cell("size_bytes", count) == text
