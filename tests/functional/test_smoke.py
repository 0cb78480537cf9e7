"""The main job, once through."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS


def test_apply_merges_and_records(
    oss: EmbeddedOSS,
    bulkmeta: Callable[..., Any],
    read_run: Callable[..., Any],
) -> None:
    """A changed object keeps what was not named; its line tells before and after."""
    oss.store.put_object(
        "bucket", "p/文件 1.txt", body=b"x", meta={"owner": "测试"}, acl="private"
    )

    result = bulkmeta(
        "apply", "oss://bucket/p/", "--set", "project=atlas", "--yes",
        "--run-file", "run.jsonl",
    )  # fmt: skip

    assert (result.code, result.out.count("\n")) == (0, 1)
    stored = oss.store.get_object("bucket", "p/文件 1.txt")
    assert stored.meta == {"owner": "测试", "project": "atlas"}
    assert stored.acl == "private"
    line = read_run("run.jsonl").by_key()["p/文件 1.txt"]
    assert line["status"] == "updated"
    assert line["before"]["meta"] == {"owner": "测试"}
    assert line["after"]["meta"] == {"owner": "测试", "project": "atlas"}
