"""Head, merge, update: each step, and where it ends."""

from __future__ import annotations

import msgspec
import pytest

from bulkmeta.errors import (
    ObjectError,
    OutputError,
    RunFatalError,
    TransportError,
    Verdict,
)
from bulkmeta.model.job import Rules
from bulkmeta.model.metadata import ListedObject, ObjectHead
from bulkmeta.model.outcome import Outcome
from bulkmeta.model.plan import UpdatePlan
from tests.unit.engine.worker.conftest import (
    ACCEPTED,
    CONFLICT,
    OLD,
    OLD_TIME,
    OTHERS,
    UPDATED,
    WANTED,
    Run,
    ScriptedBucket,
    head,
    lost,
    refused,
)


async def test_updated(process: Run) -> None:
    """Head, merge, update: three steps, two requests."""
    outcome, bucket = await process([head(OLD)])
    assert (outcome, bucket.asked) == (UPDATED, ["head", "update"])
    assert bucket.sent == [UpdatePlan("k", OLD, WANTED, "E", OLD_TIME)]


async def test_each_update_is_recorded_before_it_is_sent(process: Run) -> None:
    """Every update, the second try's too, is on record first, ACL and all."""
    _, bucket = await process(
        [head(OLD), head(OTHERS)], [CONFLICT, ACCEPTED], rules=Rules()
    )
    assert bucket.recorded == [(7, plan, n) for n, plan in enumerate(bucket.sent)]
    assert len(bucket.sent) == 2


async def test_update_that_cannot_be_recorded_is_not_sent(
    run_one: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No record, no update, and the run ends (promise 5)."""

    async def refuse(*_: object) -> None:
        raise OutputError("disk full")

    monkeypatch.setattr(ScriptedBucket, "record", refuse)
    outcome, error, bucket = await run_one([head(OLD)])
    assert (outcome, str(error), bucket.asked) == (None, "disk full", ["head"])


async def test_unchanged_sends_nothing(process: Run) -> None:
    """Where nothing is to change no update leaves (promise 2)."""
    outcome, bucket = await process([head(WANTED)], rules=Rules(acl="preserve"))
    assert (outcome.status, outcome.before, outcome.after, bucket.asked) == (
        "unchanged",
        WANTED,
        WANTED,
        ["head"],
    )


async def test_planned_sends_nothing(process: Run) -> None:
    """A plan stops short of the update, and asks for no ACL."""
    outcome, bucket = await process([head(OLD)], write=False, rules=Rules())
    assert (outcome.status, outcome.after, outcome.last_modified, bucket.asked) == (
        "planned",
        WANTED,
        OLD_TIME,
        ["head"],
    )


async def test_acl_is_read_and_sent_back(process: Run) -> None:
    """By default the access control list goes along, in both states."""
    outcome, bucket = await process([head(OLD)], acls=["private"], rules=Rules())
    assert (bucket.asked, bucket.sent[0].after.acl, outcome.before) == (
        ["head", "acl", "update"],
        "private",
        msgspec.structs.replace(OLD, acl="private"),
    )


@pytest.mark.parametrize(
    ("listed", "reason"),
    [
        (ListedObject("k", object_type="Symlink"), "symlink"),
        (ListedObject("k", storage_class="IA"), "early_rewrite"),
    ],
)
async def test_skipped_by_the_listing(
    process: Run, listed: ListedObject, reason: str
) -> None:
    """What the listing rules out costs no request."""
    outcome, bucket = await process([head(OLD)], listed=listed)
    assert (outcome, bucket.asked) == (
        Outcome(seq=7, key="k", status="skipped", reason=reason),
        [],
    )


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (head(OLD, object_type="Symlink"), "symlink"),
        (head(OLD, object_type="Appendable"), "appendable"),
        (head(msgspec.structs.replace(OLD, storage_class="IA")), "early_rewrite"),
        (head(msgspec.structs.replace(OLD, storage_class="Archive")), "archived"),
    ],
)
async def test_skipped_by_the_head(process: Run, seen: ObjectHead, reason: str) -> None:
    """What has become of an object since it was listed rules it out as well."""
    outcome, bucket = await process([seen])
    assert (outcome.status, outcome.reason, bucket.asked) == (
        "skipped",
        reason,
        ["head"],
    )


async def test_key_that_is_not_utf8(process: Run) -> None:
    """A key that cannot be written down fails under a name that can."""
    outcome, bucket = await process([head(OLD)], listed=ListedObject("a\udcff"))
    assert (outcome.key, outcome.status, outcome.reason, bucket.asked) == (
        "a\\udcff",
        "failed",
        "invalid_key",
        [],
    )


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (refused(Verdict.SKIP, "gone", 404), "skipped", "gone"),
        (refused(Verdict.REFUSED, "access_denied", 403), "failed", "access_denied"),
        (ObjectError("unknown_header", "words"), "failed", "unknown_header"),
        (TransportError("timeout", "words", sent=True), "failed", "timeout"),
    ],
)
async def test_head_fails(
    process: Run, error: ObjectError, status: str, reason: str
) -> None:
    """An object that cannot be read has its own end; nothing was touched."""
    outcome, bucket = await process([error])
    assert (outcome.status, outcome.reason, outcome.error, outcome.before) == (
        status,
        reason,
        error.detail,
        None,
    )
    assert bucket.asked == ["head"]


@pytest.mark.parametrize("fatal", [RunFatalError("no bucket"), ValueError("a bug")])
async def test_fatal_errors_come_out(run_one: Run, fatal: Exception) -> None:
    """What concerns all objects is no object's outcome."""
    outcome, error, _ = await run_one([fatal])
    assert (outcome, error) == (None, fatal)


@pytest.mark.parametrize("fatal", [RunFatalError("bad key"), ValueError("a bug")])
async def test_fatal_error_of_an_object_in_doubt(
    run_one: Run, fatal: Exception
) -> None:
    """An update that may have landed gets no line: its intent, which is on record,
    makes a resumed run look at the object."""
    outcome, error, _ = await run_one([head(OLD), fatal], [lost()])
    assert (outcome, error) == (None, fatal)


async def test_fatal_error_of_the_update_itself(run_one: Run) -> None:
    """A refusal that ends the run is no doubt: nothing landed, so there is no line."""
    fatal = RunFatalError("bad key")
    outcome, error, _ = await run_one([head(OLD)], [fatal])
    assert (outcome, error) == (None, fatal)


async def test_update_refused_for_good(process: Run) -> None:
    """A refusal is no doubt: the object is as it was, and no state is claimed."""
    outcome, bucket = await process(
        [head(OLD)], [refused(Verdict.REFUSED, "immutable", 409)]
    )
    assert (outcome.status, outcome.reason, outcome.after, bucket.asked) == (
        "failed",
        "immutable",
        None,
        ["head", "update"],
    )


async def test_acl_denied(process: Run) -> None:
    """If the ACL may not be read no update is sent, for it might reset it."""
    denied = refused(Verdict.REFUSED, "access_denied", 403)
    outcome, bucket = await process([head(OLD)], acls=[denied], rules=Rules())
    assert (outcome.status, bucket.asked) == ("failed", ["head", "acl"])
