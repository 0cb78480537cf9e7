"""What a change does not name stays, whatever the object."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.functional.lossless.conftest import (
    FLAGS,
    HEADERS,
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

ODD_KEYS = (
    "a b+c%20/ü/文件.txt",
    "/x",
    "//x",
    ".",
    "..",
    "...",
    "./.",
    "a/../b",
    "a/./b",
    "a/../../..",
    "../../etc/passwd",
    "dir/",
    "a//b//",
    "line\nbreak",
    "\r\n",
    "tab\t",
    " ",
    "trailing ",
    "%2F",
    "%2f",
    "%",
    "%zz%",
    "%25",
    "%E6%96%87",
    "+",
    "&=;:'()!*",
    "?versionId=x&acl",
    "#fragment",
    "\\back\\slash",
    '"<&amp;>"',
    "@$,[]{}|^`~",
    "😀/👩‍👩‍👧",
    "é",  # one code point
    "e\u0301",  # the same letter in two
    "\x7f\x01\x00",
    "k" * 1021,
    "文" * 340 + "k",
)
ODD_VALUES = (
    "",
    "#",
    "a,b",
    "k=v=",
    '"quoted"',
    "'",
    "007",
    "测试",
    "%41%",
    "in\tside",
    "O. Henry",
    "é e\u0301",
    "\u202eabc",
    "👩‍👩‍👧",
    "a" * 8000,
    "文" * 2700,
)
NAMED = ("old", "new", "owner", "project", "junk", "big")
ODD_NAMES = ("a", "0", "-", "--x", "x-oss-meta-z", "content-type", "n" * 300)
SHORT = "abcdefghijklmnopqrstuvwxyz0123456789-"
NAMES = [
    *SHORT,
    *(a + b for a in SHORT for b in SHORT),
    *(a + b + c for a in SHORT for b in SHORT for c in SHORT),
]
MOST_ENTRIES = 37 + 37 * 37 + (8192 - 37 - 2 * 37 * 37) // 3
"""As many entries as 8 KB can hold: all the shortest names, no values."""
FULL_METAS: tuple[Text, ...] = (
    dict.fromkeys(NAMES[:MOST_ENTRIES], ""),
    dict.fromkeys(NAMES[:2000], "1"),
    {"big": "x" * (8192 - 3)},
    {"big": "文" * 2729 + "xx"},
)


def _cut(key: str) -> str:
    """The longest key that OSS takes."""
    return key.encode()[:1023].decode(errors="ignore")


def objects() -> st.SearchStrategy[State]:
    """Objects as a bucket may hold them. Values neither begin nor end with white
    space: HTTP itself would take that away when they are put."""
    pieces = st.one_of(st.sampled_from(ODD_KEYS), st.text(min_size=1, max_size=40))
    tails = st.lists(pieces, min_size=1, max_size=4).map("".join)
    letters = st.characters(exclude_categories=("Cs", "Cc"))
    values = st.one_of(
        st.sampled_from(ODD_VALUES), st.text(letters, max_size=30).map(str.strip)
    )
    names = st.one_of(
        st.sampled_from(NAMED),
        st.sampled_from(ODD_NAMES),
        st.from_regex(r"[a-z0-9-]{1,12}", fullmatch=True),
    )
    metas = st.dictionaries(names, values, max_size=8).filter(_fits)
    headers = st.dictionaries(st.sampled_from(sorted(HEADERS)), values, max_size=5)
    return st.fixed_dictionaries(
        {
            "key": tails.map(lambda tail: _cut(f"p/{tail}")),
            "body": st.binary(max_size=20),
            "meta": metas,
            "headers": headers,
            "content_type": st.one_of(st.just("text/plain"), values),
            "acl": st.sampled_from(
                ["default", "private", "public-read", "public-read-write"]
            ),
            "tags": st.sampled_from([{}, TAGS]),
            "storage_class": st.sampled_from(["Standard", "IA"]),
            "sse": st.sampled_from([{}, {SSE: "AES256"}, KMS_SM4]),
        }
    )


def _size(meta: Text) -> int:
    return sum(len(k) + len(v.encode()) for k, v in meta.items())


def _fits(meta: Text) -> bool:
    return _size(meta) <= 8192


def generated(count: int) -> list[State]:
    """That many objects with different keys; each odd key among them, with a prefix
    and, where it may stand alone, without; and each full metadata."""
    found: dict[str, State] = {}
    alone = [_cut(key) for key in ODD_KEYS if key[0] not in "/\\"]
    keys = [*alone, *(_cut(f"p/{key}") for key in ODD_KEYS)]
    metas = list(FULL_METAS)

    @settings(
        max_examples=count + count // 10,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(objects())
    def collect(seed: State) -> None:
        key = keys.pop() if keys else seed["key"]
        if key in found:
            key = _cut(f"p/{len(found)}{key[2:]}")
        meta = metas.pop() if metas else seed["meta"]
        found[key] = {**seed, "key": key, "meta": meta}

    collect()
    assert not keys
    assert len(found) >= count
    return list(found.values())[:count]


def merged(meta: Text) -> Text | str:
    """What the first run below wants, or the reason why it cannot be had."""
    meta = dict(meta)
    if "old" in meta:
        value = meta.pop("old")
        if meta.setdefault("new", value) != value:
            return "rename_target_exists"
    meta.pop("junk", None)
    meta["project"] = "αtlas #1"
    meta.setdefault("owner", "nobody")
    return meta if _fits(meta) else "metadata_too_large"


@dataclass(frozen=True)
class Step:
    """One command run on all objects, and what it means, said again."""

    args: tuple[str, ...]
    meta: Callable[[Text], Text | str]
    headers: Callable[[Text], Text]

    def applied(self, state: State) -> tuple[str, str | None, State]:
        """Status, reason and state of an object after the run."""
        meta, headers = self.meta(state["meta"]), self.headers(state["headers"])
        if isinstance(meta, str):
            return "failed", meta, state
        after = {**state, "meta": meta, "headers": headers}
        return ("unchanged" if after == state else "updated"), None, after


STEPS = (
    Step(
        (
            "--set",
            "Project=αtlas #1",
            "--default",
            "owner=nobody",
            "--rename",
            "old=new",
            "--unset",
            "x-oss-meta-junk",
            "--header",
            "Cache-Control=max-age=60",
            "--unset-header",
            "expires",
        ),
        merged,
        lambda old: {**without("expires")(old), "cache-control": "max-age=60"},
    ),
    Step(
        ("--header", "content-language=de"),
        dict,
        lambda old: {**old, "content-language": "de"},
    ),
    Step(("--replace", "--set", "only=测试"), lambda _: {"only": "测试"}, dict),
    Step(("--replace", "--set", "only=测试"), lambda _: {"only": "测试"}, dict),
)


def outcomes(run_file: str) -> dict[str, Any]:
    """Outcomes by key. Lines end at a line feed only: keys and values may hold
    characters that other readers take for line ends (U+0085, U+2028)."""
    lines = Path(run_file).read_text(encoding="utf-8").removesuffix("\n").split("\n")
    header, *objects, summary = map(json.loads, lines)
    assert (header["type"], summary["type"]) == ("run", "summary")
    found = {line["key"]: line for line in objects}
    assert len(found) == len(objects)
    return found


@pytest.mark.no_cover
def test_generated_objects(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """200 objects with odd keys and values end exactly as a model of the changes says,
    and their lines tell it; the last run, which repeats one, writes nothing."""
    assert oss.store.put_objects("bucket", generated(200)) == 200
    expected = snapshot(oss)

    for number, step in enumerate(STEPS):
        oss.clock.offset_s += 10  # what was just written has settled
        oss.log.clear()
        ends = {key: step.applied(state) for key, state in expected.items()}
        before, expected = expected, {key: end[2] for key, end in ends.items()}

        result = bulkmeta(
            "apply", "oss://bucket/", "--all", *step.args, *FLAGS,
            "--run-file", f"{number}.jsonl",
        )  # fmt: skip

        after = snapshot(oss)
        for key, state in expected.items():
            assert after[key] == state, f"{key!r}, before {args_of(before[key])}"
        assert len(after) == 200
        lines = outcomes(f"{number}.jsonl")
        assert {k: (v["status"], v["reason"]) for k, v in lines.items()} == {
            key: end[:2] for key, end in ends.items()
        }
        for key, (status, _, state) in ends.items():
            if status != "failed":
                assert lines[key]["before"]["meta"] == before[key]["meta"]
                assert lines[key]["after"]["meta"] == state["meta"]
        statuses = [status for status, _, _ in ends.values()]
        assert result.code == ("failed" in statuses)
        puts = [key for name, key in oss.log.operations() if name == "CopyObject"]
        assert sorted(puts) == sorted(k for k, e in ends.items() if e[0] == "updated")
    assert not puts


def args_of(state: State) -> State:
    """A state as it would be put again, to repeat a failure with."""
    return {k: v for k, v in state.items() if k != "bucket"}
