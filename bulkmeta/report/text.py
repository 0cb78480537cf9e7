"""Text from elsewhere, made fit for one line of a terminal."""

from __future__ import annotations

import json
import re
import textwrap
from typing import Final
from unicodedata import east_asian_width

_SHOWN: Final = 80
_LABEL: Final = len("run file  ")
_LONGEST: Final = 2 * _SHOWN
"""Up to this a value is told whole: paths and keys, mostly, are."""

_INNER: Final = r"(?P<inner>(?:(?!(?P=quote))[^\\]|\\.)*)(?P=quote)"
_VALUE: Final = re.compile(
    rf"""(?<![\w\\])(?P<quote>['"]){_INNER}"""
    rf"""|(?<![^\s'"])[^\s'"]{{{_LONGEST},}}[^\s'"),.:;]"""
)
"""What stands in quotes, but for apostrophes, or is one endless word."""

_GIVEN: Final = r"""(?:\$'(?:[^'\\]|\\.)*'|'[^']*'|"[^"]*"|\S)+"""
"""A word as a shell reads it."""

_CHUNK: Final = re.compile(
    r"(?P<command>[^\w\s]?bulkmeta [\w-]+ )?"
    rf"""(?:(?<![\w\\])(?P<quote>['"`]){_INNER}|\S)+"""
    rf"(?(command)(?: --\S+(?: (?!--){_GIVEN})?)*)|\s+"
)
"""What no line is broken in: a command of ours with what it is given, a word with what
it has in quotes, or the room between."""


def plain(text: str) -> str:
    """The text with what would move or deceive a terminal written as escapes."""
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def shortened(message: str) -> str:
    """The message with no more of a long value than tells which it is."""
    return _VALUE.sub(_shortened, message)


def _shortened(found: re.Match[str]) -> str:
    quote, whole = found["quote"] or "", found["inner"] or found[0]
    if len(whole) <= _LONGEST:
        return found[0]
    return f"{quote}{whole[:_SHOWN]}…{quote} ({len(whole):,} characters)"


class _Wrapper(textwrap.TextWrapper):
    """Breaks lines where nobody would copy the break."""

    def _split(self, text: str) -> list[str]:
        return [chunk[0] for chunk in _CHUNK.finditer(text)]


def folded(line: str, width: int) -> str:
    """The line broken between words where it is wider than `width`, further ones below
    the text behind its label, or its indent; what is in quotes, and a command, stay
    whole. Where characters take two cells it is left as it is."""
    if len(line) <= width or width < 4 * _LABEL or not _is_narrow(line):
        return line
    indent = len(line) - len(line.lstrip())
    return _Wrapper(
        width,
        subsequent_indent=" " * max(indent, _LABEL),
        break_long_words=False,
        expand_tabs=False,
        replace_whitespace=False,
    ).fill(line)


def _is_narrow(line: str) -> bool:
    return line.isascii() or not any(east_asian_width(c) in "WF" for c in line)


def quoted(value: str | None) -> str:
    """A value as a JSON string that a terminal can show."""
    return plain(json.dumps(value, ensure_ascii=False))


def printable(key: str) -> str:
    """A key as it is, or quoted if it cannot be shown so."""
    return key if key.isprintable() else quoted(key)


def utc(time: str) -> str:
    """A time in UTC with the one sign for that, whatever way it is recorded."""
    return time.replace("+00:00", "Z")


def last_line(text: str) -> str:
    """What a text comes to, such as a traceback."""
    return text.rstrip().rpartition("\n")[2]


def writable(text: str) -> str:
    """The text as UTF-8 can hold it; names of files need not be text."""
    return text.encode("utf-8", "backslashreplace").decode()
