"""Reading files of lines that a crash may have cut short."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bulkmeta.errors import UsageError


@dataclass(frozen=True, slots=True)
class Line:
    """A whole line without its end, its number from 1, and where the next begins."""

    number: int
    text: bytes
    end_bytes: int


def read_lines(path: Path) -> Iterator[Line]:
    """The whole lines of a file; what follows the last line end was never finished.

    Raises:
        UsageError: the file cannot be read.
    """
    end_bytes = 0
    try:
        with path.open("rb") as file:
            for number, text in enumerate(file, 1):
                if not text.endswith(b"\n"):
                    return
                end_bytes += len(text)
                yield Line(number, text[:-1], end_bytes)
    except OSError as error:
        raise UsageError(f"cannot read {str(path)!r}: {error.strerror}") from error


def refuse_line(path: Path, line: Line, why: object) -> UsageError:
    """The error about a line that is not what it should be."""
    return UsageError(f"{str(path)!r}, line {line.number}: {why}")
