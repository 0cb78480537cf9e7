"""Storage class and encryption: changed by a copy that rewrites the content."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bulkmeta.emulator.faults import Fault

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS
    from bulkmeta.emulator.stored import StoredObject

Command = Callable[..., Any]
OLD_S = 1_790_000_000.0
SSE, KEY_ID = "x-oss-server-side-encryption", "x-oss-server-side-encryption-key-id"
GIB = 1024**3


@pytest.fixture
def apply(bulkmeta: Command) -> Command:
    """`apply` on `p/`, without being asked, at any rate, into `run.jsonl`."""

    def run(*args: str) -> Any:
        order = ("apply", "oss://bucket/p/", "--yes", "--rate", "max")
        return bulkmeta(*order, "--run-file", "run.jsonl", *args)

    return run


def put(oss: EmbeddedOSS, **given: Any) -> None:
    oss.store.put_object("bucket", "p/a", last_modified=OLD_S, **given)


def stored(oss: EmbeddedOSS) -> StoredObject:
    found = oss.store.find("bucket", "p/a")
    assert found is not None
    return found


def line() -> dict[str, Any]:
    lines = map(json.loads, Path("run.jsonl").read_text().splitlines())
    (found,) = [line for line in lines if line["type"] == "object"]
    return dict(found)


def undo(oss: EmbeddedOSS, bulkmeta: Command, *more: str) -> Any:
    oss.clock.offset_s += 5
    return bulkmeta("undo", "run.jsonl", "--yes", "--run-file", "undo.jsonl", *more)


@pytest.mark.parametrize(
    ("was", "wanted", "allow"),
    [
        ("Standard", "IA", ()),
        ("IA", "Standard", ("--allow-early-rewrite",)),
        ("Standard", "archive", ()),
    ],
)
def test_class(
    oss: EmbeddedOSS,
    apply: Command,
    bulkmeta: Command,
    was: str,
    wanted: str,
    allow: tuple[str, ...],
) -> None:
    """Moved with all that the object has, and back."""
    held = {"meta": {"a": "1"}, "tags": {"t": "1"}, "acl": "private"}
    put(oss, storage_class=was, headers={"cache-control": "no-cache"}, **held)

    assert apply("--storage-class", wanted, *allow).code == 0

    found = stored(oss)
    assert found.storage_class.lower() == wanted.lower()
    assert (found.meta, found.tags, found.acl) == tuple(held.values())
    assert found.headers == {"cache-control": "no-cache"}
    if wanted == "archive":  # has to be restored before anything can be done
        assert undo(oss, bulkmeta, "--allow-early-rewrite").code == 1
        return
    assert undo(oss, bulkmeta, "--allow-early-rewrite").code == 0
    assert stored(oss).storage_class == was


def test_class_as_it_is(oss: EmbeddedOSS, apply: Command) -> None:
    """Nothing is sent."""
    put(oss)
    assert apply("--storage-class", "standard").code == 0
    assert line()["status"] == "unchanged"


def test_early_rewrite(oss: EmbeddedOSS, apply: Command) -> None:
    """A class with a minimum duration is not left early by accident."""
    put(oss, storage_class="IA")
    assert apply("--storage-class", "Standard").code == 0
    assert (line()["status"], line()["reason"]) == ("skipped", "early_rewrite")


def test_undo_after_a_lifecycle_rule(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command
) -> None:
    """The class that the run changed is another one since: left alone."""
    put(oss)
    assert apply("--storage-class", "IA").code == 0
    oss.store.update_object(stored(oss), storage_class="Archive", restore=None)
    result = undo(oss, bulkmeta, "--allow-early-rewrite")
    assert (result.code, stored(oss).storage_class) == (1, "Archive")


@pytest.mark.parametrize(
    ("order", "kept"),
    [
        (("--sse", "AES256"), {SSE: "AES256"}),
        (("--sse", "kms", "--sse-key-id", "key-1"), {SSE: "KMS", KEY_ID: "key-1"}),
        (("--sse", "KMS"), {SSE: "KMS"}),
    ],
)
@pytest.mark.parametrize("was", [{}, {SSE: "SM4"}, {SSE: "KMS", KEY_ID: "key-0"}])
def test_encryption(
    oss: EmbeddedOSS,
    apply: Command,
    bulkmeta: Command,
    order: tuple[str, ...],
    kept: dict[str, str],
    was: dict[str, str],
) -> None:
    """Set, not written again on a second run, and undone."""
    put(oss, sse=was, meta={"a": "1"})
    keeps_key = order == ("--sse", "KMS") and KEY_ID in was

    assert apply(*order).code == 0
    assert stored(oss).sse == (was if keeps_key else kept)
    assert line()["status"] == ("unchanged" if keeps_key else "updated")

    Path("run.jsonl").rename("first.jsonl")
    assert apply(*order).code == 0
    assert line()["status"] == "unchanged"

    Path("first.jsonl").replace("run.jsonl")
    assert undo(oss, bulkmeta).code == 0
    assert (stored(oss).sse, stored(oss).meta) == (was, {"a": "1"})


def test_a_key_that_the_service_chose(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command
) -> None:
    """KMS without a key: a head may then name one, which is no drift."""
    put(oss)
    assert apply("--sse", "KMS").code == 0
    oss.store.update_object(stored(oss), sse={SSE: "KMS", KEY_ID: "the-buckets-own"})
    assert bulkmeta("verify", "run.jsonl").code == 0
    assert undo(oss, bulkmeta).code == 0
    assert stored(oss).sse == {}


@pytest.mark.parametrize(
    "order", [("--storage-class", "IA"), ("--sse", "AES256")], ids=" ".join
)
@pytest.mark.parametrize(("size", "status"), [(GIB, "updated"), (GIB + 1, "failed")])
def test_large_objects(
    oss: EmbeddedOSS, apply: Command, order: tuple[str, ...], size: int, status: str
) -> None:
    """Up to 1 GB; beyond, nothing is sent, and never a multipart copy."""
    put(oss, body=None, size=size)
    assert apply(*order).code == (status == "failed")
    assert line()["status"] == status
    if status == "failed":
        assert line()["reason"] == "too_large"
        assert {r.method for r in oss.log.requests()} == {"GET", "HEAD"}


def test_large_objects_may_have_metadata(oss: EmbeddedOSS, apply: Command) -> None:
    """Metadata alone has no such limit."""
    put(oss, body=None, size=GIB + 1)
    assert apply("--set", "a=1").code == 0


KEYED = {SSE: "KMS", KEY_ID: "key-y"}


def test_a_key_where_there_was_none(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command
) -> None:
    """KMS without a key is not KMS with that key, where just this is the change."""
    put(oss, sse={SSE: "KMS"})
    order = ("--sse", "KMS", "--sse-key-id", "key-y")
    assert bulkmeta("plan", "oss://bucket/p/", *order, "--out", "plan.jsonl").code == 0
    applied = bulkmeta("apply", "plan.jsonl", "--yes", "--run-file", "run.jsonl")
    assert (applied.code, line()["status"]) == (0, "updated"), applied.err
    assert stored(oss).sse == KEYED
    assert bulkmeta("verify", "run.jsonl").code == 0
    assert undo(oss, bulkmeta).code == 0
    assert stored(oss).sse == {SSE: "KMS"}
    after = bulkmeta("verify", "run.jsonl")
    assert (after.code, "as it was before the run" in after.out) == (1, True)


def test_drift_beside_a_key_that_stayed(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command
) -> None:
    """What still has the run's key is not as before the run, whatever else it lost."""
    put(oss, sse={SSE: "KMS"}, acl="private")
    assert apply("--sse", "KMS", "--sse-key-id", "key-y", "--acl", "default").code == 0
    oss.store.update_object(stored(oss), acl="private")
    after = bulkmeta("verify", "run.jsonl")
    assert (after.code, "before the run" in after.out) == (1, False), after.out


def test_a_key_that_never_landed(
    oss: EmbeddedOSS, apply: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost request is not taken for done."""
    monkeypatch.setattr("bulkmeta.engine.worker.backoff_s", lambda _: 0.0)
    put(oss, sse={SSE: "KMS"})
    oss.faults.add(Fault("reset_before", operation="CopyObject", times=1))
    assert apply("--sse", "KMS", "--sse-key-id", "key-y").code == 0
    assert (line()["status"], stored(oss).sse) == ("updated", KEYED)
