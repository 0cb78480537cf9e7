"""What is shown is read, and no more."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bulkmeta.emulator.faults import Fault
from tests.functional.inventory.conftest import MANIFEST, made, write
from tests.functional.inventory.conftest import SCHEMA as INVENTORY
from tests.functional.inventory.conftest import row as inventory_row
from tests.functional.show.conftest import ACL, HEAD, KEYS, TAGS, Command

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS


@pytest.mark.parametrize(
    ("args", "asked", "row"),
    [
        (
            ("key,size_bytes,etag,type,storage_class",),
            [],
            {"key": "p/a", "size_bytes": 2, "type": "Normal", "storage_class": "IA"},
        ),
        (
            ("meta.Owner, header.Expires",),
            [HEAD],
            {"meta.Owner": "me", "header.Expires": None},
        ),
        (("tag.team,tags",), [TAGS], {"tag.team": "x", "tags": {"team": "x"}}),
        (("acl",), [ACL], {"acl": "private"}),
        (("meta.owner,tags,acl",), [HEAD, TAGS, ACL], {"acl": "private"}),
        (("key,error",), [HEAD], {"key": "p/a", "error": None}),
        (("acl,error",), [ACL], {"acl": "private", "error": None}),
        (("key", "--where", "size == 2"), [], {"key": "p/a"}),
        (("key", "--where", 'meta.owner == "me"'), [HEAD], {"key": "p/a"}),
        (("key", "--where", 'tags.team == "x"'), [HEAD, TAGS], {"key": "p/a"}),
    ],
)
def test_only_what_is_asked_for_is_read(
    oss: EmbeddedOSS,
    bulkmeta: Command,
    args: tuple[str, ...],
    asked: list[str],
    row: dict[str, Any],
) -> None:
    """Each further request is one that a field or a condition needs."""
    oss.store.put_object(
        "bucket", "p/a", body=b"12", meta={"owner": "me"}, tags={"team": "x"},
        acl="private", storage_class="IA",
    )  # fmt: skip
    result = bulkmeta("show", "oss://bucket/p/", "--format", "jsonl", "--fields", *args)

    assert result.code == 0, result.err
    found = json.loads(result.out)
    assert found.items() >= row.items()
    assert oss.log.operations() == [
        ("ListObjectsV2", ""), *((name, "p/a") for name in asked)
    ]  # fmt: skip


def test_nothing_more_is_read_of_what_is_left_out(
    oss: EmbeddedOSS, bulkmeta: Command
) -> None:
    """By the listing without any request, by metadata after the head alone."""
    for number, owner in enumerate(("you", "me", "you")):
        oss.store.put_object("bucket", f"p/{number}", meta={"owner": owner})
    where = ("--where", 'key != "p/0" && meta.owner == "me"')
    result = bulkmeta(
        "show", "oss://bucket/p/", "--fields", "key,tag.a,acl", *where,
        "--concurrency", "1",
    )  # fmt: skip
    assert (result.code, result.out.split()) == (
        0, ["key", "tag.a", "acl", "p/1", "default"],
    )  # fmt: skip
    assert oss.log.operations()[1:] == [
        (HEAD, "p/1"), (TAGS, "p/1"), (ACL, "p/1"), (HEAD, "p/2")
    ]  # fmt: skip


def test_limit_counts_as_it_does_for_plan(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """What the listing admits counts, though metadata leaves it out later."""
    for number, owner in enumerate(("me", "you", "me", "me")):
        oss.store.put_object("bucket", f"p/{number}", meta={"owner": owner})
    words = ("--where", 'key != "p/0" && meta.owner == "me"', "--limit", "2")
    shown = bulkmeta("show", "oss://bucket/p/", "--fields", "key", *words)
    planned = bulkmeta("plan", "oss://bucket/p/", "--set", "a=1", *words)
    assert (shown.code, shown.out.split()) == (0, ["key", "p/2"])
    assert "1 planned, 1 skipped" in planned.out


def test_where_leaves_out(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Those that are not meant are not shown, and are no failure."""
    for number, owner in enumerate(("me", "you", "me")):
        oss.store.put_object("bucket", f"p/{number}", meta={"owner": owner})
    oss.store.put_object("bucket", "p/none")
    where = ("--where", 'meta.owner == "me"')
    result = bulkmeta("show", "oss://bucket/p/", "--fields", "key", *where)
    assert (result.code, result.out.split()) == (0, ["key", "p/0", "p/2"])


def test_keys_from_a_file(oss: EmbeddedOSS, bulkmeta: Command, tmp_path: Path) -> None:
    """Without a listing; what is gone is said so."""
    oss.store.put_objects("bucket", ({"key": key} for key in KEYS[:3]))
    (tmp_path / "keys").write_text(f"{KEYS[2]}\np/gone\n{KEYS[0]}\n")
    result = bulkmeta(
        "show", "oss://bucket/", "--keys-from", "keys", "--format", "jsonl",
        "--fields", "key,size_bytes,last_modified",
    )  # fmt: skip
    rows = [json.loads(line) for line in result.out.splitlines()]
    assert [row["key"] for row in rows] == [KEYS[2], "p/gone", KEYS[0]]
    assert rows[0]["last_modified"][:2] == "20"
    assert rows[1] == {"key": "p/gone", "size_bytes": None, "last_modified": None}
    assert result.code == 1
    assert result.err.strip() == (
        "bulkmeta: p/gone: NoSuchKey: The specified key does not exist."
    )


def test_what_a_head_tells_stands_as_in_a_listing(
    oss: EmbeddedOSS, bulkmeta: Command, tmp_path: Path
) -> None:
    """The same record, whichever request it comes from."""
    oss.store.put_object("bucket", "p/a", body=b"12", storage_class="IA")
    (tmp_path / "keys").write_text("p/a\n")
    words = ("show", "oss://bucket/p/", "--format", "jsonl", "--fields")
    fields = "key,size_bytes,last_modified,etag,type,storage_class"
    listed = bulkmeta(*words, fields)
    named = bulkmeta(*words, fields, "--keys-from", "keys")
    assert listed.out == named.out
    assert [name for name, _ in oss.log.operations()] == ["ListObjectsV2", HEAD]


def test_keys_by_nul_from_standard_input(
    oss: EmbeddedOSS, bulkmeta: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `find -print0` writes them; a key may hold a line break."""
    oss.store.put_objects("bucket", ({"key": key} for key in ("p/a", "p/new\nline")))
    given = io.TextIOWrapper(io.BytesIO(b"p/new\nline\0p/a\0"))
    monkeypatch.setattr(sys, "stdin", given)
    words = ("show", "oss://bucket/", "--keys-from", "-", "--null", "--fields", "key")
    result = bulkmeta(*words)
    assert (result.code, result.out.split()) == (
        0, ["key", '"p/new\\nline"', "p/a"],
    )  # fmt: skip
    assert not [*Path().iterdir()]


def test_what_a_run_failed_on(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """`--status failed`: the next thing to look at."""
    oss.store.put_objects("bucket", ({"key": key} for key in KEYS[:3]))
    oss.faults.add(
        Fault("error", operation=HEAD, key=KEYS[1], status=403, code="AccessDenied")
    )
    order = ("apply", "oss://bucket/p/", "--set", "a=1", "--yes", "--run-file")
    assert bulkmeta(*order, "run.jsonl").code == 1
    oss.faults.clear()
    words = ("show", "oss://bucket/", "--keys-from", "run.jsonl", "--status", "failed")
    result = bulkmeta(*words, "--fields", "key")
    assert (result.code, result.out.split()) == (0, ["key", KEYS[1]]), result.err


def test_only_the_version_that_is_named(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """What is shown is that version, or why it is not."""
    oss.store.configure_bucket("bucket", versioning="Enabled")
    ids = {}
    for key in ("p/same", "p/other"):
        oss.store.put_object("bucket", key)
        ids[key] = oss.store.get_object("bucket", key).version_id
    oss.store.put_object("bucket", "p/other")
    lines = ({"key": key, "version_id": version} for key, version in ids.items())
    Path("keys.jsonl").write_text("\n".join(map(json.dumps, lines)))
    result = bulkmeta(
        "show", "oss://bucket/", "--keys-from", "keys.jsonl", "--format", "jsonl",
        "--fields", "key,version_id,error",
    )  # fmt: skip
    assert [json.loads(line) for line in result.out.splitlines()] == [
        {"key": "p/same", "version_id": ids["p/same"], "error": None},
        {"key": "p/other", "version_id": None, "error": "other_version"},
    ]
    assert result.code == 1


@pytest.mark.parametrize(
    ("fields", "schema", "asked", "row"),
    [
        ("key,size_bytes", INVENTORY, [], {"key": "p/a", "size_bytes": 7}),
        ("key,size_bytes", "Bucket, Key", [HEAD], {"key": "p/a", "size_bytes": 2}),
        (
            "size_bytes,storage_class,meta.a",
            INVENTORY,
            [HEAD],
            {"size_bytes": 2, "storage_class": "IA", "meta.a": None},
        ),
    ],
)
def test_objects_of_an_inventory(
    oss: EmbeddedOSS,
    bulkmeta: Command,
    fields: str,
    schema: str,
    asked: list[str],
    row: dict[str, Any],
) -> None:
    """What it tells costs no request; where one is made, what it tells of former times
    is not shown beside what is there now."""
    oss.store.put_object("bucket", "p/a", body=b"12", storage_class="IA")
    write(made([[inventory_row("p/a", Size="7")]], schema))
    result = bulkmeta(
        "show", "oss://bucket/p/", "--inventory", MANIFEST, "--format", "jsonl",
        "--fields", fields,
    )  # fmt: skip
    assert (result.code, json.loads(result.out)) == (0, row), result.err
    assert oss.log.operations() == [(name, "p/a") for name in asked]


def test_what_is_gone_since_an_inventory(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Nothing is told of it as if it were there."""
    write(made([[inventory_row("p/gone", Size="7")]]))
    result = bulkmeta(
        "show", "oss://bucket/p/", "--inventory", MANIFEST, "--format", "jsonl",
        "--fields", "key,size_bytes,meta.a,error",
    )  # fmt: skip
    assert oss.log.operations() == [(HEAD, "p/gone")]
    assert (result.code, json.loads(result.out)) == (
        1,
        {"key": "p/gone", "size_bytes": None, "meta.a": None, "error": "NoSuchKey"},
    )
