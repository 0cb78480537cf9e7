"""Whether objects are still as a run left them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from bulkmeta.emulator.faults import Fault
from tests.functional.reruns.conftest import (
    HEAD,
    Command,
    seed,
    sent,
    spec_of,
    write_as_other,
)

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS


def test_verify(oss: EmbeddedOSS, apply: Command, bulkmeta: Command) -> None:
    """Nothing to say right after a run; drift is reported with exit 1."""
    seed(oss, 5)
    assert apply().code == 0
    assert bulkmeta("verify", "run.jsonl").code == 0
    write_as_other(oss, 2)
    oss.log.clear()

    result = bulkmeta("verify", "run.jsonl")

    assert result.code == 1, result.err
    assert "drift" in result.out
    assert "p/0002" in result.out
    assert "p/0001" not in result.out
    assert sent(oss) == []


def test_verify_after_an_undo(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command
) -> None:
    """What is as before the run is counted apart from what somebody else wrote; where
    there is none, nothing is said of it."""
    seed(oss, 5)
    assert apply().code == 0
    undone = bulkmeta("undo", "run.jsonl", "--yes", "--include", "p/000[0-2]")
    assert undone.code == 0, undone.err
    oss.store.put_objects("bucket", [spec_of("p/0003") | {"body": b"other"}])
    write_as_other(oss, 4)

    result = bulkmeta("verify", "run.jsonl")

    assert result.code == 1, result.err
    counted = "failed: drift                5  (written since by others, or undone)\n"
    before = "  3 objects are as they were before the run, as after an undo\n"
    assert result.out.endswith(f"{counted}{before}"), result.out
    assert "before the run" not in bulkmeta("verify", "run.jsonl", "--json").out
    for number in range(2):
        write_as_other(oss, number)
    one = "  1 object is as it was before the run, as after an undo\n"
    assert bulkmeta("verify", "run.jsonl").out.endswith(one)
    write_as_other(oss, 2)
    assert "before the run" not in bulkmeta("verify", "run.jsonl").out


@pytest.mark.parametrize(("sample", "least", "most"), [("7", 7, 7), ("50%", 10, 90)])
def test_verify_a_sample(
    oss: EmbeddedOSS,
    apply: Command,
    bulkmeta: Command,
    sample: str,
    least: int,
    most: int,
) -> None:
    """So many objects are read, or about such a part of them."""
    seed(oss, 100)
    assert apply().code == 0
    oss.log.clear()

    result = bulkmeta("verify", "run.jsonl", "--sample", sample)

    assert result.code == 0, result.err
    heads = [k for operation, k in oss.log.operations() if operation == HEAD]
    assert least <= len(set(heads)) == len(heads) <= most


def test_verify_tells_of_lists_and_of_what_is_gone(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command
) -> None:
    """An access control list is part of what was recorded."""
    seed(oss, 3)
    assert apply().code == 0
    found = oss.store.get_object("bucket", "p/0001")
    oss.store.save(replace(found, acl="public-read"), oss.store.body(found))
    oss.store.delete_object("bucket", "p/0002")

    result = bulkmeta("verify", "run.jsonl")

    assert result.code == 1, result.err
    assert "failed: drift" in result.out
    assert "failed: gone" in result.out


def test_verify_of_an_interrupted_run_says_so(cut: Any, bulkmeta: Command) -> None:
    """What it did is looked at, and how it is finished is told."""
    cut(3)
    result = bulkmeta("verify", "run.jsonl")
    assert result.code == 0
    words = "looked at is what it did (bulkmeta resume run.jsonl finishes it)"
    assert words in result.err


def test_verify_of_what_is_all_gone(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command
) -> None:
    """However many: each is told, and it is no cause outside of them."""
    seed(oss, 150)
    assert apply().code == 0
    for stored in list(oss.store.objects("bucket")):
        oss.store.delete_object("bucket", stored.key)
    result = bulkmeta("verify", "run.jsonl")
    assert (result.code, "150 failed" in result.out) == (1, True)


def test_verify_shows_what_differs(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command
) -> None:
    """Each difference on a line of its own, as in a plan, and no words besides; but of
    other content, which no difference shows."""
    seed(oss, 4)
    assert apply("--concurrency", "1").code == 0
    found = oss.store.get_object("bucket", "p/0001")
    meta = {**found.meta, "x": 'b"', "new": "1"}
    oss.store.save(replace(found, meta=meta), oss.store.body(found))
    oss.store.put_object("bucket", "p/0002", body=b"other", meta=found.meta)
    oss.store.put_object("bucket", "p/0003", body=b"other", meta=meta)

    lines = bulkmeta("verify", "run.jsonl").out.splitlines()

    at = lines.index("p/0001")
    assert lines[at + 1 : at + 3] == [
        '  + meta new = "1"',
        '  ~ meta x: "1" -> "b\\""',
    ]
    assert lines[at + 3] == "p/0002"
    assert lines[at + 4] == "  ! drift: the content is another one now"
    assert lines[at + 5 : at + 7] == ["p/0003", lines[at + 4]]
    assert lines[at + 7 : at + 9] == lines[at + 1 : at + 3]


def test_verify_shows_the_first(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command
) -> None:
    """As a plan does: twenty, in the run file's order, and how many more there are;
    with --full, all."""
    seed(oss, 30)
    assert apply("--concurrency", "1").code == 0
    for number in range(25):
        write_as_other(oss, number)

    result = bulkmeta("verify", "run.jsonl")

    keys = [line for line in result.out.splitlines() if line.startswith("p/")]
    assert keys == [f"p/{number:04}" for number in range(20)]
    assert "… and 5 more objects; --full shows each" in result.out.splitlines()
    whole = bulkmeta("verify", "run.jsonl", "--full").out
    assert len([line for line in whole.splitlines() if line.startswith("p/")]) == 25
    assert "more" not in whole


def test_what_was_found_before_an_error_is_shown(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command
) -> None:
    """Also if it waited for the object in front of it, which never came."""
    seed(oss, 5)
    assert apply().code == 0
    write_as_other(oss, 2)
    late = Fault("latency", HEAD, key="p/0000", seconds=0.5)
    oss.faults.add(late)
    oss.faults.add(
        Fault("error", HEAD, "p/0000", status=403, code="InvalidAccessKeyId")
    )

    result = bulkmeta("verify", "run.jsonl")

    assert result.code == 4, result.err
    assert "p/0002" in result.out
