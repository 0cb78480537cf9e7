"""The recipes of the documentation do what they say."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.functional.test_inventory import made, row

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS
    from bulkmeta.emulator.store import Store

PAGE = Path(__file__).parents[2] / "docs/recipes.md"
BLOCK = re.compile(r"^```(sh|text|json)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DAY_S = 86_400
SETTLED_S = 3.0
"""What was just written cannot be guarded yet, and a run would wait for that."""


def blocks() -> Iterator[tuple[str, list[str]]]:
    for kind, text in BLOCK.findall(PAGE.read_text()):
        yield kind, text.splitlines()


def fill(store: Store) -> None:
    """The bucket as the page describes it."""
    store.create_bucket("photos")
    rows = next(lines for kind, lines in blocks() if kind == "json")
    for given in map(json.loads, rows):
        modified_s = time.time() - given.pop("days") * DAY_S
        body = b"x" * given.pop("size", 10)
        store.put_object("photos", body=body, last_modified=modified_s, **given)


def deliver_inventory(store: Store) -> None:
    """An inventory of the bucket, copied into the folder `reports`."""
    rows = [
        row(found.key, StorageClass=found.storage_class, Bucket="photos")
        for found in store.objects("photos")
    ]
    Path("reports").mkdir()
    for key, data in made([rows], bucket="photos").items():
        (Path("reports") / Path(key).name).write_bytes(data)


def carry_out(line: str, bulkmeta: Callable[..., Any]) -> str:
    """What a line of a shell block prints."""
    if line.startswith("printf "):
        _, text, _, name = shlex.split(line)
        Path(name).write_text(text.replace("\\n", "\n"))
        return ""
    command, *words = shlex.split(line)
    assert command == "bulkmeta"
    result = bulkmeta(*words)
    assert result.code == 0, (line, result.err)
    return str(result.err + result.out)


def assert_shows(printed: str, wanted: list[str]) -> None:
    """Each wanted line is there, in order; `…` stands for anything."""
    rest = printed
    for line in wanted:
        pattern = ".*".join(map(re.escape, line.split("…")))
        found = re.search(pattern, rest)
        assert found, f"{line!r} is not in:\n{rest}"
        rest = rest[found.end() :]


def test_every_recipe(oss: EmbeddedOSS, bulkmeta: Callable[..., Any]) -> None:
    """In the order of the page, each with what it is to print."""
    fill(oss.store)
    deliver_inventory(oss.store)
    printed, shown = "", 0
    for kind, lines in blocks():
        if kind == "sh":
            printed = ""
            for line in lines:
                printed += carry_out(line, bulkmeta)
                oss.clock.offset_s += SETTLED_S
        elif kind == "text":
            assert_shows(printed, lines)
            shown += 1
    assert shown > 10
