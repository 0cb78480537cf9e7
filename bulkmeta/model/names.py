"""Names of user metadata, headers and tags: which there can be, and how they are kept.
Pure."""

from __future__ import annotations

from bulkmeta.errors import UsageError
from bulkmeta.model import limits
from bulkmeta.model.metadata import STANDARD_HEADERS, USER_META_PREFIX


def meta_name(option: str, name: str) -> str:
    """The name of user metadata as it is kept.

    Raises:
        UsageError: `option` names what cannot be one.
    """
    lower = name.lower()
    plain = lower.removeprefix(USER_META_PREFIX)
    if lower in STANDARD_HEADERS:
        raise UsageError(
            f"{option} {name!r} names a standard header; "
            f"use {_header_option(option)} for it, "
            f"or {USER_META_PREFIX}{plain} if user metadata is meant"
        )
    fault = limits.meta_name_fault(plain if name.isascii() else name)
    if fault:
        raise UsageError(f"{option} {name!r}: {fault}")
    return plain


def _header_option(option: str) -> str:
    return "--unset-header" if option == "--unset" else "--header"


def header_name(option: str, name: str) -> str:
    """The name of a standard header as it is kept.

    Raises:
        UsageError: `option` names another.
    """
    plain = name.lower()
    if plain not in STANDARD_HEADERS:
        raise UsageError(
            f"{option} {name!r}: OSS lets you set only "
            f"{', '.join(sorted(STANDARD_HEADERS))}; use --set for user metadata"
        )
    return plain


def tag_key(option: str, key: str) -> str:
    """A tag's key, which keeps its case.

    Raises:
        UsageError: `option` names what cannot be one.
    """
    fault = limits.tag_key_fault(key)
    if fault:
        raise UsageError(f"{option} {key!r}: {fault}")
    return key
