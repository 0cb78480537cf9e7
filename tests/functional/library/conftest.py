"""A program that uses the library on an embedded OSS."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import bulkmeta
from bulkmeta import Change, Rules

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS


OLD_S = 1_790_000_000.0
QUICK = Rules(acl="skip")
PROJECT = Change(set_meta={"Project": "atlas"})


@pytest.fixture(autouse=True)
def surroundings(
    oss: EmbeddedOSS, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The environment of the command, an empty folder, and twenty objects."""
    for name, value in oss.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    for number in range(20):
        oss.store.put_object("bucket", f"p/{number:02}", last_modified=OLD_S)


def metas(oss: EmbeddedOSS) -> list[dict[str, str]]:
    return [dict(found.meta) for found in oss.store.objects("bucket")]


async def ends(outcomes: AsyncIterator[bulkmeta.Outcome]) -> Counter[str]:
    """How many objects ended how."""
    return Counter([outcome.status async for outcome in outcomes])
