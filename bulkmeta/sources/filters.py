"""What is left alone, decided from the listing, before any request for the object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bulkmeta.model.job import Rules
    from bulkmeta.model.metadata import ListedObject

NEEDS_RESTORE: Final = frozenset({"Archive", "ColdArchive", "DeepColdArchive"})
MINIMUM_DAYS: Final = {
    "IA": 30,
    "Archive": 60,
    "ColdArchive": 180,
    "DeepColdArchive": 180,
}
"""Days that are billed at least, counted anew from each rewrite (OSS billing pages)."""


def refusal(listed: ListedObject, rules: Rules) -> str | None:
    """Why the object is skipped, as a reason for the run file, or None."""
    if listed.object_type == "Symlink":
        return "symlink"
    if listed.object_type == "Appendable" and not rules.allow_appendable:
        return "appendable"
    if listed.etag == "null" and listed.key.endswith("/"):
        return "directory"  # of a bucket with hierarchical namespace; cannot be copied
    if listed.storage_class in NEEDS_RESTORE and not _is_restored(listed):
        return "archived"
    if listed.storage_class in MINIMUM_DAYS and not rules.allow_early_rewrite:
        return "early_rewrite"
    return None


def _is_restored(listed: ListedObject) -> bool:
    return 'ongoing-request="false"' in (listed.restore_info or "")
