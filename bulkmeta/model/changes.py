"""What a user wants changed, and whether it can be. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Final

import msgspec

from bulkmeta.errors import UsageError
from bulkmeta.model import limits
from bulkmeta.model.metadata import ACLS, ALGORITHMS, CLASSES, STANDARD_HEADERS
from bulkmeta.model.names import header_name, meta_name, tag_key
from bulkmeta.model.parts import Parts
from bulkmeta.model.templates import Missing, parse_template

Pair = tuple[str, str]
_Check = Callable[[str, str, str], None]


class Substitution(msgspec.Struct, frozen=True):
    """Every match of a regular expression, replaced; `\\1` is its first group."""

    pattern: str
    replacement: str

    def of(self, value: str) -> str:
        """What becomes of a value."""
        return re.sub(self.pattern, self.replacement, value)


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """A wanted change of an object's metadata, tags, ACL, class or encryption. It is
    checked, and its names normalised, by `checked` or `make_change`, before it is used.

    Names are lower-case and carry no `x-oss-meta-`; tags keep their case. Values to set
    are templates over the object (`model.templates`); `missing` is what becomes of one
    that lacks a field. With `content_type_auto` the type goes by the key's extension,
    first by `types`. `replace_tags` makes the tags just what is set. `sse` is the
    server-side encryption's algorithm.
    """

    set_meta: dict[str, str] = {}
    default_meta: dict[str, str] = {}
    unset_meta: tuple[str, ...] = ()
    rename_meta: dict[str, str] = {}
    set_headers: dict[str, str] = {}
    unset_headers: tuple[str, ...] = ()
    replace: bool = False
    sub_meta: dict[str, Substitution] = {}
    missing: Missing = "fail"
    content_type_auto: bool = False
    types: dict[str, str] = {}
    set_tags: dict[str, str] = {}
    unset_tags: tuple[str, ...] = ()
    replace_tags: bool = False
    acl: str | None = None
    storage_class: str | None = None
    sse: str | None = None
    sse_key_id: str | None = None

    def is_empty(self) -> bool:
        """Whether it changes nothing."""
        return self == Change(missing=self.missing, types=self.types)

    def parts(self) -> Parts:
        """The parts of an object that it may change."""
        in_place = Change(
            missing=self.missing,
            types=self.types,
            set_tags=self.set_tags,
            unset_tags=self.unset_tags,
            replace_tags=self.replace_tags,
            acl=self.acl,
        )
        return Parts(
            rewrite=self != in_place,
            tags=bool(self.set_tags or self.unset_tags or self.replace_tags),
            acl=self.acl is not None,
        )


def make_change(  # noqa: PLR0913 one argument per kind of change, all keyword-only
    *,
    set_meta: Iterable[Pair] = (),
    default_meta: Iterable[Pair] = (),
    unset_meta: Iterable[str] = (),
    rename_meta: Iterable[Pair] = (),
    set_headers: Iterable[Pair] = (),
    unset_headers: Iterable[str] = (),
    replace: bool = False,
    sub_meta: Iterable[tuple[str, str | Substitution]] = (),
    missing: Missing = "fail",
    content_type_auto: bool = False,
    types: dict[str, str] | None = None,
    set_tags: Iterable[Pair] = (),
    unset_tags: Iterable[str] = (),
    replace_tags: bool = False,
    acl: str | None = None,
    storage_class: str | None = None,
    sse: str | None = None,
    sse_key_id: str | None = None,
    literal: bool = False,
) -> Change:
    """A change from what a user wrote; a substitution as `/pattern/replacement/`. If it
    is `literal`, values stand for themselves instead of being templates.

    Raises:
        UsageError: a name or value that OSS cannot hold, or two orders that conflict.
    """
    check = _refuse_value if literal else _refuse_template
    change = Change(
        set_meta=_unique("--set", [_meta_pair("--set", p, check) for p in set_meta]),
        default_meta=_unique(
            "--default", [_meta_pair("--default", p, check) for p in default_meta]
        ),
        unset_meta=tuple(sorted({meta_name("--unset", n) for n in unset_meta})),
        rename_meta=_unique("--rename", [_rename_pair(p) for p in rename_meta]),
        set_headers=_unique("--header", [_header_pair(p, check) for p in set_headers]),
        unset_headers=tuple(sorted({_unset_header(n) for n in unset_headers})),
        replace=replace,
        sub_meta=_substitutions([_sub_pair(p) for p in sub_meta]),
        missing=missing,
        content_type_auto=content_type_auto,
        types=types or {},
        set_tags=_unique("--tag", [_tag_pair(p, literal=literal) for p in set_tags]),
        unset_tags=tuple(sorted({tag_key("--untag", key) for key in unset_tags})),
        replace_tags=replace_tags,
        acl=_one_of("--acl", acl, ACLS),
        storage_class=_one_of("--storage-class", storage_class, CLASSES),
        sse=_one_of("--sse", sse, ALGORITHMS),
        sse_key_id=sse_key_id,
    )
    refuse_conflicts(change)
    if len(change.set_tags) > limits.TAGS:
        raise UsageError(f"--tag: an object holds at most {limits.TAGS} tags")
    if sse_key_id is not None:
        _refuse_key_id(sse, sse_key_id)
    return change


def checked(change: Change, *, literal: bool = True) -> Change:
    """A change that a program made, with its names normalised.

    Raises:
        UsageError: as `make_change`.
        TypeError: it is no change.
        msgspec.ValidationError: it has fields of other types.
    """
    if not isinstance(change, Change):
        raise TypeError(f"a {type(change).__name__} is no bulkmeta.Change")
    plain = msgspec.convert(msgspec.to_builtins(change), Change)
    fields = msgspec.structs.asdict(plain)
    for name in _MAPS:
        fields[name] = fields[name].items()
    return make_change(**fields, literal=literal)


_MAPS: Final = (
    *("set_meta", "default_meta", "rename_meta", "set_headers", "sub_meta", "set_tags"),
)


def _one_of(option: str, value: str | None, known: tuple[str, ...]) -> str | None:
    if value is not None and value not in known:
        raise UsageError(f"{option} {value!r} is none of {', '.join(known)}")
    return value


def _meta_pair(option: str, pair: Pair, check: _Check) -> Pair:
    name, value = meta_name(option, pair[0]), pair[1]
    check(option, name, value)
    if limits.user_meta_bytes({name: value}) > limits.USER_META_BYTES:
        raise UsageError(
            f"{option} {name!r}: an object holds at most {limits.USER_META_BYTES} "
            "bytes of user metadata"
        )
    return name, value


def _rename_pair(pair: Pair) -> Pair:
    return meta_name("--rename", pair[0]), meta_name("--rename", pair[1])


def _sub_pair(pair: tuple[str, str | Substitution]) -> tuple[str, Substitution]:
    name, text = meta_name("--sub", pair[0]), pair[1]
    if isinstance(text, Substitution):
        return name, _tried(name, text)
    parts = text[1:].split(text[:1]) if text else []
    if len(parts) != 3 or parts[2] or not parts[0] or text[0].isalnum():
        raise UsageError(
            f"--sub {name!r}: write it as /PATTERN/REPLACEMENT/; any other mark may "
            "stand for the slash"
        )
    _refuse_value("--sub", name, text)
    return name, _tried(name, Substitution(parts[0], parts[1]))


def _tried(name: str, substitution: Substitution) -> Substitution:
    try:
        substitution.of("")
    except (re.error, IndexError, OverflowError, RecursionError) as error:
        raise UsageError(f"--sub {name!r}: {error}") from error
    return substitution


def _substitutions(
    pairs: list[tuple[str, Substitution]],
) -> dict[str, Substitution]:
    _unique("--sub", [(name, "") for name, _ in pairs])
    return dict(pairs)


def _header_pair(pair: Pair, check: _Check) -> Pair:
    _refuse_colon(*pair)
    name, value = header_name("--header", pair[0]), pair[1]
    check("--header", name, value)
    if not value:
        raise UsageError(
            f"--header {name!r} has no value; use --unset-header to remove a header"
        )
    return name, value


def _refuse_colon(name: str, value: str) -> None:
    """Stop at a header that is written as in HTTP."""
    header, colon, begin = name.partition(":")
    header = header.strip().lower()
    if colon and header in STANDARD_HEADERS:
        whole = f"{begin.lstrip()}={value}" if begin.strip() else value
        raise UsageError(f"--header {name!r}: write it as {f'{header}={whole}'!r}")


def _unset_header(name: str) -> str:
    plain = header_name("--unset-header", name)
    if plain == "content-type":
        raise UsageError(
            "--unset-header content-type: OSS cannot remove it, only set it; "
            "use --header content-type=application/octet-stream"
        )
    return plain


def _tag_pair(pair: Pair, *, literal: bool) -> Pair:
    key, value = tag_key("--tag", pair[0]), pair[1]
    fault = limits.tag_value_fault(value if literal else _plain_of("--tag", key, value))
    if fault:
        several = "=" in value.partition(",")[2]
        hint = "; give --tag once for each" if several else ""
        raise UsageError(f"--tag {key!r}: {fault}, not {value!r}{hint}")
    return key, value


def _refuse_key_id(sse: str | None, key_id: str) -> None:
    if sse != "KMS":
        raise UsageError("--sse-key-id goes with --sse KMS")
    fault = limits.value_fault(key_id) or (None if key_id else "it is empty")
    if fault:
        raise UsageError(f"--sse-key-id {key_id!r}: {fault}")


def _refuse_value(option: str, name: str, value: str) -> None:
    fault = limits.value_fault(value)
    if fault:
        raise UsageError(f"{option} {name!r}: {fault}")


def _refuse_template(option: str, name: str, value: str) -> None:
    _refuse_value(option, name, value)
    _plain_of(option, name, value)


def _plain_of(option: str, name: str, template: str) -> str:
    """What of a template is the same for all objects."""
    try:
        parts = parse_template(template)
    except UsageError as error:
        raise UsageError(f"{option} {name!r}: {error}") from error
    return "".join(part for part in parts if isinstance(part, str))


_CASE: Final = dict.fromkeys(
    ("--set", "--default", "--rename", "--sub", "--header"), " (names ignore case)"
)


def _unique(option: str, pairs: list[Pair]) -> dict[str, str]:
    for name, count in Counter(name for name, _ in pairs).items():
        if count > 1:
            raise UsageError(
                f"{option} names {name!r} {count} times{_CASE.get(option, '')}; "
                "keep one"
            )
    return dict(pairs)


def refuse_conflicts(change: Change, *, column: str | None = None) -> None:
    """Stop where parts of a change contradict each other. What it sets comes from the
    options for that, or from a `column`.

    Raises:
        UsageError: two of them name the same, or one makes another pointless.
    """
    if change.replace_tags and change.unset_tags:
        raise UsageError(
            "--replace-tags makes tags exactly what --tag says; it cannot go with "
            "--untag"
        )
    if change.replace and (
        change.rename_meta
        or change.unset_meta
        or change.default_meta
        or change.sub_meta
    ):
        raise UsageError(
            "--replace makes user metadata exactly what --set says; "
            "it cannot go with --rename, --unset, --sub or --default"
        )
    _refuse_twice(
        {column or "--tag": change.set_tags, "--untag": change.unset_tags},
        {
            column or "--set": change.set_meta,
            "--unset": change.unset_meta,
            "--sub": change.sub_meta,
            "--rename": [*change.rename_meta, *change.rename_meta.values()],
            "--default": change.default_meta.keys() - change.rename_meta.values(),
        },
        {
            column or "--header": change.set_headers,
            "--unset-header": change.unset_headers,
            "--content-type": ["content-type"] * change.content_type_auto,
        },
    )


def _refuse_twice(*named: Mapping[str, Iterable[str]]) -> None:
    """Stop where options, or one alone, name the same more than once."""
    for by_option in named:
        for name, count in Counter(chain.from_iterable(by_option.values())).items():
            if count > 1:
                options = [o for o, names in by_option.items() if name in names]
                raise UsageError(
                    f"{name!r} is named {count} times by {' and '.join(options)}; "
                    "name it once"
                )
