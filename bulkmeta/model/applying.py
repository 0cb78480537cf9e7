"""What an object's metadata becomes by a change. Pure.

Order within one change: replace, rename, unset, substitute, set, default. A name may be
named by one of them only, so the order shows in one place: a default may fill a
rename's target.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkmeta.errors import ObjectError
from bulkmeta.model import limits
from bulkmeta.model.metadata import SSE_HEADER, SSE_KEY_HEADER, Metadata

if TYPE_CHECKING:
    from bulkmeta.model.changes import Change, Substitution


def apply_change(current: Metadata, change: Change) -> Metadata:
    """The metadata after `change`; what the change does not name stays as it is.

    Raises:
        ObjectError: the result cannot be had without losing something.
        ValueError: tags change, and `current` was read without them.
    """
    meta = {} if change.replace else _renamed(current.meta, change.rename_meta)
    for name in change.unset_meta:
        meta.pop(name, None)
    for name, substitution in change.sub_meta.items():
        if name in meta:
            meta[name] = _substituted(name, meta[name], substitution)
    meta.update(change.set_meta)
    for name, value in change.default_meta.items():
        meta.setdefault(name, value)
    headers = dict(current.headers)
    for name in change.unset_headers:
        headers.pop(name, None)
    headers.update(change.set_headers)
    return Metadata(
        meta,
        headers,
        change.acl or current.acl,
        _changed_tags(current.tags, change),
        change.storage_class or current.storage_class,
        _changed_encryption(current.sse, change),
    )


def _changed_tags(
    current: dict[str, str] | None, change: Change
) -> dict[str, str] | None:
    if not (change.set_tags or change.unset_tags or change.replace_tags):
        return current
    if current is None:
        raise ValueError("tags that were not read cannot be merged")
    kept = {} if change.replace_tags else current
    return {
        key: value for key, value in kept.items() if key not in change.unset_tags
    } | change.set_tags


def _changed_encryption(current: dict[str, str], change: Change) -> dict[str, str]:
    """The wanted encryption; the same algorithm keeps its key if none is named."""
    if change.sse is None:
        return current
    wanted = {SSE_HEADER: change.sse}
    if change.sse_key_id:
        wanted[SSE_KEY_HEADER] = change.sse_key_id
    there = {name: value for name, value in current.items() if name in wanted}
    return current if there == wanted else wanted


def _renamed(meta: dict[str, str], renames: dict[str, str]) -> dict[str, str]:
    if not renames:
        return dict(meta)
    for old, new in renames.items():
        if old in meta and meta.get(new, meta[old]) != meta[old]:
            raise ObjectError(
                "rename_target_exists",
                f"cannot rename {old!r} to {new!r}: the object has both, with "
                "different values; unset one of them first",
            )
    renamed = {name: value for name, value in meta.items() if name not in renames}
    renamed.update({new: meta[old] for old, new in renames.items() if old in meta})
    return renamed


def _substituted(name: str, value: str, substitution: Substitution) -> str:
    found = substitution.of(value)
    fault = limits.value_fault(found) if found != value else None
    if fault:
        raise ObjectError("invalid_value", f"{name!r} would be {found!r}: {fault}")
    return found
