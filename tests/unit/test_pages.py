"""The pages of the documentation hang together, and speak of what there is."""

from __future__ import annotations

import ast
import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
REFERENCE = runpy.run_path(str(DOCS / "make_reference.py"))

each_page = pytest.mark.parametrize(
    "page", [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES]
)


def prose(page: Path) -> str:
    """A page without its blocks."""
    return FENCE.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    """Those that a forge makes of the headings."""
    found: dict[str, int] = {}
    for heading in HEADING.findall(prose(page)):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        found[name] = found.get(name, 0) + 1
    more = {f"{name}-{n}" for name, count in found.items() for n in range(1, count)}
    return {*found, *more}


def links(page: Path) -> list[str]:
    """Where a page leads, but for other sites."""
    found: list[str] = LINK.findall(CODE.sub("`", prose(page)))
    return [target for target in found if not target.startswith(("https:", "http:"))]


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    """Each file is there, and has the heading that is meant."""
    broken = []
    for target in links(page):
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        there = file.exists() and ROOT in (file, *file.parents)
        if not there or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


def test_nothing_is_installed_by_its_name() -> None:
    """It is in no index: pages and messages name the folder of the source."""
    modules = (ROOT / "bulkmeta").rglob("*.py")
    by_name = re.compile(r"(?:pip|pipx|tool) install '?bulkmeta(?!-)")
    named = [at for at in (*PAGES, *modules) if by_name.search(at.read_text())]
    assert named == []


def test_links_are_found() -> None:
    """The test above has something to look at."""
    assert len(links(ROOT / "README.md")) > 30
    assert "exit-codes" in anchors(ROOT / "README.md")


def test_every_page_is_in_the_index() -> None:
    """Nothing is written for nobody."""
    index = DOCS / "README.md"
    named = {
        (index.parent / target.partition("#")[0]).resolve() for target in links(index)
    }
    assert {page for page in DOCS.rglob("*.md") if page != index} - named == set()


@pytest.mark.parametrize(
    ("page", "text"),
    [pytest.param(*item, id=item[0].name) for item in REFERENCE["pages"]().items()],
)
def test_reference_is_up_to_date(page: Path, text: str) -> None:
    """What is made from the code is what the code says: `make reference`."""
    assert page.read_text("utf-8") == text


def test_tree_is_the_real_one() -> None:
    """Each folder and module of the package stands in the picture, and no other."""
    told = (DOCS / "architecture.md").read_text()
    block = told.partition("made by docs/make_reference.py -->\n```text\n")[2]
    words = block.partition("```")[0].split()
    real = [
        path
        for path in (ROOT / "bulkmeta").rglob("*")
        if "__pycache__" not in path.parts and path.name != "__init__.py"
    ]
    folders = {f"{path.name}/" for path in real if path.is_dir()} | {"bulkmeta/"}
    files = sorted(path.name.removesuffix(".py") for path in real if path.is_file())
    assert {word for word in words if word.endswith("/")} == folders
    assert sorted(word for word in words if not word.endswith("/")) == files


def test_tests_that_hold_promises_are_there() -> None:
    """Each that a promise names is a test; no promise is without."""
    text = (DOCS / "concepts.md").read_text()
    _, *promises = re.split(r"^### \d+\. ", text, flags=re.MULTILINE)
    assert len(promises) == 11
    named = [re.findall(r"`(\w+/[\w/]+\.py)::(\w+)`", each) for each in promises]
    assert all(named)
    for file, name in re.findall(r"`(\w+/[\w/]+\.py)::(\w+)`", text):
        source = (ROOT / "tests" / file).read_text()
        assert re.search(rf"def {name}\(", source), f"{file}::{name}"


def spoken() -> Iterator[str]:
    """What the package's code may say, piece by piece."""
    for path in (ROOT / "bulkmeta").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_errors_are_those_of_the_code() -> None:
    """Each line that the page quotes can be told; nobody looks for one in vain."""
    text = "\n".join(spoken())
    rows = re.findall(r"^\| (`.+?) \|", (DOCS / "errors.md").read_text(), re.MULTILINE)
    quoted = [line for row in rows for line in re.findall(r"`([^`]+)`", row)]
    assert len(quoted) > 40
    unknown = [
        line
        for line in quoted
        if not all(piece.strip() in text for piece in line.split("…"))
    ]
    assert unknown == []
