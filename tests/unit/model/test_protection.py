"""What is left alone, by what a listing and then a head says of it."""

from __future__ import annotations

import pytest

from bulkmeta.model.job import Rules
from bulkmeta.model.metadata import ListedObject, Metadata, ObjectHead
from bulkmeta.model.parts import Parts
from bulkmeta.model.protection import (
    HAS_MINIMUM,
    NEEDS_RESTORE,
    refusal_of_head,
    refusal_of_listed,
)

REWRITE = Parts(rewrite=True)
IN_PLACE = Parts(tags=True, acl=True)
RESTORED = 'ongoing-request="false", expiry-date="Sun, 22 Nov 2026 10:00:00 GMT"'
LENIENT = Rules(allow_appendable=True, allow_early_rewrite=True)
MODIFIED = "Sun, 22 Nov 2026 10:00:00 GMT"


def head_of(listed: ListedObject) -> ObjectHead:
    """What a head says of an object that a listing shows as this."""
    return ObjectHead(
        Metadata({}, {}, storage_class=listed.storage_class),
        listed.etag,
        MODIFIED,
        MODIFIED,
        0,
        listed.object_type,
        version_id=None,
        request_id=None,
        restore=listed.restore_info,
    )


@pytest.mark.parametrize(
    ("listed", "rules", "reason"),
    [
        (ListedObject("a"), Rules(), None),
        (ListedObject("a", object_type="Multipart"), Rules(), None),
        (ListedObject("a", object_type="Symlink"), LENIENT, "symlink"),
        (ListedObject("a", object_type="Appendable"), Rules(), "appendable"),
        (ListedObject("a", object_type="Appendable"), LENIENT, None),
        (ListedObject("d/", etag="null"), LENIENT, "directory"),
        (ListedObject("d/", etag="E"), Rules(), None),
        (ListedObject("d", etag="null"), Rules(), None),
        (ListedObject("a", storage_class="IA"), Rules(), "early_rewrite"),
        (ListedObject("a", storage_class="IA"), LENIENT, None),
        (ListedObject("a", storage_class="SomethingNew"), Rules(), None),
    ],
)
def test_refusal(listed: ListedObject, rules: Rules, reason: str | None) -> None:
    """Each kind of object and each permission."""
    assert refusal_of_listed(listed, rules, REWRITE) == reason
    # A head cannot tell a directory.
    by_head = None if reason == "directory" else reason
    assert refusal_of_head(head_of(listed), rules, REWRITE) == by_head


@pytest.mark.parametrize("storage_class", sorted(NEEDS_RESTORE))
@pytest.mark.parametrize(
    ("info", "rules", "reason"),
    [
        (None, LENIENT, "archived"),
        ('ongoing-request="true"', LENIENT, "archived"),
        (RESTORED, LENIENT, None),
        (RESTORED, Rules(), "early_rewrite"),
    ],
)
def test_cold_objects(
    storage_class: str, info: str | None, rules: Rules, reason: str | None
) -> None:
    """Cold objects need a finished restore, and the permission to rewrite early."""
    listed = ListedObject("a", storage_class=storage_class, restore_info=info)
    assert refusal_of_listed(listed, rules, REWRITE) == reason
    assert refusal_of_head(head_of(listed), rules, REWRITE) == reason


@pytest.mark.parametrize(
    ("listed", "reason"),
    [
        (ListedObject("a", storage_class="ColdArchive"), None),
        (ListedObject("a", storage_class="IA", object_type="Appendable"), None),
        (ListedObject("a", object_type="Symlink"), "symlink"),
        (ListedObject("d/", etag="null"), "directory"),
    ],
)
def test_what_is_written_in_place(listed: ListedObject, reason: str | None) -> None:
    """Tags and ACL rewrite nothing: what forbids a rewrite does not forbid them."""
    assert refusal_of_listed(listed, Rules(), IN_PLACE) == reason
    by_head = None if reason == "directory" else reason
    assert refusal_of_head(head_of(listed), Rules(), IN_PLACE) == by_head


def test_every_cold_class_has_a_minimum() -> None:
    """No class that needs a restore is free of a minimum storage duration."""
    assert set() == NEEDS_RESTORE - HAS_MINIMUM
