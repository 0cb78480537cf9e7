"""Requests as OSS bills them: in two classes, by the ten thousand. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from bulkmeta.model.parts import Parts

PRICED: Final = 10_000
"""A price is that of so many requests (OSS, request fees)."""

LISTING: Final = "ListObjectsV2"

_GET_CLASS: Final = frozenset({"HeadObject", "GetObjectAcl", "GetObjectTagging"})
"""All others that a run sends are billed as PUT: what writes, what deletes, and
ListObjectsV2 (OSS, request fees; ListObjectsV2)."""


class Billed(msgspec.Struct, frozen=True):
    """A number of requests of each class."""

    get: int = 0
    put: int = 0

    def __add__(self, other: Billed) -> Billed:
        return Billed(self.get + other.get, self.put + other.put)

    def times(self, count: int) -> Billed:
        return Billed(self.get * count, self.put * count)

    def total(self) -> int:
        return self.get + self.put


class Prices(msgspec.Struct, frozen=True):
    """What `PRICED` requests of each class cost, as far as the user says so, in any
    currency."""

    put: float | None = None
    get: float | None = None

    def known(self) -> list[str]:
        """The classes that have a price."""
        prices = {"PUT": self.put, "GET": self.get}
        return [name for name, price in prices.items() if price is not None]

    def cost(self, requests: Billed) -> float | None:
        """What the requests cost that have a price; None if none has."""
        if not self.known():
            return None
        put, get = self.put or 0.0, self.get or 0.0
        return requests.put / PRICED * put + requests.get / PRICED * get


def billed(operations: Iterable[str]) -> Billed:
    """Requests by their class; listed once for each."""
    classes = [operation in _GET_CLASS for operation in operations]
    return Billed(get=sum(classes), put=len(classes) - sum(classes))


def billed_counts(operations: Mapping[str, int]) -> Billed:
    """The same of requests that were counted."""
    get = sum(count for name, count in operations.items() if name in _GET_CLASS)
    return Billed(get=get, put=sum(operations.values()) - get)


def looks(parts: Parts) -> list[str]:
    """The requests that tell what an object is like in these parts."""
    return [
        "HeadObject",
        *["GetObjectAcl"] * parts.acl,
        *["GetObjectTagging"] * parts.tags,
    ]


def updates(parts: Parts, *, reads_acl: bool) -> list[str]:
    """The requests that change these parts; `reads_acl`: a copy carries along an access
    control list that has to be read for it. Written tags are read back."""
    if parts.rewrite:
        writes = [*["GetObjectAcl"] * reads_acl, "CopyObject"]
    else:
        writes = [*["PutObjectTagging"] * parts.tags, *["PutObjectAcl"] * parts.acl]
    return [*writes, *["GetObjectTagging"] * parts.tags]
