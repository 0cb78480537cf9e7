"""Compressed files of lines: whole frames count, what a crash left of one does not."""

from __future__ import annotations

import gzip
import sys
from importlib import import_module
from pathlib import Path

import pytest

from bulkmeta.errors import UsageError
from bulkmeta.journal import compression
from bulkmeta.journal import lines as journal_lines
from bulkmeta.journal.compression import Codec, Gzip, Zstd, codec_by_name
from bulkmeta.journal.lines import Line, first_line, read_lines

FRAMES = (b"one\ntwo\n", b"three\n", "四\n".encode() * 50_000)
CODECS = pytest.mark.parametrize("codec", [Gzip(), Zstd()], ids=["gzip", "zstd"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file; that it is compressed shows in its content, not in its name."""
    return tmp_path / "lines"


def texts(path: Path) -> list[bytes]:
    return [line.text for line in read_lines(path)]


@CODECS
def test_all_frames_as_one_file(path: Path, codec: Codec) -> None:
    """Lines come as if the file was plain; it can be cut behind the last frame."""
    path.write_bytes(b"".join(map(codec.compress, FRAMES)))
    found = list(read_lines(path))
    assert b"\n".join(line.text for line in found) + b"\n" == b"".join(FRAMES)
    assert [line.number for line in found] == [*range(1, len(found) + 1)]
    assert {line.end_bytes for line in found} == {path.stat().st_size}


@CODECS
def test_torn_at_every_byte(path: Path, codec: Codec) -> None:
    """No line of a torn frame is seen, wherever it was torn."""
    first, second = map(codec.compress, FRAMES[:2])
    for kept in range(len(second)):
        path.write_bytes(first + second[:kept])
        lines = list(read_lines(path))
        assert [line.text for line in lines] == [b"one", b"two"]
        assert {line.end_bytes for line in lines} == {len(first)}


@CODECS
def test_blank_tail(path: Path, codec: Codec) -> None:
    """A loss of power can leave zeros where bytes were to come."""
    first, second = map(codec.compress, FRAMES[:2])
    for kept in (0, len(second) // 2):
        path.write_bytes(first + second[:kept] + bytes(4096))
        assert texts(path) == [b"one", b"two"]


@CODECS
def test_damage_in_the_middle(path: Path, codec: Codec) -> None:
    """Altered bytes are an error with the line's number, and no line is given out."""
    first, second, third = map(codec.compress, FRAMES)
    broken = bytearray(second)
    broken[-5] ^= 255  # in the checksum
    path.write_bytes(first + broken + third)
    with pytest.raises(UsageError, match=r"lines', line \d: the file is damaged "):
        next(read_lines(path))


def test_line_without_end_in_a_whole_frame(path: Path) -> None:
    """A torn plain file that somebody compressed cannot be continued as it is."""
    path.write_bytes(gzip.compress(b"one\ntw"))
    with pytest.raises(UsageError, match="line 2: it has no end; decompress"):
        list(read_lines(path))


@CODECS
def test_memory_is_bounded(path: Path, codec: Codec) -> None:
    """A small file that stands for a huge one comes in small pieces."""
    path.write_bytes(codec.compress(b"x" * 50_000_000))
    with path.open("rb") as file:
        sizes = [
            len(chunk.data)
            for chunk in compression.decompressed(file, codec, path.stat().st_size)
        ]
    assert (sum(sizes), max(sizes) <= 1024 * 1024) == (50_000_000, True)


def test_written_as_the_name_says() -> None:
    """The last suffix decides; any other name is plain."""
    codecs = [codec_by_name(Path(f"run.jsonl{end}")) for end in ("", ".gz", ".zst")]
    assert [type(codec) for codec in codecs] == [type(None), Gzip, Zstd]


def test_no_zstandard(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What to install is said before anything is read or written."""
    path.write_bytes(Zstd().compress(b"one\n"))
    for name in ("compression.zstd", "backports.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    for attempt in (lambda: codec_by_name(Path("x.zst")), lambda: texts(path)):
        with pytest.raises(UsageError, match=r"pip install '\.\[zstd\]'"):
            attempt()


def test_other_tools_read_it(path: Path) -> None:
    """The frames are what gzip and zstd call them."""
    path.write_bytes(b"".join(map(Gzip().compress, FRAMES)))
    assert gzip.decompress(path.read_bytes()) == b"".join(FRAMES)
    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    frames = b"".join(map(Zstd().compress, FRAMES))
    assert import_module(name).decompress(frames) == b"".join(FRAMES)


@pytest.mark.parametrize("codec", [None, Gzip(), Zstd()], ids=["plain", "gzip", "zstd"])
def test_a_line_without_end(
    path: Path, codec: Codec | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small file may stand for a huge line: it is refused by its number, and not held
    in memory; lines before it were read. A long file of short lines is none."""
    monkeypatch.setattr(journal_lines, "_LONGEST_BYTES", 100)
    compress = codec.compress if codec else bytes
    path.write_bytes(compress(b"one\n" + b"x" * 3_000_000 + b"\n"))
    found = read_lines(path)
    assert next(found).text == b"one"
    with pytest.raises(UsageError, match="line 2: no line is as long as this"):
        next(found)
    path.write_bytes(compress(b"x" * 3_000_000))
    with pytest.raises(UsageError, match="line 1: no line is as long as this"):
        first_line(path)

    path.write_bytes(compress(b"one\n" * 1000))
    assert first_line(path) == Line(1, b"one", 0 if codec else 4)
    assert len(texts(path)) == 1000
