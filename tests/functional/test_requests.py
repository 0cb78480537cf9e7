"""What is sent, request by request: no more than needed, and exactly as documented."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from bulkmeta.emulator.faults import Fault
from bulkmeta.emulator.options import Credential, EmulatorOptions
from bulkmeta.emulator.server import EmbeddedOSS
from bulkmeta.sources.prefix import list_prefix

if TYPE_CHECKING:
    from pathlib import Path

    from bulkmeta.emulator.log import LoggedRequest
    from bulkmeta.model.item import Item
    from bulkmeta.model.key_ranges import Span
    from bulkmeta.oss.bucket import Bucket
    from bulkmeta.sources.ahead import Ahead

Command = Callable[..., Any]

HEAD, ACL, COPY = "HeadObject", "GetObjectAcl", "CopyObject"
VERSIONING, LIST = ("GetBucketVersioning", ""), ("ListObjectsV2", "")
PER_REQUEST = {
    "host",
    "accept",
    "accept-encoding",
    "user-agent",
    "authorization",
    "x-oss-date",
    "x-oss-content-sha256",
    "content-length",
}
"""On every update, whatever the object."""
RESTORED = 'ongoing-request="false", expiry-date="Sun, 22 Nov 2037 12:00:00 GMT"'
SSE = "x-oss-server-side-encryption"


def apply(bulkmeta: Command, *args: str, target: str = "oss://bucket/p/") -> Any:
    """Run `apply` without being asked, at any rate."""
    return bulkmeta("apply", target, "--yes", "--rate", "max", *args)


def updates(oss: EmbeddedOSS) -> dict[str, LoggedRequest]:
    """The updates by key; each key has had one."""
    sent = [r for r in oss.log.requests() if r.method == "PUT"]
    found = {r.key: r for r in sent}
    assert len(found) == len(sent)
    return found


def about(oss: EmbeddedOSS, key: str) -> list[str]:
    """The operations on one key, in their order."""
    return [name for name, named in oss.log.operations() if named == key]


def extra_headers(request: LoggedRequest) -> dict[str, str]:
    """What a request carries beyond what every request does."""
    return {k: v for k, v in request.headers.items() if k not in PER_REQUEST}


def test_changed_object(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """A run asks for versioning, lists, and per changed object sends three requests."""
    oss.store.put_object("bucket", "p/a")

    assert apply(bulkmeta, "--set", "x=1").code == 0

    assert oss.log.operations() == [
        VERSIONING, LIST, (HEAD, "p/a"), (ACL, "p/a"), (COPY, "p/a"),
    ]  # fmt: skip
    assert all(request.status == 200 for request in oss.log.requests())


def test_changed_object_without_acl(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """With `--acl-policy skip` no ACL is read, and none is sent."""
    oss.store.put_object("bucket", "p/a", acl="private")

    assert apply(bulkmeta, "--set", "x=1", "--acl-policy", "skip").code == 0

    assert about(oss, "p/a") == [HEAD, COPY]
    assert "x-oss-object-acl" not in updates(oss)["p/a"].headers


def test_unchanged_object(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """An object that is as wanted costs one head; a second run sends no update."""
    oss.store.put_object("bucket", "p/a", meta={"x": "1"}, acl="private")
    oss.store.put_object("bucket", "p/b", meta={"x": "2"}, acl="private")
    assert apply(bulkmeta, "--set", "x=1").code == 0
    assert about(oss, "p/a") == [HEAD]
    assert about(oss, "p/b") == [HEAD, ACL, COPY]
    oss.log.clear()

    assert apply(bulkmeta, "--set", "x=1").code == 0

    assert sorted(oss.log.operations()) == sorted(
        [VERSIONING, LIST, (HEAD, "p/a"), (HEAD, "p/b")]
    )


LISTED: dict[str, tuple[dict[str, Any], str]] = {
    "p/symlink": ({"object_type": "Symlink", "symlink_target": "p/ok"}, "symlink"),
    "p/appendable": ({"object_type": "Appendable"}, "appendable"),
    "p/archive": ({"storage_class": "Archive"}, "archived"),
    "p/cold": ({"storage_class": "ColdArchive"}, "archived"),
    "p/deep": ({"storage_class": "DeepColdArchive"}, "archived"),
    "p/restoring": (
        {"storage_class": "Archive", "restore": 'ongoing-request="true"'},
        "archived",
    ),
    "p/restored": ({"storage_class": "Archive", "restore": RESTORED}, "early_rewrite"),
    "p/ia": ({"storage_class": "IA"}, "early_rewrite"),
}


def test_skips_from_listing(
    oss: EmbeddedOSS, bulkmeta: Command, read_run: Command
) -> None:
    """What the listing already rules out is skipped without any request for it."""
    for key, (fields, _) in LISTED.items():
        oss.store.put_object("bucket", key, **fields)
    oss.store.put_object("bucket", "p/ok")

    assert apply(bulkmeta, "--set", "x=1", "--run-file", "r").code == 0

    assert {key for _, key in oss.log.operations()} == {"", "p/ok"}
    lines = read_run("r").by_key()
    assert {k: (v["status"], v["reason"]) for k, v in lines.items()} == {
        "p/ok": ("updated", None),
        **{key: ("skipped", reason) for key, (_, reason) in LISTED.items()},
    }


@pytest.mark.parametrize("command", ["apply", "plan"])
def test_skips_from_the_head(
    oss: EmbeddedOSS,
    bulkmeta: Command,
    read_run: Command,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    """An object that was an ordinary one when it was listed, and is none any more, is
    skipped for the same reason, after its head and without an update."""

    async def as_ordinary(
        bucket: Bucket, prefix: str, ahead: Ahead, span: Span
    ) -> AsyncIterator[Item]:
        async for found in list_prefix(bucket, prefix, ahead, span):
            assert found.listed
            ordinary = msgspec.structs.replace(
                found.listed,
                object_type="Normal",
                storage_class="Standard",
                restore_info=None,
            )
            yield msgspec.structs.replace(found, listed=ordinary)

    monkeypatch.setattr("bulkmeta.runners.work.list_prefix", as_ordinary)
    oss.store.put_object("bucket", "p/ok")
    for key, (fields, _) in LISTED.items():
        oss.store.put_object("bucket", key, **fields)

    options = ("--yes", "--run-file") if command == "apply" else ("--out",)
    result = bulkmeta(command, "oss://bucket/p/", "--set", "x=1", *options, "r")

    assert result.code == 0, result.err
    lines = read_run("r").by_key()
    assert {k: v["reason"] for k, v in lines.items() if v["status"] == "skipped"} == {
        key: reason for key, (_, reason) in LISTED.items()
    }
    assert {key: about(oss, key) for key in LISTED} == {key: [HEAD] for key in LISTED}
    assert set(updates(oss)) == ({"p/ok"} if command == "apply" else set())


def test_skips_lifted_by_flags(
    oss: EmbeddedOSS, bulkmeta: Command, read_run: Command
) -> None:
    """The two flags admit appendable, restored and IA objects, and nothing else."""
    for key, (fields, _) in LISTED.items():
        oss.store.put_object("bucket", key, **fields)

    result = apply(
        bulkmeta, "--set", "x=1", "--run-file", "r",
        "--allow-appendable", "--allow-early-rewrite",
    )  # fmt: skip

    assert result.code == 0
    lines = read_run("r").by_key()
    updated = {key for key, line in lines.items() if line["status"] == "updated"}
    assert updated == set(updates(oss)) == {"p/appendable", "p/ia", "p/restored"}
    assert updates(oss)["p/restored"].headers["x-oss-storage-class"] == "Archive"
    assert {key for _, key in oss.log.operations()} == {"", *updated}


def test_skips_directory_of_hierarchical_namespace(
    oss: EmbeddedOSS, bulkmeta: Command, read_run: Command
) -> None:
    """A directory (ETag `null`) is skipped from the listing; a plain key that ends
    with a slash is an object like any other."""
    oss.store.put_object(
        "bucket", "p/d/", etag="null", content_type="application/x-directory"
    )
    oss.store.put_object("bucket", "p/e/")

    assert apply(bulkmeta, "--set", "x=1", "--run-file", "r").code == 0

    assert about(oss, "p/d/") == []
    assert about(oss, "p/e/") == [HEAD, ACL, COPY]
    assert read_run("r").by_key()["p/d/"]["reason"] == "directory"


def seed_mixture(oss: EmbeddedOSS) -> None:
    """Objects of every fate that a head or the listing decides."""
    for key, (fields, _) in LISTED.items():
        oss.store.put_object("bucket", key, **fields)
    for number in range(9):
        meta = {"old": "v"} if number % 3 else {"x": "1"}
        oss.store.put_object("bucket", f"p/n{number}", meta=meta, acl="public-read")
    seeds: dict[str, dict[str, Any]] = {
        "p/both": {"meta": {"old": "1", "new": "2"}},
        "p/full": {"meta": {"big": "x" * 8189}},
        "p/unknown": {"extra": {"x-oss-persistent-foo": "1"}},
        "p/forced": {"extra": {"x-oss-force-download": "true"}},
        "p/denied": {},
        "p/gone": {},
        "p/typed": {"sse": {SSE: "AES256"}, "content_type": "text/plain"},
    }
    for key, fields in seeds.items():
        oss.store.put_object("bucket", key, **fields)
    oss.faults.add(Fault("error", HEAD, "p/denied", status=403, code="AccessDenied"))
    oss.faults.add(Fault("error", HEAD, "p/gone", status=404, code="NoSuchKey"))


def test_plan_reads_only_and_selects_what_apply_updates(
    oss: EmbeddedOSS, bulkmeta: Command, read_run: Command
) -> None:
    """`plan` sends no update and reads no ACL; it plans exactly the keys and states
    that `apply` then brings about, skips and failures the same."""
    seed_mixture(oss)
    change = ("--set", "x=1", "--rename", "old=new")

    planned = bulkmeta("plan", "oss://bucket/p/", *change, "--out", "plan")
    kinds = {name for name, _ in oss.log.operations()}
    applied = apply(bulkmeta, *change, "--run-file", "run")

    assert kinds == {VERSIONING[0], LIST[0], HEAD}
    assert (planned.code, applied.code) == (1, 1)
    plan, run = read_run("plan").by_key(), read_run("run").by_key()
    selected = {key for key, line in plan.items() if line["status"] == "planned"}
    assert selected == {f"p/n{n}" for n in range(9) if n % 3} | {"p/typed"}
    assert set(updates(oss)) == selected
    for line in plan.values():
        line["status"] = line["status"].replace("planned", "updated")
    assert essence(plan) == essence(run)


def essence(lines: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What a plan and a run say alike of each key (a plan reads no ACL)."""
    return {
        key: (
            line["status"],
            line["reason"],
            line["etag"],
            *({**(line[side] or {}), "acl": None} for side in ("before", "after")),
        )
        for key, line in lines.items()
    }


def stamp(oss: EmbeddedOSS, key: str) -> str:
    """An object's Last-Modified as a head gives it."""
    return formatdate(oss.store.get_object("bucket", key).last_modified, usegmt=True)


def test_update_headers_of_plain_object(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """An update of a plain object carries directive, source, both guards and what
    stays: no ACL, class, tagging, digest or volatile header."""
    put = oss.store.put_object("bucket", "p/ä b", body=b"x", tags={"t": "1"})
    guard = stamp(oss, "p/ä b")

    assert apply(bulkmeta, "--set", "x=1").code == 0

    assert extra_headers(updates(oss)["p/ä b"]) == {
        "x-oss-copy-source": "/bucket/p%2F%C3%A4%20b",
        "x-oss-metadata-directive": "REPLACE",
        "x-oss-copy-source-if-match": f'"{put.etag}"',
        "x-oss-copy-source-if-unmodified-since": guard,
        "content-type": "application/octet-stream",
        "x-oss-meta-x": "1",
    }


def test_update_headers_of_rich_object(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """An update of an object that has everything carries all of it, and nothing else:
    ACL, class and encryption as they are, none of the volatile headers."""
    standard = {
        "cache-control": "no-cache",
        "content-disposition": "inline",
        "content-encoding": "gzip",
        "content-language": "de",
        "expires": "0",
    }
    sse = {SSE: "KMS", f"{SSE}-key-id": "k-1"}
    put = oss.store.put_object(
        "bucket", "p/a", body=b"x", headers=standard, content_type="image/webp",
        meta={"owner": "测试"}, tags={"t": "1"}, acl="public-read", storage_class="IA",
        sse=sse, restore=RESTORED,
    )  # fmt: skip
    guard = stamp(oss, "p/a")
    volatile = {
        "x-oss-expiration": 'expiry-date="Sun, 22 Nov 2037 12:00:00 GMT"',
        "x-oss-transition-time": "Sun, 22 Nov 2026 12:00:00 GMT",
        "x-oss-last-access-time": "Sun, 22 Nov 2026 12:00:00 GMT",
        "x-oss-process-status": "404",
        "x-oss-request-charged": "requester",
        "Access-Control-Allow-Origin": "*",
        "Vary": "Origin",
        "Strict-Transport-Security": "max-age=1",
    }
    oss.faults.add(Fault("extra_header", HEAD, headers=volatile))

    assert apply(bulkmeta, "--set", "x=1", "--allow-early-rewrite").code == 0

    assert extra_headers(updates(oss)["p/a"]) == {
        "x-oss-copy-source": "/bucket/p%2Fa",
        "x-oss-metadata-directive": "REPLACE",
        "x-oss-copy-source-if-match": f'"{put.etag}"',
        "x-oss-copy-source-if-unmodified-since": guard,
        "content-type": "image/webp",
        "x-oss-meta-x": "1",
        "x-oss-meta-owner": "测试",
        "x-oss-object-acl": "public-read",
        "x-oss-storage-class": "IA",
        **standard,
        **sse,
    }


def test_guards_of_each_object(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Each update is guarded by its own object's ETag and date, not by another's."""
    for number in range(40):
        oss.store.put_object(
            "bucket", f"p/{number}", body=str(number).encode(),
            last_modified=1_700_000_000 + 61 * number,
        )  # fmt: skip
    wanted = {
        found.key: (f'"{found.etag}"', stamp(oss, found.key))
        for found in oss.store.objects("bucket")
    }
    assert len(set(wanted.values())) == 40

    assert apply(bulkmeta, "--set", "x=1").code == 0

    prefix = "x-oss-copy-source-if-"
    assert wanted == {
        key: (sent.headers[f"{prefix}match"], sent.headers[f"{prefix}unmodified-since"])
        for key, sent in updates(oss).items()
    }


def test_guard_comes_from_latest_head(
    oss: EmbeddedOSS, bulkmeta: Command, read_run: Command
) -> None:
    """When another writer comes first, the update is refused, and made anew from a
    second head, with that head's date: both changes are in the end."""
    oss.store.put_object("bucket", "p/a", meta={"mine": "0"})
    first = stamp(oss, "p/a")
    oss.faults.add(Fault("foreign_write", COPY, times=1, meta={"theirs": "1"}))

    assert apply(bulkmeta, "--set", "mine=1", "--run-file", "r").code == 0

    sent = [r for r in oss.log.requests() if r.method == "PUT"]
    guards = [r.headers["x-oss-copy-source-if-unmodified-since"] for r in sent]
    assert [r.status for r in sent] == [412, 200]
    assert guards[0] == first != guards[1]
    assert about(oss, "p/a")[:4] == [HEAD, ACL, COPY, HEAD]
    assert about(oss, "p/a")[-3:] == [HEAD, ACL, COPY]
    merged = {"mine": "1", "theirs": "1"}
    assert oss.store.get_object("bucket", "p/a").meta == merged
    line = read_run("r").by_key()["p/a"]
    assert (line["status"], line["conflicts"]) == ("updated", 1)
    assert line["before"]["meta"] == {"mine": "0", "theirs": "1"}


def test_short_pages(bulkmeta: Command, read_run: Command) -> None:
    """Listing goes on while pages say that they are truncated, however short they
    are, each page asked for in full size and encoded keys, with the last's token."""
    with EmbeddedOSS(EmulatorOptions(short_pages=True)) as oss:
        oss.store.create_bucket("bucket")
        seeds = [{"key": f"p/{n:04}\n", "meta": {"x": "1"}} for n in range(1400)]
        oss.store.put_objects("bucket", [{"key": "o"}, *seeds, {"key": "q"}])
        options = ("--set", "x=1", "--run-file", "r", "--endpoint", oss.endpoint)
        assert apply(bulkmeta, *options, "--spread", "off").code == 0
        pages = [dict(r.query) for r in oss.log.requests() if r.operation == LIST[0]]

    tokens = [page.pop("continuation-token", None) for page in pages]
    asked = {
        "list-type": "2", "max-keys": "1000", "encoding-type": "url", "prefix": "p/",
    }  # fmt: skip
    assert pages == [asked] * 3  # at most 666 keys on each
    assert tokens[0] is None
    assert None not in tokens[1:]
    assert len(set(tokens)) == 3
    lines = read_run("r").objects
    assert sorted(line["key"] for line in lines) == [seed["key"] for seed in seeds]
    assert {line["status"] for line in lines} == {"unchanged"}


def test_prefix_bounds_the_run(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Only keys under the prefix are touched; a prefix is bytes, not a folder."""
    for key in ("o", "p", "p/", "p/a", "p/a/b", "p0", "pq", "ü%2F/x", "ü%2F/y z"):
        oss.store.put_object("bucket", key)

    assert apply(bulkmeta, "--set", "x=1", target="oss://bucket/p/a").code == 0
    assert set(updates(oss)) == {"p/a", "p/a/b"}
    oss.log.clear()
    assert apply(bulkmeta, "--set", "x=1", target="oss://bucket/ü%2F/").code == 0
    assert set(updates(oss)) == {"ü%2F/x", "ü%2F/y z"}
    [listed] = [r for r in oss.log.requests() if r.operation == LIST[0]]
    assert listed.query["prefix"] == "ü%2F/"


@pytest.mark.parametrize("target", ["oss://bucket", "oss://bucket/"])
def test_whole_bucket_needs_all(
    oss: EmbeddedOSS, bulkmeta: Command, target: str
) -> None:
    """Without a prefix nothing is sent unless `--all` says that it is meant; then the
    listing has no prefix."""
    for key in ("a", "p/b", "文"):
        oss.store.put_object("bucket", key)

    refused = apply(bulkmeta, "--set", "x=1", target=target)
    assert (refused.code, "--all" in refused.err) == (2, True)
    assert oss.log.requests() == []

    assert apply(bulkmeta, "--set", "x=1", "--all", target=target).code == 0
    assert set(updates(oss)) == {"a", "p/b", "文"}
    [listed] = [r for r in oss.log.requests() if r.operation == LIST[0]]
    assert "prefix" not in listed.query


@pytest.mark.parametrize("key", ["a b+c%20/ü/文件.txt", "a/../b", "&=;:'()!*\n"])
def test_signature_version_1(oss: EmbeddedOSS, bulkmeta: Command, key: str) -> None:
    """`--sign-version v1` signs every kind of request so that the service accepts it,
    odd keys and values included."""
    oss.store.put_object("bucket", f"p/{key}", meta={"owner": "测试 x"}, acl="private")

    assert apply(bulkmeta, "--set", "x=ü #", "--sign-version", "v1").code == 0

    sent = oss.log.requests()
    assert len(sent) == 5
    for request in sent:
        assert request.headers["authorization"].startswith("OSS embedded-key-id:")
    stored = oss.store.get_object("bucket", f"p/{key}")
    assert (stored.meta, stored.acl) == ({"owner": "测试 x", "x": "ü #"}, "private")


@pytest.mark.parametrize("version", ["v4", "v1"])
def test_temporary_credentials(
    bulkmeta: Command,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    version: str,
) -> None:
    """With a session token in the environment every request carries it, signed."""
    credential = Credential("STS.id", "sts-secret", "sts-token/+=")
    with EmbeddedOSS(EmulatorOptions(credentials=(credential,))) as oss:
        oss.store.create_bucket("bucket")
        oss.store.put_object("bucket", "p/a")
        for name, value in oss.environment.items():
            monkeypatch.setenv(name, value)
        options = ("--set", "x=1", "--sign-version", version, "--run-file", "r")
        result = apply(bulkmeta, *options)
        sent = oss.log.requests()

    assert result.code == 0
    assert len(sent) == 5
    for request in sent:
        assert request.headers["x-oss-security-token"] == "sts-token/+="
    said = result.out + result.err + (tmp_path / "r").read_text()
    assert "sts-token" not in said
    assert "sts-secret" not in said


@pytest.mark.parametrize("versioning", ["Enabled", "Suspended"])
def test_versioned_bucket_is_refused(
    oss: EmbeddedOSS, bulkmeta: Command, tmp_path: Path, versioning: str
) -> None:
    """A bucket that keeps versions is refused before any object is looked at."""
    oss.store.configure_bucket("bucket", versioning=versioning)
    oss.store.put_object("bucket", "p/a")

    result = apply(bulkmeta, "--set", "x=1")

    assert result.code == 2
    assert "--allow-new-versions" in result.err
    assert oss.log.operations() == [VERSIONING]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("versioning", ["Enabled", "Suspended"])
def test_versioned_bucket_with_flag(
    oss: EmbeddedOSS, bulkmeta: Command, read_run: Command, versioning: str
) -> None:
    """With `--allow-new-versions` an update makes a version, named in its line; where
    versions are kept the former one is still there, as it was."""
    oss.store.configure_bucket("bucket", versioning="Enabled")
    former = oss.store.put_object("bucket", "p/a", meta={"old": "1"})
    oss.store.configure_bucket("bucket", versioning=versioning)

    options = ("--replace", "--set", "x=1", "--allow-new-versions", "--run-file", "r")
    assert apply(bulkmeta, *options).code == 0

    new, old = oss.store.versions("bucket", "p/a")
    assert new.meta == {"x": "1"}
    assert (old.version_id, old.meta) == (former.version_id, {"old": "1"})
    assert (new.version_id == "null") == (versioning == "Suspended")
    assert read_run("r").by_key()["p/a"]["version_id"] == new.version_id
    assert updates(oss)["p/a"].headers["x-oss-copy-source"] == "/bucket/p%2Fa"


def deny_versioning(oss: EmbeddedOSS) -> None:
    """Let nobody ask whether the bucket keeps versions."""
    oss.faults.add(
        Fault("error", VERSIONING[0], status=403, code="AccessDenied", message="no")
    )


def test_unreadable_versioning_warns(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Where versioning may not be read a run warns, and goes on while no object shows
    a version."""
    deny_versioning(oss)
    oss.store.put_object("bucket", "p/a")

    result = apply(bulkmeta, "--set", "x=1")

    assert result.code == 0
    assert "oss:GetBucketVersioning" in result.err
    assert set(updates(oss)) == {"p/a"}


@pytest.mark.parametrize("versioning", ["Enabled", "Suspended"])
def test_unreadable_versioning_stops_at_a_version(
    oss: EmbeddedOSS, bulkmeta: Command, versioning: str
) -> None:
    """Where versioning may not be read, the first object that shows a version stops
    the run before its update; the flag allows it."""
    deny_versioning(oss)
    oss.store.configure_bucket("bucket", versioning=versioning)
    for number in range(50):
        oss.store.put_object("bucket", f"p/{number}")

    stopped = apply(bulkmeta, "--set", "x=1", "--concurrency", "1")

    assert stopped.code == 4
    assert "--allow-new-versions" in stopped.err
    heads = [key for name, key in oss.log.operations() if name == HEAD]
    assert heads == ["p/0"]
    assert updates(oss) == {}

    assert apply(bulkmeta, "--set", "x=1", "--allow-new-versions").code == 0
    assert len(updates(oss)) == 50


def test_plan_on_versioned_bucket(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """`plan` adds no version: on a versioned bucket it shows changes, and warns."""
    oss.store.configure_bucket("bucket", versioning="Enabled")
    oss.store.put_object("bucket", "p/a")

    result = bulkmeta("plan", "oss://bucket/p/", "--set", "x=1")

    assert result.code == 0
    assert "+ meta x" in result.out
    assert "keeps versions" in result.err
    assert updates(oss) == {}
