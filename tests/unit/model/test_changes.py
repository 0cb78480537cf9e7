"""What a user wants changed: reading it, and refusing it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkmeta.errors import UsageError
from bulkmeta.model.applying import apply_change
from bulkmeta.model.changes import Change, make_change
from tests.unit.model.conftest import HEADERS, NAMES, current


def test_nothing_is_empty() -> None:
    """No order makes the empty change; `--replace` alone is an order."""
    empty = (make_change().is_empty(), make_change(replace=True).is_empty())
    assert empty == (True, False)


def test_all_kinds_normalised() -> None:
    """Names become lower-case and lose the wire prefix; values stay as they are."""
    change = make_change(
        set_meta=[("X-Oss-Meta-Project", "Atlas")],
        default_meta=[("Owner", "测试")],
        unset_meta=["x-oss-meta-B", "a", "A"],
        rename_meta=[("OLD", "X-OSS-META-New")],
        set_headers=[("Cache-Control", "No-Cache")],
        unset_headers=["Expires", "EXPIRES", "Content-Language"],
    )
    assert change == Change(
        set_meta={"project": "Atlas"},
        default_meta={"owner": "测试"},
        unset_meta=("a", "b"),
        rename_meta={"old": "new"},
        set_headers={"cache-control": "No-Cache"},
        unset_headers=("content-language", "expires"),
    )


def test_a_default_may_fill_a_renames_target() -> None:
    """The one case of two orders for one name; the rename comes first."""
    change = make_change(rename_meta=[("old", "new")], default_meta=[("new", "d")])
    assert (
        apply_change(current(old="o"), change).meta,
        apply_change(current(), change).meta,
    ) == ({"new": "o"}, {"new": "d"})


NAME_RULE = "a metadata name takes only letters, digits and hyphens"
TAG_RULE = "takes letters, digits, spaces and + - = . _ : / only"
ALLOWED = (
    "OSS lets you set only cache-control, content-disposition, content-encoding, "
    "content-language, content-type, expires; use --set for user metadata"
)


def twice(*options: str) -> str:
    return f"is named 2 times by {' and '.join(options)}; name it once"


EXACTLY = (
    "--replace makes user metadata exactly what --set says; "
    "it cannot go with --rename, --unset, --sub or --default"
)


@pytest.mark.parametrize(
    ("orders", "line"),
    [
        ({"set_meta": [("a_b", "1")]}, f"--set 'a_b': {NAME_RULE}"),
        ({"set_meta": [("", "1")]}, f"--set '': {NAME_RULE}"),
        ({"set_meta": [("x-oss-meta-", "1")]}, f"--set 'x-oss-meta-': {NAME_RULE}"),
        ({"default_meta": [("é", "1")]}, f"--default 'é': {NAME_RULE}"),
        ({"unset_meta": ["a b"]}, f"--unset 'a b': {NAME_RULE}"),
        ({"rename_meta": [("a.b", "c")]}, f"--rename 'a.b': {NAME_RULE}"),
        ({"rename_meta": [("a", "c:d")]}, f"--rename 'c:d': {NAME_RULE}"),
        (
            {"set_meta": [("Content-Type", "1")]},
            "--set 'Content-Type' names a standard header; use --header for it, "
            "or x-oss-meta-content-type if user metadata is meant",
        ),
        (
            {"unset_meta": ["Expires"]},
            "--unset 'Expires' names a standard header; use --unset-header for it, "
            "or x-oss-meta-expires if user metadata is meant",
        ),
        (
            {"rename_meta": [("a", "expires")]},
            "--rename 'expires' names a standard header; use --header for it, "
            "or x-oss-meta-expires if user metadata is meant",
        ),
        (
            {"set_meta": [("a", "1\r\n2")]},
            "--set 'a': a value may not hold line breaks or other control characters",
        ),
        (
            {"default_meta": [("a", " 1")]},
            "--default 'a': a value may not begin or end with white space "
            "(HTTP strips it)",
        ),
        ({"set_meta": [("a", "\ud800")]}, "--set 'a': the value is not valid UTF-8"),
        (
            {"set_meta": [("a", "测" * 2731)]},
            "--set 'a': an object holds at most 8192 bytes of user metadata",
        ),
        (
            {"set_meta": [("a", "1"), ("X-Oss-Meta-A", "2")]},
            "--set names 'a' 2 times (names ignore case); keep one",
        ),
        (
            {"default_meta": [("a", "1"), ("A", "2"), ("a", "1")]},
            "--default names 'a' 3 times (names ignore case); keep one",
        ),
        (
            {"rename_meta": [("a", "b"), ("A", "c")]},
            "--rename names 'a' 2 times (names ignore case); keep one",
        ),
        ({"rename_meta": [("a", "A")]}, f"'a' {twice('--rename')}"),
        ({"rename_meta": [("a", "c"), ("b", "c")]}, f"'c' {twice('--rename')}"),
        ({"rename_meta": [("a", "b"), ("b", "c")]}, f"'b' {twice('--rename')}"),
        (
            {"set_meta": [("a", "1")], "unset_meta": ["a"]},
            f"'a' {twice('--set', '--unset')}",
        ),
        (
            {"set_meta": [("a", "1")], "default_meta": [("a", "")]},
            f"'a' {twice('--set', '--default')}",
        ),
        (
            {"set_meta": [("a", "1")], "rename_meta": [("a", "b")]},
            f"'a' {twice('--set', '--rename')}",
        ),
        (
            {"set_meta": [("a", "1")], "rename_meta": [("b", "a")]},
            f"'a' {twice('--set', '--rename')}",
        ),
        (
            {"unset_meta": ["a"], "rename_meta": [("b", "a")]},
            f"'a' {twice('--unset', '--rename')}",
        ),
        (
            {"unset_meta": ["a"], "default_meta": [("a", "1")]},
            f"'a' {twice('--unset', '--default')}",
        ),
        (
            {"rename_meta": [("a", "b")], "default_meta": [("a", "1")]},
            f"'a' {twice('--rename', '--default')}",
        ),
        (
            {"set_headers": [("x-oss-object-acl", "private")]},
            f"--header 'x-oss-object-acl': {ALLOWED}",
        ),
        (
            {"set_headers": [("Content-MD5", "a")]},
            f"--header 'Content-MD5': {ALLOWED}",
        ),
        ({"unset_headers": ["etag"]}, f"--unset-header 'etag': {ALLOWED}"),
        (
            {"set_headers": [("expires", "")]},
            "--header 'expires' has no value; use --unset-header to remove a header",
        ),
        (
            {"set_headers": [("expires", "a\0")]},
            "--header 'expires': a value may not hold line breaks or other control "
            "characters",
        ),
        (
            {"set_headers": [("expires", "a"), ("Expires", "b")]},
            "--header names 'expires' 2 times (names ignore case); keep one",
        ),
        (
            {"unset_headers": ["Content-Type"]},
            "--unset-header content-type: OSS cannot remove it, only set it; "
            "use --header content-type=application/octet-stream",
        ),
        (
            {"set_headers": [("expires", "a")], "unset_headers": ["Expires"]},
            f"'expires' {twice('--header', '--unset-header')}",
        ),
        (
            {"set_headers": [("Cache-Control: max-age", "60")]},
            "--header 'Cache-Control: max-age': write it as 'cache-control=max-age=60'",
        ),
        (
            {"set_headers": [("expires:", "never")]},
            "--header 'expires:': write it as 'expires=never'",
        ),
        ({"set_headers": [("Etag: a", "b")]}, f"--header 'Etag: a': {ALLOWED}"),
        ({"set_tags": [("a,b", "1")]}, f"--tag 'a,b': a tag's key {TAG_RULE}"),
        ({"unset_tags": ["(a)"]}, f"--untag '(a)': a tag's key {TAG_RULE}"),
        (
            {"set_tags": [("team", "web,env=prod")]},
            f"--tag 'team': a tag's value {TAG_RULE}, not 'web,env=prod'; "
            "give --tag once for each",
        ),
        (
            {"set_tags": [("team", "web,print")]},
            f"--tag 'team': a tag's value {TAG_RULE}, not 'web,print'",
        ),
        (
            {"set_tags": [("a", "1")], "unset_tags": ["a"]},
            f"'a' {twice('--tag', '--untag')}",
        ),
        ({"replace": True, "rename_meta": [("a", "b")]}, EXACTLY),
        ({"replace": True, "unset_meta": ["a"]}, EXACTLY),
        ({"replace": True, "default_meta": [("a", "b")]}, EXACTLY),
    ],
)
def test_refusals(orders: dict[str, Any], line: str) -> None:
    """Every impossible order has its exact line."""
    with pytest.raises(UsageError) as caught:
        make_change(**orders)
    assert str(caught.value) == line


ANY = st.characters(exclude_categories=())
NAME = st.text(ANY, max_size=6) | st.sampled_from((*NAMES, *HEADERS))
PAIRS = st.lists(st.tuples(NAME, st.text(ANY, max_size=6)), max_size=3)
TEXTS = st.lists(NAME, max_size=3)
ORDERS = st.fixed_dictionaries(
    {},
    optional={
        "set_meta": PAIRS,
        "default_meta": PAIRS,
        "unset_meta": TEXTS,
        "rename_meta": st.lists(st.tuples(NAME, NAME), max_size=2),
        "set_headers": PAIRS,
        "unset_headers": TEXTS,
    },
)


@given(ORDERS)
def test_arbitrary_text_raises_only_usage_errors(orders: dict[str, Any]) -> None:
    """Whatever is written becomes a change, or one line that can be printed."""
    line = ""
    try:
        make_change(**orders)
    except UsageError as error:
        line = str(error)
    assert line.isprintable() is True


CASED = st.sampled_from((str.lower, str.upper, str.title))


@given(CASED, CASED, CASED)
def test_names_ignore_case(one: Any, two: Any, three: Any) -> None:
    """However a name is written, it is the same order."""
    changes_made = {
        msgspec.json.encode(
            make_change(
                set_meta=[(case("project"), "A")],
                unset_meta=[case("x-oss-meta-owner")],
                rename_meta=[(case("old"), case("new"))],
                set_headers=[(case("cache-control"), "A")],
                unset_headers=[case("expires")],
            )
        )
        for case in (one, two, three)
    }
    assert len(changes_made) == 1


def test_user_metadata_named_like_a_header() -> None:
    """With its prefix spelled out, user metadata may be called like a header."""
    change = make_change(set_meta=[("x-oss-meta-Content-Type", "1")])
    assert change.set_meta == {"content-type": "1"}


def test_names_that_only_look_like_ascii_are_refused() -> None:
    """The Kelvin sign becomes `k` in lower case, but is none."""
    with pytest.raises(UsageError):
        make_change(set_meta=[("\u212aey", "1")])


@pytest.mark.parametrize("text", ["", "/", "/a/", "/a/b", "//b/", "/a/b/c/", "aXaYa"])
def test_substitutions_of_another_form(text: str) -> None:
    """One clear line."""
    with pytest.raises(UsageError) as caught:
        make_change(sub_meta=[("a", text)])
    assert "--sub 'a': write it as /PATTERN/REPLACEMENT/" in str(caught.value)


@pytest.mark.parametrize("text", ["/(/b/", r"/a/\1/", r"/a/\g<x>/", "/a/\\/"])
def test_substitutions_that_are_no_expressions(text: str) -> None:
    """Python's own words say what is wrong."""
    with pytest.raises(UsageError, match=r"^--sub 'a': \S"):
        make_change(sub_meta=[("a", text)])


def test_type_by_extension_and_by_hand() -> None:
    """One of them only."""
    with pytest.raises(UsageError, match="'content-type' is named 2 times"):
        make_change(set_headers=[("content-type", "a/b")], content_type_auto=True)
