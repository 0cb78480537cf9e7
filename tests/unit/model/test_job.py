"""Targets, and what identifies a job."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkmeta.errors import UsageError
from bulkmeta.model.changes import Change, Substitution
from bulkmeta.model.job import (
    Connection,
    JobSpec,
    Pace,
    Rules,
    RunSpec,
    Target,
    parse_target,
)

CHANGE = Change(
    set_meta={"a": "1", "b": "2"},
    default_meta={"c": "3"},
    unset_meta=("d",),
    rename_meta={"e": "f"},
    set_headers={"expires": "x"},
    unset_headers=("cache-control",),
)
JOB = JobSpec(Target("bucket", "p/"), CHANGE, Rules())


@pytest.mark.parametrize(
    ("text", "allow_all", "target"),
    [
        ("oss://bucket/p", False, Target("bucket", "p")),
        ("oss://bucket/a/b/", False, Target("bucket", "a/b/")),
        ("oss://bucket/照片/é ?#%", False, Target("bucket", "照片/é ?#%")),
        ("oss://bucket/p", True, Target("bucket", "p")),
        ("oss://bucket/", True, Target("bucket", "")),
        ("oss://bucket", True, Target("bucket", "")),
    ],
)
def test_target_read(text: str, allow_all: bool, target: Target) -> None:
    """A target is a bucket and whatever stands behind the slash, unchanged."""
    assert parse_target(text, allow_all=allow_all) == target


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "target '': write it as oss://bucket/prefix"),
        ("s3://b/p", "target 's3://b/p': write it as oss://bucket/prefix"),
        ("OSS://bucket/p", "target 'OSS://bucket/p': write it as oss://bucket/prefix"),
        (
            "oss://b/p",
            "target 'oss://b/p': a bucket name has 3 to 63 lower-case letters, "
            "digits and hyphens",
        ),
        (
            "oss://bucket",
            "target 'oss://bucket' is the whole bucket; add a prefix, or --all if "
            "that is meant",
        ),
        (
            "oss://bucket//p",
            "target 'oss://bucket//p': a key cannot begin with a slash or backslash",
        ),
    ],
)
def test_target_refused(text: str, line: str) -> None:
    """Each refusal names the target and says what to write."""
    with pytest.raises(UsageError) as caught:
        parse_target(text, allow_all=False)
    assert str(caught.value) == line


@given(st.text(max_size=60), st.booleans())
def test_target_of_any_text(tail: str, allow_all: bool) -> None:
    """Any text is refused in words, or names exactly itself."""
    for text in (tail, f"oss://{tail}", f"oss://bucket/{tail}"):
        try:
            target = parse_target(text, allow_all=allow_all)
        except UsageError:
            continue
        assert str(target).removesuffix("/") == text.removesuffix("/")


def test_hash_is_stable() -> None:
    """The fingerprint of a job stays what it was: old run files have to be known."""
    assert (
        JOB.hash() == "216fbc5e836c475de4a2da37182f46cc8fb2347bfe9729a35adeea3868e10697"
    )


def test_defaults_do_not_show() -> None:
    """An option added later, left at its default, makes no other job."""
    plain = JobSpec(Target("bucket"))
    assert msgspec.json.encode(plain) == b'{"target":{"bucket":"bucket"}}'
    assert msgspec.json.encode([Change(), Rules()]) == b"[{},{}]"


def test_hash_ignores_the_order_of_names() -> None:
    """The same change in another order is the same job."""
    turned = msgspec.structs.replace(CHANGE, set_meta={"b": "2", "a": "1"})
    assert msgspec.structs.replace(JOB, change=turned).hash() == JOB.hash()


OTHER_CHANGES: list[dict[str, Any]] = [
    {"set_meta": {"a": "1"}},
    {"set_meta": {"a": "1", "b": "3"}},
    {"default_meta": {}},
    {"unset_meta": ()},
    {"rename_meta": {"f": "e"}},
    {"set_headers": {}},
    {"unset_headers": ("expires",)},
    {"replace": True},
    {"sub_meta": {"g": Substitution("a", "b")}},
    {"set_tags": {"g": "1"}},
    {"unset_tags": ("g",)},
    {"replace_tags": True},
    {"acl": "private"},
    {"storage_class": "IA"},
    {"sse": "KMS"},
    {"sse_key_id": "key"},
    {"sub_meta": {"g": Substitution("a", "c")}},
    {"missing": "skip"},
    {"content_type_auto": True},
    {"types": {"md": "text/markdown"}},
]
OTHER_RULES = [
    Rules(acl="skip"),
    Rules(allow_appendable=True),
    Rules(allow_early_rewrite=True),
    Rules(allow_new_versions=True),
    Rules(allow_rewritten=True),
]
OTHERS = [
    msgspec.structs.replace(JOB, target=Target("other", "p/")),
    msgspec.structs.replace(JOB, target=Target("bucket", "q/")),
    msgspec.structs.replace(JOB, target=Target("bucket", "p/", ("q/",))),
    *(
        msgspec.structs.replace(JOB, change=msgspec.structs.replace(CHANGE, **other))
        for other in OTHER_CHANGES
    ),
    *(msgspec.structs.replace(JOB, rules=rules) for rules in OTHER_RULES),
    msgspec.structs.replace(JOB, where=("size > 1",)),
]


def test_hash_differs_for_each_field() -> None:
    """Whatever decides the result is part of the fingerprint."""
    assert len({JOB.hash(), *(other.hash() for other in OTHERS)}) == 1 + len(OTHERS)


def test_every_field_of_a_job_is_tried() -> None:
    """A field added to a job has to be added to the test above."""
    names = [
        field.name
        for kind in (Target, Change, Rules)
        for field in msgspec.structs.fields(kind)
    ]
    assert names == [
        *("bucket", "prefix", "more"),
        *("set_meta", "default_meta", "unset_meta", "rename_meta"),
        *("set_headers", "unset_headers", "replace"),
        *("sub_meta", "missing", "content_type_auto", "types"),
        *("set_tags", "unset_tags", "replace_tags"),
        *("acl", "storage_class", "sse", "sse_key_id"),
        *(
            "acl",
            "allow_appendable",
            "allow_early_rewrite",
            "allow_new_versions",
            "allow_rewritten",
        ),
    ]


def test_hash_ignores_pace_and_connection() -> None:
    """A job may be run faster, or over another endpoint, and is the same job."""
    other = RunSpec(
        JOB, "apply", Connection("http://h", "r", True, "v1"), Pace(1, None, 0)
    )
    assert other.job.hash() == RunSpec(JOB, "plan").job.hash()


def test_job_round_trip() -> None:
    """A job read back from a run file has the fingerprint it was written with."""
    back = msgspec.json.decode(msgspec.json.encode(JOB), type=JobSpec)
    assert (back, back.hash()) == (JOB, JOB.hash())
