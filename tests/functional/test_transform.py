"""`--transform`: a function of the user's makes each object's change."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bulkmeta.emulator.faults import Fault

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS
    from bulkmeta.emulator.stored import StoredObject

Command = Callable[..., Any]
OLD_S = 1_790_000_000.0
ORDER = ("apply", "oss://bucket/p/", "--yes", "--rate", "max", "--acl-policy", "skip")


@pytest.fixture
def module(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[[str], None]]:
    """Writes `mine.py` into the current folder; it is imported anew for each test."""

    def write(body: str) -> None:
        sys.modules.pop("mine", None)
        text = "from bulkmeta import Change, ObjectView\n" + textwrap.dedent(body)
        (tmp_path / "mine.py").write_text(text)

    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield write
    sys.modules.pop("mine", None)


def put(oss: EmbeddedOSS, key: str = "p/a.jpg", **given: Any) -> None:
    oss.store.put_object("bucket", key, last_modified=OLD_S, **given)


def stored(oss: EmbeddedOSS, key: str = "p/a.jpg") -> StoredObject:
    found = oss.store.find("bucket", key)
    assert found is not None
    return found


def lines(name: str = "run.jsonl") -> dict[str, dict[str, Any]]:
    found = map(json.loads, Path(name).read_text().splitlines())
    return {line["key"]: line for line in found if line["type"] == "object"}


def about(oss: EmbeddedOSS) -> list[str]:
    return [name for name, key in oss.log.operations() if key]


def apply(bulkmeta: Command, *args: str, name: str = "mine:change") -> Any:
    return bulkmeta(*ORDER, "--run-file", "run.jsonl", "--transform", name, *args)


def test_a_change_for_each(oss: EmbeddedOSS, bulkmeta: Command, module: Any) -> None:
    """All that a view has, a change that leaves an object alone, and literal values."""
    like: dict[str, Any] = {
        "meta": {"owner": "Ada"},
        "headers": {"cache-control": "no-cache"},
        "body": b"x",
    }
    put(oss, **like)
    put(oss, "p/b.txt")
    put(oss, "p/c.jpg", content_type="image/jpeg; q=1", **like)
    module("""
        def change(found: ObjectView) -> Change | None:
            if not found.key.endswith(".jpg"):
                return None
            assert found.headers["cache-control"] == "no-cache"
            assert (found.size_bytes, found.object_type) == (1, "Normal")
            year = found.last_modified.year
            return Change(
                set_meta={"Label": f"{{{found.meta['owner']}}} {year}"},
                unset_meta=("owner",),
                content_type_auto=True,
            )
        """)
    assert apply(bulkmeta).code == 0
    found = stored(oss)
    assert found.meta == {"label": "{Ada} 2026"}
    assert (found.content_type, found.headers) == (
        "image/jpeg",
        {"cache-control": "no-cache"},
    )
    assert {key: line["status"] for key, line in lines().items()} == {
        "p/a.jpg": "updated",
        "p/b.txt": "unchanged",
        "p/c.jpg": "updated",
    }
    assert oss.store.get_object("bucket", "p/c.jpg").content_type == "image/jpeg; q=1"
    assert "GetObjectTagging" not in about(oss)


def test_tags_on_demand(oss: EmbeddedOSS, bulkmeta: Command, module: Any) -> None:
    """They are read when the function asks for them, or its change needs them."""
    put(oss, tags={"env": "prod"})
    put(oss, "p/b.jpg", tags={"x": "1"})
    put(oss, "p/c.jpg", acl="private")
    module("""
        def change(found: ObjectView) -> Change | None:
            if found.key == "p/a.jpg":
                return Change(set_meta={"env": found.tags.get("env", "")})
            if found.key == "p/b.jpg":
                return Change(set_tags={"y": "2"})
            try:
                return Change(acl="default") if found.acl == "private" else None
            except Exception:
                return None
        """)
    assert apply(bulkmeta).code == 0
    assert stored(oss).meta == {"env": "prod"}
    assert stored(oss, "p/b.jpg").tags == {"x": "1", "y": "2"}
    assert stored(oss, "p/c.jpg").acl == "default"
    assert about(oss).count("GetObjectTagging") == 3
    assert about(oss).count("CopyObject") == 1
    oss.clock.offset_s += 5
    assert bulkmeta("undo", "run.jsonl", "--yes", "--run-file", "u.jsonl").code == 0
    assert (stored(oss).meta, stored(oss, "p/b.jpg").tags) == ({}, {"x": "1"})


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "error"])
@pytest.mark.parametrize("operation", ["PutObjectTagging", "PutObjectAcl"])
def test_lost_answers(
    oss: EmbeddedOSS, bulkmeta: Command, module: Any, kind: str, operation: str
) -> None:
    """What was sent is looked at, though the function never asks for it."""
    put(oss, tags={"x": "1"}, storage_class="Archive")
    oss.faults.add(Fault(kind, operation=operation, times=1, status=500))
    module("""
        def change(found: ObjectView) -> Change | None:
            return Change(set_tags={"y": "2"}, acl="private")
        """)
    assert apply(bulkmeta).code == 0
    found, line = stored(oss), lines()["p/a.jpg"]
    assert (found.tags, found.acl) == ({"x": "1", "y": "2"}, "private")
    assert (line["status"], line["before"]["tags"]) == ("updated", {"x": "1"})
    assert bulkmeta("undo", "run.jsonl", "--yes", "--run-file", "u.jsonl").code == 0
    assert (stored(oss).tags, stored(oss).acl) == ({"x": "1"}, "default")


def test_what_needs_a_rewrite(oss: EmbeddedOSS, bulkmeta: Command, module: Any) -> None:
    """Refused for the objects that cannot be copied, and only for those."""
    put(oss, storage_class="IA")
    put(oss, "p/b", storage_class="IA")
    module("""
        def change(found: ObjectView) -> Change | None:
            if found.key == "p/b":
                return Change(set_tags={"y": "2"})
            return Change(set_meta={"y": "2"})
        """)
    assert apply(bulkmeta).code == 0
    assert {k: (v["status"], v["reason"]) for k, v in lines().items()} == {
        "p/a.jpg": ("skipped", "early_rewrite"),
        "p/b": ("updated", None),
    }


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return 1 / 0", "ZeroDivisionError"),
        ("return found.nothing", "AttributeError"),
        ("raise SystemExit(3)", "SystemExit"),
        ("raise type('Own', (BaseException,), {})('x')", "Own: x"),
        ("return {'set_meta': {}}", "is no bulkmeta.Change"),
        ("return Change(set_meta={'a': 1})", "Expected `str`, got `int`"),
        ("return Change(set_meta={'a_b': '1'})", "only letters, digits"),
        ("return Change(set_meta={'a': '1\\n2'})", "control characters"),
        ("return Change(acl='secret')", "none of default"),
        ("return Change(storage_class='ia')", "none of Standard"),
        ("return Change(set_tags={'(': ''})", "a tag's key takes letters"),
        ("found.meta['a'] = '1'", "does not support item assignment"),
        ("found.key = 'other'", "FrozenInstanceError"),
    ],
)
def test_its_errors_are_the_objects(
    oss: EmbeddedOSS, bulkmeta: Command, module: Any, body: str, words: str
) -> None:
    """The object fails with the traceback in its line; the others go on."""
    put(oss)
    put(oss, "p/b")
    module(f"""
        def change(found: ObjectView) -> Change | None:
            if found.key == "p/b":
                return Change(set_meta={{"ok": "1"}})
            {body}
        """)
    assert apply(bulkmeta).code == 1
    failed, good = lines()["p/a.jpg"], lines()["p/b"]
    assert (failed["reason"], good["status"]) == ("transform_failed", "updated")
    assert words in failed["error"]["message"]
    assert stored(oss).meta == {}
    assert "CopyObject" not in [n for n, k in oss.log.operations() if k == "p/a.jpg"]


SIGNED = "https://me:p4ssword@h/k?OSSAccessKeyId=LTAIx&Signature=s3cret&k=1"


def test_its_errors_keep_secrets(
    oss: EmbeddedOSS, bulkmeta: Command, module: Any
) -> None:
    """Neither the run file nor the screen has what a URL in them could be used with,
    wherever a long one is cut."""
    put(oss)
    for text in (f"{SIGNED!r} + '&x' * 1992", repr(SIGNED)):
        module(f"""
            def change(found: ObjectView) -> Change | None:
                raise ValueError({text})
            """)
        order = ("--canary", "1", "--progress", "plain")
        result = apply(bulkmeta, *order)
        told = result.err + result.out + Path("run.jsonl").read_text()
        assert result.code == 3
        assert [word for word in ("p4ssword", "LTAIx", "s3cret") if word in told] == []
        for path in Path().glob("run.jsonl*"):
            path.unlink()
    assert "https://…@h/k?OSSAccessKeyId=…&Signature=…&k=1" in told


def test_mended_and_retried(oss: EmbeddedOSS, bulkmeta: Command, module: Any) -> None:
    """A retry takes the function as it is now; a resume would not."""
    put(oss)
    module("""
        def change(found: ObjectView) -> Change | None:
            raise KeyError(found.key)
        """)
    assert apply(bulkmeta).code == 1
    module("""
        def change(found: ObjectView) -> Change | None:
            return Change(set_meta={"a": "1"})
        """)
    run = Path("run.jsonl")
    header = run.read_text().splitlines(keepends=True)[0]
    Path("cut.jsonl").write_text(header)
    start = json.loads(header)
    Path("cut.jsonl.journal").write_text(
        json.dumps(
            {
                "type": "journal",
                "schema": 1,
                "job_hash": start["job_hash"],
                "run_started": start["started"],
            }
        )
        + "\n"
    )
    resumed = bulkmeta("resume", "cut.jsonl")
    assert (resumed.code, "not as it was" in resumed.err) == (2, True)
    assert bulkmeta("retry", "run.jsonl", "--yes", "--run-file", "r.jsonl").code == 0
    assert stored(oss).meta == {"a": "1"}


def test_plan(oss: EmbeddedOSS, bulkmeta: Command, module: Any) -> None:
    """Shown, kept, and carried out without the function."""
    put(oss)
    module("""
        def change(found: ObjectView) -> Change | None:
            return Change(set_meta={"a": "{key}"}, set_tags={"t": "1"})
        """)
    order = ("--transform", "mine:change", "--out", "plan.jsonl")
    shown = bulkmeta("plan", "oss://bucket/p/", *order)
    assert (shown.code, '+ meta a = "{key}"' in shown.out) == (0, True)
    assert "as mine:change makes it" in shown.err
    Path("mine.py").unlink()
    assert bulkmeta("apply", "plan.jsonl", "--yes").code == 0
    assert (stored(oss).meta, stored(oss).tags) == ({"a": "{key}"}, {"t": "1"})


@pytest.mark.parametrize(
    ("name", "more", "words"),
    [
        ("mine", (), "'mine': write it as module:function\n"),
        ("mine.py", (), "write it as module:function, such as 'mine:change'\n"),
        ("mine.py:change", (), "name a module, not a file: 'mine:change'\n"),
        ("./a/b.py:c.d", (), "name a module, not a file: 'a.b:c.d'\n"),
        ("a/b:c", (), "name a module, not a file: 'a.b:c'\n"),
        ("/x/y.py:c", (), "name a module, not a file: 'y:c', in '/x'\n"),
        ("nowhere:change", (), "cannot import 'nowhere'"),
        ("mine:nothing", (), "has no attribute 'nothing'"),
        ("mine:__name__", (), "is no function"),
        ("mine:waits", (), "neither async nor a generator"),
        ("mine:yields", (), "neither async nor a generator"),
        ("mine:pair", (), "it has to take one argument"),
        ("mine:Empty", (), "it has to take one argument"),
        ("broken:change", (), "cannot import 'broken': ZeroDivisionError"),
        ("leaky:change", (), "cannot import 'leaky': KeyError('?Signature=…')"),
        ("mine:change", ("--set", "a=1"), "makes the whole change"),
        ("mine:change", ("--values", "v.csv"), "makes the whole change"),
    ],
)
def test_bad_names(
    oss: EmbeddedOSS,
    bulkmeta: Command,
    module: Any,
    name: str,
    more: tuple[str, ...],
    words: str,
) -> None:
    """Told before anything is sent."""
    put(oss)
    module("""
        def change(found): return None
        async def waits(found): return None
        def yields(found): yield None
        def pair(found, other): return None
        class Empty: pass
        """)
    Path("broken.py").write_text("1 / 0")
    Path("leaky.py").write_text("raise KeyError('?Signature=s3cret')")
    result = apply(bulkmeta, *more, name=name)
    assert (result.code, words in result.err) == (2, True), result.err
    assert oss.log.operations() == []


def test_undo_minds_versions(oss: EmbeddedOSS, bulkmeta: Command, module: Any) -> None:
    """What it will do is not known beforehand, so it is refused beforehand."""
    put(oss)
    module("""
        def change(found: ObjectView) -> Change | None:
            return Change(set_meta={"a": "1"})
        """)
    assert apply(bulkmeta).code == 0
    oss.store.configure_bucket("bucket", versioning="Enabled")
    oss.clock.offset_s += 5
    order = ("undo", "run.jsonl", "--yes", "--run-file", "u.jsonl")
    refused = bulkmeta(*order)
    assert (refused.code, "keeps versions" in refused.err) == (2, True)
    assert bulkmeta(*order, "--allow-new-versions").code == 0
    assert stored(oss).meta == {}


def test_plan_says_what_apply_will_skip(
    oss: EmbeddedOSS, bulkmeta: Command, module: Any
) -> None:
    """That a change needs a rewrite shows when it is made; in a plan as well."""
    put(oss, "p/cold", storage_class="IA")
    put(oss, "p/archived", storage_class="Archive")
    put(oss, "p/warm")
    module("""
        def change(found: ObjectView) -> Change | None:
            return Change(set_meta={"a": "1"})
        """)
    order = ("--transform", "mine:change", "--out", "plan.jsonl")
    assert bulkmeta("plan", "oss://bucket/p/", *order).code == 0
    assert apply(bulkmeta).code == 0
    for name, done in (("plan.jsonl", "planned"), ("run.jsonl", "updated")):
        assert {k: v["reason"] or v["status"] for k, v in lines(name).items()} == {
            "p/archived": "archived",
            "p/cold": "early_rewrite",
            "p/warm": done,
        }
