"""The list of reasons in the documentation against those in the code."""

from __future__ import annotations

import re
from pathlib import Path

import bulkmeta
from bulkmeta.errors import Verdict
from bulkmeta.model.tolerance import REASONS
from bulkmeta.oss.verdicts import BY_CODE, BY_STATUS, judge

PACKAGE = Path(bulkmeta.__file__).parent
DOCUMENTED = set(
    re.findall(r"`([a-z_0-9]+)`", (PACKAGE.parent / "docs/reasons.md").read_text())
)
FOR_THE_RUN = {Verdict.FATAL, Verdict.EXPIRED, Verdict.SKEWED}
RAISED = re.compile(
    r"""(?:ObjectError|SkipError|TransportError|ErrorDetail)\(\s*"([a-z_0-9]+)",|"""
    r"""^\s*return\ "([a-z_]+)"(?:\s*\#.*)?$""",
    re.MULTILINE,
)


def reasons_of_the_service() -> set[str]:
    rows = [
        *BY_CODE.values(),
        *BY_STATUS.values(),
        judge(500, "", ""),
        judge(400, "", ""),
    ]
    return {reason for verdict, reason in rows if verdict not in FOR_THE_RUN}


def reasons_of_our_own() -> set[str]:
    folders = [PACKAGE / name for name in ("engine", "model", "oss")]
    texts = [path.read_text() for folder in folders for path in folder.glob("*.py")]
    texts.append((PACKAGE / "runners" / "crew.py").read_text())
    return {one or two for text in texts for one, two in RAISED.findall(text)}


def test_every_reason_is_documented() -> None:
    """Whatever a line of the run file may say, its reader can look up."""
    assert len(reasons_of_our_own()) > 15
    assert (reasons_of_the_service() | reasons_of_our_own()) - DOCUMENTED == set()


def test_every_reason_can_be_tolerated() -> None:
    """`--max-failures` knows all of them, and no other."""
    assert reasons_of_the_service() | reasons_of_our_own() == REASONS


def test_every_documented_reason_is_given() -> None:
    """Each row of the tables is about a reason that there is."""
    text = (PACKAGE.parent / "docs/reasons.md").read_text()
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([a-z_0-9]+)`", row)}
    assert named - reasons_of_the_service() - reasons_of_our_own() == set()
