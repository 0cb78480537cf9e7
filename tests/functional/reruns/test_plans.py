"""A plan is carried out as it was made, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.functional.reruns.conftest import (
    CHANGE,
    LONG_AGO_S,
    OLD,
    OURS,
    RUN,
    THEIRS,
    Command,
    assert_refused,
    carried,
    lines_of,
    meta,
    seed,
    write_as_other,
    write_lines,
)

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS


@pytest.mark.parametrize("replan", [False, True])
def test_a_plan_is_carried_out(
    oss: EmbeddedOSS, plan: Path, bulkmeta: Command, read_run: Any, replan: bool
) -> None:
    """Just what was planned: objects that came later are not touched, and those that
    changed since are skipped, or merged anew with `--replan`."""
    oss.store.put_object("bucket", "p/later", meta=OLD)
    write_as_other(oss, 1)
    extra = ["--replan"] if replan else []

    result = bulkmeta("apply", str(plan), "--yes", "--run-file", "run.jsonl", *extra)

    assert result.code == 0, result.err
    line = read_run(RUN).by_key()["p/0001"]
    if replan:
        assert line["status"] == "updated"
        assert meta(oss, 1) == {**THEIRS, "x": "1"}
    else:
        assert (line["status"], line["reason"]) == ("skipped", "changed_since_plan")
        assert meta(oss, 1) == THEIRS
    assert meta(oss, 0) == meta(oss, 2) == OURS
    assert oss.store.get_object("bucket", "p/later").meta == OLD
    assert "ListObjectsV2" not in {logged.operation for logged in oss.log.requests()}


def test_a_plan_of_which_nothing_is_left(
    oss: EmbeddedOSS, plan: Path, bulkmeta: Command
) -> None:
    """That nothing was done is said; a plan of which something was done needs no such
    word."""
    count = len(lines_of(plan)) - 2
    for number in range(1, count):
        write_as_other(oss, number)
    order = ("apply", str(plan), "--yes")
    words = "nothing was changed"
    first = bulkmeta(*order)
    assert (first.code, words in first.err) == (0, False)
    write_as_other(oss, 0)
    second = bulkmeta(*order)
    assert second.code == 0, second.err
    words += f": {count} objects were written since the plan was made; plan again, or "
    assert f"warning   {words}apply it with --replan\n" in second.err


def test_an_incomplete_plan(oss: EmbeddedOSS, plan: Path, bulkmeta: Command) -> None:
    """Half a plan is not what was looked at."""
    write_lines(plan, lines_of(plan)[:-1])

    assert_refused(bulkmeta("apply", str(plan), "--yes"), 2, "not complete")
    assert oss.log.requests() == []


def test_a_plan_with_further_changes(plan: Path, bulkmeta: Command) -> None:
    """A plan says all; what else is given contradicts it."""
    result = bulkmeta("apply", str(plan), "--set", "y=2", "--yes")

    assert_refused(result, 2, "plan file")


def test_detailed_exit_codes(
    oss: EmbeddedOSS, apply: Command, bulkmeta: Command
) -> None:
    """10 with something to change, 0 with nothing."""
    seed(oss, 2)
    plan = ("plan", "oss://bucket/p/", "--set", "x=1", "--detailed-exitcode")

    assert bulkmeta(*plan).code == 10
    assert apply().code == 0
    assert bulkmeta(*plan).code == 0


@pytest.mark.parametrize("command", ["undo", "retry", "verify"])
def test_nothing_was_done_in_a_plan(
    plan: Path, bulkmeta: Command, command: str
) -> None:
    """So there is nothing to take back, to try again or to look at."""
    options = [] if command == "verify" else ["--yes"]
    assert_refused(bulkmeta(command, str(plan), *options), 2, "is a plan")


def test_a_key_that_ends_like_a_plan(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """An address is an address."""
    oss.store.put_object("bucket", "p/events.jsonl", last_modified=LONG_AGO_S)
    target = "oss://bucket/p/events.jsonl"
    assert bulkmeta("apply", target, "--set", "x=1", "--yes").code == 0
    assert oss.store.get_object("bucket", "p/events.jsonl").meta == {"x": "1"}


@pytest.mark.parametrize(
    "edit",
    [
        {"headers": {"x-oss-copy-source": "/bucket/p%2F0002"}},
        {"headers": {"x-oss-object-acl": "public-read"}},
        {"headers": {"a\r\nb": "1"}},
        {"meta": {"a b\r\nc": "1"}},
        {"meta": {"Upper": "1"}},
        {"meta": {"a": "x" * 9000}},
        {"sse": {"x-oss-object-acl": "public-read"}},
        {"storage_class": "Cheap"},
        {"acl": "everybody"},
        {"tags": {"a\r\nb": "1"}},
    ],
)
def test_an_edited_plan_does_no_harm(
    oss: EmbeddedOSS, plan: Path, bulkmeta: Command, read_run: Any, edit: dict[str, Any]
) -> None:
    """What no plan can hold is not sent, and the object's line says so."""
    header, first, *others = lines_of(plan)
    first["after"] = {**first["after"], **edit}
    write_lines(plan, [header, first, *others])
    before = carried(oss)[first["key"]]

    result = bulkmeta("apply", str(plan), "--yes", "--run-file", "run.jsonl")

    assert result.code == 1, result.err
    line = read_run(RUN).by_key()[first["key"]]
    assert (line["status"], line["reason"]) == ("failed", "unrecorded")
    assert carried(oss)[first["key"]] == before


def test_a_plan_beside_a_target(plan: Path, bulkmeta: Command) -> None:
    """Is no job file by another name."""
    result = bulkmeta("apply", str(plan), "oss://bucket/p/", "--yes")
    assert_refused(result, 2, "a plan file names its objects; give it alone")


def test_replan_needs_a_plan(bulkmeta: Command) -> None:
    """An option that would do nothing is refused."""
    result = bulkmeta("apply", *CHANGE, "--replan")
    assert_refused(result, 2, "--replan goes with a plan file")


def test_a_plan_by_any_name(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """`plan --out` takes any, and so does `apply`."""
    seed(oss, 1)
    plan = ("plan", "oss://bucket/p/", "--set", "x=1", "--out", "plan.txt")
    assert bulkmeta(*plan).code == 0
    assert bulkmeta("apply", "plan.txt", "--yes").code == 0
    assert meta(oss, 0) == OURS
