"""The commands of README and documentation do what the page says.

Each `sh` and `console` block of a page is carried out in this process, in the order of
the page, on a bucket `photos` that holds what the page says it does (a `json` block),
or else what the recipes begin with. What follows a `$ ` line in a `console` block, or
stands in the `text` block right behind a `sh` block, has to be printed, in order; `…`
stands for anything. A comment in front of a block says if it is another matter:

    <!-- not run: why -->       its commands are only held against the options there are
    <!-- file: NAME -->         its text is put into a file of that name
"""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

import click
import pytest

from bulkmeta.cli.main import bulkmeta as group
from bulkmeta.cli.main import run
from tests.functional.inventory.conftest import made, row

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS
    from bulkmeta.emulator.store import Store

ROOT: Final = Path(__file__).parents[2]
RECIPES: Final = ROOT / "docs/recipes.md"
PAGES: Final = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
BLOCK: Final = re.compile(
    r"(?:^<!-- (?P<mark>not run|file): (?P<what>.+?) -->\n)?"
    r"^```(?P<kind>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
SHELL: Final = ("sh", "console")
DAY_S: Final = 86_400
SETTLED_S: Final = 3.0
"""What was just written cannot be guarded yet, and a run would wait for that."""
FEW: Final = "120"
"""Objects of the demonstration here: with fewer than it has, its numbers are others."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block, and what the comment in front of it says."""

    kind: str
    lines: list[str]
    mark: str | None
    what: str | None
    follows: bool
    """Right behind the block before it."""


@dataclass(frozen=True, slots=True)
class Step:
    """A line for a shell, and what it is to print."""

    line: str
    wanted: list[str]


def blocks(page: Path) -> Iterator[Block]:
    end = 0
    for found in BLOCK.finditer(page.read_text()):
        lines, follows = found["text"].splitlines(), found.start() == end + 1
        yield Block(found["kind"], lines, found["mark"], found["what"], follows)
        end = found.end()


def joined(lines: list[str]) -> Iterator[str]:
    """Lines with those put together that a backslash continues."""
    whole = ""
    for line in lines:
        whole += line.removesuffix("\\")
        if not line.endswith("\\"):
            yield whole
            whole = ""


def steps(block: Block) -> Iterator[Step]:
    if block.kind == "sh":
        for line in joined(block.lines):
            yield Step(line, [])
        return
    found: list[Step] = []
    for line in joined(block.lines):
        if line.startswith("$ "):
            found.append(Step(line[2:], []))
        else:
            found[-1].wanted.append(line)
    yield from found


def fill(store: Store, page: Path) -> None:
    """The bucket as the page describes it, or as the recipes do; one for locks."""
    store.create_bucket("locks")
    store.create_bucket("photos")
    own = [b for b in blocks(page) if b.kind == "json" and '"days"' in b.lines[0]]
    described = own or [b for b in blocks(RECIPES) if b.kind == "json"]
    for given in map(json.loads, described[0].lines):
        modified_s = time.time() - given.pop("days") * DAY_S
        body = b"x" * given.pop("size", 10)
        store.put_object("photos", body=body, last_modified=modified_s, **given)


def lay_out(store: Store) -> None:
    """The files that pages speak of: a job, and an inventory of the bucket."""
    job = ROOT / "docs/examples/retag.toml"
    Path(job.name).write_text(job.read_text())
    rows = [
        row(found.key, StorageClass=found.storage_class, Bucket="photos")
        for found in store.objects("photos")
    ]
    Path("reports").mkdir()
    for key, data in made([rows], bucket="photos").items():
        (Path("reports") / Path(key).name).write_bytes(data)


class Answering(io.StringIO):
    """Somebody at a terminal, who says yes."""

    def isatty(self) -> bool:
        return True


class Shell:
    """As much of a shell as the pages need; each line's outcome is printed."""

    def __init__(self) -> None:
        self.code = 0

    def carry_out(self, line: str, *, answers: bool = False) -> str:
        """What the line prints, on both streams as they come."""
        assert line == "echo $?" or self.code == 0, f"exit code {self.code} before it"
        command, *words = shlex.split(line, comments=True) or [""]
        if command == "echo":
            code, self.code = self.code, 0
            return f"{code}\n"
        if command == "printf":
            text, _, name = words
            Path(name).write_text(text.replace("\\n", "\n"))
        elif command == "export":
            known = (ROOT / "docs/credentials.md").read_text()
            assert all(f"`{word.partition('=')[0]}`" in known for word in words), line
        elif command == "make":
            assert words == ["demo"], line
            return self._demonstrate()
        elif command:
            assert command == "bulkmeta", line
            return self._bulkmeta(words, answers=answers)
        return ""

    def _bulkmeta(self, words: list[str], *, answers: bool = False) -> str:
        shown = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
        typed = Answering("y\n") if answers else io.StringIO()
        with (
            redirect_stdout(shown),
            redirect_stderr(shown),
            patch.object(sys, "stdin", typed),
            patch.object(shown, "isatty", lambda: True) if answers else nullcontext(),
        ):
            self.code = run(words)
        shown.seek(0)
        return shown.read()

    def _demonstrate(self) -> str:
        with patch.dict(os.environ), patch("tempfile.tempdir", str(Path.cwd())):
            return self._bulkmeta(["demo", "--objects", FEW])


def pattern_of(line: str, *, loose: bool) -> str:
    found = ".*".join(map(re.escape, line.split("…")))
    return re.sub(r"[\d,]*\d", r"[\\d,]+", found) if loose else found


def assert_shows(printed: str, wanted: list[str]) -> None:
    """Each wanted line is there, in order; of the demonstration, which comes with
    other numbers here, in any order."""
    rest, loose = printed, printed.startswith("An embedded OSS on ")
    for line in wanted:
        found = re.search(pattern_of(line, loose=loose), rest)
        assert found, f"{line!r} is not in:\n{rest}\n-- of --\n{printed}"
        rest = printed if loose else rest[found.end() :]


def carry_out(block: Block, shell: Shell, settle: Callable[[], None]) -> str:
    """What the block prints; in a `console` block, each command as is shown."""
    printed = ""
    for step in steps(block):
        asked = any("[y/N]: y" in line for line in step.wanted)
        wanted = [line.removesuffix("[y/N]: y") for line in step.wanted]
        shown = shell.carry_out(step.line, answers=asked)
        assert_shows(shown, wanted)
        printed += shown
        settle()
    return printed


def pages_with_commands() -> list[Any]:
    return [
        pytest.param(page, id=str(page.relative_to(ROOT)))
        for page in PAGES
        if any(block.kind in SHELL for block in blocks(page))
    ]


@pytest.mark.usefixtures("bulkmeta")
@pytest.mark.parametrize("page", pages_with_commands())
def test_commands_do_what_the_page_says(oss: EmbeddedOSS, page: Path) -> None:
    """From the first to the last, each with what it is to print."""
    fill(oss.store, page)
    lay_out(oss.store)

    def settle() -> None:
        oss.clock.offset_s += SETTLED_S

    shell, printed = Shell(), ""
    for block in blocks(page):
        if block.mark == "file":
            Path(str(block.what)).write_text("\n".join([*block.lines, ""]))
        elif block.mark is None and block.kind in SHELL:
            printed = carry_out(block, shell, settle)
        elif block.follows and block.kind == "text":
            assert_shows(printed, block.lines)
    assert shell.code == 0


@pytest.mark.parametrize("page", pages_with_commands())
def test_commands_that_are_not_run_could_be(page: Path) -> None:
    """What needs a real bucket, for one, at least names commands and options that
    there are."""
    for block in blocks(page):
        if block.mark != "not run" or block.kind not in SHELL:
            continue
        for step in steps(block):
            words = shlex.split(step.line, comments=True)
            if words[:1] == ["bulkmeta"]:
                assert_parsed(words[1:])


def assert_parsed(words: list[str]) -> None:
    """There is such a command, and it has the options."""
    command: click.Command = group
    if not words[0].startswith("-"):
        name, *words = words
        found = group.get_command(click.Context(group), name)
        assert found, name
        command = found
    command.make_parser(click.Context(command)).parse_args(words)


def test_the_recipes_show_what_they_do() -> None:
    """The page is one of those that are run, and most of its blocks show an end."""
    found = list(blocks(RECIPES))
    assert RECIPES in PAGES
    assert len([block for block in found if block.kind == "text"]) > 10
