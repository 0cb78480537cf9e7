"""No more requests for an object than it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bulkmeta.emulator.faults import Fault
from tests.functional.requests.conftest import (
    ACL,
    COPY,
    HEAD,
    LIST,
    LISTED,
    SSE,
    VERSIONING,
    Command,
    about,
    apply,
    updates,
)

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS


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
