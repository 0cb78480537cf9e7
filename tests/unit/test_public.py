"""The library's public names, and the published form of its files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

import bulkmeta
from bulkmeta.cli.main import run
from bulkmeta.model.job import JobSpec, Target

PUBLISHED = Path(__file__).parents[2] / "docs" / "run-file.schema.json"


def test_every_public_name_is_there() -> None:
    """What `__all__` promises can be imported, and shows in `dir`."""
    assert set(bulkmeta.__all__) <= set(dir(bulkmeta))
    assert all(getattr(bulkmeta, name) for name in bulkmeta.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        bulkmeta.nothing  # noqa: B018 that is the test


def test_read_run_takes_a_plain_name(tmp_path: Path) -> None:
    """A path as text will do, and errors are the library's own."""
    path = tmp_path / "run.jsonl"
    job = JobSpec(Target("bucket", "p/"))
    header = bulkmeta.RunHeader(
        version="1",
        command="apply",
        job=job,
        job_hash=job.hash(),
        bucket="bucket",
        endpoint="https://h",
        region="r",
        started="now",
    )
    outcome = bulkmeta.Outcome(seq=1, key="p/a", status="updated")
    path.write_bytes(
        b"".join(msgspec.json.encode(r) + b"\n" for r in (header, outcome))
    )
    assert list(bulkmeta.read_run(str(path))) == [header, outcome]
    with pytest.raises(bulkmeta.BulkmetaError, match="cannot read"):
        next(bulkmeta.read_run(tmp_path / "other"))


def unordered(value: Any) -> Any:
    """JSON in which the order of alternatives, which means nothing, is always one."""
    if isinstance(value, dict):
        return {name: unordered(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return sorted((unordered(inner) for inner in value), key=json.dumps)
    return value


def test_published_schema(capsys: pytest.CaptureFixture[str]) -> None:
    """The schema in `docs/` is what the code says; `bulkmeta schema run` prints it."""
    assert run(["schema", "run"]) == 0
    published = json.loads(PUBLISHED.read_text())
    assert unordered(published) == unordered(json.loads(capsys.readouterr().out))
    kinds = set(published["discriminator"]["mapping"])
    assert kinds == {"run", "object", "resume", "summary"}
