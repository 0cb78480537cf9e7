"""The decision about one object: what differs, and what is refused."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkmeta.errors import ObjectError
from bulkmeta.model.changes import make_change
from bulkmeta.model.metadata import Metadata, ObjectHead
from bulkmeta.model.plan import (
    Difference,
    UpdatePlan,
    differences,
    plan_update,
    with_acl,
)

MODIFIED = "Sun, 22 Nov 2026 10:00:00 GMT"
DISPOSITION = "content-disposition"
MAPS = st.dictionaries(st.sampled_from(tuple("abcd")), st.sampled_from(("", "1", "2")))


def head(metadata: Metadata, *, forced: bool = False) -> ObjectHead:
    return ObjectHead(
        metadata,
        "E",
        MODIFIED,
        MODIFIED,
        0,
        "Normal",
        version_id=None,
        request_id=None,
        forced_download=forced,
    )


def patched(state: dict[str, str], found: list[Difference]) -> dict[str, str]:
    """What a reader of the differences gets by following them."""
    state = dict(state)
    for difference in found:
        assert state.get(difference.name) == difference.old
        if difference.sign == "-":
            del state[difference.name]
        else:
            assert (difference.name in state) == (difference.sign == "~")
            state[difference.name] = str(difference.new)
    return state


@given(MAPS, MAPS, MAPS, MAPS)
def test_differences_are_complete_and_exact(
    meta: dict[str, str],
    headers: dict[str, str],
    new_meta: dict[str, str],
    new_headers: dict[str, str],
) -> None:
    """Applied to the former state they give the new one, each name at most once."""
    found = differences(Metadata(meta, headers), Metadata(new_meta, new_headers))
    by_field = {
        field: [d for d in found if d.field == field] for field in ("meta", "header")
    }
    assert (
        patched(meta, by_field["meta"]),
        patched(headers, by_field["header"]),
        len({(d.field, d.name) for d in found}),
    ) == (new_meta, new_headers, len(found))


def test_differences_have_a_stable_order() -> None:
    """Metadata by name, then headers by name."""
    before = Metadata({"b": "1", "c": "1"}, {"expires": "1"})
    after = Metadata({"c": "2", "a": "1"}, {"cache-control": "", "expires": "1"})
    assert differences(before, after) == [
        Difference("+", "meta", "a", None, "1"),
        Difference("-", "meta", "b", "1", None),
        Difference("~", "meta", "c", "1", "2"),
        Difference("+", "header", "cache-control", None, ""),
    ]


def test_plan_carries_the_guards() -> None:
    """A plan holds both states, and what tells the one it was made for."""
    before = Metadata({"a": "1"}, {"expires": "x"}, storage_class="IA")
    plan = plan_update("k", head(before), make_change(set_meta=[("b", "2")]))
    after = msgspec.structs.replace(before, meta={"a": "1", "b": "2"})
    assert plan == UpdatePlan("k", before, after, "E", MODIFIED)
    assert plan.is_noop() is False


def test_nothing_to_change_is_a_noop() -> None:
    """A plan whose result is what is there already needs no update."""
    plan = plan_update(
        "k", head(Metadata({"a": "1"}, {})), make_change(set_meta=[("A", "1")])
    )
    assert plan.is_noop() is True


def test_metadata_of_just_8_kb_is_planned() -> None:
    """8192 bytes of names and values fit."""
    change = make_change(set_meta=[("b", "x" * 4095)])
    plan = plan_update("k", head(Metadata({"a": "x" * 4095}, {})), change)
    assert plan.after.meta == {"a": "x" * 4095, "b": "x" * 4095}


def test_metadata_beyond_8_kb_is_refused() -> None:
    """One byte more does not, and the line says how many there would be."""
    change = make_change(set_meta=[("b", "x" * 4096)])
    with pytest.raises(ObjectError) as caught:
        plan_update("k", head(Metadata({"a": "x" * 4095}, {})), change)
    assert (caught.value.reason, str(caught.value)) == (
        "metadata_too_large",
        "the object would have 8193 bytes of user metadata; OSS holds 8192",
    )


def test_oversized_already_and_unchanged_is_no_error() -> None:
    """Nothing is sent, so nothing can be refused."""
    metadata = Metadata({"a": "x" * 9000}, {})
    plan = plan_update("k", head(metadata), make_change(unset_meta=["b"]))
    assert plan.is_noop() is True


# A Content-Disposition that may not be the object's own


def test_forced_download_hides_the_objects_own_header() -> None:
    """Without a word on the header an update might store the service's: refused."""
    metadata = Metadata({}, {DISPOSITION: "attachment"})
    with pytest.raises(ObjectError) as caught:
        plan_update(
            "k", head(metadata, forced=True), make_change(set_meta=[("a", "1")])
        )
    assert (caught.value.reason, str(caught.value)) == (
        "forced_download",
        "on this endpoint OSS answers images with a Content-Disposition of its own, "
        "which hides the object's: use the bucket's custom domain as --endpoint, or "
        "decide with --header content-disposition=… or "
        "--unset-header content-disposition",
    )


def test_forced_download_without_a_change_is_unchanged() -> None:
    """Where nothing is to be done the hidden header does not matter."""
    metadata = Metadata({"a": "1"}, {DISPOSITION: "attachment"})
    plan = plan_update(
        "k", head(metadata, forced=True), make_change(set_meta=[("a", "1")])
    )
    assert plan.is_noop() is True


def test_forced_download_settled_by_setting() -> None:
    """A change that sets the header sends it, even if the head shows it so already."""
    metadata = Metadata({}, {DISPOSITION: "attachment", "expires": "x"})
    change = make_change(set_headers=[(DISPOSITION, "attachment")])
    plan = plan_update("k", head(metadata, forced=True), change)
    assert (plan.before, plan.after) == (Metadata({}, {"expires": "x"}), metadata)


def test_forced_download_settled_by_unsetting() -> None:
    """A change that unsets the header sends none, whatever the object's own may be."""
    metadata = Metadata({}, {DISPOSITION: "attachment", "expires": "x"})
    change = make_change(unset_headers=[DISPOSITION])
    plan = plan_update("k", head(metadata, forced=True), change)
    assert (plan.before, plan.after) == (metadata, Metadata({}, {"expires": "x"}))


def test_acl_is_carried_along() -> None:
    """The access control list read later stands in both states; it is no difference."""
    plan = UpdatePlan("k", Metadata({}, {}), Metadata({"a": "1"}, {}), "E", MODIFIED)
    carried = with_acl(plan, "public-read", was_read=True)
    assert (carried.before.acl, carried.after.acl, carried.after.meta) == (
        "public-read",
        "public-read",
        {"a": "1"},
    )


def test_acl_that_was_not_read_is_not_what_was_there() -> None:
    """Only what is sent is known."""
    plan = UpdatePlan("k", Metadata({}, {}), Metadata({"a": "1"}, {}), "E", MODIFIED)
    carried = with_acl(plan, "public-read", was_read=False)
    assert (carried.before.acl, carried.after.acl) == (None, "public-read")
