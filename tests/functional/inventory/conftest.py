"""Inventories as the service delivers them."""

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

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS


Command = Callable[..., Any]
OLD_S = 1_790_000_000.0
ORDER = ("apply", "oss://bucket/p/", "--yes", "--rate", "max", "--set", "n=1")
SCHEMA = (
    "Bucket, Key, Size, StorageClass, LastModifiedDate, ETag, IsMultipartUploaded, "
    "EncryptionStatus, ObjectAcl, ObjectType"
)
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


def run(bulkmeta: Command, *args: str, name: str = MANIFEST) -> Any:
    return bulkmeta(*ORDER, "--inventory", name, "--run-file", "run.jsonl", *args)


WHOLE = [[row("q/x"), row("p/b c+d%")], [row("p/ü"), row("p/gone"), row("p/a")]]
