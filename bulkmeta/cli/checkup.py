"""A checkup on the terminal: each check as it is made; consent before any writing."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import msgspec

from bulkmeta.cli.consent import ask, has_terminal
from bulkmeta.cli.exit_codes import OK, RUN_FATAL, SOME_FAILED
from bulkmeta.cli.output import print_result, tell_left
from bulkmeta.model.checkup import Check
from bulkmeta.report.text import plain
from bulkmeta.runners.checkup import NO_OBJECT, check_reading, check_writing
from bulkmeta.runners.loop import run_loop

if TYPE_CHECKING:
    from bulkmeta.model.job import Connection, Target
    from bulkmeta.runners.checkup import Checks

_NOT_TRIED = "nothing was put to try it; --yes allows a temporary object"


def print_checkup(
    target: Target, connection: Connection, *, key: str | None, yes: bool, as_json: bool
) -> int:
    """Make all checks, print each; the exit code.

    Raises:
        UsageError: a setting cannot be read.
    """
    made: list[Check] = []
    left: list[str] = []

    async def note(checks: Checks) -> None:
        async with aclosing(checks) as each:
            async for check in each:
                made.append(check)
                if not as_json:
                    _print(check)

    run_loop(note(check_reading(target, connection, key)))
    unreached = any(check.vital and check.state == "failed" for check in made)
    if not unreached and _agreed(target, yes=yes, as_json=as_json):
        try:
            reads = Check("head", "skipped", NO_OBJECT) in made
            run_loop(note(check_writing(target, connection, left.extend, reads=reads)))
        finally:
            tell_left(left)
    elif not unreached:
        made.append(Check("put", "skipped", _NOT_TRIED))
        if not as_json:
            _print(made[-1])
    if as_json:
        print_result(msgspec.json.encode(made))
    if unreached:
        return RUN_FATAL
    return SOME_FAILED if left or any(c.state == "failed" for c in made) else OK


def _print(check: Check) -> None:
    print_result(f"{check.state:<8}  {check.name:<12}  {plain(check.found)}")
    if check.advice:
        print_result(f"{'':<24}-> {plain(check.advice)}")


def _agreed(target: Target, *, yes: bool, as_json: bool) -> bool:
    """Whether something may be put into the bucket."""
    if yes or as_json or not has_terminal():
        return yes
    return ask(f"Put a temporary object under {target} to try changing it?")
