"""What is not there, be it a prefix or a name: most likely mistyped, which is said."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS
    from tests.conftest import Command

HERE, NOT_HERE = "oss://bucket/here/", "oss://bucket/nothing-here/"
SET = ("--set", "a=1")
CUT = ("--into", "2", "--out", "cut.json")
APPLY = (*SET, "--yes", "--run-file", "run.jsonl")


@pytest.fixture(autouse=True)
def _seeded(oss: EmbeddedOSS) -> None:
    oss.store.put_objects("bucket", ({"key": f"here/{n}"} for n in range(5)))


@pytest.mark.parametrize(
    ("command", "more"),
    [
        ("show", ()),
        ("show", ("--format", "csv")),
        ("plan", SET),
        ("plan", (*SET, "--include", "*.jpg")),
        ("plan", (*SET, "--rate", "9000", "--spread", "4")),
        ("apply", APPLY),
        ("shards", CUT),
    ],
)
def test_nothing(bulkmeta: Command, command: str, more: tuple[str, ...]) -> None:
    """Each command that lists names it; it is no failure. Of several, that one only."""
    done = bulkmeta(command, NOT_HERE, *more)
    words = f"no key begins with {NOT_HERE}"
    assert (done.code, words in done.err) == (0, True), done.err
    more = (*more[:-1], "again") if command in {"apply", "shards"} else more
    both = bulkmeta(command, HERE, NOT_HERE, *more)
    assert (both.code, both.err.count("no key begins with")) == (0, 1)
    assert words in both.err


@pytest.mark.parametrize(
    "more",
    [
        ("--exclude", "*"),
        ("--start-after", "here/9"),
        ("--where", "size > 100"),
        ("--keys-from", "keys.txt"),
    ],
)
def test_nothing_chosen(bulkmeta: Command, more: tuple[str, ...]) -> None:
    """Keys that are there, or were not looked for, are not said to be missing."""
    Path("keys.txt").write_text("")
    done = bulkmeta("show", HERE, *more)
    assert "no key begins" not in done.err


def test_a_pattern_as_target(bulkmeta: Command) -> None:
    """A target is no pattern; where one seems to be, that is said, of others not."""
    done = bulkmeta("plan", "oss://bucket/here/*.jpg", *SET)
    words = "(a * in a target stands for itself; --include takes patterns)"
    assert f"no key begins with oss://bucket/here/*.jpg {words}" in done.err
    assert "stands for itself" not in bulkmeta("plan", NOT_HERE, *SET).err


@pytest.mark.parametrize(
    ("command", "more"),
    [("show", ()), ("plan", SET), ("apply", APPLY)],
)
def test_no_match(bulkmeta: Command, command: str, more: tuple[str, ...]) -> None:
    """That keys are there and none is as the patterns say, is said; of --include also
    what it goes by."""
    done = bulkmeta(command, HERE, "--include", "3", *more)
    words = "no key matches; --include goes by the whole key, such as '*/3.jpg'"
    assert (done.code, words in done.err) == (0, True), done.err
    Path("run.jsonl").unlink(missing_ok=True)
    other = bulkmeta(command, HERE, "--exclude", "*", *more)
    assert "no key matches\n" in other.err


@pytest.mark.parametrize(
    "more",
    [
        ("--include", "*/3"),
        ("--include", "3", "--min-size", "9"),
        ("--where", "size > 100"),
        (),
    ],
)
def test_other_matches(bulkmeta: Command, more: tuple[str, ...]) -> None:
    """It is not said where a key matches, or something else may have left all out."""
    assert "no key matches" not in bulkmeta("plan", HERE, *more, *SET).err


UNMET = "the conditions (those of --where, --min-size, --modified-after"


@pytest.mark.parametrize(
    ("command", "more"),
    [("show", ()), ("plan", SET), ("apply", APPLY)],
)
def test_no_object_as_wanted(
    bulkmeta: Command, command: str, more: tuple[str, ...]
) -> None:
    """That keys are there and conditions leave all of them out, is said with their
    number, by each command that takes them."""
    done = bulkmeta(command, HERE, "--min-size", "5G", *more)
    words = f"warning   none of the 5 keys that were listed meets {UNMET}"
    assert (done.code, words in done.err) == (0, True), done.err


@pytest.mark.parametrize(
    "more",
    [
        ("--include", "3", "--min-size", "9"),
        ("--where", "size > 100"),
        ("--in-class", "IA"),
        ("--modified-after", "2999-01-01"),
        ("--modified-before", "2001-01-01", "--limit", "3"),
    ],
)
def test_conditions(bulkmeta: Command, more: tuple[str, ...]) -> None:
    """Whichever they are."""
    assert (
        f"5 keys that were listed meets {UNMET}"
        in bulkmeta("plan", HERE, *more, *SET).err
    )


@pytest.mark.parametrize(
    ("target", "more"),
    [
        (HERE, ("--where", "size == 0")),
        (HERE, ("--where", "has(meta.other)")),
        (HERE, ("--start-after", "here/9")),
        (HERE, ("--include", "3")),
        ("oss://bucket/here/3", ("--sample", "1%", "--min-size", "0")),
        ("oss://bucket/here/3", ("--shard", "1/2", "--min-size", "0")),
        ("oss://bucket/here/3", ("--shard", "0/2", "--where", "size < 9")),
        ("oss://bucket/here/3", ("--shard", "1/2")),
        ("oss://bucket/here/3", ("--shard", "0/2")),
        (NOT_HERE, ("--min-size", "5G")),
        (HERE, ("--keys-from", "none.txt", "--include", "a")),
    ],
)
def test_conditions_that_are_met_or_do_not_matter(
    bulkmeta: Command, target: str, more: tuple[str, ...]
) -> None:
    """It is not said where an object was looked at, nothing is there, other words say
    it, or the run is about a part that just may have none."""
    Path("none.txt").write_text("")
    assert UNMET not in bulkmeta("plan", target, *more, *SET).err


def test_no_key_of_a_file_as_wanted(bulkmeta: Command) -> None:
    """The same of those that a file names."""
    Path("keys.txt").write_text("here/1\n")
    order = ("plan", HERE, *SET, "--include", "*.jpg", "--keys-from", "keys.txt")
    assert f"only key that was named does not meet {UNMET}" in bulkmeta(*order).err


def test_reruns_have_their_own_words(bulkmeta: Command) -> None:
    """What takes its objects from a run file says so itself."""
    assert bulkmeta("apply", HERE, *APPLY).code == 0
    undo = bulkmeta("undo", "run.jsonl", "--min-size", "5G", "--yes")
    assert UNMET not in undo.err


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_a_mistyped_name(bulkmeta: Command, command: str) -> None:
    """Is told where no object has it."""
    more = ("--yes", "--run-file", "run.jsonl") if command == "apply" else ()
    done = bulkmeta(command, HERE, "--rename", "ownr=team", *more)
    words = "warning   no object has user metadata 'ownr' (mistyped, or done before)"
    assert (done.code, "5 unchanged" in done.out, words in done.err) == (0, True, True)
