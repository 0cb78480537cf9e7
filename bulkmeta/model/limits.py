"""What the service accepts in names, values and keys, checked before anything is sent.

Figures: OSS documentation, "Limits and performance metrics", PutObjectTagging, and the
error pages 0011-00000002 (8 KB of user metadata) and 0011-00000004 (names).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

USER_META_BYTES: Final = 8192
KEY_BYTES: Final = 1023
TAGS: Final = 10
TAG_KEY_CHARACTERS: Final = 128
TAG_VALUE_CHARACTERS: Final = 256
REWRITTEN_BYTES: Final = 1024**3
"""The largest object whose class or encryption a copy can change (CopyObject)."""

_META_NAME: Final = re.compile(r"[a-z0-9-]+")
_BUCKET_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_TAG_TEXT: Final = re.compile(r"[\w +\-=.:/]*")  # letters of any script
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def meta_name_fault(name: str) -> str | None:
    """Why `name` (lower-case, without prefix) cannot name user metadata, or None."""
    if _META_NAME.fullmatch(name):
        return None
    return "a metadata name takes only letters, digits and hyphens"


def value_fault(value: str) -> str | None:
    """Why `value` cannot travel in a header, or None."""
    if _CONTROL.search(value):
        return "a value may not hold line breaks or other control characters"
    if value != value.strip(" "):
        return "a value may not begin or end with white space (HTTP strips it)"
    if not is_utf8(value):
        return "the value is not valid UTF-8"
    return None


def tag_key_fault(key: str) -> str | None:
    """Why `key` cannot name a tag, or None."""
    if not 1 <= len(key) <= TAG_KEY_CHARACTERS:
        return f"a tag's key has 1 to {TAG_KEY_CHARACTERS} characters"
    return _tag_text_fault("key", key)


def tag_value_fault(value: str) -> str | None:
    """Why `value` cannot be a tag's, or None."""
    if len(value) > TAG_VALUE_CHARACTERS:
        return f"a tag's value has at most {TAG_VALUE_CHARACTERS} characters"
    return _tag_text_fault("value", value)


def _tag_text_fault(what: str, text: str) -> str | None:
    if _TAG_TEXT.fullmatch(text) and is_utf8(text):
        return None
    return f"a tag's {what} takes letters, digits, spaces and + - = . _ : / only"


def user_meta_bytes(meta: Mapping[str, str]) -> int:
    """Size of user metadata as the service counts it: names and values in UTF-8."""
    return len("".join([*meta, *meta.values()]).encode())


def key_fault(key: str) -> str | None:
    """Why `key` cannot name an object, or None."""
    if not is_utf8(key):
        return "the key is not valid UTF-8"
    if not 1 <= len(key.encode()) <= KEY_BYTES:
        return f"a key has 1 to {KEY_BYTES} bytes in UTF-8"
    if key[0] in "/\\":
        return "a key cannot begin with a slash or backslash"
    return None


def bucket_fault(name: str) -> str | None:
    """Why `name` cannot name a bucket, or None."""
    if _BUCKET_NAME.fullmatch(name):
        return None
    return "a bucket name has 3 to 63 lower-case letters, digits and hyphens"


def is_utf8(text: str) -> bool:
    """Whether `text` can be encoded (lone surrogates stand for undecodable bytes)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
