"""Requests by the class in which they are billed, and what they cost."""

from __future__ import annotations

from bulkmeta.model.billing import (
    Billed,
    Prices,
    billed,
    billed_counts,
    looks,
    updates,
)
from bulkmeta.model.parts import Parts


def test_classes() -> None:
    """Listings, writes and deletions are PUT; looks are GET."""
    counts = {
        "HeadObject": 1,
        "GetObjectAcl": 2,
        "GetObjectTagging": 4,
        "CopyObject": 8,
        "PutObjectTagging": 16,
        "DeleteObjectTagging": 32,
        "PutObjectAcl": 64,
        "ListObjectsV2": 128,
    }
    assert billed_counts(counts) == Billed(get=7, put=248)
    assert billed(counts) == Billed(get=3, put=5)
    assert billed(["HeadObject", "HeadObject"]) == Billed(get=2)


def test_sums() -> None:
    """Each class by itself."""
    assert Billed(1, 2) + Billed(10, 20).times(3) == Billed(31, 62)
    assert Billed(1, 2).total() == 3


def test_costs() -> None:
    """Of 10,000 each; a class without a price is left out, and no price is no cost."""
    requests = Billed(get=20_000, put=5_000)
    assert Prices(put=4.0, get=0.5).cost(requests) == 3.0
    assert Prices(get=0.5).cost(requests) == 1.0
    assert Prices(put=0.0).cost(requests) == 0.0
    assert Prices().cost(requests) is None
    assert [Prices(0.0, 1.0).known(), Prices(get=0.0).known()] == [
        ["PUT", "GET"],
        ["GET"],
    ]


def test_a_copy_carries_all() -> None:
    """Tags and ACL have requests of their own only where nothing is copied."""
    everything = Parts(rewrite=True, tags=True, acl=True)
    assert looks(everything) == ["HeadObject", "GetObjectAcl", "GetObjectTagging"]
    assert updates(everything, reads_acl=False) == ["CopyObject", "GetObjectTagging"]
    assert updates(Parts(tags=True, acl=True), reads_acl=True) == [
        "PutObjectTagging",
        "PutObjectAcl",
        "GetObjectTagging",
    ]
