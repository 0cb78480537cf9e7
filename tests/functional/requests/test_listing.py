"""How objects are found, and how requests are signed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bulkmeta.emulator.options import Credential, EmulatorOptions
from bulkmeta.emulator.server import EmbeddedOSS
from tests.functional.requests.conftest import LIST, Command, apply, updates

if TYPE_CHECKING:
    from pathlib import Path


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
