"""What a job file may not hold is told in the terms of TOML, and of a job."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]

SOURCE = '[source]\ntarget = "oss://bucket/p/"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "[change]\ntag = 'env=prod'",
            'line 4: tag: expected a table such as { name = "value" }, got text',
        ),
        (
            "[change]\nset = 'a=1'",
            'line 4: set: expected a table such as { name = "value" }, got text',
        ),
        (
            "[select]\nlimit = { a = 1 }",
            "line 4: limit: expected a whole number, got a table",
        ),
        (
            "[pace]\nmax-failures = 1.5",
            "line 4: max-failures: expected a whole number or text or a list, got "
            "a number; write it in quotes",
        ),
        (
            "[[change]]\n[[change]]",
            "line 3: change is one table: write [change]; a job has one change, and "
            "two changes are two jobs",
        ),
        (
            "[[pace]]",
            "line 3: pace is one table: write [pace]",
        ),
        (
            "[change]\nset = { project = atlas }",
            "this is no TOML: Invalid value (at line 4, column 19); text takes quotes",
        ),
        (
            "[change]\nreplace = True",
            "this is no TOML: Invalid value (at line 4, column 11)",
        ),
        (
            "[change]\nunset = [?]",
            "this is no TOML: Invalid value (at line 4, column 10)",
        ),
        (
            "[change]\n\nheader = { content-type = 'auto' }",
            "line 5: --header 'content-type': auto is no type; --content-type auto "
            "sets it by each key's extension",
        ),
        (
            "[change]\n[change]",
            "this is no TOML: Cannot declare ('change',) twice (at line 4, column 8); "
            "a job has one change, and two changes are two jobs",
        ),
    ],
)
def test_terms(bulkmeta: Command, text: str, words: str) -> None:
    """No word of a library, an example where the form is not plain."""
    Path("job.toml").write_text(SOURCE + text)
    result = bulkmeta("plan", "job.toml")
    between = ": " if words.startswith("this") else ", "
    assert (result.code, result.err) == (2, f"bulkmeta: job.toml{between}{words}\n")
