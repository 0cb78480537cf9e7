"""What becomes of objects that a run file or a plan speaks of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from bulkmeta.errors import ObjectError, SkipError
from bulkmeta.model.metadata import Metadata, ObjectHead
from bulkmeta.model.outcome import Outcome
from bulkmeta.model.plan import UpdatePlan
from bulkmeta.model.replay import carry_out_planned, restore_drifted, restore_former

BEFORE = Metadata({"a": "1"}, {}, acl="private")
AFTER = Metadata({"a": "2"}, {}, acl="private")
OTHER = Metadata({"a": "3"}, {})
LINE = Outcome(
    seq=1,
    key="k",
    status="updated",
    before=BEFORE,
    after=AFTER,
    etag="E",
    last_modified="T",
)


def line(**other: Any) -> Outcome:
    return msgspec.structs.replace(LINE, **other)


def head(metadata: Metadata, etag: str = "E", last_modified: str = "T") -> ObjectHead:
    shown = msgspec.structs.replace(metadata, acl=None)
    return ObjectHead(shown, etag, last_modified, "D", 0, "Normal", None, "head")


def update(seen: ObjectHead, wanted: Metadata) -> UpdatePlan:
    """To `wanted`, less the ACL: it is read anew."""
    after = msgspec.structs.replace(wanted, acl=None)
    return UpdatePlan("k", seen.metadata, after, seen.etag, seen.last_modified)


Replay = Callable[[Outcome, ObjectHead], UpdatePlan]
BOTH: list[tuple[Replay, Metadata, Metadata]] = [
    (restore_former, AFTER, BEFORE),
    (carry_out_planned, BEFORE, AFTER),
]


@pytest.mark.parametrize(("replay", "here", "there"), BOTH)
def test_as_recorded(replay: Replay, here: Metadata, there: Metadata) -> None:
    """The object is as the record has it: it becomes the other state."""
    assert replay(LINE, head(here)) == update(head(here), there)


@pytest.mark.parametrize(("replay", "here", "there"), BOTH)
def test_there_already(replay: Replay, here: Metadata, there: Metadata) -> None:
    """Nothing is left to do, whoever did it and when."""
    assert here != there
    assert replay(LINE, head(there, "F", "later")).is_noop()


@pytest.mark.parametrize(("replay", "here", "_there"), BOTH)
@pytest.mark.parametrize(
    ("state", "etag", "last_modified"),
    [(OTHER, "E", "T"), (None, "F", "T"), (None, "F", "later")],
)
def test_changed_since(
    replay: Replay,
    here: Metadata,
    _there: Metadata,
    state: Metadata | None,
    etag: str,
    last_modified: str,
) -> None:
    """Another state or another content, whenever it was written: left alone."""
    with pytest.raises(ObjectError) as caught:
        replay(LINE, head(state or here, etag, last_modified))
    skips = replay is carry_out_planned
    assert (caught.value.reason, isinstance(caught.value, SkipError)) == (
        "changed_since_plan" if skips else "changed_since_run",
        skips,
    )


def test_what_was_written_again() -> None:
    """To the very same: it is put back where that is asked for, other states never."""
    again = head(AFTER, "E", "later")
    with pytest.raises(ObjectError, match=r"written again since; .*allow-rew") as found:
        restore_former(LINE, again)
    assert found.value.reason == "rewritten"
    with pytest.raises(SkipError, match="not as it was when it was planned"):
        carry_out_planned(LINE, head(BEFORE, "E", "later"))
    assert restore_former(LINE, again, rewritten_too=True) == update(again, BEFORE)
    for seen in (head(OTHER, "E", "later"), head(AFTER, "F", "later")):
        with pytest.raises(ObjectError, match="is not as the run left it"):
            restore_former(LINE, seen, rewritten_too=True)


def test_failed_update_that_landed_is_taken_back() -> None:
    """When it landed is not known, so its date proves nothing; its content does."""
    failed, landed = line(status="failed"), head(AFTER, last_modified="later")
    assert restore_former(failed, landed) == update(landed, BEFORE)
    with pytest.raises(ObjectError):
        restore_former(failed, head(AFTER, "F"))


def test_update_that_was_built_upon() -> None:
    """Without a date of its own, somebody else has written since; it is theirs."""
    with pytest.raises(ObjectError) as caught:
        restore_former(line(last_modified=None), head(AFTER, last_modified="later"))
    assert caught.value.reason == "rewritten"


HIDDEN = msgspec.structs.replace(head(AFTER), forced_download=True)


def test_forced_download_hides_what_is_not_ours_to_compare() -> None:
    """The service's own Content-Disposition is no change by somebody else."""
    shown = Metadata(AFTER.meta, {"content-disposition": "attachment"})
    seen = msgspec.structs.replace(HIDDEN, metadata=shown)
    assert restore_former(LINE, seen).after.meta == BEFORE.meta


@pytest.mark.parametrize("restore", [restore_former, restore_drifted])
def test_hidden_value_is_not_restored_by_guessing(restore: Replay) -> None:
    """The former Content-Disposition was never seen."""
    after = Metadata(AFTER.meta, {"content-disposition": "inline"})
    with pytest.raises(ObjectError) as caught:
        restore(line(after=after), HIDDEN)
    assert caught.value.reason == "forced_download"


def test_planned_value_is_sent_even_if_it_is_hidden() -> None:
    """Whether it is there already does not show."""
    after = Metadata(BEFORE.meta, {"content-disposition": "inline"})
    seen = msgspec.structs.replace(HIDDEN, metadata=head(BEFORE).metadata)
    assert carry_out_planned(line(after=after, status="planned"), seen).after == after


@pytest.mark.parametrize("replay", [restore_former, carry_out_planned])
@pytest.mark.parametrize("missing", ["before", "after"])
def test_unrecorded(replay: Replay, missing: str) -> None:
    """A line without both states says nothing about what to do."""
    with pytest.raises(ObjectError) as caught:
        replay(line(**{missing: None}), head(BEFORE))
    assert caught.value.reason == "unrecorded"


# Only what the update itself did not leave as it should


def test_lossy_update_is_taken_back() -> None:
    """Nobody wrote since, and still it is not as recorded: back to the former state."""
    assert restore_drifted(LINE, head(OTHER)) == update(head(OTHER), BEFORE)


def test_as_the_run_left_it() -> None:
    """There is nothing wrong with it."""
    with pytest.raises(SkipError) as caught:
        restore_drifted(LINE, head(AFTER))
    assert caught.value.reason == "as_run_left_it"


def test_former_state_is_there_again() -> None:
    """Whoever brought it back, nothing is left to do."""
    assert restore_drifted(LINE, head(BEFORE, last_modified="U")).is_noop()


@pytest.mark.parametrize(
    ("state", "other"),
    [
        (OTHER, {"etag": "F"}),
        (OTHER, {"last_modified": "U"}),
        (AFTER, {"etag": "F"}),
    ],
)
def test_somebody_wrote_since(state: Metadata, other: dict[str, str]) -> None:
    """Then it is theirs, and is left alone."""
    with pytest.raises(ObjectError) as caught:
        restore_drifted(LINE, head(state, **other))
    assert caught.value.reason == "changed_since_run"


def test_moment_of_the_update_is_not_known() -> None:
    """Without it nobody can say that no one else wrote."""
    with pytest.raises(ObjectError):
        restore_drifted(line(last_modified=None), head(OTHER))


@pytest.mark.parametrize("field", ["before", "after"])
@pytest.mark.parametrize(
    "state",
    [
        Metadata({}, {"x-oss-copy-source": "/other/key"}),
        Metadata({"a\r\nb": "1"}, {}),
        Metadata({"Upper": "1"}, {}),
        Metadata({"a": "1" * 8192}, {}),
        Metadata({}, {}, sse={"x-oss-object-acl": "public-read"}),
        Metadata({}, {}, storage_class="Cheap"),
        Metadata({}, {}, acl="secret"),
        Metadata({}, {}, tags={"a(b)": ""}),
        Metadata({}, {}, tags={"a": "\n"}),
        Metadata({}, {}, tags=dict.fromkeys("abcdefghijk", "")),
    ],
)
def test_line_that_was_edited(field: str, state: Metadata) -> None:
    """What no head can have shown, and no run have done, is not sent."""
    with pytest.raises(ObjectError) as caught:
        carry_out_planned(line(**{field: state}), head(BEFORE))
    assert caught.value.reason == "unrecorded"
