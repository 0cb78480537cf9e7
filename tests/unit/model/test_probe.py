"""What a probe's findings allow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from bulkmeta.model.metadata import SSE_HEADER, Metadata
from bulkmeta.model.plan import UpdatePlan
from bulkmeta.model.probe import KEPT, QUESTIONS, RESET, VALID_FOR, Probed

AT = datetime(2026, 11, 23, tzinfo=UTC)
KEEPS = Probed(
    version="1",
    bucket="bucket",
    endpoint="http://127.0.0.1:9000",
    keeps_versions=False,
    at=AT.isoformat(),
    found=dict.fromkeys(QUESTIONS, KEPT) | {"condition_time": "held"},
)
NOW = Metadata({}, {}, storage_class="Standard")


def found(**answers: str) -> Probed:
    return msgspec.structs.replace(KEEPS, found=KEEPS.found | answers)


def plan(before: Metadata = NOW, **after: object) -> UpdatePlan:
    changed = msgspec.structs.replace(before, **{"meta": {"n": "1"}, **after})
    return UpdatePlan("k", before, changed, "etag", "date")


@pytest.mark.parametrize(
    ("probed", "update", "object_type", "spared"),
    [
        (KEEPS, plan(), "Normal", True),
        (KEEPS, plan(), "Multipart", False),
        (KEEPS, plan(), "Appendable", False),
        (found(acl=RESET), plan(), "Normal", False),
        (found(acl="unknown: AccessDenied"), plan(), "Normal", False),
        (KEEPS, plan(storage_class="IA"), "Normal", False),
        (KEEPS, plan(sse={SSE_HEADER: "AES256"}), "Normal", False),
        (KEEPS, plan(Metadata({}, {}, tags={}), tags={"a": "b"}), "Normal", False),
        (KEEPS, plan(Metadata({}, {}, storage_class="IA")), "Normal", True),
        (KEEPS, plan(Metadata({}, {}, storage_class="Archive")), "Normal", False),
        (
            found(acl_with_class=RESET),
            plan(Metadata({}, {}, storage_class="IA")),
            "Normal",
            False,
        ),
        (KEEPS, plan(Metadata({}, {}, sse={SSE_HEADER: "AES256"})), "Normal", True),
        (
            found(acl_with_encryption=RESET),
            plan(Metadata({}, {}, sse={SSE_HEADER: "AES256"})),
            "Normal",
            False,
        ),
        (KEEPS, plan(Metadata({}, {}, sse={SSE_HEADER: "KMS"})), "Normal", False),
    ],
)
def test_only_what_was_seen_is_spared(
    probed: Probed, update: UpdatePlan, object_type: str, *, spared: bool
) -> None:
    """An ACL is left to the service only for objects of a kind that was tried."""
    assert probed.spares_acl(update, object_type) is spared


def test_what_differs() -> None:
    """Documented answers depend on whether the bucket keeps versions."""
    added = found(version="added", acl="unknown: AccessDenied")

    assert added.differs("version")
    assert not msgspec.structs.replace(added, keeps_versions=True).differs("version")
    assert not added.differs("acl")
    assert not added.is_known("acl")


def test_guards() -> None:
    """An ignored condition is no guard; one that could not be asked may be."""
    assert found(condition_etag="held").guards_hold()
    assert not found(condition_etag="ignored").guards_hold()
    assert found(condition_etag="unknown: AccessDenied").guards_hold()


def test_age() -> None:
    """It is relied on for a month."""
    assert KEEPS.is_current(AT + VALID_FOR - timedelta(seconds=1))
    assert not KEEPS.is_current(AT + VALID_FOR)
