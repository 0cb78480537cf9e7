"""Rows of values in each form, and objects that they are for."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS
    from bulkmeta.emulator.stored import StoredObject

Command = Callable[..., Any]
OLD_S = 1_790_000_000.0
ORDER = ("apply", "oss://bucket/p/", "--yes", "--rate", "max", "--acl-policy", "skip")
KEYS = ["p/a", "p/b", "p/c", "p/ü"]
CSV = '''key,meta.Author,header.Cache-Control,tag.Env
p/c,"Ç, quoted ""x""",no-cache,prod
p/ü,{braces},,
p/a,,max-age=1,
p/gone,x,,
q/elsewhere,x,,
'''
DATA = {
    "p/c": (
        {"author": 'Ç, quoted "x"'},
        {"cache-control": "no-cache"},
        {"Env": "prod"},
    ),
    "p/ü": ({"author": "{braces}"}, {}, {}),
    "p/a": ({}, {"cache-control": "max-age=1"}, {}),
    "p/b": ({}, {}, {}),
}


@pytest.fixture
def bucket(oss: EmbeddedOSS) -> EmbeddedOSS:
    """Objects without metadata."""
    for key in KEYS:
        oss.store.put_object("bucket", key, last_modified=OLD_S)
    return oss


def stored(oss: EmbeddedOSS, key: str) -> StoredObject:
    found = oss.store.find("bucket", key)
    assert found is not None
    return found


def state(oss: EmbeddedOSS) -> dict[str, tuple[Any, ...]]:
    found = {key: stored(oss, key) for key in KEYS}
    return {key: (o.meta, o.headers, o.tags) for key, o in found.items()}


def lines(name: str = "run.jsonl") -> dict[str, dict[str, Any]]:
    """Lines of objects by key; each has exactly one."""
    parsed = map(json.loads, Path(name).read_text().splitlines())
    found = [line for line in parsed if line["type"] == "object"]
    by_key = {line["key"]: line for line in found}
    assert len(by_key) == len(found)
    return by_key


def ends(name: str = "run.jsonl") -> dict[str, tuple[str, str | None]]:
    return {key: (line["status"], line["reason"]) for key, line in lines(name).items()}


def as_rows() -> list[dict[str, str]]:
    header, *_ = CSV.splitlines()
    names = header.split(",")
    rows = [
        ("p/c", 'Ç, quoted "x"', "no-cache", "prod"),
        ("p/ü", "{braces}", "", ""),
        ("p/a", "", "max-age=1", ""),
        ("p/gone", "x", "", ""),
        ("q/elsewhere", "x", "", ""),
    ]
    return [dict(zip(names, row, strict=True)) for row in rows]


def write(name: str) -> None:
    """The same rows in any form."""
    plain = name.removesuffix(".gz")
    if plain.endswith(".csv"):
        text = CSV
    elif plain.endswith(".jsonl"):
        text = "".join(
            json.dumps({k: v or None for k, v in row.items()}) + "\n\n"
            for row in as_rows()
        )
    else:
        Path("rows.json").write_text(json.dumps(as_rows()))
        with duckdb.connect() as connection:
            connection.read_json("rows.json").write_parquet(name)
        return
    data = text.encode()
    Path(name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)


def cut(name: str, kept: int) -> None:
    """A run file as a crash may leave it, with the journal that it had then."""
    header, *others = Path(name).read_text().splitlines(keepends=True)
    Path(name).write_text("".join([header, *others[:kept]]))
    run = json.loads(header)
    start = {"job_hash": run["job_hash"], "run_started": run["started"]}
    journal = json.dumps({"type": "journal", "schema": 1, **start})
    Path(f"{name}.journal").write_text(journal + "\n")
