"""Which objects a job leaves alone, by what a listing or a head says of them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bulkmeta.model.item import Item
    from bulkmeta.model.job import Rules
    from bulkmeta.model.metadata import ListedObject, ObjectHead
    from bulkmeta.model.parts import Parts

NEEDS_RESTORE: Final = frozenset({"Archive", "ColdArchive", "DeepColdArchive"})
HAS_MINIMUM: Final = NEEDS_RESTORE | {"IA"}
"""Classes billed for a minimum duration, counted anew from each rewrite: 30 days for
IA, 60 for Archive, 180 for the colder ones (OSS billing pages)."""


def refusal_of_listed(listed: ListedObject, rules: Rules, parts: Parts) -> str | None:
    """Why a listed object is skipped, as a reason for the run file, or None; `parts`
    are those that may change."""
    if listed.etag == "null" and listed.key.endswith("/"):
        return "directory"  # of a bucket with hierarchical namespace; cannot be copied
    if listed.object_type == "Symlink":
        return "symlink"
    if not parts.rewrite or listed.is_snapshot:
        return None
    return _refused_rewrite(
        listed.object_type, listed.storage_class, listed.restore_info, rules
    )


def refusal_of_head(head: ObjectHead, rules: Rules, parts: Parts) -> str | None:
    """The same by a head: it is newer than the listing, and there always is one."""
    if head.object_type == "Symlink":
        return "symlink"
    if not parts.rewrite:
        return None
    return _refused_rewrite(
        head.object_type, head.metadata.storage_class, head.restore, rules
    )


def is_other_version(item: Item, head: ObjectHead) -> bool:
    """Whether the item means another version than the current one. `null` is that of an
    object written while its bucket kept no versions."""
    return item.version is not None and item.version != (head.version_id or "null")


def _refused_rewrite(
    object_type: str, storage_class: str | None, restore: str | None, rules: Rules
) -> str | None:
    if object_type == "Appendable" and not rules.allow_appendable:
        return "appendable"
    if storage_class in NEEDS_RESTORE and not _is_restored(restore):
        return "archived"
    if storage_class in HAS_MINIMUM and not rules.allow_early_rewrite:
        return "early_rewrite"
    return None


def _is_restored(restore: str | None) -> bool:
    return 'ongoing-request="false"' in (restore or "")
