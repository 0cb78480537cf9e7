"""What is skipped costs nothing, or one look."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import msgspec
import pytest

from bulkmeta.sources.prefix import list_prefix
from tests.functional.requests.conftest import (
    ACL,
    COPY,
    HEAD,
    LISTED,
    Command,
    about,
    apply,
    updates,
)

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS
    from bulkmeta.model.item import Item
    from bulkmeta.model.key_ranges import Span
    from bulkmeta.oss.bucket import Bucket
    from bulkmeta.sources.ahead import Ahead


def test_skips_from_listing(
    oss: EmbeddedOSS, bulkmeta: Command, read_run: Command
) -> None:
    """What the listing already rules out is skipped without any request for it."""
    for key, (fields, _) in LISTED.items():
        oss.store.put_object("bucket", key, **fields)
    oss.store.put_object("bucket", "p/ok")

    assert apply(bulkmeta, "--set", "x=1", "--run-file", "r").code == 0

    assert {key for _, key in oss.log.operations()} == {"", "p/ok"}
    lines = read_run("r").by_key()
    assert {k: (v["status"], v["reason"]) for k, v in lines.items()} == {
        "p/ok": ("updated", None),
        **{key: ("skipped", reason) for key, (_, reason) in LISTED.items()},
    }


@pytest.mark.parametrize("command", ["apply", "plan"])
def test_skips_from_the_head(
    oss: EmbeddedOSS,
    bulkmeta: Command,
    read_run: Command,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    """An object that was an ordinary one when it was listed, and is none any more, is
    skipped for the same reason, after its head and without an update."""

    async def as_ordinary(
        bucket: Bucket, prefix: str, ahead: Ahead, span: Span
    ) -> AsyncIterator[Item]:
        async for found in list_prefix(bucket, prefix, ahead, span):
            assert found.listed
            ordinary = msgspec.structs.replace(
                found.listed,
                object_type="Normal",
                storage_class="Standard",
                restore_info=None,
            )
            yield msgspec.structs.replace(found, listed=ordinary)

    monkeypatch.setattr("bulkmeta.runners.work.list_prefix", as_ordinary)
    oss.store.put_object("bucket", "p/ok")
    for key, (fields, _) in LISTED.items():
        oss.store.put_object("bucket", key, **fields)

    options = ("--yes", "--run-file") if command == "apply" else ("--out",)
    result = bulkmeta(command, "oss://bucket/p/", "--set", "x=1", *options, "r")

    assert result.code == 0, result.err
    lines = read_run("r").by_key()
    assert {k: v["reason"] for k, v in lines.items() if v["status"] == "skipped"} == {
        key: reason for key, (_, reason) in LISTED.items()
    }
    assert {key: about(oss, key) for key in LISTED} == {key: [HEAD] for key in LISTED}
    assert set(updates(oss)) == ({"p/ok"} if command == "apply" else set())


def test_skips_lifted_by_flags(
    oss: EmbeddedOSS, bulkmeta: Command, read_run: Command
) -> None:
    """The two flags admit appendable, restored and IA objects, and nothing else."""
    for key, (fields, _) in LISTED.items():
        oss.store.put_object("bucket", key, **fields)

    result = apply(
        bulkmeta, "--set", "x=1", "--run-file", "r",
        "--allow-appendable", "--allow-early-rewrite",
    )  # fmt: skip

    assert result.code == 0
    lines = read_run("r").by_key()
    updated = {key for key, line in lines.items() if line["status"] == "updated"}
    assert updated == set(updates(oss)) == {"p/appendable", "p/ia", "p/restored"}
    assert updates(oss)["p/restored"].headers["x-oss-storage-class"] == "Archive"
    assert {key for _, key in oss.log.operations()} == {"", *updated}


def test_skips_directory_of_hierarchical_namespace(
    oss: EmbeddedOSS, bulkmeta: Command, read_run: Command
) -> None:
    """A directory (ETag `null`) is skipped from the listing; a plain key that ends
    with a slash is an object like any other."""
    oss.store.put_object(
        "bucket", "p/d/", etag="null", content_type="application/x-directory"
    )
    oss.store.put_object("bucket", "p/e/")

    assert apply(bulkmeta, "--set", "x=1", "--run-file", "r").code == 0

    assert about(oss, "p/d/") == []
    assert about(oss, "p/e/") == [HEAD, ACL, COPY]
    assert read_run("r").by_key()["p/d/"]["reason"] == "directory"
