"""Text from elsewhere, made fit for one line of a terminal."""

from __future__ import annotations

import json


def plain(text: str) -> str:
    """The text with what would move or deceive a terminal written as escapes."""
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def quoted(value: str | None) -> str:
    """A value as a JSON string that a terminal can show."""
    return plain(json.dumps(value, ensure_ascii=False))


def printable(key: str) -> str:
    """A key as it is, or quoted if it cannot be shown so."""
    return key if key.isprintable() else quoted(key)


def last_line(text: str) -> str:
    """What a text comes to, such as a traceback."""
    return text.rstrip().rpartition("\n")[2]


def writable(text: str) -> str:
    """The text as UTF-8 can hold it; names of files need not be text."""
    return text.encode("utf-8", "backslashreplace").decode()
