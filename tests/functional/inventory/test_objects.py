"""`--inventory`: the objects that the service's own snapshot of a bucket names."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bulkmeta.emulator.faults import Fault
from tests.functional.inventory.conftest import (
    MANIFEST,
    OLD_S,
    SCHEMA,
    WHOLE,
    Command,
    deliver,
    made,
    row,
    run,
    write,
)

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS

VERSIONS = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, StorageClass"


def lines(name: str = "run.jsonl") -> dict[str, dict[str, Any]]:
    parsed = map(json.loads, Path(name).read_text().splitlines())
    found = [line for line in parsed if line["type"] == "object"]
    by_key = {line["key"]: line for line in found}
    assert len(by_key) == len(found)
    return by_key


@pytest.mark.parametrize("remote", [False, True])
def test_objects_of_an_inventory(
    bucket: EmbeddedOSS, bulkmeta: Command, remote: bool
) -> None:
    """In the order of its files, without a listing, as far as they are under the
    prefix; one that is gone has its line."""
    files = made(WHOLE)
    name = f"oss://reports/{MANIFEST}" if remote else MANIFEST
    (deliver if remote else lambda _, f: write(f))(bucket, files)

    result = run(bulkmeta, name=name)

    assert result.code == 0, result.err
    assert {key: line["status"] for key, line in lines().items()} == {
        "p/b c+d%": "updated",
        "p/ü": "updated",
        "p/gone": "skipped",
        "p/a": "updated",
    }
    assert "ListObjectsV2" not in dict(bucket.log.operations())
    assert dict(bucket.log.operations()).get("GetObjectAcl") is not None
    found = bucket.store.find("bucket", "p/b c+d%")
    assert found is not None
    assert (found.meta, found.acl) == ({"n": "1"}, "private")


@pytest.mark.parametrize("layout", ["data beside", "data within", "all in one"])
def test_a_copy_of_some_files(
    bucket: EmbeddedOSS, bulkmeta: Command, layout: str
) -> None:
    """However they were brought here."""
    del bucket
    for key, data in made(WHOLE).items():
        name = Path(key).name
        if layout == "data beside":
            part = "data" if name.endswith(".gz") else "day"
        else:
            part = "data" if name.endswith(".gz") and layout == "data within" else "."
        path = Path("here") / part / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    day = "day/" if layout == "data beside" else ""
    assert run(bulkmeta, name=f"here/{day}manifest.json").code == 0
    assert len(lines()) == 4


def test_only_what_is_there_now(bucket: EmbeddedOSS, bulkmeta: Command) -> None:
    """Of all versions the latest, and no delete markers."""
    del bucket
    rows = [
        row("p/a", IsLatest="true", IsDeleteMarker="false"),
        row("p/a", IsLatest="false", IsDeleteMarker="false"),
        row("p/ü", IsLatest="true", IsDeleteMarker="true"),
    ]
    write(made([rows], VERSIONS))
    assert run(bulkmeta).code == 0
    assert list(lines()) == ["p/a"]


def test_incremental(bucket: EmbeddedOSS, bulkmeta: Command) -> None:
    """An object that changed several times is looked at once."""
    del bucket
    rows = [
        row("p/a", RecordType="CREATE"),
        row("p/ü", RecordType="DELETE"),
        row("p/a", RecordType="UPDATE_METADATA"),
    ]
    write(made([rows], f"{SCHEMA}, RecordType"))
    assert run(bulkmeta).code == 0
    assert list(lines()) == ["p/a"]


def test_selection_by_its_columns(bucket: EmbeddedOSS, bulkmeta: Command) -> None:
    """As a listing's: nothing is asked about what is left out, or must not change."""
    rows = [
        row("p/a", Size="10"),
        row("p/b c+d%", StorageClass="Archive"),
        row("p/ü", Size="5000"),
        row("p/s", ObjectType="Symlink", Size="5000"),
    ]
    write(made([rows]))
    order = ("--min-size", "1K", "--in-class", "Standard", "--where", "size > 10")
    assert run(bulkmeta, *order).code == 0
    assert {k: (v["status"], v["reason"]) for k, v in lines().items()} == {
        "p/ü": ("skipped", "not_selected"),  # a look at it shows that it is empty
        "p/s": ("skipped", "symlink"),
    }
    looked = [key for name, key in bucket.log.operations() if name == "HeadObject"]
    assert looked == ["p/ü"]


def test_acl_of_the_inventory(bucket: EmbeddedOSS, bulkmeta: Command) -> None:
    """No request for it; where the inventory does not tell, there is one."""
    write(made([[row("p/a"), row("p/ü", ObjectAcl="")]]))
    assert run(bulkmeta, "--acl-policy", "inventory").code == 0
    asked = [key for name, key in bucket.log.operations() if name == "GetObjectAcl"]
    assert asked == ["p/ü"]
    for key in ("p/a", "p/ü"):
        found = bucket.store.find("bucket", key)
        assert found is not None
        assert (found.acl, found.meta) == ("private", {"n": "1"})


def test_acl_that_was_changed_since(bucket: EmbeddedOSS, bulkmeta: Command) -> None:
    """It is said beforehand that it is lost; what it was is not made up."""
    write(made([[row("p/a", ObjectAcl="public-read")]]))
    result = run(bulkmeta, "--acl-policy", "inventory")
    assert (result.code, "no undo brings it back" in result.err) == (0, True)
    line = lines()["p/a"]
    assert (line["before"].get("acl"), line["after"]["acl"]) == (None, "public-read")
    bucket.clock.offset_s += 5

    assert bulkmeta("undo", "run.jsonl", "--yes", "--run-file", "undo.jsonl").code == 0
    found = bucket.store.find("bucket", "p/a")
    assert found is not None
    assert (dict(found.meta), found.acl) == ({}, "public-read")


@pytest.mark.parametrize(
    "where", ["size == 0", "storage_class == 'Standard'", "object_type != 'Symlink'"]
)
def test_conditions_on_what_it_does_not_tell(
    bucket: EmbeddedOSS, bulkmeta: Command, where: str
) -> None:
    """A look at the object tells."""
    write(made([[row("p/a"), row("p/ü")]], "Bucket, Key"))
    assert run(bulkmeta, "--where", where).code == 0
    assert [line["status"] for line in lines().values()] == ["updated", "updated"]
    Path("run.jsonl").rename("first.jsonl")
    assert run(bulkmeta, "--where", f"!({where})").code == 0
    assert [v["reason"] for v in lines().values()] == ["not_selected"] * 2


@pytest.mark.parametrize("remote", [False, True])
@pytest.mark.parametrize("kept", range(5))
def test_resume(
    bucket: EmbeddedOSS, bulkmeta: Command, kept: int, remote: bool
) -> None:
    """From where the run file ends, in the same order."""
    files = made(WHOLE)
    name = f"oss://reports/{MANIFEST}" if remote else MANIFEST
    (deliver if remote else lambda _, f: write(f))(bucket, files)
    assert run(bulkmeta, name=name).code == 0
    whole = list(lines())
    header, *others = Path("run.jsonl").read_text().splitlines(keepends=True)
    Path("run.jsonl").write_text("".join([header, *others[:kept]]))
    start = json.loads(header)
    journal = {"job_hash": start["job_hash"], "run_started": start["started"]}
    Path("run.jsonl.journal").write_text(
        json.dumps({"type": "journal", "schema": 1, **journal}) + "\n"
    )
    bucket.clock.offset_s += 5
    assert bulkmeta("resume", "run.jsonl").code == 0
    assert sorted(lines()) == sorted(whole)


def test_it_is_fetched_patiently(bucket: EmbeddedOSS, bulkmeta: Command) -> None:
    """A cut-off download is begun anew; a missing one ends the run in words."""
    deliver(bucket, made(WHOLE))
    bucket.faults.add(Fault("truncate", operation="GetObject", every=3, times=2))
    assert run(bulkmeta, name=f"oss://reports/{MANIFEST}").code == 0
    assert len(lines()) == 4

    bucket.store.delete_object("reports", "inv/bucket/daily/data/1.csv.gz")
    Path("run.jsonl").unlink()
    result = run(bulkmeta, name=f"oss://reports/{MANIFEST}")
    assert (result.code, "data/1.csv.gz: NoSuchKey" in result.err) == (4, True)


def test_classes_are_looked_at_anew(bucket: EmbeddedOSS, bulkmeta: Command) -> None:
    """An inventory does not tell what was restored, or has moved since."""
    bucket.store.put_object(
        "bucket", "p/back", last_modified=OLD_S, storage_class="Archive",
        restore='ongoing-request="false", expiry-date="Sat, 01 Jan 2028 00:00:00 GMT"',
    )  # fmt: skip
    rows = [row("p/back", StorageClass="Archive"), row("p/a", StorageClass="Archive")]
    write(made([rows]))
    assert run(bulkmeta, "--allow-early-rewrite").code == 0
    assert [line["status"] for line in lines().values()] == ["updated", "updated"]


def test_a_blank_line_in_it(bucket: EmbeddedOSS, bulkmeta: Command) -> None:
    """It names nothing."""
    del bucket
    files = made([[row("p/a")]])
    (key,) = [key for key in files if key.endswith("0.csv.gz")]
    data = gzip.compress(gzip.decompress(files[key]) + b"\r\n")
    manifest = json.loads(files[MANIFEST])
    manifest["files"][0]["MD5checksum"] = hashlib.md5(data).hexdigest()  # noqa: S324
    text = json.dumps(manifest).encode()
    write({key: data, MANIFEST: text})
    assert run(bulkmeta).code == 0
    assert list(lines()) == ["p/a"]


def test_no_object_as_wanted(bucket: EmbeddedOSS, bulkmeta: Command) -> None:
    """That conditions leave all of them out, is said; nobody counts an inventory."""
    write(made(WHOLE))
    result = run(bulkmeta, "--min-size", "5G")
    words = (
        "no object that the inventory has under oss://bucket/p/ meets the conditions"
    )
    assert (result.code, words in result.err) == (0, True), result.err
