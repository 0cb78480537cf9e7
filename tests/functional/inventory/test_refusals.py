"""An inventory that is missing, damaged, another one, or tells too little."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bulkmeta.emulator.faults import Fault
from tests.functional.conftest import ON_A_FULL_DISK
from tests.functional.inventory.conftest import (
    MANIFEST,
    ORDER,
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


def test_a_missing_file_is_told_before_anything_is_done(
    bucket: EmbeddedOSS, bulkmeta: Command
) -> None:
    """Also if it is not the first."""
    files = made(WHOLE)
    write({k: v for k, v in files.items() if "1.csv" not in k})
    result = run(bulkmeta)
    assert (result.code, "is not there" in result.err) == (2, True)
    assert bucket.log.operations() == []


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


def of_schema(files: dict[str, bytes], schema: str) -> dict[str, bytes]:
    """The files with another schema told in the manifest, and without its checksum."""
    told = json.loads(files[MANIFEST]) | {"fileSchema": schema}
    others = {k: data for k, data in files.items() if not k.endswith(".checksum")}
    return {**others, MANIFEST: json.dumps(told).encode()}


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
        (
            of_schema(made([[row("", Key="bucket;p/a")]], "Key"), "Bucket, Key"),
            4,
            "line 1: 1 cells, where fileSchema has 2; columns are separated by commas",
        ),
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
        (b"nonsense", "it is no JSON"),
        (b"\xff", "it is no JSON"),
        (b'{"files": []}', "it does not tell sourceBucket, "),
        (b'["manifest"]', "it does not tell sourceBucket, "),
    ],
)
def test_no_manifest(
    bucket: EmbeddedOSS, bulkmeta: Command, text: bytes, words: str
) -> None:
    """Told before anything is sent, with its place and what to name instead."""
    Path("manifest.json").write_bytes(text)
    result = run(bulkmeta, name="manifest.json")
    told = f"manifest.json' is no manifest of an inventory: {words}"
    assert (result.code, told in result.err) == (2, True), result.err
    assert result.err.endswith("; name the manifest.json that OSS delivered\n")
    assert bucket.log.operations() == []


def test_no_manifest_in_the_bucket(bucket: EmbeddedOSS, bulkmeta: Command) -> None:
    """Told by its name, before anything is done."""
    bucket.store.create_bucket("reports")
    result = run(bulkmeta, name=f"oss://reports/{MANIFEST}")
    told = f"bulkmeta: there is no 'oss://reports/{MANIFEST}'\n"
    assert (result.code, result.err) == (2, told)


def test_the_folder_of_an_inventory(bucket: EmbeddedOSS, bulkmeta: Command) -> None:
    """What is to be named is in it."""
    bucket.store.create_bucket("reports")
    result = run(bulkmeta, name="oss://reports/inv/")
    told = "bulkmeta: there is no 'oss://reports/inv/'; name its manifest.json\n"
    assert (result.code, result.err) == (2, told)


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


def test_no_room_for_what_is_fetched(
    bucket: EmbeddedOSS, bulkmeta: Command, tmp_path: Path
) -> None:
    """Told as what it is, at once: the service is not asked for it again and again.
    Nothing stays behind."""
    draw = random.Random(7)  # noqa: S311 repeatable, and hard to compress
    files = made([[row(f"p/{draw.random()}") for _ in range(2200)]])
    size = max(map(len, files.values()))
    assert 20_000 < size < 28_000  # the last of it is less than a buffer holds
    deliver(bucket, files)
    (tmp_path / "tmp").mkdir()
    name = f"oss://reports/{MANIFEST}"
    words = [*ORDER, "--inventory", name, "--run-file", "run.jsonl"]
    done = subprocess.run(  # noqa: S603 our own code
        [sys.executable, "-c", ON_A_FULL_DISK, *words],
        env=os.environ | {"TMPDIR": str(tmp_path / "tmp")},
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 4
    why = "File too large; make room, or set TMPDIR"
    assert why in done.stderr.splitlines()[-1], done.stderr
    asked = [r.operation for r in bucket.log.requests() if r.key.endswith("0.csv.gz")]
    assert asked == ["GetObject"]
    assert list((tmp_path / "tmp").iterdir()) == []
