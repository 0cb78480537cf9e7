"""`--inventory`: the objects that the service's own snapshot of a bucket names."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from bulkmeta.emulator.faults import Fault

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS

Command = Callable[..., Any]
OLD_S = 1_790_000_000.0
ORDER = ("apply", "oss://bucket/p/", "--yes", "--rate", "max", "--set", "n=1")
SCHEMA = (
    "Bucket, Key, Size, StorageClass, LastModifiedDate, ETag, IsMultipartUploaded, "
    "EncryptionStatus, ObjectAcl, ObjectType"
)
VERSIONS = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, StorageClass"
KEYS = ["p/a", "p/b c+d%", "p/ü", "q/x"]


@pytest.fixture
def bucket(oss: EmbeddedOSS) -> EmbeddedOSS:
    """Four objects, one outside of the prefix."""
    for key in KEYS:
        oss.store.put_object("bucket", key, last_modified=OLD_S, acl="private")
    return oss


def row(key: str, **other: str) -> dict[str, str]:
    """A row as the service writes it: quoted, its key URL-encoded."""
    return {
        "Bucket": "bucket",
        "Key": quote(key, safe=""),
        "Size": "0",
        "StorageClass": "Standard",
        "LastModifiedDate": "2026-09-21T14:13:20Z",
        "ETag": "D41D8CD98F00B204E9800998ECF8427E",
        "IsMultipartUploaded": "false",
        "EncryptionStatus": "false",
        "ObjectAcl": "private",
        "ObjectType": "Normal",
        **other,
    }


def made(
    rows: list[list[dict[str, str]]], schema: str = SCHEMA, bucket: str = "bucket"
) -> dict[str, bytes]:
    """The files of an inventory by their keys in the bucket that it is delivered to."""
    columns = schema.split(", ")
    files, named = {}, []
    for number, of_one in enumerate(rows):
        text = io.StringIO()
        writer = csv.DictWriter(
            text, columns, extrasaction="ignore", quoting=csv.QUOTE_ALL
        )
        writer.writerows(of_one)
        key = f"inv/bucket/daily/data/{number}.csv.gz"
        files[key] = gzip.compress(text.getvalue().encode())
        md5 = hashlib.md5(files[key]).hexdigest().upper()  # noqa: S324 the service's
        named.append({"MD5checksum": md5, "key": key, "size": len(files[key])})
    manifest = {
        "creationTimestamp": "1642994594",
        "destinationBucket": "reports",
        "fileFormat": "CSV",
        "fileSchema": schema,
        "files": named,
        "sourceBucket": bucket,
        "version": "2019-09-01",
    }
    folder = "inv/bucket/daily/2026-11-22T00-00Z"
    text_ = json.dumps(manifest).encode()
    files[f"{folder}/manifest.json"] = text_
    md5 = hashlib.md5(text_).hexdigest()  # noqa: S324 the service's
    files[f"{folder}/manifest.checksum"] = md5.encode()
    return files


MANIFEST = "inv/bucket/daily/2026-11-22T00-00Z/manifest.json"


def write(files: dict[str, bytes], folder: str = ".") -> None:
    for key, data in files.items():
        path = Path(folder) / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def deliver(oss: EmbeddedOSS, files: dict[str, bytes]) -> None:
    oss.store.create_bucket("reports")
    for key, data in files.items():
        oss.store.put_object("reports", key, body=data)


def lines(name: str = "run.jsonl") -> dict[str, dict[str, Any]]:
    parsed = map(json.loads, Path(name).read_text().splitlines())
    found = [line for line in parsed if line["type"] == "object"]
    by_key = {line["key"]: line for line in found}
    assert len(by_key) == len(found)
    return by_key


def run(bulkmeta: Command, *args: str, name: str = MANIFEST) -> Any:
    return bulkmeta(*ORDER, "--inventory", name, "--run-file", "run.jsonl", *args)


WHOLE = [[row("q/x"), row("p/b c+d%")], [row("p/ü"), row("p/gone"), row("p/a")]]


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
    ("option", "column"),
    [
        (("--max-size", "100"), "Size"),
        (("--min-size", "1"), "Size"),
        (("--modified-before", "1d"), "LastModifiedDate"),
        (("--in-class", "Standard"), "StorageClass"),
        (("--object-type", "Normal"), "ObjectType"),
    ],
)
def test_selection_by_what_it_does_not_tell(
    bucket: EmbeddedOSS, bulkmeta: Command, option: tuple[str, ...], column: str
) -> None:
    """Refused, rather than decided by a guess."""
    write(made([[row("p/a")]], "Bucket, Key"))
    result = run(bulkmeta, *option)
    assert (result.code, f"has no column {column}" in result.err) == (2, True)
    assert bucket.log.operations() == []


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


def test_a_missing_file_is_told_before_anything_is_done(
    bucket: EmbeddedOSS, bulkmeta: Command
) -> None:
    """Also if it is not the first."""
    files = made(WHOLE)
    write({k: v for k, v in files.items() if "1.csv" not in k})
    result = run(bulkmeta)
    assert (result.code, "is not there" in result.err) == (2, True)
    assert bucket.log.operations() == []


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


def test_another_manifest_is_not_resumed(
    bucket: EmbeddedOSS, bulkmeta: Command
) -> None:
    """The run was agreed to with other objects; its undo does not need it."""
    write(made(WHOLE))
    assert run(bulkmeta).code == 0
    whole = Path("run.jsonl").read_text()
    header = whole.splitlines(keepends=True)[0]
    start = json.loads(header)
    Path("cut.jsonl").write_text(header)
    journal = {"job_hash": start["job_hash"], "run_started": start["started"]}
    Path("cut.jsonl.journal").write_text(
        json.dumps({"type": "journal", "schema": 1, **journal}) + "\n"
    )
    write(made(WHOLE[:1]))
    result = bulkmeta("resume", "cut.jsonl")
    assert (result.code, "not as it was" in result.err) == (2, True), result.err
    Path(MANIFEST).unlink()
    bucket.clock.offset_s += 5
    undone = bulkmeta("undo", "run.jsonl", "--yes", "--run-file", "undo.jsonl")
    assert undone.code == 0
    assert [dict(o.meta) for o in bucket.store.objects("bucket", "p/")] == [{}] * 3


def damaged(files: dict[str, bytes], part: str, data: bytes) -> dict[str, bytes]:
    (key,) = [key for key in files if key.endswith(part)]
    return {**files, key: data}


@pytest.mark.parametrize(
    ("files", "code", "words"),
    [
        (
            damaged(made(WHOLE), "manifest.json", b"{}"),
            2,
            "is not what manifest.checksum",
        ),
        (damaged(made(WHOLE), "manifest.checksum", b"0" * 32), 2, "get it once more"),
        (made(WHOLE, bucket="other"), 2, "is of bucket 'other', not of 'bucket'"),
        (made(WHOLE, "Bucket, Size"), 2, "no column Key"),
        (damaged(made(WHOLE), "1.csv.gz", b"x"), 4, "is damaged: its MD5 is"),
        ({k: v for k, v in made(WHOLE).items() if "1.csv" not in k}, 2, "is not there"),
        (made([[row("p/a", Size="big")]]), 4, "line 1: 'big' is no size"),
        (made([[row("p/a", Key="%ff")]]), 4, "line 1: 'utf-8' codec"),
    ],
)
def test_what_is_wrong_with_it(
    bucket: EmbeddedOSS,
    bulkmeta: Command,
    files: dict[str, bytes],
    code: int,
    words: str,
) -> None:
    """One line, with the place; what was not verified is not used."""
    del bucket
    write(files)
    result = run(bulkmeta)
    assert (result.code, words in result.err) == (code, True), result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"nonsense", "is no manifest"),
        (b"\xff", "is no manifest"),
        (b'{"files": []}', "missing required field"),
    ],
)
def test_no_manifest(
    bucket: EmbeddedOSS, bulkmeta: Command, text: bytes, words: str
) -> None:
    """Told before anything is sent."""
    Path("manifest.json").write_bytes(text)
    result = run(bulkmeta, name="manifest.json")
    assert (result.code, words in result.err) == (2, True), result.err
    assert bucket.log.operations() == []


def test_no_manifest_in_the_bucket(bucket: EmbeddedOSS, bulkmeta: Command) -> None:
    """Told by its name, before anything is done."""
    bucket.store.create_bucket("reports")
    result = run(bulkmeta, name=f"oss://reports/{MANIFEST}")
    assert (result.code, f"there is no 'oss://reports/{MANIFEST}'" in result.err) == (
        2,
        True,
    ), result.err


def test_a_checksum_that_cannot_be_read_is_not_passed_over(
    bucket: EmbeddedOSS, bulkmeta: Command
) -> None:
    """Only one that was never delivered is done without."""
    deliver(bucket, made(WHOLE))
    refusal = Fault("error", status=403, code="AccessDenied", key="*.checksum")
    bucket.faults.add(refusal)
    result = run(bulkmeta, name=f"oss://reports/{MANIFEST}")
    assert (result.code, "AccessDenied" in result.err) == (4, True), result.err

    bucket.faults.clear()
    bucket.store.delete_object("reports", MANIFEST.replace(".json", ".checksum"))
    result = run(bulkmeta, name=f"oss://reports/{MANIFEST}")
    assert result.code == 0, result.err


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


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (("--inventory", "m", "--keys-from", "k"), "give one"),
        (("--acl-policy", "inventory"), "goes with --inventory"),
        (("--inventory", "none.json"), "No such file"),
    ],
)
def test_options_that_do_not_go_together(
    bucket: EmbeddedOSS, bulkmeta: Command, order: tuple[str, ...], words: str
) -> None:
    """Nothing is sent."""
    result = bulkmeta(*ORDER, *order)
    assert (result.code, words in result.err) == (2, True), result.err
    assert bucket.log.operations() == []


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
