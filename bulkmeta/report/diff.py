"""What would change or has changed, printed for people: one block per object."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bulkmeta.model.outcome import OTHER_CONTENT
from bulkmeta.model.plan import Difference, differences
from bulkmeta.report.text import last_line, plain, printable, quoted

if TYPE_CHECKING:
    from bulkmeta.model.outcome import Outcome


class DiffPrinter:
    """Prints each object's exact difference, of the first `most` objects if it is
    given; objects that stay as they are, not."""

    def __init__(self, write: Callable[[str], object], most: int | None = None) -> None:
        self._write = write
        self._left = most
        self.unprinted = 0

    def emit(self, result: Outcome) -> None:
        if result.status not in {"planned", "updated", "failed"}:
            return
        if self._left == 0:
            self.unprinted += 1
            return
        if self._left:
            self._left -= 1
        self._print(result)

    def _print(self, result: Outcome) -> None:
        if result.status in {"planned", "updated"}:
            self._write("\n".join(diff_lines(result)))
        elif result.status == "failed" and result.error:
            self._write("\n".join(_failed_lines(result, result.error.message)))

    def flush(self) -> None:
        """Blocks are written whole."""


def _failed_lines(outcome: Outcome, message: str) -> list[str]:
    """The object's key, and why it failed; of a drift, what differs."""
    found = diff_lines(outcome)[1:] if outcome.reason == "drift" else []
    said = [f"  ! {outcome.reason}: {plain(last_line(message))}"]
    if found and message != OTHER_CONTENT:  # which no difference shows
        said = []
    return [printable(outcome.key), *said, *found]


def diff_lines(outcome: Outcome) -> list[str]:
    """The object's key, then one line per difference."""
    if outcome.before is None or outcome.after is None:
        return [printable(outcome.key)]
    found = differences(outcome.before, outcome.after)
    return [printable(outcome.key), *map(_line, found)]


def _line(difference: Difference) -> str:
    name = f"  {difference.sign} {difference.field} {difference.name}".rstrip()
    both = difference.old is not None and difference.new is not None
    between = ": " if both else " = "
    return f"{name}{between}{value_words(difference.old, difference.new)}"


def value_words(old: str | None, new: str | None) -> str:
    """A value that comes or goes, or both of one that changes."""
    if old is None or new is None:
        return quoted(new if old is None else old)
    return f"{quoted(old)} -> {quoted(new)}"
