"""What no page says about copies of objects onto themselves, asked of the bucket.

Each experiment has an answer, which is printed and written into the file that
`--live-table` names; what it says is not judged. Only the official client is used.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import oss2
import pytest

import bulkmeta

pytestmark = pytest.mark.timeout(600)

SSE = "x-oss-server-side-encryption"
CLASS = "x-oss-storage-class"
PART_BYTES = 32 * 1024**2
PARTS = 33
Answers = dict[str, str]


class RefusedError(Exception):
    """It was the copy that the bucket refused, not what comes before it."""


def copy(folder: Any, **headers: str) -> None:
    """Copy the object `a` onto itself."""
    try:
        folder.copy("a", **headers)
    except oss2.exceptions.OssError as error:
        raise RefusedError(_told(error)) from error


def acl(folder: Any) -> str:
    folder.put("a", x_oss_object_acl="private")
    copy(folder)
    return f"private became {folder.state('a').acl}"


def storage_class(folder: Any) -> str:
    folder.put("a", b"x" * 65536, x_oss_storage_class="IA")
    copy(folder)
    return f"IA became {folder.head('a').get(CLASS)}"


def encryption(folder: Any) -> str:
    folder.put("a", x_oss_server_side_encryption="AES256")
    copy(folder)
    return f"AES256 became {folder.head('a').get(SSE, 'none')}"


def beyond_one_gigabyte(folder: Any) -> str:
    """An object of 1.03 GB is put together from copies of one part."""
    client, key = folder.client, folder.path + "a"
    upload = client.init_multipart_upload(key, headers={SSE: "KMS"}).upload_id
    source = folder.put("part", b"x" * PART_BYTES)
    whole, name = (0, PART_BYTES - 1), client.bucket_name
    made = []
    for number in range(1, PARTS + 1):
        part = client.upload_part_copy(name, source, whole, key, upload, number)
        made.append(oss2.models.PartInfo(number, part.etag))
    client.complete_multipart_upload(key, upload, made)
    copy(folder, x_oss_server_side_encryption="KMS")
    return f"copied; {folder.head('a').get(SSE, 'none')}"


def parts(folder: Any) -> str:
    client, key = folder.client, folder.path + "a"
    upload = client.init_multipart_upload(key).upload_id
    part = client.upload_part(key, upload, 1, b"live")
    made = [oss2.models.PartInfo(1, part.etag)]
    client.complete_multipart_upload(key, upload, made)
    before = folder.head("a")
    copy(folder)
    return _changed(before, folder.head("a"))


def appendable(folder: Any) -> str:
    folder.client.append_object(folder.path + "a", 0, b"live")
    before = folder.head("a")
    copy(folder)
    return f"copied; {_changed(before, folder.head('a'))}"


def symlink(folder: Any) -> str:
    target, link = folder.put("target"), folder.path + "a"
    folder.client.put_symlink(target, link)
    copy(folder)
    kind = folder.head("a").get("x-oss-object-type")
    try:
        led = folder.client.get_symlink(link).target_key
    except oss2.exceptions.ServerError as error:
        return f"the link became an object ({error.code}), HEAD says {kind}"
    return f"still a link to {'the same' if led == target else led}; HEAD says {kind}"


def overwriting(folder: Any) -> str:
    """By the header of one request: a rule would be one of the whole bucket."""
    folder.put("a")
    copy(folder, x_oss_forbid_overwrite="true")
    return "copied, with x-oss-forbid-overwrite: true"


def event(folder: Any) -> str:
    """What a bucket announces goes elsewhere: where to look is all that can be told."""
    folder.put("a")
    copy(folder)
    when = folder.head("a")["last-modified"]
    return f"not to be seen here: look what was announced at {when}"


def retrieval_fee(folder: Any) -> str:
    """What is billed is told later: where to look is all that can be told."""
    folder.put("a", b"x" * 65536, x_oss_storage_class="IA")
    copy(folder, x_oss_storage_class="IA")
    when = folder.head("a")["last-modified"]
    return f"not to be seen here: look in the bill for 65,536 bytes of IA at {when}"


def persistent_headers(folder: Any) -> str:
    folder.put("a", x_oss_persistent_headers="x-live:bGl2ZQ==")
    shown = folder.head("a").get("x-live", "not shown by HEAD")
    copy(folder)
    return f"{shown!r} became {folder.head('a').get('x-live', 'none')!r}"


EXPERIMENTS: dict[str, Callable[[Any], str]] = {
    "ACL that a copy does not name": acl,
    "storage class that a copy does not name": storage_class,
    "encryption that a copy does not name": encryption,
    "more than 1 GB, KMS named again": beyond_one_gigabyte,
    "type and ETag of an object uploaded in parts": parts,
    "appendable object": appendable,
    "symbolic link": symlink,
    "copy where overwriting is forbidden": overwriting,
    "event of a copy": event,
    "fee for the copy of an IA object": retrieval_fee,
    "persistent headers that a copy does not name": persistent_headers,
}


def _told(error: Any) -> str:
    return f"{error.status} {error.code or 'no answer'}"


def _changed(before: dict[str, str], after: dict[str, str]) -> str:
    told = []
    for name in ("x-oss-object-type", "etag"):
        old, new = before.get(name), after.get(name)
        told.append(f"{name} {old}" + (" stayed" if old == new else f" became {new}"))
    return ", ".join(told)


@pytest.fixture(scope="module")
def answers(pytestconfig: pytest.Config, live: Any) -> Iterator[Answers]:
    """What was found; in the end it is written where `--live-table` says."""
    found: Answers = {}
    yield found
    if file := pytestconfig.getoption("--live-table"):
        table = _table(found, keeps_versions=live.keeps_versions)
        Path(file).write_text(table, encoding="utf-8")


def _table(found: Answers, *, keeps_versions: bool) -> str:
    versions = "kept" if keeps_versions else "not kept"
    today = dt.datetime.now(dt.UTC).date()
    rows = [
        f"Region {os.environ['OSS_REGION']}, versions {versions}, {today}, "
        f"bulkmeta {bulkmeta.__version__}\n",
        "| question | answer |",
        "|---|---|",
        *(f"| {question} | {answer} |" for question, answer in found.items()),
    ]
    return "\n".join(rows) + "\n"


@pytest.mark.parametrize("question", EXPERIMENTS)
def test_open_question(
    question: str,
    folder: Any,
    answers: Answers,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is answered, be it by a refusal."""
    try:
        answer = EXPERIMENTS[question](folder)
    except RefusedError as error:
        answer = f"refused: {error}"
    except oss2.exceptions.OssError as error:
        answer = f"could not be asked: {_told(error)}"
    answers[question] = answer
    with capsys.disabled():
        print(f"\n{question}: {answer}")  # noqa: T201 what the experiment is for
    assert answer
