"""Values made from the object they are for: `{stem}`, `{meta[owner]}`. Pure.

`{{` and `}}` stand for braces. A field is one of those named here, taken by its name
from a closed table: no attribute of any Python object can be reached.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from bulkmeta.errors import ObjectError, SkipError, UsageError
from bulkmeta.model import limits
from bulkmeta.model.content_types import better_type
from bulkmeta.model.metadata import ObjectHead

if TYPE_CHECKING:
    from datetime import datetime

    from bulkmeta.model.changes import Change

Fault = Callable[[str], str | None]
Missing = Literal["fail", "skip", "empty"]
"""What becomes of an object that lacks a field: it fails, it is left alone, or the
field is empty."""

_TOKEN: Final = re.compile(
    r"(?P<brace>\{\{|\}\})"
    r"|\{(?P<name>[a-z_]+)(?:\[(?P<index>[^\[\]{}]*)\])?(?::(?P<form>[^{}]*))?\}"
    r"|(?P<stray>[{}])"
)
_TIME_FORM: Final = re.compile(r"(?:%[YmdHMSjyBbAaUWVGuIp%]|[^%])+")
_TIME_PART: Final = re.compile(r"%[A-Za-z%]")
_ISO_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"


class Source(msgspec.Struct, frozen=True):
    """The object that fields are taken from."""

    key: str
    head: ObjectHead


class Field(msgspec.Struct, frozen=True):
    """One placeholder; `index` is what stood in brackets, `form` behind a colon."""

    name: str
    index: str | None
    form: str | None

    def __str__(self) -> str:
        index = "" if self.index is None else f"[{self.index}]"
        form = "" if self.form is None else f":{self.form}"
        return f"{{{self.name}{index}{form}}}"


def _name(source: Source) -> str:
    return source.key.rpartition("/")[2]


def _ext(source: Source) -> str | None:
    stem, dot, ext = _name(source).rpartition(".")
    return ext if stem and dot and ext else None


def _stem(source: Source) -> str:
    ext = _ext(source)
    return _name(source) if ext is None else _name(source)[: -len(ext) - 1]


def _part(source: Source, index: str) -> str | None:
    parts, at = source.key.split("/"), int(index)
    return parts[at] if -len(parts) <= at < len(parts) else None


def _time(source: Source, form: str) -> str:
    moment: datetime = source.head.modified_at()
    return _TIME_PART.sub(lambda part: moment.strftime(part[0]), form)


_PLAIN: Final[dict[str, Callable[[Source], str | None]]] = {
    "key": lambda source: source.key,
    "name": _name,
    "stem": _stem,
    "ext": _ext,
    "dir": lambda source: source.key.rpartition("/")[0],
    "size": lambda source: str(source.head.size_bytes),
    "etag": lambda source: source.head.etag,
    "storage_class": lambda source: source.head.metadata.storage_class,
}
_INDEXED: Final[dict[str, Callable[[Source, str], str | None]]] = {
    "part": _part,
    "meta": lambda source, name: source.head.metadata.meta.get(name),
    "header": lambda source, name: source.head.metadata.headers.get(name),
    "tag": lambda source, key: (source.head.metadata.tags or {}).get(key),
}
_FORMED: Final[dict[str, Callable[[Source, str], str | None]]] = {
    "last_modified": _time
}
_VARIABLE: Final = re.compile(r"\$\{(\w+)\}", re.ASCII)
FIELDS: Final = (
    *(f"{{{name}}}" for name in _PLAIN),
    "{part[N]}",
    "{meta[NAME]}",
    "{header[NAME]}",
    "{tag[KEY]}",
    "{last_modified:%Y-%m-%d}",
)
"""All that a template may hold."""


@lru_cache(maxsize=1024)
def parse_template(text: str) -> tuple[str | Field, ...]:
    """A template as its texts and fields, in order.

    Raises:
        UsageError: a brace that stands alone, or a field that there is not.
    """
    parts: list[str | Field] = []
    end = 0
    for token in _TOKEN.finditer(text):
        parts.append(text[end : token.start()])
        end = token.end()
        _refuse_variable(token)
        if token["stray"]:
            raise UsageError(
                f"{text!r}: a single {token['stray']!r}; "
                f"write {2 * token['stray']!r} if that is meant"
            )
        parts.append(token["brace"][0] if token["brace"] else _field(token))
    parts.append(text[end:])
    return tuple(part for part in parts if part)


def _field(token: re.Match[str]) -> Field:
    field = Field(token["name"], token["index"], token["form"])
    if not _is_known(field):
        raise UsageError(
            f"{token.string!r}: there is no field {token[0]!r}; there are "
            f"{' '.join(FIELDS)} (write '{{{{' for a brace)"
        )
    if field.name in {"meta", "header"} and field.index:
        field = msgspec.structs.replace(field, index=field.index.lower())
    return field


def _refuse_variable(token: re.Match[str]) -> None:
    """Stop at a variable that is not put in: it looks like a field behind a dollar."""
    variable = _VARIABLE.match(token.string, max(0, token.start() - 1))
    if variable and not _is_known(Field(variable[1], None, None)):
        raise UsageError(
            f"{variable[0]!r}: to use the variable, add environment = "
            f'["{variable[1]}"] to a job file; for the text itself, write '
            f"${{{{{variable[1]}}}}}"
        )


def _is_known(field: Field) -> bool:
    if field.name in _FORMED:
        form = field.form is None or _TIME_FORM.fullmatch(field.form)
        return field.index is None and bool(form)
    if field.form is not None:
        return False
    if field.name == "part":
        return bool(re.fullmatch(r"-?[0-9]{1,4}", field.index or "", re.ASCII))
    if field.name in _INDEXED:
        return bool(field.index)
    return field.name in _PLAIN and field.index is None


def render(text: str, source: Source, missing: Missing = "fail") -> str:
    """The template's value for one object.

    Raises:
        ObjectError: the object lacks a field, and `missing` is `fail`.
        SkipError: the same, and it is `skip`.
    """
    return "".join(
        part if isinstance(part, str) else _value(part, source, missing)
        for part in parse_template(text)
    )


def _value(field: Field, source: Source, missing: Missing) -> str:
    value: str | None
    if field.name in _FORMED:
        value = _FORMED[field.name](source, field.form or _ISO_TIME)
    elif field.index is not None:
        value = _INDEXED[field.name](source, field.index)
    else:
        value = _PLAIN[field.name](source)
    if value is None and missing != "empty":
        message = f"the object has no {field}"
        if missing == "skip":
            raise SkipError("missing_field", message)
        raise ObjectError("missing_field", message)
    return value or ""


def depends_on_object(change: Change) -> bool:
    """Whether the change is another one for each object."""
    braces = "".join(_templates(change))
    return change.content_type_auto or "{" in braces or "}" in braces


def reads_tags(change: Change) -> bool:
    """Whether a value is made from the object's tags."""
    return any(
        isinstance(part, Field) and part.name == "tag"
        for text in _templates(change)
        for part in parse_template(text)
    )


def renewed_names(change: Change) -> list[str]:
    """The names whose values are made from Last-Modified, which writing them renews:
    each update makes another value of them. Tags are written without that."""
    written = {**change.set_meta, **change.set_headers}
    return [name for name, text in written.items() if _tells_time(text)]


def renewed_tags(change: Change) -> list[str]:
    """The tags whose values are made from Last-Modified. Written in place they leave it
    as it is; written along with what renews it, they hold what it was before."""
    return [key for key, text in change.set_tags.items() if _tells_time(text)]


def fed_back_names(change: Change) -> list[str]:
    """The names whose values are made from what they replace and from something else:
    each update makes another value of them."""
    written = (
        *(("meta", *pair) for pair in change.set_meta.items()),
        *(("header", *pair) for pair in change.set_headers.items()),
        *(("tag", *pair) for pair in change.set_tags.items()),
    )
    return [name for kind, name, text in written if _adds_to(text, kind, name)]


def _tells_time(text: str) -> bool:
    return any(
        isinstance(part, Field)
        and part.name in _FORMED
        and _TIME_PART.search((part.form or _ISO_TIME).replace("%%", "")) is not None
        for part in parse_template(text)
    )


def _adds_to(text: str, kind: str, name: str) -> bool:
    parts, own = parse_template(text), Field(kind, name, None)
    return own in parts and len(parts) > 1


def _templates(change: Change) -> tuple[str, ...]:
    return (
        *change.set_meta.values(),
        *change.default_meta.values(),
        *change.set_headers.values(),
        *change.set_tags.values(),
    )


def fill(change: Change, source: Source) -> Change:
    """The change as it is for one object: templates filled in, types looked up.

    Raises:
        ObjectError: a field is missing, or a value is none that OSS can hold.
        SkipError: a field is missing, and such objects are to be left alone.
    """

    def filled(
        values: dict[str, str], fault_of: Fault = limits.value_fault
    ) -> dict[str, str]:
        return {
            name: _possible(name, render(text, source, change.missing), fault_of)
            for name, text in values.items()
        }

    headers = filled(change.set_headers)
    for name, value in headers.items():
        if not value:
            raise ObjectError("invalid_value", f"{name!r} would be empty")
    if change.content_type_auto:
        there = source.head.metadata.headers.get("content-type")
        kind = better_type(source.key, change.types, there)
        headers |= {"content-type": kind} if kind else {}
    return msgspec.structs.replace(
        change,
        set_meta=filled(change.set_meta),
        default_meta=filled(_lacking(change, source)),
        set_headers=headers,
        set_tags=filled(change.set_tags, limits.tag_value_fault),
    )


def _lacking(change: Change, source: Source) -> dict[str, str]:
    """The defaults that the object needs: one that it does not need may lack fields."""
    meta = source.head.metadata.meta
    renamed = {new for old, new in change.rename_meta.items() if old in meta}
    return {
        name: text
        for name, text in change.default_meta.items()
        if name not in meta and name not in renamed
    }


def _possible(name: str, value: str, fault_of: Fault) -> str:
    fault = fault_of(value)
    if fault:
        raise ObjectError("invalid_value", f"{name!r} would be {value!r}: {fault}")
    return value
