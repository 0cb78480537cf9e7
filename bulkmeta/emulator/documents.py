"""The XML documents of the service: made from tuples, read into plain values."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, TypeAlias
from xml.sax.saxutils import escape

from .errors import ServiceError
from .wire import Reply

if TYPE_CHECKING:
    from collections.abc import Sequence

Node: TypeAlias = "tuple[str, str | int | Sequence[Node]]"

OWNER: Node = ("Owner", (("ID", "1000000000000000"), ("DisplayName", "embedded")))


def document(name: str, children: str | Sequence[Node]) -> Reply:
    """A 200 reply with an XML body."""
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n{_render((name, children))}\n'
    data = body.encode("utf-8", "surrogateescape")
    return Reply(200, [("Content-Type", "application/xml")], data)


def _render(node: Node) -> str:
    name, content = node
    if isinstance(content, (str, int)):
        return f"<{name}>{escape(str(content))}</{name}>"
    return f"<{name}>{''.join(_render(child) for child in content)}</{name}>"


def parse(body: bytes) -> ET.Element:
    """The root of a request's document.

    Raises:
        ServiceError: 400 MalformedXML.
    """
    if b"<!DOCTYPE" in body:
        raise malformed()
    try:
        return ET.fromstring(body)  # noqa: S314 - no entities without DOCTYPE
    except ET.ParseError:
        raise malformed() from None


def malformed() -> ServiceError:
    """400 MalformedXML."""
    return ServiceError(
        400,
        "MalformedXML",
        "The XML you provided was not well-formed or did not validate against our"
        " published schema.",
    )


def child_text(parent: ET.Element, name: str) -> str:
    """The text of a child, empty when it has none.

    Raises:
        ServiceError: 400 MalformedXML when there is no such child.
    """
    text = parent.findtext(name)
    if text is None:
        raise malformed()
    return text
