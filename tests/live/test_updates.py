"""What an update changes and what it leaves, against other writers, and its undo."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(600)

RICH = {
    "cache_control": "no-cache, max-age=60",
    "content_disposition": 'attachment; filename="a b.json"',
    "content_encoding": "br",
    "content_language": "zh-CN",
    "content_type": "application/vnd.example+json",
    "expires": "Wed, 21 Oct 2037 07:28:00 GMT",
    "x_oss_meta_owner": "测试 é 😀",
    "x_oss_meta_percent": "100%25+b&c=d",
    "x_oss_tagging": "team=a%20b&%E7%BB%84=%E4%B8%80",
    "x_oss_object_acl": "private",
}
SETTLED_S = 3.0
"""An object that was written just now is looked at twice, which is no conflict."""
LATER = "Thu, 22 Oct 2037 07:28:00 GMT"
APPLY = ("--yes", "--allow-new-versions", "--run-file")
RIVAL = """
import os
import oss2
from bulkmeta import Change

auth = oss2.ProviderAuthV4(oss2.credentials.EnvironmentVariableCredentialsProvider())
written = []

def change(found):
    if not written:
        written.append(found.key)
        bucket = oss2.Bucket(
            auth, os.environ["OSS_ENDPOINT"], os.environ["BULKMETA_LIVE_BUCKET"],
            region=os.environ["OSS_REGION"], is_cname={is_cname},
        )
        headers = {{"x-oss-metadata-directive": "REPLACE", "x-oss-meta-theirs": "1"}}
        bucket.copy_object(bucket.bucket_name, found.key, found.key, headers)
    return Change(set_meta={{"ours": "1"}})
"""


def outcomes(name: str) -> list[dict[str, Any]]:
    """The object lines of a run file."""
    lines = map(json.loads, Path(name).read_text().splitlines())
    return [line for line in lines if line["type"] == "object"]


def test_an_update_loses_nothing_is_done_once_and_undone(
    folder: Any, bulkmeta: Any
) -> None:
    """Six headers, metadata in UTF-8, tags and ACL stay; a second run writes nothing;
    undo brings all back."""
    folder.put("a", **RICH)
    before = folder.state("a")
    assert len(before.headers) == 6
    assert before.meta == {"owner": "测试 é 😀", "percent": "100%25+b&c=d"}
    assert before.tags == {"team": "a b", "组": "一"}
    assert before.acl == "private"
    job = ("--set", "project=图", "--rename=owner=team", f"--header=expires={LATER}")

    bulkmeta("apply", folder.target, *job, *APPLY, "1.jsonl")

    updated = folder.state("a")
    assert updated == replace(
        before,
        headers={**before.headers, "expires": LATER},
        meta={
            "percent": "100%25+b&c=d",
            "team": "测试 é 😀",
            "project": "图",
        },
    )
    write = folder.write("a")

    again = bulkmeta("apply", folder.target, *job, *APPLY, "2.jsonl", "--debug")

    assert [line["status"] for line in outcomes("2.jsonl")] == ["unchanged"]
    assert "HeadObject" in again.stderr
    assert "CopyObject" not in again.stderr
    assert folder.write("a") == write

    bulkmeta("undo", "1.jsonl", *APPLY, "3.jsonl")

    assert folder.state("a") == before
    assert folder.write("a") != write


def test_tags_and_acl_are_changed_in_place(folder: Any, bulkmeta: Any) -> None:
    """Neither makes a new write of the object; all else stays; undo takes both back."""
    folder.put("a", **{**RICH, "x_oss_object_acl": "default"})
    before, write = folder.state("a"), folder.write("a")

    bulkmeta(
        "apply", folder.target, "--tag", "k=v/1", "--untag", "team", "--acl", "private",
        *APPLY, "1.jsonl",
    )  # fmt: skip

    tags = {"组": "一", "k": "v/1"}
    assert folder.state("a") == replace(before, tags=tags, acl="private")
    assert folder.write("a") == write

    bulkmeta("undo", "1.jsonl", *APPLY, "2.jsonl")

    assert folder.state("a") == before
    assert folder.write("a") == write


def test_what_another_writer_does_meanwhile_survives(
    folder: Any, bulkmeta: Any
) -> None:
    """Another client writes between our look and our update: ours is refused, looks
    again, and both changes are there."""
    folder.put("a", **RICH)
    Path("rival.py").write_text(RIVAL.format(is_cname=folder.is_cname))
    time.sleep(SETTLED_S)

    bulkmeta("apply", folder.target, "--transform", "rival:change", *APPLY, "1.jsonl")

    assert folder.state("a").meta == {"theirs": "1", "ours": "1"}
    (line,) = outcomes("1.jsonl")
    assert line["status"] == "updated"
    assert line["conflicts"] == 1
    assert line["before"]["meta"] == {"theirs": "1"}
