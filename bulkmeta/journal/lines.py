"""Reading files of lines that a crash may have cut short."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from bulkmeta.errors import UsageError
from bulkmeta.journal.compression import Codec, codec_by_content, decompressed

_BLANK: Final = bytes(16)
_LONGEST_BYTES: Final = 16 * 1024 * 1024
"""No run writes a longer line; a small compressed file could hold one without end."""

UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding a line raises that no run wrote; the last if it is nested too deep."""


@dataclass(frozen=True, slots=True)
class Line:
    """A whole line without its end, its number from 1, and where the file can be cut
    behind it: for a compressed one, where its last whole frame ends."""

    number: int
    text: bytes
    end_bytes: int


def read_lines(path: Path) -> Iterator[Line]:
    """The whole lines of a file; what follows the last line end, or the last whole
    frame of a compressed file, was never finished.

    Raises:
        UsageError: the file cannot be read.
    """
    codec = codec_by_content(path)
    try:
        with path.open("rb") as file:
            if codec:
                yield from _unpacked(path, file, codec)
            else:
                yield from _plain(path, file)
    except OSError as error:
        raise UsageError(f"cannot read {str(path)!r}: {error.strerror}") from error


def first_line(path: Path) -> Line | None:
    """The first whole line, without reading the rest; None if there is none.

    Raises:
        UsageError: the file cannot be read.
    """
    codec = codec_by_content(path)
    if codec is None:
        return next(read_lines(path), None)
    start = b""
    try:
        with path.open("rb") as file:
            for chunk in decompressed(file, codec, path.stat().st_size):
                if b"\n" not in start:
                    start += chunk.data
                    _refuse_endless(path, 1, start.partition(b"\n")[0])
                elif chunk.whole_bytes:
                    break
    except OSError as error:
        raise UsageError(f"cannot read {str(path)!r}: {error.strerror}") from error
    except codec.damage as error:
        raise damaged(path, 1) from error
    text, end, _ = start.partition(b"\n")
    return Line(1, text, 0) if end else None


def _plain(path: Path, file: BinaryIO) -> Iterator[Line]:
    end_bytes = 0
    lines = iter(partial(file.readline, _LONGEST_BYTES + 1), b"")
    for number, text in enumerate(lines, 1):
        if not text.endswith(b"\n") or b"\0" in text:
            _refuse_endless(path, number, text)
            return  # never finished, or never written when the power went
        end_bytes += len(text)
        yield Line(number, text[:-1], end_bytes)


def _unpacked(path: Path, file: BinaryIO, codec: Codec) -> Iterator[Line]:
    """In two passes, so that no line of a frame that is not whole is ever seen."""
    whole_bytes = _whole_bytes(path, file, codec)
    file.seek(0)
    number, rest = 0, b""
    for chunk in decompressed(file, codec, whole_bytes):
        *texts, rest = (rest + chunk.data).split(b"\n")
        for text in texts:
            number += 1
            yield Line(number, text, whole_bytes)
        _refuse_endless(path, number + 1, rest)
    if rest:
        why = "it has no end; decompress the file and use that"
        raise bad_line(path, number + 1, why)


def _whole_bytes(path: Path, file: BinaryIO, codec: Codec) -> int:
    """Where the last whole frame ends."""
    number, whole_bytes = 1, 0
    try:
        for chunk in decompressed(file, codec, path.stat().st_size):
            number += chunk.data.count(b"\n")
            whole_bytes = chunk.whole_bytes
    except codec.damage as error:
        if not _ends_blank(file):
            raise damaged(path, number) from error
    return whole_bytes


def _ends_blank(file: BinaryIO) -> bool:
    """Whether the file ends in zero bytes, as a loss of power can leave it."""
    file.seek(0, os.SEEK_END)
    file.seek(max(0, file.tell() - len(_BLANK)))
    return file.read() == _BLANK


def _refuse_endless(path: Path, number: int, text: bytes) -> None:
    if len(text) > _LONGEST_BYTES:
        raise bad_line(path, number, "no line is as long as this")


def bad_line(path: Path, number: int, why: object) -> UsageError:
    """The error about a line that is not what it should be."""
    return UsageError(f"{str(path)!r}, line {number}: {why}")


def damaged(path: Path, number: int) -> UsageError:
    """The error about a line that is not as it was written."""
    return bad_line(
        path,
        number,
        "the file is damaged there, or was altered; put a whole copy in its place "
        "(without one: docs/errors.md, A damaged line)",
    )
