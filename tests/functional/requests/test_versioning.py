"""A bucket that keeps versions gets none without leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bulkmeta.emulator.faults import Fault
from tests.functional.requests.conftest import HEAD, VERSIONING, Command, apply, updates

if TYPE_CHECKING:
    from pathlib import Path

    from bulkmeta.emulator.server import EmbeddedOSS


@pytest.mark.parametrize("versioning", ["Enabled", "Suspended"])
def test_versioned_bucket_is_refused(
    oss: EmbeddedOSS, bulkmeta: Command, tmp_path: Path, versioning: str
) -> None:
    """A bucket that keeps versions is refused before any object is looked at."""
    oss.store.configure_bucket("bucket", versioning=versioning)
    oss.store.put_object("bucket", "p/a")

    result = apply(bulkmeta, "--set", "x=1")

    assert result.code == 2
    assert "--allow-new-versions" in result.err
    assert oss.log.operations() == [VERSIONING]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("versioning", ["Enabled", "Suspended"])
def test_versioned_bucket_with_flag(
    oss: EmbeddedOSS, bulkmeta: Command, read_run: Command, versioning: str
) -> None:
    """With `--allow-new-versions` an update makes a version, named in its line; where
    versions are kept the former one is still there, as it was."""
    oss.store.configure_bucket("bucket", versioning="Enabled")
    former = oss.store.put_object("bucket", "p/a", meta={"old": "1"})
    oss.store.configure_bucket("bucket", versioning=versioning)

    options = ("--replace", "--set", "x=1", "--allow-new-versions", "--run-file", "r")
    assert apply(bulkmeta, *options).code == 0

    new, old = oss.store.versions("bucket", "p/a")
    assert new.meta == {"x": "1"}
    assert (old.version_id, old.meta) == (former.version_id, {"old": "1"})
    assert (new.version_id == "null") == (versioning == "Suspended")
    assert read_run("r").by_key()["p/a"]["version_id"] == new.version_id
    assert updates(oss)["p/a"].headers["x-oss-copy-source"] == "/bucket/p%2Fa"


def deny_versioning(oss: EmbeddedOSS) -> None:
    """Let nobody ask whether the bucket keeps versions."""
    oss.faults.add(
        Fault("error", VERSIONING[0], status=403, code="AccessDenied", message="no")
    )


def test_unreadable_versioning_warns(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Where versioning may not be read a run warns, and goes on while no object shows
    a version."""
    deny_versioning(oss)
    oss.store.put_object("bucket", "p/a")

    result = apply(bulkmeta, "--set", "x=1")

    assert result.code == 0
    assert "oss:GetBucketVersioning" in result.err
    assert set(updates(oss)) == {"p/a"}


@pytest.mark.parametrize("versioning", ["Enabled", "Suspended"])
def test_unreadable_versioning_stops_at_a_version(
    oss: EmbeddedOSS, bulkmeta: Command, versioning: str
) -> None:
    """Where versioning may not be read, the first object that shows a version stops
    the run before its update; the flag allows it."""
    deny_versioning(oss)
    oss.store.configure_bucket("bucket", versioning=versioning)
    for number in range(50):
        oss.store.put_object("bucket", f"p/{number}")

    stopped = apply(bulkmeta, "--set", "x=1", "--concurrency", "1")

    assert stopped.code == 4
    assert "--allow-new-versions" in stopped.err
    heads = [key for name, key in oss.log.operations() if name == HEAD]
    assert heads == ["p/0"]
    assert updates(oss) == {}

    assert apply(bulkmeta, "--set", "x=1", "--allow-new-versions").code == 0
    assert len(updates(oss)) == 50


def test_plan_on_versioned_bucket(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """`plan` adds no version: on a versioned bucket it shows changes, and warns."""
    oss.store.configure_bucket("bucket", versioning="Enabled")
    oss.store.put_object("bucket", "p/a")

    result = bulkmeta("plan", "oss://bucket/p/", "--set", "x=1")

    assert result.code == 0
    assert "+ meta x" in result.out
    assert "keeps versions" in result.err
    assert updates(oss) == {}
