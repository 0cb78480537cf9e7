"""Only what was modified since the last run is looked at."""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bulkmeta.emulator.faults import Fault
from tests.functional.keeping.conftest import (
    COPY,
    HEAD,
    ORDER,
    Command,
    asked,
    folders,
    started,
)

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS

SINCE = (*ORDER, "--since-last-run", "--acl-policy", "skip")
DAY_S = 86_400


def test_only_what_was_modified(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """All at first; then those of the last run, which it modified itself; then none,
    and then just what others wrote. Quiet nights write nothing."""
    result = bulkmeta(*SINCE)
    assert result.code == 0
    assert "since     all objects: there is no last run of this job" in result.err
    assert len(asked(oss)) == 50

    oss.clock.offset_s += DAY_S
    assert bulkmeta(*SINCE).code == 0
    assert len(asked(oss)) == 50
    oss.clock.offset_s += DAY_S
    assert bulkmeta(*SINCE).code == 0
    assert asked(oss) == []

    oss.clock.offset_s += DAY_S
    oss.store.put_object("bucket", "p/007", last_modified=oss.clock.time())
    oss.store.put_object("bucket", "p/new", last_modified=oss.clock.time())
    oss.clock.offset_s += 100
    assert bulkmeta(*SINCE).code == 0
    heads = [key for name, key in oss.log.operations() if name == HEAD]
    assert heads == ["p/007", "p/new"]
    assert asked(oss, COPY) == heads


def test_a_folder_with_the_last_run_of_another_job(
    oss: EmbeddedOSS, bulkmeta: Command
) -> None:
    """That is why all objects are looked at. Its place is taken when the run ends."""
    assert bulkmeta(*SINCE, "--state", "st").code == 0
    other = (*SINCE, "--set", "m=1", "--state", "st")
    for words in (
        "all objects: the last run kept in st was of another job\n",
        "objects",
    ):
        oss.clock.offset_s += DAY_S
        result = bulkmeta(*other)
        assert (result.code, f"since     {words}" in result.err) == (0, True)


NONE_ENDED = "since     all objects: no run of this job has come to its end yet\n"


def test_a_first_run_that_was_interrupted(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """There is none to go by, which is not to say that there was none."""
    oss.faults.add(Fault("error", COPY, key="p/001", status=403, code="AccessDenied"))
    order = (*SINCE, "--max-failures", "0", "--run-file", "first.jsonl")
    assert bulkmeta(*order).code == 3
    oss.faults.clear()
    last = "the last run of this job was interrupted; bulkmeta resume "
    again = bulkmeta(*SINCE)
    assert (again.code, NONE_ENDED in again.err, last in again.err) == (0, True, True)


def test_a_first_run_that_was_stopped_in_time(bulkmeta: Command) -> None:
    """Nor can one be gone by that cannot go on."""
    values = Path("values.csv")
    values.write_text("key,meta.v\n" + "".join(f"p/{n:03},1\n" for n in range(50)))
    order = (*SINCE, "--values", "values.csv", "--run-file")
    slowly = ("--rate", "30", "--max-duration", "1s", "--concurrency", "2")
    assert bulkmeta(*order, "first.jsonl", *slowly).code == 6
    values.write_text("key,meta.v\np/001,2\n")
    again = bulkmeta(*order, "again.jsonl", *slowly)
    assert ("stays as it is" in again.err, NONE_ENDED in again.err) == (True, True)


@pytest.mark.no_cover
@pytest.mark.parametrize("after", [1, 25, 49])
def test_the_boundary(
    oss: EmbeddedOSS, bulkmeta: Command, tmp_path: Path, after: int
) -> None:
    """What is written while a run is under way, behind its back, at its beginning, in
    its middle or at its end, is not missed by the next."""
    with started(oss, tmp_path, "--since-last-run", "--rate", "60") as process:
        while len(oss.log.operations()) < 2 * after:
            time.sleep(0.005)
        oss.store.put_object("bucket", "p/000", last_modified=oss.clock.time())
        oss.store.put_object("bucket", "p/behind", last_modified=oss.clock.time())
        process.communicate(timeout=30)
        assert process.returncode == 0
    oss.clock.offset_s += 10

    assert bulkmeta(*ORDER, "--since-last-run").code == 0

    for key in ("p/000", "p/behind"):
        assert oss.store.get_object("bucket", key).meta == {"n": "1"}


def test_the_very_second(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Times have whole seconds, and servers of the service are not quite at one."""
    assert bulkmeta(*SINCE).code == 0
    (folder,) = folders()
    state = json.loads((folder / "state.json").read_text())
    since_s = datetime.fromisoformat(state["since"]).timestamp()
    full_s = datetime.fromisoformat(state["full"]).timestamp()
    assert full_s - since_s == 60
    oss.clock.offset_s += DAY_S
    oss.store.put_object("bucket", "p/in", last_modified=since_s)
    oss.store.put_object("bucket", "p/out", last_modified=since_s - 1)
    asked(oss)
    assert bulkmeta(*SINCE).code == 0
    assert asked(oss, COPY) == ["p/in"]


def test_failed_ones_are_looked_at_again(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Whenever they were modified."""
    oss.faults.add(Fault("error", COPY, key="p/003", status=403, code="AccessDenied"))
    assert bulkmeta(*SINCE).code == 1
    for code in (1, 1, 0):
        oss.clock.offset_s += DAY_S
        if code == 0:
            oss.faults.clear()
        asked(oss)
        result = bulkmeta(*SINCE)
        assert result.code == code
        assert "and 1 that failed then" in result.err
        assert "p/003" in asked(oss)
    oss.clock.offset_s += DAY_S
    assert bulkmeta(*SINCE).code == 0
    assert asked(oss) == ["p/003"]  # which the last run modified


def test_all_of_them_now_and_then(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Tags, restored objects and old versions do not show in the time."""
    full = []
    for night in range(8):
        result = bulkmeta(*SINCE, "--full-every", "3d")
        assert result.code == 0
        assert ("it is time for that" in result.err) == (night in {3, 6})
        if len(asked(oss)) == 50 and night != 1:  # the night after modified them all
            full.append(night)
        oss.clock.offset_s += DAY_S
    assert full == [0, 3, 6]


def test_a_job_that_was_changed(
    oss: EmbeddedOSS, bulkmeta: Command, tmp_path: Path
) -> None:
    """Looks at all objects once, in the folder that it had before; so it does if its
    values have changed."""
    args = ("--state", "s")
    for _ in range(3):
        assert bulkmeta(*SINCE, *args).code == 0
        oss.clock.offset_s += DAY_S
    asked(oss)
    assert bulkmeta(*SINCE, *args, "--set", "m=1").code == 0
    assert len(asked(oss)) == 50

    (tmp_path / "v.csv").write_text("key,meta.v\np/001,1\n")
    values = (*SINCE, "--values", "v.csv")
    for _ in range(3):
        assert bulkmeta(*values).code == 0
        oss.clock.offset_s += DAY_S
    asked(oss)
    (tmp_path / "v.csv").write_text("key,meta.v\np/001,2\n")
    result = bulkmeta(*values)
    assert result.code == 0
    assert "all objects: the job is another one than in the last run" in result.err
    assert asked(oss, COPY) == ["p/001"]


def test_a_crash_is_no_last_run(
    oss: EmbeddedOSS, bulkmeta: Command, tmp_path: Path
) -> None:
    """What it had not come to is looked at by the next."""
    with started(oss, tmp_path, "--since-last-run") as process:
        process.kill()
        process.communicate()
    oss.clock.offset_s += DAY_S
    assert bulkmeta(*ORDER, "--since-last-run").code == 0
    assert all("n" in stored.meta for stored in oss.store.objects("bucket"))


def test_stopped_in_time_since_then(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """A run in two halves began when its first half did."""
    assert bulkmeta(*SINCE).code == 0
    oss.clock.offset_s += DAY_S
    oss.store.put_objects(
        "bucket",
        ({"key": f"p/{n:03}", "last_modified": oss.clock.time()} for n in range(50)),
    )
    oss.clock.offset_s += 100
    slow = (*SINCE, "--rate", "40", "--max-duration", "1s", "--concurrency", "2")
    assert bulkmeta(*slow).code == 6
    oss.store.put_object("bucket", "p/000", last_modified=oss.clock.time())
    oss.clock.offset_s += DAY_S
    assert bulkmeta(*SINCE).code == 0
    assert "n" not in oss.store.get_object("bucket", "p/000").meta
    asked(oss)
    assert bulkmeta(*SINCE).code == 0
    assert "p/000" in asked(oss, COPY)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--keys-from", "keys"), "goes with a listing, not with named objects"),
        (("--modified-before", "30d"), "would miss objects with --modified-before"),
        (("--limit", "5"), "would miss objects with --modified-before or --limit"),
        (("--full-every", "often"), "is no time span"),
    ],
)
def test_what_does_not_go_together(
    bulkmeta: Command, args: tuple[str, ...], words: str
) -> None:
    Path("keys").write_text("p/000\n")
    result = bulkmeta(*SINCE, *args)
    assert (result.code, words in result.err) == (2, True), result.err


def test_a_full_look_at_what_is_looked_at_in_full(bulkmeta: Command) -> None:
    """--full-every says nothing where each run looks at all objects."""
    whole = tuple(word for word in SINCE if word != "--since-last-run")
    result = bulkmeta(*whole, "--full-every", "3d")
    assert result.code == 2
    assert result.err.splitlines()[-1].endswith("goes with --since-last-run")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("\n", "empty"),
        ("{", "damaged"),
        ("[]", "damaged"),
        ('{"schema": 1}', "damaged"),
    ],
)
def test_a_damaged_state(bulkmeta: Command, text: str, why: str) -> None:
    """Named, with what becomes of it."""
    assert bulkmeta(*SINCE).code == 0
    (folder,) = folders()
    (folder / "state.json").write_text(text)
    result = bulkmeta(*SINCE)
    assert result.code == 2
    words = "remove it, and the next run looks at all objects"
    assert f"'{folder / 'state.json'}' is {why}; {words}\n" in result.err
