"""Promise 1. The embedded OSS resets on a self-copy whatever it can."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS


Command = Callable[..., Any]
State = dict[str, Any]
Text = dict[str, str]
FLAGS = ("--allow-early-rewrite", "--allow-appendable", "--rate", "max", "--yes")
MOVING = ("last_modified", "number", "version_id", "is_latest")


def snapshot(oss: EmbeddedOSS) -> dict[str, State]:
    """All that the bucket holds of each object, but for what any write moves."""
    return {found.key: state_of(oss, found) for found in oss.store.objects("bucket")}


def state_of(oss: EmbeddedOSS, found: Any) -> State:
    """One stored version, content included."""
    fields = {k: v for k, v in asdict(found).items() if k not in MOVING}
    return {**fields, "body": oss.store.body(found)}


def without(name: str) -> Callable[[Text], Text]:
    """A map without one name."""
    return lambda old: {k: v for k, v in old.items() if k != name}


HEADERS = {
    "cache-control": "max-age=60, must-revalidate",
    "content-disposition": "attachment; filename=\"测试.txt\"; filename*=UTF-8''%e6",
    "content-encoding": "gzip",
    "content-language": "zh-CN, de",
    "expires": "2026-07-01T00:00:00.000Z",
}
SSE, KEY_ID, DATA = (
    "x-oss-server-side-encryption",
    "x-oss-server-side-encryption-key-id",
    "x-oss-server-side-data-encryption",
)
TAGS = {"team": "a+b c", "empty": "", "文": "件"}
KMS_SM4 = {SSE: "KMS", KEY_ID: "9468da86-3509-4f8d-a61e-6eab1eac", DATA: "SM4"}
