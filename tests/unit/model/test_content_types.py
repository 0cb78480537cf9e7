"""Content types by extension."""

from __future__ import annotations

import pytest

from bulkmeta.errors import UsageError
from bulkmeta.model.content_types import better_type, content_type_of, parse_types


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("a/b.html", "text/html"),
        ("a/b.HTML", "text/html"),
        ("a/b.jpg", "image/jpeg"),
        ("x.webp", "image/webp"),
        ("x.js", "text/javascript"),
        ("x.tar.gz", "application/gzip"),
        ("x.parquet", "application/vnd.apache.parquet"),
        ("x.nonsense", None),
        ("html", None),
        ("a.html/b", None),
        (".html", None),
        ("a.", None),
    ],
)
def test_by_extension(key: str, kind: str | None) -> None:
    """The last extension of the last part counts, in any case."""
    assert content_type_of(key, {}) == kind


def test_own_types_go_first() -> None:
    """A file overrides the table; what it does not name is as before."""
    lines = ["# ours", "", "text/x-log  log .LOGS # and more", "text/plain html"]
    types = parse_types(lines, "f")
    assert types == {"log": "text/x-log", "logs": "text/x-log", "html": "text/plain"}
    assert content_type_of("a.HTML", types) == "text/plain"
    assert content_type_of("a.png", types) == "image/png"


@pytest.mark.parametrize(
    ("there", "kind"),
    [
        ("text/html", None),
        ("text/html; charset=utf-8", None),
        ("Text/HTML ;charset=gbk", None),
        ("text/htmlx", "text/html"),
        ("application/octet-stream; a=text/html", "text/html"),
        ("", "text/html"),
        (None, "text/html"),
    ],
)
def test_what_fits_already(there: str | None, kind: str | None) -> None:
    """It keeps its charset; a type of one's own that names one counts as it is."""
    assert better_type("a.html", {}, there) == kind
    assert better_type("a.none", {}, there) is None
    own = {"html": "text/html;charset=utf-8"}
    assert better_type("a.html", own, there) == own["html"]


@pytest.mark.parametrize("line", ["text/plain", "plain txt", "a b c", "text/ txt"])
def test_lines_that_are_none(line: str) -> None:
    """One clear line: file, number, what to write."""
    with pytest.raises(UsageError) as caught:
        parse_types(["# first", line], "f.types")
    assert str(caught.value) == (
        "'f.types', line 2: write a type and its extensions, such as: "
        "text/markdown md mkd"
    )
