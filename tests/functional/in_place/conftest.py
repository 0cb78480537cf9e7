"""One object with tags and an access control list."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS
    from bulkmeta.emulator.stored import StoredObject


Command = Callable[..., Any]
OLD_S = 1_790_000_000.0
LOOK, LOOK_AT_TAGS = "HeadObject", "GetObjectTagging"


@pytest.fixture
def apply(bulkmeta: Command) -> Command:
    """`apply` on `p/`, without being asked, at any rate, into `run.jsonl`."""

    def run(*args: str, run_file: str = "run.jsonl") -> Any:
        order = ("apply", "oss://bucket/p/", "--yes", "--rate", "max")
        return bulkmeta(*order, "--run-file", run_file, *args)

    return run


def put(oss: EmbeddedOSS, key: str = "p/a", **given: Any) -> None:
    oss.store.put_object("bucket", key, last_modified=OLD_S, **given)


def stored(oss: EmbeddedOSS, key: str = "p/a") -> StoredObject:
    found = oss.store.find("bucket", key)
    assert found is not None
    return found


def about(oss: EmbeddedOSS, key: str = "p/a") -> list[str]:
    """The operations on one key, in their order."""
    return [name for name, named in oss.log.operations() if named == key]


def line_of(run_file: str = "run.jsonl") -> dict[str, Any]:
    """The one object's line."""
    lines = map(json.loads, Path(run_file).read_text().splitlines())
    (line,) = [line for line in lines if line["type"] == "object"]
    return dict(line)
