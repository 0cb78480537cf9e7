"""Promises 1, 3 and 5 to 8 in random histories of runs, crashes and other writers.

A state machine drives the real command line, in this process, against the embedded OSS:
`apply`, `resume`, `retry` and `undo`, with troubles of the service, other writers in
between and in the middle, and ends before their time. Such an end (`Cut`) comes at a
certain write, sync or request: the process is killed, which leaves all that it wrote;
or the power goes, which leaves what was synced and any part of what was written behind
it; or Ctrl-C is pressed.

What is expected is said here once more, from the design, and shares nothing with the
code under test. Each update is held against the state that it met at the service and
the synced part of the journal at that moment; each line and intent in the files against
the updates that there were.

A small form runs always, in about 20 s. In the full one every 6 crashes asked for stand
for a part, each with other histories:

    pytest tests/functional/promises --crashes 600 -n auto
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.functional.promises.histories import (
    INTERRUPTED,
    JOBS,
    LIVES,
    OUTSIDE,
    Commands,
    Job,
    Json,
    Setting,
    recorded,
    shown,
    told,
)
from tests.functional.promises.witness import Commit, Run
from tests.functional.promises.world import World

if TYPE_CHECKING:
    from bulkmeta.emulator.stored import StoredObject


HISTORIES, STEPS, CRASHES_A_PART = 100, 12, 6


class Promises(World):
    """Any order of commands, crashes and other writers."""

    @rule(job=JOBS, lives=LIVES, suffix=st.sampled_from(["", ".gz"]))
    def apply(self, job: Job, lives: list[Setting], suffix: str) -> None:
        """The main job, on all of `p/`."""
        run = Run(self._path(suffix), "apply", job, set(self._keys()))
        run.may |= run.must
        self._live(run, lives, "apply", "oss://bucket/p/", *job.args(),
            "--allow-early-rewrite", "--yes", "--run-file", str(run.path),
        )  # fmt: skip

    @precondition(lambda self: self.begun)
    @rule(back=st.integers(0, 3), lives=LIVES)
    def resume(self, back: int, lives: list[Setting]) -> None:
        """An interrupted run goes on; what is complete, or never began, does not."""
        open_runs = [run for run in self.begun if self._can_go_on(run)]
        if open_runs:
            self._go_on(_nth_last(open_runs, back), lives)
            return
        run = _nth_last(self.begun, back)
        if run.is_complete() or not run.is_begun():
            self._refused("resume", str(run.path))

    @precondition(lambda self: self.begun)
    @rule(back=st.integers(0, 3), lives=LIVES)
    def retry(self, back: int, lives: list[Setting]) -> None:
        """What failed is tried again."""
        self._rerun(_nth_last(self.begun, back), "retry", lives)

    @precondition(lambda self: self.begun)
    @rule(back=st.integers(0, 3), lives=LIVES)
    def undo(self, back: int, lives: list[Setting]) -> None:
        """What was changed is put back."""
        self._rerun(_nth_last(self.begun, back), "undo", lives)

    def _rerun(self, parent: Run, command: Commands, lives: list[Setting]) -> None:
        path = self._path("")
        words = command, str(parent.path), "--yes", "--run-file", str(path)
        if not parent.is_begun():
            self._refused(*words)
            return
        if (command, parent.command) == ("retry", "undo"):
            self._does_nothing(*words)
            return
        run = Run(path, command, parent.job, set(), parent)
        parent.is_parent = True
        run.must = self._take_over(run)
        self._live(run, lives, *words)

    def _live(self, run: Run, lives: list[Setting], *words: str) -> None:
        """Begin a run, and take it up again as long as it has lives and needs them."""
        self.begun.append(run)
        self._carry_out(run, lives[0], *words)
        self._go_on(run, lives[1:])

    def _go_on(self, run: Run, lives: list[Setting]) -> None:
        for setting in lives:
            if self._can_go_on(run):
                if run.parent:
                    run.must &= self._take_over(run)
                self._carry_out(run, setting, "resume", str(run.path))

    def _can_go_on(self, run: Run) -> bool:
        """Whether to resume it: not if another run takes its objects from it."""
        return run.is_begun() and not run.is_complete() and not run.is_parent

    def _take_over(self, run: Run) -> set[str]:
        """What the parent owes, as its files say it now; the keys that must be tried
        (those of objects that were gone already need not)."""
        assert run.parent
        run.owed = run.parent.owes(run.command)
        run.may |= run.owed.keys()
        return {key for key, line in run.owed.items() if line["status"] != "skipped"}

    def _path(self, suffix: str) -> Path:
        return self.folder / f"{next(self.serials)}.jsonl{suffix}"

    # One command

    def _carry_out(self, run: Run, setting: Setting, *words: str) -> None:
        """Run a command as far as it comes; hold the promises against what it did."""
        self.passed = False
        self._set_up(run, setting)
        code, err = self._invoke(*words, "--rate", "max", "--progress", "none",
            "--concurrency", str(setting.workers),
        )  # fmt: skip
        self._quiet()
        self.oss.faults.clear()
        if self.disk.dead:
            self.disk.bury()
        for commit in self.witness.commits:
            self._assert_kept(run, commit)
            run.commits.setdefault(commit.key, []).append(commit)
        self._assert_told(run, None if self.disk.dead else code, err)
        self.passed = True

    # Promises 1, 3, 5 and 7, by what the service saw

    def _assert_kept(self, run: Run, commit: Commit) -> None:
        """The update did what it was to do to the state that it met, and no more; that
        state was on stable storage."""
        before, after = commit.before, commit.after
        moved = {"last_modified", "number", "meta", "headers", "content_type"}
        same = {name: getattr(after, name) for name in moved}
        assert replace(before, **same) == after, "something else was lost"
        assert commit.same_body
        assert recorded(after) == self._wanted(run, commit), "not what was wanted"
        assert recorded(after) != recorded(before), "a pointless update"
        assert any(
            told(intent["before"]) == recorded(before) for intent in commit.intents
        ), "the former state was not on stable storage"

    def _wanted(self, run: Run, commit: Commit) -> Json | None:
        state = recorded(commit.before)
        if run.parent:
            assert commit.key in run.owed, "not the run's business"
        if run.command != "undo":
            return run.job.applied(state)
        line = run.owed[commit.key]
        self._assert_left_as_was(run, line, commit.before)
        former = told(line["before"])
        return {**state, "meta": former["meta"], "headers": former["headers"]}

    def _assert_left_as_was(self, run: Run, line: Json, met: StoredObject) -> None:
        """An undo met the object just as the parent's run had left it."""
        assert shown(recorded(met)) == shown(told(line["after"]))
        assert met.etag == line["etag"]
        if line["status"] != "updated" or not line["last_modified"]:
            return
        assert formatdate(met.last_modified, usegmt=True) == line["last_modified"]
        assert run.parent
        own = run.parent.commits.get(met.key)
        if own and not line["confirmed"]:
            assert met.number == own[-1].after.number, "somebody wrote in between"

    # Promises 5, 6 and 8, by what the files say

    def _assert_told(self, run: Run, code: int | None, err: str) -> None:
        """The files tell what happened; `code` is None after a crash."""
        assert self.witness.unrecorded == [], "sent before it was recorded"
        if run.parent:
            asked = {key for _, key in self.oss.log.operations() if key}
            assert asked <= run.may
        if not run.is_begun():
            assert code is None, err
            assert not run.commits, "updates were sent, and no run file tells of them"
            return
        if code == INTERRUPTED:
            assert "interrupted" in run.excuses, err
        elif code is not None:
            assert code in {0, 1}, err
            assert run.is_complete()
            assert not run.journal.exists()
        if run.is_complete():
            self._assert_complete(run, code)

    def _assert_complete(self, run: Run, code: int | None) -> None:
        """Each key has its one outcome, and the numbers are right."""
        outcomes = run.outcomes()
        assert run.must <= outcomes.keys() <= run.may
        found = Counter(line["status"] for line in outcomes.values())
        counts = run.lines()[-1]["counts"]
        assert {status: n for status, n in counts.items() if n} == found
        assert code in {None, 1 if found["failed"] else 0}
        if run.command == "undo":
            self._assert_undone(run, outcomes)

    def _assert_undone(self, run: Run, outcomes: dict[str, Json]) -> None:
        """What nobody touched was put back, unless the service refused it."""
        assert run.parent
        for key in run.owed.keys() - self.deleted:
            own = run.parent.commits.get(key)
            now = self.oss.store.get_object("bucket", key)
            if own and now.number == own[-1].after.number:
                assert outcomes[key]["status"] == "failed"
                assert outcomes[key]["reason"] in {"access_denied", "interrupted"}

    @invariant()
    def recorded_and_honest(self) -> None:
        """At any time each former state is on record, and each line is true."""
        for run in self.begun:
            outcomes, intents = run.outcomes(), run.intents()
            for line in outcomes.values():
                self._assert_honest(run, line)
            for key in run.commits.keys() - outcomes.keys():
                met = recorded(run.commits[key][-1].before)
                states = [told(i["before"]) for i in intents if i["key"] == key]
                assert met in states, "a former state is lost"

    @invariant()
    def minds_its_own_business(self) -> None:
        """What is not under the prefix is never written."""
        assert self.oss.store.get_object("bucket", OUTSIDE) == self.outside

    def _assert_honest(self, run: Run, line: Json) -> None:
        own = run.commits.get(line["key"], [])
        same_content = [c for c in own if c.after.etag == line["etag"]]
        match line["status"]:
            case "updated":
                self._assert_updated(run, line)
            case "unchanged":
                assert not same_content, "it was changed, and says otherwise"
                if run.command != "undo":
                    state = told(line["before"])
                    assert run.job.applied(state) == state
            case "failed":
                assert line["reason"] in run.excuses, line
                assert not own or line["before"], "it was changed, and says otherwise"
            case "skipped":
                assert line["reason"] == "gone", line
                assert line["key"] in self.deleted
            case status:
                pytest.fail(f"no such status here: {status}")

    def _assert_updated(self, run: Run, line: Json) -> None:
        """There was such an update: the run's last; or one in doubt was found to be in
        effect, and it was another run that has done the same since."""
        key, states = line["key"], (told(line["before"]), told(line["after"]))
        own = run.commits.get(key, [])
        if own and states == (recorded(own[-1].before), recorded(own[-1].after)):
            return
        assert line["confirmed"], "not as it was"
        since = own[-1].after.number if own else 0
        others = [
            recorded(commit.after)
            for other in self.begun
            for commit in other.commits.get(key, [])
            if commit.after.number > since
        ]
        assert any(
            state == states[1]
            or (run.command != "undo" and run.job.applied(state) == state)
            for state in others
        ), "nobody did this"

    def teardown(self) -> None:
        """Whatever was interrupted can be brought to its end."""
        try:
            for run in self.begun if self.passed else []:
                if self._can_go_on(run):
                    self._go_on(run, [Setting()])
                    assert run.is_complete()
                    self.recorded_and_honest()
        finally:
            self.stack.close()


def _nth_last(runs: list[Run], back: int) -> Run:
    return runs[~back % len(runs)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A part for every few crashes asked for; one, unless more are."""
    crashes = metafunc.config.getoption("--crashes")
    metafunc.parametrize("part", range(max(1, crashes // CRASHES_A_PART)))


@pytest.mark.timeout(600)
def test_promises(part: int) -> None:
    """No history breaks a promise."""
    machine = seed(part)(Promises)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=HISTORIES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=True,
            report_multiple_bugs=False,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
