"""Conditions on objects, in CEL (the Common Expression Language). Pure.

Expressions are compiled and type-checked before anything is sent; they have no loops
without end and reach nothing but the fields given here. The library comes with the
extra `expr`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from bulkmeta.errors import MissingExtraError, ObjectError, SkipError, UsageError
from bulkmeta.model import limits

if TYPE_CHECKING:
    from bulkmeta.model.metadata import ListedObject, ObjectHead

FIELDS: Final = {
    "key": "STRING",
    "size": "INT",
    "etag": "STRING",
    "last_modified": "TIMESTAMP",
    "storage_class": "STRING",
    "object_type": "STRING",
    "meta": "MAP",
    "headers": "MAP",
    "tags": "MAP",
}
"""All that an expression may speak of, with CEL's types; sizes are in bytes, and maps
are of texts by names."""

LISTED_FIELDS: Final = frozenset(FIELDS) - {"meta", "headers", "tags"}
"""Those that a listing tells."""

_FAULT: Final = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*)")
_TEXT: Final = re.compile(r'"(?:[^"\\]|\\.)*"' r"|'(?:[^'\\]|\\.)*'")
_MEMBER: Final = re.compile(r"\b(?:meta|headers)\s*\.\s*(\w+)\b(?!\s*\()")
_ELEMENT: Final = re.compile(
    r"""(["'])(?P<name>[^"'\\]*)\1\s+in\s+(?:meta|headers)\b"""
)
_INDEX: Final = re.compile(
    r"""\b(?:meta|headers)\s*\[\s*(["'])(?P<name>[^"'\\]*)\1\s*\]"""
)
_CODES: Final = re.compile(r" \[[A-Z_]+\]$|^[A-Z_]+: ", re.MULTILINE)


class Condition:
    """That all of some expressions hold.

    Raises:
        UsageError: one of them is none, or the library is missing.
    """

    def __init__(self, texts: tuple[str, ...]) -> None:
        self._expressions = [(text, _compiled(text)) for text in texts]
        self.reads_tags = any(map(_reads_tags, texts))

    def may_hold(
        self, listed: ListedObject, told: Collection[str] = LISTED_FIELDS
    ) -> bool:
        """Whether what the listing says of an object leaves it open, or settles it, by
        the fields that it has `told`.

        In CEL an unknown operand does not matter where the other one decides: `false &&
        x` is false.
        """
        if not limits.is_utf8(listed.key):
            return True
        return False not in self._values(listed, told)

    def holds(
        self, listed: ListedObject, told: Collection[str] = LISTED_FIELDS
    ) -> bool:
        """Whether what the listing says of an object settles that it is meant."""
        if not limits.is_utf8(listed.key):
            return False
        return set(self._values(listed, told)) == {True}

    def _values(
        self, listed: ListedObject, told: Collection[str]
    ) -> Iterator[bool | str]:
        fields = {k: v for k, v in _listed_fields(listed).items() if k in told}
        for _, expression in self._expressions:
            yield _value(expression, fields)

    def require(self, key: str, head: ObjectHead) -> None:
        """Go on only with an object for which all expressions hold.

        Raises:
            SkipError: one does not, or asks for a value that the object lacks.
            ObjectError: one has no answer, such as a division by zero.
        """
        fields = _fields(key, head)
        for text, expression in self._expressions:
            value = _value(expression, fields)
            if isinstance(value, bool):
                if not value:
                    raise SkipError("not_selected", f"--where {text!r} does not hold")
            elif "Key not found in map" in value:
                raise SkipError("not_selected", f"--where {text!r}: {value}")
            else:
                raise ObjectError("where_failed", f"--where {text!r}: {value}")


def _fields(key: str, head: ObjectHead) -> dict[str, Any]:
    state = head.metadata
    return {
        "key": key,
        "size": head.size_bytes,
        "etag": head.etag,
        "last_modified": head.modified_at(),
        "storage_class": state.storage_class or "",
        "object_type": head.object_type,
        "meta": state.meta,
        "headers": state.headers,
        "tags": state.tags or {},
    }


def _listed_fields(listed: ListedObject) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "key": listed.key,
        "size": listed.size_bytes,
        "etag": listed.etag,
        "storage_class": listed.storage_class,
        "object_type": listed.object_type,
    }
    try:
        fields["last_modified"] = datetime.fromisoformat(listed.last_modified)
    except ValueError:
        return fields  # a head will tell
    return fields


def _value(expression: Any, fields: dict[str, Any]) -> bool | str:
    """The expression's answer, or why it has none."""
    try:
        answer = expression.eval(data=fields).value()
    except RuntimeError as error:  # such as a budget of steps that is used up
        answer = str(error)
    return answer if isinstance(answer, bool) else _CODES.sub("", str(answer))


@lru_cache(maxsize=128)
def _compiled(text: str) -> Any:
    if not limits.is_utf8(text):
        raise UsageError(f"--where {text!r} is not valid UTF-8")
    _refuse_capitals(text)
    try:
        expression = _environment(frozenset(FIELDS)).compile(text)
    except RuntimeError as error:
        raise UsageError(f"--where {text!r}{_place(error)}") from error
    kind = expression.return_type().name()
    if kind != "BOOL":
        raise UsageError(
            f"--where {text!r} is no condition: its value is of type {kind}, not BOOL"
        )
    return expression


def _refuse_capitals(text: str) -> None:
    """Names of metadata and headers are told in lower case: any other never matches, or
    always does where it is negated."""
    plain = _TEXT.sub(lambda found: " " * len(found[0]), text)
    inside = [
        found["name"]
        for pattern in (_INDEX, _ELEMENT)
        for found in pattern.finditer(text)
    ]
    for name in (*_MEMBER.findall(plain), *inside):
        if name != name.lower():
            raise UsageError(
                f"--where {text!r}: names of metadata and headers are in lower case: "
                f"{name.lower()!r}"
            )


def _place(error: RuntimeError) -> str:
    """Where the first fault is, and which."""
    fault = _FAULT.search(str(error))
    if fault is None:
        return f": {_CODES.sub('', str(error)).splitlines()[0]}"
    line, column, words = fault.groups()
    words = _in_words(_CODES.sub("", words.partition(" (in container")[0]))
    place = "" if line == "-1" else f", column {column}"
    known = (
        f"; there are {', '.join(FIELDS)}" if "undeclared reference" in words else ""
    )
    return f"{place}: {words}{known}"


def _in_words(fault: str) -> str:
    """What the parser says of it, without all that it would have taken."""
    fault = fault.partition(" expecting ")[0]
    fault = fault.replace("mismatched input '<EOF>'", "it ends too early")
    return fault.replace("'<EOF>'", "the end")


def _reads_tags(text: str) -> bool:
    try:
        _environment(frozenset(FIELDS) - {"tags"}).compile(text)
    except RuntimeError:
        return True
    return False


@lru_cache(maxsize=2)
def _environment(names: frozenset[str]) -> Any:
    try:
        from cel_expr_python import cel
    except ImportError as error:
        raise MissingExtraError("--where", "expr") from error
    texts = cel.Type.Map(cel.Type.STRING, cel.Type.STRING)
    return cel.NewEnv(
        variables={
            name: texts if FIELDS[name] == "MAP" else getattr(cel.Type, FIELDS[name])
            for name in sorted(names)
        }
    )
