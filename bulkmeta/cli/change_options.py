"""The options that say what changes, and the change that they stand for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bulkmeta.cli.types import Assignment
from bulkmeta.errors import UsageError
from bulkmeta.model.changes import Change, make_change
from bulkmeta.model.content_types import parse_types
from bulkmeta.model.metadata import ACLS, ALGORITHMS, CLASSES


def _types(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> dict[str, str]:
    if value is None:
        return {}
    try:
        lines = Path(value).read_text("utf-8").splitlines()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UsageError(f"cannot read --types {value!r}: {reason}") from error
    return parse_types(lines, value)


CHANGES = (
    click.option(
        "--set",
        "set_meta",
        type=Assignment(),
        multiple=True,
        help="Set user metadata (x-oss-meta-NAME) to VALUE, which may be made from the "
        "object: {key} {stem} {ext} {part[0]} {meta[old]} {last_modified:%Y-%m} …",
    ),
    click.option(
        "--default",
        "default_meta",
        type=Assignment(),
        multiple=True,
        help="Set user metadata only where the object has no NAME yet.",
    ),
    click.option(
        "--unset",
        "unset_meta",
        metavar="NAME",
        multiple=True,
        help="Remove user metadata NAME.",
    ),
    click.option(
        "--rename",
        "rename_meta",
        type=Assignment("OLD=NEW"),
        multiple=True,
        help="Rename user metadata; fails where both exist with different values.",
    ),
    click.option(
        "--sub",
        "sub_meta",
        type=Assignment("NAME=/PATTERN/REPLACEMENT/"),
        multiple=True,
        help="Rewrite user metadata NAME by a regular expression.",
    ),
    click.option(
        "--header",
        "set_headers",
        type=Assignment(),
        multiple=True,
        help="Set a standard header: cache-control, content-disposition, "
        "content-encoding, content-language, content-type, expires.",
    ),
    click.option(
        "--unset-header",
        "unset_headers",
        metavar="NAME",
        multiple=True,
        help="Remove a standard header (content-type cannot be removed).",
    ),
    click.option(
        "--content-type",
        metavar="auto|TYPE",
        help="Set the content type; auto: by the key's extension, where it is known.",
    ),
    click.option(
        "--types",
        metavar="FILE",
        callback=_types,
        help="With --content-type auto: types to go first, in lines such as "
        "'text/markdown md mkd'.",
    ),
    click.option(
        "--replace",
        is_flag=True,
        help="Make user metadata exactly what --set says; headers stay.",
    ),
    click.option(
        "--tag",
        "set_tags",
        type=Assignment("KEY=VALUE"),
        multiple=True,
        help="Set an object tag. Tags and ACL are changed in place: no new version, "
        "and Last-Modified stays.",
    ),
    click.option(
        "--untag",
        "unset_tags",
        metavar="KEY",
        multiple=True,
        help="Remove an object tag.",
    ),
    click.option(
        "--replace-tags",
        is_flag=True,
        help="Make the object's tags exactly what --tag says.",
    ),
    click.option(
        "--acl",
        type=click.Choice(ACLS, case_sensitive=False),
        help="Set the object's own access control list; default: the bucket's.",
    ),
    click.option(
        "--storage-class",
        "to_class",
        type=click.Choice(CLASSES, case_sensitive=False),
        metavar="CLASS",
        help=f"Move to another storage class ({', '.join(CLASSES)}): rewrites the "
        "content, up to 1 GB.",
    ),
    click.option(
        "--sse",
        type=click.Choice(ALGORITHMS, case_sensitive=False),
        metavar="ALGORITHM",
        help=f"Encrypt on the server ({', '.join(ALGORITHMS)}): rewrites the content, "
        "up to 1 GB.",
    ),
    click.option(
        "--sse-key-id",
        metavar="ID",
        help="With --sse KMS: the key; by default the bucket's, or the service's own.",
    ),
    click.option(
        "--values",
        "values_file",
        metavar="FILE",
        help="Set on each object what its row says: CSV, JSON lines or Parquet with a "
        "column 'key' and others 'meta.NAME', 'header.NAME', 'tag.KEY'.",
    ),
    click.option(
        "--transform",
        metavar="MODULE:FUNCTION",
        help="Make each object's change by a Python function: bulkmeta.ObjectView -> "
        "bulkmeta.Change or None.",
    ),
    click.option(
        "--missing",
        type=click.Choice(["fail", "skip", "empty"]),
        default="fail",
        show_default=True,
        help="What becomes of an object that lacks a field of a template.",
    ),
)


def _change(values: dict[str, Any]) -> Change:
    kind, headers = values["content_type"], [*values["set_headers"]]
    auto = kind is not None and kind.lower() == "auto"
    if kind is not None and not auto:
        headers.append(("content-type", kind))
    if any(_is_auto(*header) for header in values["set_headers"]):
        raise UsageError(
            "--header 'content-type': auto is no type; --content-type auto sets it by "
            "each key's extension"
        )
    if values["types"] and not auto:
        raise UsageError("--types goes with --content-type auto")
    return make_change(
        set_meta=values["set_meta"],
        default_meta=values["default_meta"],
        unset_meta=values["unset_meta"],
        rename_meta=values["rename_meta"],
        set_headers=headers,
        unset_headers=values["unset_headers"],
        replace=values["replace"],
        sub_meta=values["sub_meta"],
        missing=values["missing"],
        content_type_auto=auto,
        types=values["types"],
        set_tags=values["set_tags"],
        unset_tags=values["unset_tags"],
        replace_tags=values["replace_tags"],
        acl=values["acl"],
        storage_class=values["to_class"],
        sse=values["sse"],
        sse_key_id=values["sse_key_id"],
    )


def _is_auto(name: str, value: str) -> bool:
    return (name.lower(), value.lower()) == ("content-type", "auto")


def gives_change(values: dict[str, Any]) -> bool:
    """Whether the options name any change."""
    return not _change(values).is_empty()


def change_of(values: dict[str, Any]) -> Change:
    """The change that the options name.

    Raises:
        UsageError: it is none, or not a possible one.
    """
    change = _change(values)
    made = values["values_file"] is not None or values["transform"] is not None
    if change.is_empty() and not made:
        raise UsageError(
            "no change given; use --set, --default, --unset, --rename, --sub, "
            "--replace, --header, --unset-header, --content-type, --tag, --untag, "
            "--replace-tags, --acl, --storage-class, --sse, --values or --transform"
        )
    return change
