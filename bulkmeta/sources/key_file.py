"""Objects that a file names, in the order of its lines."""

from __future__ import annotations

import asyncio
import hashlib
from codecs import BOM_UTF8
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from bulkmeta.errors import UsageError
from bulkmeta.journal.lines import bad_line
from bulkmeta.journal.run_reader import read_run
from bulkmeta.model.item import Item
from bulkmeta.model.job import SCHEME, KeyFile, KeyForm
from bulkmeta.model.limits import is_utf8, key_fault
from bulkmeta.model.outcome import Outcome, Status
from bulkmeta.model.values import KEY, NO_KEY, refuse_keyless
from bulkmeta.sources.tables import read_rows

_LINES_AT_ONCE: Final = 200
_BLOCK_BYTES: Final = 1024 * 1024
_LONGEST_BYTES: Final = 64 * 1024
"""No line with a key of OSS is as long."""

_VERSION: Final = "version_id"


class _Row(msgspec.Struct):
    key: str
    version_id: str | None = None


class Named(NamedTuple):
    """What a line names: a key, or just one version of its object."""

    line: int
    key: str
    version: str | None = None


_decode_row = msgspec.json.Decoder(str | _Row).decode


def examine_keys(
    path: Path,
    form: KeyForm,
    prefix: tuple[str, ...],
    statuses: tuple[Status, ...] = (),
) -> KeyFile:
    """The whole file, checked before anything is done by it.

    Raises:
        UsageError: it cannot be read, or a line names no key under one `prefix`.
    """
    name, count = recordable(path), 0
    for number, key, _ in read_keys(path, form, statuses):
        count += 1
        fault = key_fault(key) if form == "run" else named_fault(key)
        if not fault and not key.startswith(prefix):
            fault = f"it is not under {' or '.join(map(repr, prefix))}"
        if fault:
            raise UsageError(f"{str(path)!r}, line {number}, key {key!r}: {fault}")
    if not count:
        which = (
            f" of a status that was asked for ({', '.join(statuses)})"
            if statuses
            else ""
        )
        raise UsageError(f"{str(path)!r} names no keys{which}")
    return KeyFile(name, form, count, fingerprint(path), statuses)


def named_fault(key: str) -> str | None:
    """Why a line that somebody wrote cannot mean the object of that key, or None."""
    if key.startswith(SCHEME):
        return f"it begins with {SCHEME}; give keys, without the bucket"
    return key_fault(key)


def recordable(path: Path) -> str:
    """The file's path as a job can hold it.

    Raises:
        UsageError: it is not UTF-8.
    """
    if not is_utf8(str(path)):
        raise UsageError(f"{str(path)!r}: the path is not UTF-8; move the file")
    return str(path)


def fingerprint(path: Path) -> str:
    """What tells the file's content from another.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(path, error) from error


def refuse_changed_file(name: str, sha256: str) -> None:
    """Stop where a file that a run goes by has another content than it had.

    Raises:
        UsageError: it has, or cannot be read.
    """
    if fingerprint(Path(name)) != sha256:
        raise UsageError(
            f"{name!r} is not as it was when the run began; put it back, or apply "
            "anew with another run file: what is done already is left alone"
        )


def read_keys(
    path: Path, form: KeyForm, statuses: tuple[Status, ...] = ()
) -> Iterator[Named]:
    """What each line names; empty ones name nothing.

    Raises:
        UsageError: the file cannot be read, or a line is not of that form.
    """
    if form == "rows":
        yield from _keys_in_rows(path)
        return
    if form == "run":
        for number, record in enumerate(read_run(path), 1):
            if (
                isinstance(record, Outcome)
                and record.status in statuses
                and record.reason != "invalid_key"  # the line holds it escaped
            ):
                yield Named(number, record.key)
        return
    for number, line in enumerate(_lines(path, b"\0" if form == "null" else b"\n"), 1):
        text = line if form == "null" else line.removesuffix(b"\r")
        if not text:
            continue
        if form == "lines" and b"\0" in text:
            why = "it holds a NUL; give --null if a NUL ends each key"
            raise bad_line(path, number, why)
        try:
            yield (
                _in_row(number, text)
                if form == "jsonl"
                else Named(number, text.decode())
            )
        except (UnicodeDecodeError, msgspec.DecodeError, RecursionError) as error:
            raise bad_line(path, number, _FAULTS[form]) from error


def _keys_in_rows(path: Path) -> Iterator[Named]:
    for number, cells in read_rows(path, refuse_keyless):
        key = cells.get(KEY)
        if not key:
            raise bad_line(path, number, NO_KEY)
        yield Named(number, key, cells.get(_VERSION) or None)


_FAULTS: Final = {
    "lines": "it is not UTF-8, as keys are",
    "null": "it is not UTF-8, as keys are",
    "jsonl": 'write a key as "text" or {"key": "text", "version_id": "text"}; '
    "with a run file, say which --status",
}


def _in_row(number: int, text: bytes) -> Named:
    row = _decode_row(text)
    if isinstance(row, str):
        return Named(number, row)
    return Named(number, row.key, row.version_id or None)


def _lines(path: Path, end: bytes) -> Iterator[bytes]:
    """The parts of a file between `end`s; in blocks, since lines by NUL have no
    reader of their own."""
    try:
        with path.open("rb") as file:
            rest = file.read(_BLOCK_BYTES).removeprefix(BOM_UTF8)
            while rest:
                *lines, rest = rest.split(end)
                yield from lines
                if len(rest) > _LONGEST_BYTES:
                    raise UsageError(
                        f"{str(path)!r} is no file of keys: too long a line"
                    )
                block = file.read(_BLOCK_BYTES)
                if not block:
                    yield rest
                    return
                rest += block
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> UsageError:
    return UsageError(f"cannot read {str(path)!r}: {error.strerror}")


async def list_keys(keys: KeyFile) -> AsyncIterator[Item]:
    """The objects that the file names, as often as it does.

    Raises:
        UsageError: the file is not as it was when the job was made.
    """
    await asyncio.to_thread(refuse_changed_file, keys.path, keys.sha256)
    named = read_keys(Path(keys.path), keys.form, keys.statuses)
    for count, (_, key, version) in enumerate(named):
        if count % _LINES_AT_ONCE == 0:
            await asyncio.sleep(0)  # others have to have their turn in a long file
        yield Item(key, version=version)
