"""Objects' fields: what each has in them, as lines for programs (JSONL, CSV)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from bulkmeta.errors import UsageError
from bulkmeta.model import limits
from bulkmeta.model.metadata import STANDARD_HEADERS, USER_META_PREFIX
from bulkmeta.model.viewed import Needs
from bulkmeta.report.text import plain, printable

if TYPE_CHECKING:
    from bulkmeta.model.viewed import Viewed

LISTED: Final = {
    "key": "key",
    "size_bytes": "size",
    "last_modified": "last_modified",
    "etag": "etag",
    "type": "object_type",
    "storage_class": "storage_class",
}
"""Fields that the listing tells, and what conditions call them."""

READ: Final = ("headers", "meta", "sse", "version_id")
ASKED: Final = ("tags", "acl")
"""Fields that take a head, and those that take a request each."""

FIELDS: Final = (*LISTED, *READ, "error")
"""What is shown for programs, unless others are asked for."""

ENTRIES: Final = {"meta": "meta", "header": "headers", "tag": "tags"}
"""What comes before the dot of a single entry, and the field that has it."""

KNOWN: Final = (*FIELDS, *ASKED, "meta.NAME", "header.NAME", "tag.KEY")
"""All names that a field may have, in words."""


HEADERS: Final = tuple(f"header.{name}" for name in sorted(STANDARD_HEADERS))
"""The headers that can be shown, by the names of their fields."""


def likely_fields() -> list[str]:
    """What may have been meant by a name that is none."""
    return [*FIELDS, *ASKED, *HEADERS]


def is_field(text: str) -> bool:
    """Whether a field has that name.

    Raises:
        UsageError: it is an entry's, and no object can have that.
    """
    prefix, dot, name = text.partition(".")
    if not (dot and name and prefix in ENTRIES):
        return text in FIELDS or text in ASKED
    if prefix == "header":
        return name.lower() in STANDARD_HEADERS
    fault_of = limits.tag_key_fault if prefix == "tag" else limits.meta_name_fault
    fault = fault_of(_entry(text)[1])
    if fault:
        raise UsageError(f"--fields: {text!r}: {fault}")
    return True


@lru_cache(maxsize=256)
def _entry(field: str) -> tuple[str, str]:
    """The field that has an entry, and the entry's name: in lower case, but for those
    of tags. Of others, the field itself."""
    prefix, dot, name = field.partition(".")
    if not dot:
        return field, ""
    if prefix != "tag":
        name = name.lower().removeprefix(USER_META_PREFIX)
    return ENTRIES[prefix], name


def needs_of(fields: Sequence[str]) -> Needs:
    """What has to be read of an object to show them. Whether it can be read at all only
    a request tells: a head, if there is no other."""
    of = {_entry(field)[0] for field in fields}
    asked = of & {*ASKED}
    return Needs(
        head=bool(of & {*READ}) or ("error" in of and not asked),
        tags="tags" in of,
        acl="acl" in of,
        listed=frozenset(LISTED[name] for name in of if name in LISTED),
    )


def value_of(view: Viewed, field: str) -> Any:
    """What an object has in a field; None if it lacks it."""
    name, entry = _entry(field)
    value = _VALUES[name](view)
    return (value or {}).get(entry) if entry else value


def _of_head(name: str) -> Callable[[Viewed], Any]:
    return lambda view: getattr(view.head.metadata, name) if view.head else {}


def _of_listing(name: str) -> Callable[[Viewed], Any]:
    return lambda view: getattr(view.listed, name) if view.listed else None


def _newest(name: str) -> Callable[[Viewed], Any]:
    return lambda view: getattr(view.head or view.listed, name, None)


_VALUES: Final[dict[str, Callable[[Viewed], Any]]] = {
    "key": lambda view: view.key,
    "size_bytes": _newest("size_bytes"),
    "last_modified": _of_listing("last_modified"),
    "etag": _newest("etag"),
    "type": _of_listing("object_type"),
    "storage_class": _of_listing("storage_class"),
    "headers": _of_head("headers"),
    "meta": _of_head("meta"),
    "sse": _of_head("sse"),
    "version_id": lambda view: view.head.version_id if view.head else None,
    "error": lambda view: view.error.code if view.error else None,
    "tags": lambda view: view.tags,
    "acl": lambda view: view.acl,
}


def as_jsonl(view: Viewed, fields: Sequence[str] = FIELDS) -> str:
    """One record by the names of its fields."""
    return json.dumps({f: value_of(view, f) for f in fields}, ensure_ascii=False)


def as_csv(view: Viewed, fields: Sequence[str] = FIELDS) -> str:
    """One CSV record; maps are JSON inside their cell."""
    return _csv_line([_csv_cell(value_of(view, field)) for field in fields])


def csv_header(fields: Sequence[str] = FIELDS) -> str:
    return _csv_line(list(fields))


def _csv_cell(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value


def _csv_line(cells: list[Any]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)  # its own line end makes it quote those in cells
    return line.getvalue().removesuffix("\r\n")


class ViewPrinter:
    """Prints each view on a line, and counts those that could not be read. Where no
    field tells of that, `complain` does."""

    def __init__(
        self,
        line: Callable[[Viewed], str],
        write: Callable[[str], object],
        complain: Callable[[str], object] | None = None,
    ) -> None:
        self._line = line
        self._write = write
        self._complain = complain
        self.failed = 0

    def emit(self, result: Viewed) -> None:
        if result.left_out:
            return
        if result.error:
            self.failed += 1
            if self._complain:
                why = plain(f"{result.error.code}: {result.error.message}")
                self._complain(f"bulkmeta: {printable(result.key)}: {why}")
        self._write(self._line(result))

    def flush(self) -> None:
        """Lines are written whole."""

    def finish(self) -> None:
        """None is held back."""
