"""How long files and functions are; ruff holds how entangled they may be."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
FOLDERS: Final = ("bulkmeta", "benchmarks", "docs", "tests")
FILES: Final = [
    path for name in FOLDERS for path in sorted((ROOT / name).rglob("*.py"))
]
FILE_LINES: Final = 400
FUNCTION_LINES: Final = 40
Function = ast.FunctionDef | ast.AsyncFunctionDef

BY_BODY: Final = {
    "bulkmeta/api/bucket.py open_bucket": "an argument per setting, told one by one",
    "bulkmeta/model/changes.py make_change": "an argument per kind of change",
}
"""Functions that count without arguments and docstring, and why those are long."""


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(text: str) -> Iterator[Function]:
    return (n for n in ast.walk(ast.parse(text)) if isinstance(n, Function))


def whole_lines(function: Function) -> int:
    return (function.end_lineno or 0) - function.lineno + 1


def body_lines(function: Function) -> int:
    first = function.body[ast.get_docstring(function) is not None]
    return (function.end_lineno or 0) - first.lineno + 1


def too_long(name: str, text: str) -> Iterator[str]:
    for function in functions(text):
        which = f"{name} {function.name}"
        lines = body_lines if which in BY_BODY else whole_lines
        if lines(function) > FUNCTION_LINES:
            yield f"{which}: {lines(function)}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_sizes(path: Path) -> None:
    """A file has at most 400 lines; a function 40, from its name to its last line."""
    text = path.read_text()
    assert len(text.splitlines()) <= FILE_LINES
    assert list(too_long(name_of(path), text)) == []


def test_exceptions_are_needed() -> None:
    """Each exception is one: a function of that name, which is long as a whole."""
    long = {
        f"{name_of(path)} {function.name}"
        for path in FILES
        for function in functions(path.read_text())
        if whole_lines(function) > FUNCTION_LINES
    }
    assert long == BY_BODY.keys()


@pytest.mark.parametrize(("lines", "found"), [(40, []), (41, ["a.py f: 41"])])
def test_long_functions_are_seen(lines: int, found: list[str]) -> None:
    """A line too many is told, of functions inside of others as well."""
    text = "class A:\n    async def f(self):\n" + "        pass\n" * (lines - 1)
    assert list(too_long("a.py", text)) == found
