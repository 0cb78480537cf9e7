"""What copies of objects onto themselves were found to do in one bucket. Pure.

The documentation and the live tests of other tools disagree on some of it, so a bucket
is asked (`bulkmeta probe`). What is documented: CopyObject in the API reference.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from bulkmeta.model.metadata import SSE_HEADER, STANDARD_CLASS

if TYPE_CHECKING:
    from bulkmeta.model.plan import UpdatePlan

KEPT: Final = "kept"
DROPPED: Final = "dropped"
RESET: Final = "reset"
HELD: Final = "held"
UNKNOWN: Final = "unknown: "
"""How an answer begins that says why there is none."""

VALID_FOR: Final = timedelta(days=30)
"""For how long what was found is relied on: a service changes."""

TRIED_ENCRYPTION: Final = {SSE_HEADER: "AES256"}
TRIED_CLASS: Final = "IA"
"""The encryption and the class that are tried."""


class Question(msgspec.Struct, frozen=True):
    """What is asked of a copy that does not name a part of the object, and the answer
    that the documentation gives; `versioned` where it is another on a bucket that keeps
    versions."""

    about: str
    documented: str
    versioned: str | None = None

    def answer(self, *, keeps_versions: bool) -> str:
        """The documented answer for a bucket."""
        return self.versioned if keeps_versions and self.versioned else self.documented


QUESTIONS: Final = {
    "user_metadata": Question("user metadata", DROPPED),
    "headers": Question("cache-control", DROPPED),
    "content_type": Question("content type", KEPT),
    "tags": Question("tags", KEPT),
    "acl": Question("ACL", RESET),
    "acl_with_class": Question("ACL, where a class is sent again", RESET),
    "acl_with_encryption": Question("ACL, where an encryption is sent again", RESET),
    "storage_class": Question("storage class", RESET),
    "encryption": Question("encryption", DROPPED),
    "etag": Question("ETag", KEPT),
    "object_type": Question("type", KEPT),
    "last_modified": Question("Last-Modified", "renewed"),
    "version": Question("version", "none added", "added"),
    "condition_etag": Question("condition on the ETag", HELD),
    "condition_time": Question("condition on the time", HELD),
    "appendable": Question("an appendable object", "copied", "refused"),
}
"""In the order in which they are told."""


class Probed(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in one bucket: an answer to each of `QUESTIONS`, or why there is
    none. `keeps_versions` is None if the bucket does not tell."""

    schema: int = 1
    version: str
    bucket: str
    endpoint: str
    keeps_versions: bool | None
    at: str
    found: dict[str, str]

    def differs(self, name: str) -> bool:
        """Whether the bucket does another thing than the documentation says."""
        keeps_versions = bool(self.keeps_versions)
        documented = QUESTIONS[name].answer(keeps_versions=keeps_versions)
        return self.is_known(name) and self.found[name] != documented

    def is_known(self, name: str) -> bool:
        """Whether the question has an answer."""
        return not self.found.get(name, UNKNOWN).startswith(UNKNOWN)

    def guards_hold(self) -> bool:
        """Whether no condition was found to be ignored: all updates rely on them."""
        names = ("condition_etag", "condition_time")
        return not any(self.differs(name) for name in names)

    def keeps_acl(self) -> bool:
        """Whether a plain copy leaves the access control list alone."""
        return self.found.get("acl") == KEPT

    def is_current(self, now: datetime) -> bool:
        """Whether it may still be relied on."""
        return now - datetime.fromisoformat(self.at) < VALID_FOR

    def spares_acl(self, plan: UpdatePlan, object_type: str) -> bool:
        """Whether an update leaves the access control list alone, as far as the bucket
        was seen to do so with objects of that very kind. Rewritten content was seen to
        reset it elsewhere."""
        before, after = plan.before, plan.after
        rewrites = plan.rewrites_content()
        if object_type != "Normal" or rewrites or not before.same_tags(after):
            return False
        needed = ["acl"]
        if after.storage_class == TRIED_CLASS:
            needed.append("acl_with_class")
        if after.sse:
            needed.append("acl_with_encryption")
        seen = after.storage_class in {None, STANDARD_CLASS, TRIED_CLASS}
        seen = seen and after.sse in ({}, TRIED_ENCRYPTION)
        return seen and all(self.found.get(name) == KEPT for name in needed)
