"""`probe`: what a bucket's copies do, asked of temporary objects; `apply` after it."""

from __future__ import annotations

import io
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bulkmeta.emulator.clock import Clock
from bulkmeta.emulator.faults import Fault
from bulkmeta.emulator.options import EmulatorOptions
from bulkmeta.emulator.server import EmbeddedOSS
from bulkmeta.model.probe import QUESTIONS
from bulkmeta.runners import probing

Command = Callable[..., Any]
SSE = "x-oss-server-side-encryption"
HEAD, ACL, COPY = "HeadObject", "GetObjectAcl", "CopyObject"
HURRY = 20.0


@contextmanager
def serving(options: EmulatorOptions, **bucket: Any) -> Iterator[EmbeddedOSS]:
    """An embedded OSS of that kind, with one bucket."""
    with EmbeddedOSS(options) as embedded:
        embedded.store.create_bucket("bucket", **bucket)
        yield embedded


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service's time passes `HURRY` times as fast, and so does a tick of it."""
    began_s = time.time()

    def hurried(clock: Clock) -> float:
        return began_s + HURRY * (time.time() - began_s) + clock.offset_s

    monkeypatch.setattr(Clock, "time", hurried)
    monkeypatch.setattr(probing, "TICK_S", probing.TICK_S / HURRY)


@pytest.fixture
def probe(bulkmeta: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Probes a bucket; what was found."""

    def probed(oss: EmbeddedOSS, code: int = 0) -> dict[str, str]:
        monkeypatch.setenv("OSS_ENDPOINT", oss.endpoint)
        result = bulkmeta("probe", "oss://bucket/p/", "--yes", "--json")
        assert result.code == code, result.err
        found = json.loads(result.out)["found"]
        assert list(found) == list(QUESTIONS)
        return dict(found)

    return probed


def remains(oss: EmbeddedOSS) -> list[str]:
    """All that is in the bucket, old versions and markers too."""
    rows = oss.store._db.execute("SELECT key FROM objects")
    return [key for (key,) in rows]


USUAL = {
    "user_metadata": "dropped",
    "headers": "dropped",
    "content_type": "kept",
    "tags": "kept",
    "etag": "kept",
    "object_type": "kept",
    "last_modified": "renewed",
    "condition_etag": "held",
    "condition_time": "held",
}


VARIANTS = [
    *itertools.product(["reset", "keep"], ["reset", "keep"], ["drop", "keep"], [None]),
    ("reset", "reset", "drop", "Enabled"),
    ("keep", "keep", "keep", "Enabled"),
    ("reset", "keep", "drop", "Suspended"),
]


@pytest.mark.parametrize(("acl", "kind", "sse", "versioning"), VARIANTS)
def test_each_variant(
    probe: Command, acl: str, kind: str, sse: str, versioning: str | None
) -> None:
    """Whatever a service does on a copy is what is found, and nothing is left."""
    options = EmulatorOptions(acl_on_copy=acl, class_on_copy=kind, sse_on_copy=sse)
    with serving(options, versioning=versioning) as oss:
        found = probe(oss)
        assert remains(oss) == []

    kept_acl = "kept" if acl == "keep" else "reset"
    assert found == {
        **USUAL,
        "acl": kept_acl,
        "acl_with_class": kept_acl,
        "acl_with_encryption": kept_acl,
        "storage_class": "kept" if kind == "keep" else "reset",
        "encryption": "kept" if sse == "keep" else "dropped",
        "version": "added" if versioning == "Enabled" else "none added",
        "appendable": "refused" if versioning else "copied",
    }


def test_a_bucket_of_another_class_that_encrypts(probe: Command) -> None:
    """What every new object has anyway is told from what a copy keeps."""
    bucket = {"storage_class": "IA", "encryption": {SSE: "AES256"}}
    with serving(EmulatorOptions(), **bucket) as oss:
        found = probe(oss, code=1)

    assert found["storage_class"] == "reset"
    assert found["encryption"] == "unknown: the bucket encrypts every object"


def test_conditions_that_are_ignored(probe: Command, bulkmeta: Command) -> None:
    """Nothing guards an update then: that is said, and is no success."""
    with serving(EmulatorOptions(conditions_on_copy="ignore")) as oss:
        found = probe(oss, code=1)
        assert (found["condition_etag"], found["condition_time"]) == ("ignored",) * 2

        result = bulkmeta("probe", "oss://bucket/p/", "--yes")
        assert "warning   the bucket ignores conditions" in result.out


def test_what_is_forbidden_is_unknown(oss: EmbeddedOSS, probe: Command) -> None:
    """A missing permission spoils one answer, not all."""
    oss.faults.add(Fault("error", ACL, status=403, code="AccessDenied"))

    found = probe(oss, code=1)

    assert found["acl"] == found["acl_with_class"] == "unknown: AccessDenied"
    assert found.items() >= USUAL.items()


def test_the_table(bulkmeta: Command) -> None:
    """For people: documented beside found, and what it means."""
    with serving(EmulatorOptions(acl_on_copy="keep")) as oss:
        os.environ["OSS_ENDPOINT"] = oss.endpoint
        result = bulkmeta("probe", "oss://bucket/p/", "--yes")

    lines = result.out.splitlines()
    assert (
        "ACL                                       reset       kept  (differs)" in lines
    )
    assert "storage class                             reset       reset" in lines
    assert any(line.startswith("acl       kept: for 30 days") for line in lines)
    assert "kept in" in result.err


def test_nothing_is_put_where_nothing_can_be_removed(
    oss: EmbeddedOSS, bulkmeta: Command
) -> None:
    """A retention policy would hold temporary objects for days."""
    oss.store.configure_bucket("bucket", worm=True)

    result = bulkmeta("probe", "oss://bucket/p/", "--yes")

    assert result.code == 4
    assert "retention policy Locked" in result.err
    assert {request.method for request in oss.log.requests()} == {"GET"}


class Terminal(io.StringIO):
    """A terminal with what is typed there."""

    def isatty(self) -> bool:
        return True


def test_nobody_to_ask(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Without a terminal it takes --yes, as all that writes does: nothing is sent."""
    result = bulkmeta("probe", "oss://bucket/p/", "--json")

    words = "bulkmeta: no terminal to ask on; pass --yes if this is meant\n"
    assert (result.code, result.out, result.err) == (2, "", words)
    assert oss.log.requests() == []


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("n\n", 130), ("", 130)])
def test_asked(
    oss: EmbeddedOSS,
    bulkmeta: Command,
    monkeypatch: pytest.MonkeyPatch,
    typed: str,
    code: int,
) -> None:
    """Somebody is asked before anything is put; a no, or no answer, sends nothing."""
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)

    result = bulkmeta("probe", "oss://bucket/p/")

    assert result.code == code, result.err
    assert "Put about ten temporary objects under oss://bucket/p/? [y/N]:" in result.err
    assert bool(oss.log.requests()) == (code == 0)
    assert ("bulkmeta: nothing was put there" in result.err) == (code == 130)


def test_what_is_left_behind_is_named(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """If an object cannot be removed again, somebody has to know."""
    oss.faults.add(
        Fault("error", "DeleteObject", key="*/tags", status=403, code="AccessDenied")
    )

    result = bulkmeta("probe", "oss://bucket/p/", "--yes")

    assert result.code == 1
    (key,) = remains(oss)
    assert f"left behind, remove it: oss://bucket/{key} (AccessDenied" in result.err


@pytest.mark.parametrize("operation", ["PutObject", "CopyObject"])
def test_versions_of_lost_answers_go_too(
    oss: EmbeddedOSS, bulkmeta: Command, operation: str
) -> None:
    """An answer that was lost names no version; there is one all the same."""
    oss.store.configure_bucket("bucket", versioning="Enabled")
    oss.faults.add(Fault("reset_after", operation, times=3))

    assert bulkmeta("probe", "oss://bucket/p/", "--yes").code == 0

    assert remains(oss) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("versioning", [None, "Enabled"])
def test_stopped_on_the_way(
    oss: EmbeddedOSS, tmp_path: Path, number: signal.Signals, versioning: str | None
) -> None:
    """Whenever it is stopped, it cleans up behind itself."""
    oss.store.configure_bucket("bucket", versioning=versioning)
    with subprocess.Popen(
        [sys.executable, "-m", "bulkmeta", "probe", "oss://bucket/p/", "--yes"],
        env={**os.environ, **oss.environment},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        deadline_s = time.monotonic() + 20
        while not remains(oss):
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        process.send_signal(number)
        _, err = process.communicate(timeout=20)

    assert (process.returncode, err.strip()) == (130, "bulkmeta: interrupted")
    assert remains(oss) == []


# After it


def seed(oss: EmbeddedOSS) -> None:
    """Objects of several kinds, each with an ACL of its own."""
    put = oss.store.put_object
    put("bucket", "q/plain", acl="private")
    put("bucket", "q/cold", acl="private", storage_class="IA")
    put("bucket", "q/secret", acl="private", sse={SSE: "AES256"})
    put("bucket", "q/kms", acl="private", sse={SSE: "KMS"})
    put("bucket", "q/parts", acl="private", object_type="Multipart")
    oss.log.clear()


def apply(bulkmeta: Command, *args: str) -> Any:
    return bulkmeta(
        "apply", "oss://bucket/q/", "--set", "n=1", "--yes", "--allow-early-rewrite",
        "--allow-new-versions", "--run-file", "run.jsonl", *args,
    )  # fmt: skip


def asked(oss: EmbeddedOSS) -> dict[str, list[str]]:
    """The operations on each object, in their order."""
    found: dict[str, list[str]] = {}
    for name, key in oss.log.operations():
        if key:
            found.setdefault(key.removeprefix("q/"), []).append(name)
    return found


SPARED = [HEAD, COPY]
READ = [HEAD, ACL, COPY]


def test_acls_are_not_read_where_they_are_kept(
    probe: Command, bulkmeta: Command
) -> None:
    """One request less for each object of a kind that was seen; ACLs stay."""
    with serving(EmulatorOptions(acl_on_copy="keep")) as oss:
        probe(oss)
        seed(oss)

        result = apply(bulkmeta)

        assert result.code == 0, result.err
        assert asked(oss) == {
            "plain": SPARED,
            "cold": SPARED,
            "secret": SPARED,
            "kms": READ,
            "parts": READ,
        }
        assert oss.log.operations()[:2] == [
            ("GetBucketVersioning", ""), ("ListObjectsV2", ""),
        ]  # fmt: skip
        assert {o.acl for o in oss.store.objects("bucket")} == {"private"}
        assert "ACLs are not read" in result.err

        assert bulkmeta("undo", "run.jsonl", "--yes").code == 0
        assert {o.acl for o in oss.store.objects("bucket")} == {"private"}
        assert not any("n" in o.meta for o in oss.store.objects("bucket"))


def test_acls_are_read_where_they_are_reset(probe: Command, bulkmeta: Command) -> None:
    """Nothing changes for a bucket that does as is documented."""
    with serving(EmulatorOptions()) as oss:
        probe(oss)
        seed(oss)

        result = apply(bulkmeta)

        assert result.code == 0
        assert set(map(tuple, asked(oss).values())) == {tuple(READ)}
        assert {o.acl for o in oss.store.objects("bucket")} == {"private"}
        assert "ACLs are not read" not in result.err


def test_what_was_found_may_not_hold_any_more(
    probe: Command, bulkmeta: Command
) -> None:
    """Not if versions are kept since, not after a month, not if it is not wanted."""
    with serving(EmulatorOptions(acl_on_copy="keep")) as oss:
        probe(oss)
        (file,) = Path.home().glob(".bulkmeta/probes/*.json")
        found = json.loads(file.read_text())

        def read_all(*args: str) -> bool:
            seed(oss)
            Path("run.jsonl").unlink(missing_ok=True)
            assert apply(bulkmeta, *args).code == 0
            return ACL in asked(oss)["plain"]

        assert not read_all()
        assert read_all("--acl-policy", "preserve")
        assert read_all("--storage-class", "IA")
        assert read_all("--tag", "a=b")

        file.write_text(json.dumps({**found, "at": "2026-01-01T00:00:00.000Z"}))
        assert read_all()
        file.write_text(json.dumps(found))
        oss.store.configure_bucket("bucket", versioning="Enabled")
        assert read_all()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 1}', "null"])
def test_a_damaged_file(probe: Command, bulkmeta: Command, text: str) -> None:
    """It is named, and nothing is done."""
    with serving(EmulatorOptions(acl_on_copy="keep")) as oss:
        probe(oss)
        (file,) = Path.home().glob(".bulkmeta/probes/*.json")
        file.write_text(text)

        result = apply(bulkmeta)

        assert result.code == 2
        assert str(file) in result.err
        assert "run `bulkmeta probe` again" in result.err
        assert len(result.err.strip().splitlines()[-1:]) == 1


def test_it_cannot_be_kept(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """What was found is told all the same; a run does without."""
    (Path.home() / ".bulkmeta").write_text("a file")

    result = bulkmeta("probe", "oss://bucket/p/", "--yes")

    assert result.code == 4
    assert "storage class" in result.out
    assert "cannot keep" in result.err
    seed(oss)
    assert apply(bulkmeta).code == 0
