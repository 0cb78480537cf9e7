"""What a change does not name stays, field by field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.functional.lossless.conftest import (
    FLAGS,
    HEADERS,
    KEY_ID,
    KMS_SM4,
    SSE,
    TAGS,
    Command,
    State,
    Text,
    snapshot,
    without,
)

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS


def dates(oss: EmbeddedOSS) -> dict[str, int]:
    """When each object was last written."""
    return {found.key: found.last_modified for found in oss.store.objects("bucket")}


@dataclass(frozen=True)
class Case:
    """A change as the command line says it, and what it means, said again."""

    args: tuple[str, ...]
    meta: Callable[[Text], Text] = dict
    headers: Callable[[Text], Text] = dict

    def applied(self, state: State) -> State:
        """The state after the change."""
        headers = {**state["headers"], "content-type": state["content_type"]}
        headers = self.headers(headers)
        content_type = headers.pop("content-type")
        meta = self.meta(state["meta"])
        return {
            **state,
            "meta": meta,
            "headers": headers,
            "content_type": content_type,
        }


def with_header(name: str) -> Case:
    """The case that sets one standard header."""
    return Case(("--header", f"{name}=x-新"), headers=lambda old: {**old, name: "x-新"})


def without_header(name: str) -> Case:
    """The case that removes one standard header."""
    return Case(("--unset-header", name), headers=without(name))


CASES = {
    "set": Case(
        ("--set", "colour=blå=1", "--set", "old=v2"),
        meta=lambda old: {**old, "colour": "blå=1", "old": "v2"},
    ),
    "set empty": Case(("--set", "old="), meta=lambda old: {**old, "old": ""}),
    "unset": Case(("--unset", "old"), meta=without("old")),
    "rename": Case(
        ("--rename", "old=renamed"),
        meta=lambda old: {"renamed" if k == "old" else k: v for k, v in old.items()},
    ),
    "default": Case(
        ("--default", "old=unused", "--default", "fresh=1"),
        meta=lambda old: {"old": "unused", "fresh": "1", **old},
    ),
    "replace": Case(("--replace", "--set", "only=1"), meta=lambda _: {"only": "1"}),
    "replace by nothing": Case(("--replace",), meta=lambda _: {}),
    **{f"header {n}": with_header(n) for n in ("content-type", *HEADERS)},
    **{f"unset header {n}": without_header(n) for n in HEADERS},
}
META = {"old": "v1", "keep": '测试 #1,="q" 007'}
MULTIPART = {
    "object_type": "Multipart",
    "etag": "AAD3E9B6C4CF2F41C2A9F7C8B7D7A2E5-17",
    "content_md5": None,
}


VARIANTS: dict[str, State] = {
    "nothing at all": {"meta": {}},
    "metadata only": {},
    "metadata odd": {
        "meta": {
            **META,
            "empty": "",
            "x-oss-meta-twice": "1",
            "content-type": "not the header",
            "-": "in\tside",
            "0": "%41%zz",
        }
    },
    **{f"header {name}": {"headers": {name: v}} for name, v in HEADERS.items()},
    "headers all": {"headers": HEADERS},
    "expires RFC 1123": {"headers": {"expires": "Thu, 01 Dec 1994 16:00:00 GMT"}},
    "expires one-digit day": {"headers": {"expires": "Thu, 1 Dec 1994 16:00:00 GMT"}},
    "expires number": {"headers": {"expires": "-1"}},
    "expires words": {"headers": {"expires": "nächste Woche"}},
    "type text": {"content_type": "text/plain; charset=GBK"},
    "type unusual": {"content_type": 'Weird/Type+x;v="ü"; Q=1'},
    "type empty": {"content_type": ""},
    "acl default": {"acl": "default"},
    "acl private": {"acl": "private"},
    "acl public-read": {"acl": "public-read"},
    "acl public-read-write": {"acl": "public-read-write"},
    "tags": {"tags": TAGS},
    "class IA": {"storage_class": "IA"},
    "sse AES256": {"sse": {SSE: "AES256"}},
    "sse SM4": {"sse": {SSE: "SM4"}},
    "sse KMS": {"sse": {SSE: "KMS"}},
    "sse KMS with key": {"sse": {SSE: "KMS", KEY_ID: KMS_SM4[KEY_ID]}},
    "sse KMS with key and SM4": {"sse": KMS_SM4},
    "multipart": MULTIPART,
    "content-md5": {"body": b"content", "content_md5": "mgNkuembtIDdJeHwKEyFVQ=="},
    "appendable": {"object_type": "Appendable", "content_md5": None},
    "empty": {"body": b""},
    "large": {"body": None, "size": 6 * 1024**3},
    "everything": {
        "headers": HEADERS,
        "content_type": "image/webp",
        "acl": "public-read-write",
        "tags": TAGS,
        "storage_class": "IA",
        "sse": KMS_SM4,
        **MULTIPART,
    },
}


@pytest.mark.parametrize("versioning", [None, "Enabled"])
@pytest.mark.parametrize("name", CASES)
def test_carried_fields(
    oss: EmbeddedOSS,
    bulkmeta: Command,
    read_run: Command,
    name: str,
    versioning: str | None,
) -> None:
    """Each kind of change alters what it names, and no other field of any object."""
    case = CASES[name]
    oss.store.configure_bucket("bucket", versioning=versioning)
    for key, fields in VARIANTS.items():
        if not versioning or key not in {"appendable", "large"}:  # refused with them
            seed = {"meta": META, "body": b"content", **fields}
            oss.store.put_object("bucket", f"p/{key}", **seed)
    before, written = snapshot(oss), dates(oss)
    wanted = {key: case.applied(state) for key, state in before.items()}

    result = bulkmeta(
        "apply", "oss://bucket/p/", *case.args, *FLAGS, "--allow-new-versions",
        "--run-file", "run.jsonl",
    )  # fmt: skip

    assert result.code == 0
    assert snapshot(oss) == wanted
    changed = {key for key in wanted if wanted[key] != before[key]}
    assert changed
    assert {key for key, at in dates(oss).items() if at != written[key]} == changed
    lines = read_run("run.jsonl").by_key()
    assert {key: line["status"] for key, line in lines.items()} == {
        key: "updated" if key in changed else "unchanged" for key in before
    }
