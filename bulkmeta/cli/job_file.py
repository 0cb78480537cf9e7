"""Job files: what the flags of `plan` and `apply` say, kept in TOML, by the same names.

A file is turned into options before click looks at them, so that whatever holds for a
flag holds for its key: types, checks, and what comes of it.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import msgspec

from bulkmeta.cli.job_tables import TABLES, Glob, Job, Table, Texts
from bulkmeta.cli.suggest import nearest
from bulkmeta.errors import UsageError
from bulkmeta.report.text import quoted

_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_OPTION: Final = re.compile(r"--[a-z][a-z-]*")
_QUOTED: Final = re.compile(r"'([^']*)'")
_TYPES: Final = re.compile(r"`([^`]*)`")
_PLACE: Final = re.compile(r" - at `\$(?:\[(\d+)\])?[^`]*`$")
_INVALID: Final = re.compile(r"Invalid value \(at line (\d+), column (\d+)\)")
_WORD: Final = re.compile(r"(?!(true|false)\b)[a-z]", re.IGNORECASE)
_TERMS: Final = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}
"""What TOML has, by the names that msgspec gives its types."""

_EXAMPLE: Final = 'a table such as { name = "value" }'

_ONE_CHANGE: Final = "a job has one change, and two changes are two jobs"
_SECOND: Final = "('change',) twice"
"""What Python's reader of TOML says of a second [change]."""

_SECRET: Final = 4
"""Shorter texts keep no secret, and stand in other words."""

_TEMPLATES: Final = {"set", "default", "header", "tag"}
"""Keys of [change] whose values are templates."""

Trail = tuple[str, ...]
"""Where a value stands: its table, its key, and names inside of it."""


@dataclass(frozen=True)
class JobFile:
    """A job file that was read: the options it stands for, in its order, and the
    variables that were put in."""

    path: str
    text: str
    target: tuple[str, ...]
    options: tuple[tuple[str, str | bool], ...]
    variables: Mapping[str, str]

    @cached_property
    def flags(self) -> frozenset[str]:
        return frozenset(flag for flag, _ in self.options)

    def secrets(self) -> dict[str, str]:
        """Texts that are not to be told, and the names to tell in their place; also as
        they stand in quotes."""
        shown = {
            form: f"${{{name}}}"
            for name, text in self.variables.items()
            for whole in (escaped(text), text)
            for form in (whole, quoted(whole)[1:-1], repr(whole)[1:-1])
            if len(form) >= _SECRET
        }
        return dict(sorted(shown.items(), key=lambda pair: -len(pair[0])))

    def located(self, message: str, typed: Mapping[str, Collection[str]]) -> str:
        """An error's message with the lines of the file that it is about, as far as it
        names options that the file gives, and not what was `typed`: options, and the
        names that they were given."""
        flags = sorted({*_OPTION.findall(message)} & self.flags)
        names = {name.lower() for name in _QUOTED.findall(message)}
        lines = sorted(
            {
                line
                for flag in flags
                for line in self._lines(flag, names, typed.get(flag))
            }
        )
        if not lines:
            return message
        words = "line" if len(lines) == 1 else "lines"
        return f"{self.path}, {words} {' and '.join(map(str, lines))}: {message}"

    def _lines(
        self, flag: str, names: set[str], typed: Collection[str] | None
    ) -> Iterator[int]:
        table, key = _home_of(flag)
        value = tomllib.loads(self.text)[table].get(key)
        inside = value if isinstance(value, dict | list) else [value]
        told = [n for n in inside if str(n).lower() in names.difference(typed or ())]
        if told and _is_map(value):
            for name in told:
                yield line_of(self.text, (table, key, name))
        elif told or typed is None:
            yield line_of(self.text, (table, key))


def read_job_file(name: str) -> JobFile:
    """The job file of that name.

    Raises:
        UsageError: it cannot be read, is no TOML, or holds what no job file may; one
            line tells all of it.
    """
    text = _read(name)
    try:
        data = _plain(tomllib.loads(text))
    except (ValueError, RecursionError) as error:
        twice = _SECOND in str(error)
        hint = f"; {_ONE_CHANGE}" if twice else _unquoted(text, str(error))
        raise UsageError(f"{name}: this is no TOML: {error}{hint}") from error
    faults = sorted(
        (line_of(text, trail), message) for trail, message in _faults_of(data)
    )
    if faults:
        told = "; ".join(f"line {line}: {message}" for line, message in faults)
        raise UsageError(f"{name}, {told}")
    variables = _variables(name, text, data)
    job = msgspec.convert(data, Job)
    target = (
        _filled(each, variables, literal=False) for each in _listed(job.source.target)
    )
    options = _options_of(data, variables)
    return JobFile(name, text, tuple(target), tuple(options), variables)


def _read(name: str) -> str:
    try:
        return Path(name).read_text("utf-8-sig")
    except OSError as error:
        raise UsageError(f"cannot read {name!r}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"cannot read {name!r}: it is not UTF-8 text") from error


def _unquoted(text: str, fault: str) -> str:
    """What to do about an invalid value, if it is a word."""
    place = _INVALID.match(fault)
    if place is None:
        return ""
    line = text.split("\n")[int(place[1]) - 1]
    is_word = _WORD.match(line, int(place[2]) - 1)
    return "; text takes quotes" if is_word else ""


def _plain(value: Any) -> Any:
    """The value with its times as text, which is what the flags take."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value.isoformat() if isinstance(value, datetime | date | time) else value


def _faults_of(data: dict[str, Any]) -> Iterator[tuple[Trail, str]]:
    """Every mistake in it, with its place."""
    source = data.get("source", {})
    if not (_is_map(source) and source.get("target")):
        why = '[source] needs a target, such as target = "oss://bucket/prefix/"'
        yield ("source",), why
    known = {*TABLES, "environment"}
    for name, table in data.items():
        if name == "environment":
            yield from _fault_of((name,), table, list[str])
        elif name not in TABLES:
            yield (name,), f"no table [{name}]{_meant(name, known)}"
        elif not _is_map(table):
            hint = f"; {_ONE_CHANGE}" if name == "change" else ""
            yield (name,), f"{name} is one table: write [{name}]{hint}"
        else:
            yield from _faults_of_table(name, table)


def _faults_of_table(name: str, table: dict[str, Any]) -> Iterator[tuple[Trail, str]]:
    types = {f.encode_name: f.type for f in msgspec.structs.fields(TABLES[name])}
    for key, value in table.items():
        if key not in types:
            yield (name, key), f"no key {key!r} in [{name}]{_elsewhere(name, key)}"
        elif key == "globs":
            yield from _faults_of_globs(value)
        elif _is_map(value) and types[key] == dict[str, str]:
            for inner, text in value.items():
                yield from _fault_of((name, key, inner), text, str)
        else:
            yield from _fault_of((name, key), value, types[key])


def _faults_of_globs(globs: Any) -> Iterator[tuple[Trail, str]]:
    yield from _fault_of(("select", "globs"), globs, list[Glob])
    if isinstance(globs, list) and any(_is_map(g) and len(g) != 1 for g in globs):
        yield ("select", "globs"), "each of globs has either include or exclude"


def _fault_of(trail: Trail, value: Any, wanted: Any) -> Iterator[tuple[Trail, str]]:
    try:
        msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        told = str(error)
        number = isinstance(value, int | float) and "str" in told
        hint = "; write it in quotes" if number else ""
        yield trail, f"{'.'.join(trail[1:] or trail)}: {_in_terms(told)}{hint}"


def _in_terms(told: str) -> str:
    """What msgspec says is wrong with a value, in the terms of TOML."""
    place = _PLACE.search(told)
    item = f" (item {int(place[1]) + 1})" if place and place[1] else ""
    told = _PLACE.sub("", told).replace("Object contains unknown field", "no key")
    told = _TYPES.sub(_in_term, f"{told[0].lower()}{told[1:]}") + item
    return told.replace("expected a table", f"expected {_EXAMPLE}")


def _in_term(found: re.Match[str]) -> str:
    """The types between grave accents, or the name of a key."""
    names = [name for name in found[1].split(" | ") if name != "null"]
    return " or ".join(_TERMS.get(name, repr(name)) for name in names)


def _meant(name: str, known: set[str]) -> str:
    guess = nearest(name, known)
    return f"; did you mean {guess!r}?" if guess else ""


def _elsewhere(name: str, key: str) -> str:
    """What a key that a table does not have is likely to be."""
    for other, table in TABLES.items():
        if key in _keys(table):
            return f"; it stands in [{other}]"
    return _meant(key, {*_keys(TABLES[name])})


def _keys(table: type[Table]) -> tuple[str, ...]:
    return table.__struct_encode_fields__


def _is_map(value: object) -> bool:
    return isinstance(value, dict)


def _listed(value: Texts) -> list[str]:
    return [value] if isinstance(value, str) else value


def _variables(name: str, text: str, data: dict[str, Any]) -> dict[str, str]:
    """The variables that the file may use, with their values."""
    wanted = data.get("environment", [])
    missing = [each for each in wanted if each not in os.environ]
    if missing:
        line = line_of(text, ("environment",))
        raise UsageError(f"{name}, line {line}: {missing[0]} is not in the environment")
    return {each: os.environ[each] for each in wanted}


def _options_of(
    data: dict[str, Any], variables: Mapping[str, str]
) -> Iterator[tuple[str, str | bool]]:
    """Each option and its value, as a command line would have them."""
    for name in TABLES:
        for key, value in data.get(name, {}).items():
            if (name, key) == ("source", "target"):
                continue
            literal = name == "change" and key in _TEMPLATES
            for flag, text in _flags_of(key, value):
                if isinstance(text, str):
                    yield flag, _filled(text, variables, literal=literal)
                elif text:
                    yield flag, True


def _flags_of(key: str, value: Any) -> Iterator[tuple[str, str | bool]]:
    if key == "globs":
        for glob in value:
            for name, text in glob.items():
                yield f"--{name}", text
    elif _is_map(value):
        for name, text in value.items():
            yield f"--{key}", f"{name}={text}"
    elif isinstance(value, list):
        for text in value:
            yield f"--{key}", text
    else:
        yield f"--{key}", value if isinstance(value, bool) else str(value)


def _filled(text: str, variables: Mapping[str, str], *, literal: bool) -> str:
    """The text with the variables that it may name; where it is a template, a
    variable's braces stand for themselves."""

    def value(found: re.Match[str]) -> str:
        put = variables.get(found[1])
        if put is None:
            return found[0]
        return escaped(put) if literal else put

    return _VARIABLE.sub(value, text)


def escaped(text: str) -> str:
    """The text as a template that stands for it."""
    return text.replace("{", "{{").replace("}", "}}")


def _home_of(flag: str) -> tuple[str, str]:
    """The table and the key of a flag."""
    key = flag.removeprefix("--")
    return next((name, key) for name, table in TABLES.items() if key in _keys(table))


def line_of(text: str, trail: Trail) -> int:
    """The line of a TOML text on which what `trail` names begins; 1 if it is not there.

    It is the first line behind the longest beginning that does without it.
    """
    lines = text.splitlines(keepends=True)
    begin = 0
    for count in range(1, len(lines) + 1):
        try:
            found: Any = tomllib.loads("".join(lines[:count]))
        except tomllib.TOMLDecodeError:
            continue
        if _has(found, trail):
            return 1 + begin + _comments(lines[begin:count])
        begin = count
    return 1


def _has(found: Any, trail: Trail) -> bool:
    for name in trail:
        if not _is_map(found) or name not in found:
            return False
        found = found[name]
    return True


def _comments(lines: list[str]) -> int:
    """How many lines come before the first with something to read."""
    plain = (line.strip() for line in lines)
    return next((n for n, line in enumerate(plain) if line and line[0] != "#"), 0)
