"""What an object's metadata becomes by a change."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkmeta.errors import ObjectError
from bulkmeta.model.applying import apply_change
from bulkmeta.model.changes import Change, make_change
from bulkmeta.model.metadata import Metadata
from tests.unit.model.conftest import HEADERS, NAMES, current

REMOVABLE = tuple(name for name in HEADERS if name != "content-type")
VALUES = st.text("ab测é %=", max_size=4).map(str.strip)
FULL = VALUES.filter(bool)


@pytest.mark.parametrize(
    ("orders", "meta"),
    [
        ({}, {"a": "1", "b": "2"}),
        ({"set_meta": [("a", "9")]}, {"a": "9", "b": "2"}),
        ({"set_meta": [("A", "")]}, {"a": "", "b": "2"}),
        ({"set_meta": [("c", "3")]}, {"a": "1", "b": "2", "c": "3"}),
        ({"default_meta": [("a", "9")]}, {"a": "1", "b": "2"}),
        ({"default_meta": [("c", "9")]}, {"a": "1", "b": "2", "c": "9"}),
        ({"unset_meta": ["A", "z"]}, {"b": "2"}),
        ({"rename_meta": [("a", "c")]}, {"b": "2", "c": "1"}),
        ({"rename_meta": [("z", "c")]}, {"a": "1", "b": "2"}),
        ({"rename_meta": [("z", "a")]}, {"a": "1", "b": "2"}),
        ({"replace": True}, {}),
        ({"replace": True, "set_meta": [("a", "9")]}, {"a": "9"}),
    ],
)
def test_user_metadata_after(orders: dict[str, Any], meta: dict[str, str]) -> None:
    """Each kind of order on an object with a=1 and b=2; headers stay."""
    before = current(a="1", b="2")
    after = apply_change(before, make_change(**orders))
    assert after == msgspec.structs.replace(before, meta=meta)


def test_headers_after() -> None:
    """Headers are set and removed; user metadata stays."""
    change = make_change(
        set_headers=[("Content-Type", "a/b"), ("cache-control", "x")],
        unset_headers=["expires", "content-language"],
    )
    assert apply_change(current(a="1"), change) == Metadata(
        {"a": "1"}, {"content-type": "a/b", "cache-control": "x"}
    )


def test_rename_onto_the_same_value() -> None:
    """A rename whose target already holds the value only drops the old name."""
    change = make_change(rename_meta=[("a", "b")])
    assert apply_change(current(a="1", b="1"), change).meta == {"b": "1"}


def test_rename_onto_another_value() -> None:
    """A rename never overwrites: one of the values would be lost."""
    with pytest.raises(ObjectError) as caught:
        apply_change(current(a="1", b="2"), make_change(rename_meta=[("a", "b")]))
    assert (caught.value.reason, str(caught.value)) == (
        "rename_target_exists",
        "cannot rename 'a' to 'b': the object has both, with different values; "
        "unset one of them first",
    )


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """Any possible change: each name has at most one kind of order."""
    kinds = draw(st.tuples(*[st.sampled_from(("", "set", "default", "unset"))] * 4))
    by_kind = {
        kind: [n for n, k in zip(NAMES, kinds, strict=True) if k == kind]
        for kind in kinds
    }
    header_kinds = {
        name: draw(st.sampled_from(("", "set", "unset"))) for name in REMOVABLE
    }
    renames = draw(
        st.sampled_from(([], [("old", "new")], [("old", "new"), ("x", "y")]))
    )
    replace = draw(st.booleans()) and not (
        renames or "unset" in by_kind or "default" in by_kind
    )
    return make_change(
        set_meta=[(n, draw(VALUES)) for n in by_kind.get("set", ())],
        default_meta=[(n, draw(VALUES)) for n in by_kind.get("default", ())],
        unset_meta=by_kind.get("unset", ()),
        rename_meta=renames,
        set_headers=[(n, draw(FULL)) for n, k in header_kinds.items() if k == "set"],
        unset_headers=[n for n, k in header_kinds.items() if k == "unset"],
        replace=replace,
    )


METADATA = st.builds(
    Metadata,
    meta=st.dictionaries(st.sampled_from((*NAMES, "old", "x", "new", "other")), VALUES),
    headers=st.dictionaries(st.sampled_from(HEADERS), FULL),
    acl=st.sampled_from((None, "private")),
    tags=st.none() | st.dictionaries(VALUES, VALUES, max_size=1),
    storage_class=st.sampled_from((None, "IA")),
    sse=st.dictionaries(st.just("x-oss-server-side-encryption"), FULL),
)


def applied(metadata: Metadata, change: Change) -> Metadata | None:
    """The state after the change, or None if the change is refused."""
    try:
        return apply_change(metadata, change)
    except ObjectError:
        return None


@given(METADATA, changes())
def test_applying_twice_is_applying_once(metadata: Metadata, change: Change) -> None:
    """A second identical run has nothing to do (promise 2)."""
    once = applied(metadata, change)
    if once is not None:
        assert apply_change(once, change) == once


@given(METADATA, changes())
def test_what_is_not_named_never_changes(metadata: Metadata, change: Change) -> None:
    """Everything that no order names is the same afterwards (promise 1)."""
    after = applied(metadata, change)
    if after is None:
        return
    named = {*change.set_meta, *change.default_meta, *change.unset_meta}
    named |= {*change.rename_meta, *change.rename_meta.values()}
    named_headers = {*change.set_headers, *change.unset_headers}

    def rest(state: Metadata) -> Metadata:
        meta = {n: v for n, v in state.meta.items() if n not in named}
        headers = {n: v for n, v in state.headers.items() if n not in named_headers}
        return msgspec.structs.replace(
            state, meta={} if change.replace else meta, headers=headers
        )

    assert rest(after) == rest(metadata)


@given(METADATA, changes())
def test_a_rename_keeps_the_value(metadata: Metadata, change: Change) -> None:
    """A renamed value is under its new name, and nowhere else."""
    after = applied(metadata, change)
    if after is None:
        return
    for old, new in change.rename_meta.items():
        assert (old in after.meta, after.meta.get(new, "")) == (
            False,
            metadata.meta.get(old, metadata.meta.get(new, "")),
        )


@given(METADATA, changes())
def test_the_state_given_is_left_alone(metadata: Metadata, change: Change) -> None:
    """The former state is recorded afterwards, so applying must not touch it."""
    copy = msgspec.json.decode(msgspec.json.encode(metadata), type=Metadata)
    applied(metadata, change)
    assert metadata == copy


@pytest.mark.parametrize(
    ("text", "value", "after"),
    [
        ("/-$//", "atlas-", "atlas"),
        (r"/^(\w+) (\w+)$/\2, \1/", "Ada Lovelace", "Lovelace, Ada"),
        ("|http:|https:|", "http://a http://b", "https://a https://b"),
        ("/a/b/", "xyz", "xyz"),
        ("/测/試/", "测试", "試试"),
    ],
)
def test_substitution(text: str, value: str, after: str) -> None:
    """Every match is replaced, groups and all; other names stay."""
    change = make_change(sub_meta=[("A", text)])
    assert apply_change(current(a=value, b="-"), change).meta == {"a": after, "b": "-"}
    assert apply_change(current(b="-"), change).meta == {"b": "-"}


def test_substitution_to_what_no_object_can_hold() -> None:
    """White space at the ends is stripped on the way, so it is not sent."""
    change = make_change(sub_meta=[("a", "/x/ /")])
    with pytest.raises(ObjectError) as caught:
        apply_change(current(a="ax"), change)
    assert caught.value.reason == "invalid_value"
