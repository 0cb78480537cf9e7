"""Compressed run files: a row of frames, each of them whole lines and decodable alone.

A frame is a gzip member or a Zstandard frame. What a crash leaves of a frame is cut off
like a torn line; its updates are settled by the journal.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, Final

from bulkmeta.errors import MissingExtraError, UsageError

GZIP_MAGIC: Final = b"\x1f\x8b"
ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"

_READ_BYTES: Final = 16 * 1024
_AT_ONCE_BYTES: Final = 1024 * 1024
"""Most that is decompressed in one step: a small file may stand for a huge one."""
_ZSTD_MODULES: Final = ("compression.zstd", "backports.zstd")
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class Chunk:
    """Decompressed bytes, and where in the file the last whole frame ends so far."""

    data: bytes
    whole_bytes: int


class Gzip:
    """gzip, from the standard library."""

    damage: Final[type[Exception]] = zlib.error

    def compress(self, data: bytes | bytearray) -> bytes:
        """One whole frame."""
        maker = zlib.compressobj(wbits=_GZIP_WINDOW)
        return maker.compress(data) + maker.flush()

    def decoder(self) -> Any:
        """Takes the bytes of one frame."""
        return zlib.decompressobj(_GZIP_WINDOW)

    def decode(self, decoder: Any, data: bytes) -> Iterator[bytes]:
        while data:
            yield decoder.decompress(data, _AT_ONCE_BYTES)
            data = decoder.unconsumed_tail


class Zstd:
    """Zstandard: in the standard library from Python 3.14, before that an extra."""

    def __init__(self) -> None:
        self._zstd = _zstd_module()
        self.damage: type[Exception] = self._zstd.ZstdError
        self._checked = {self._zstd.CompressionParameter.checksum_flag: 1}

    def compress(self, data: bytes | bytearray) -> bytes:
        """One whole frame."""
        frame: bytes = self._zstd.compress(data, options=self._checked)
        return frame

    def decoder(self) -> Any:
        """Takes the bytes of one frame."""
        return self._zstd.ZstdDecompressor()

    def decode(self, decoder: Any, data: bytes) -> Iterator[bytes]:
        yield decoder.decompress(data, _AT_ONCE_BYTES)
        while not (decoder.eof or decoder.needs_input):
            yield decoder.decompress(b"", _AT_ONCE_BYTES)


Codec = Gzip | Zstd


def codec_by_name(path: Path) -> Codec | None:
    """How a new file is to be written, by the end of its name.

    Raises:
        UsageError: `.zst`, but no Zstandard here.
    """
    if path.suffix == ".gz":
        return Gzip()
    return Zstd() if path.suffix == ".zst" else None


def codec_by_content(path: Path) -> Codec | None:
    """How an existing file was written.

    Raises:
        UsageError: with Zstandard, and there is none here; or it cannot be read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(ZSTD_MAGIC))
    except OSError as error:
        raise UsageError(f"cannot read {str(path)!r}: {error.strerror}") from error
    if start.startswith(GZIP_MAGIC):
        return Gzip()
    return Zstd() if start == ZSTD_MAGIC else None


def decompressed(file: BinaryIO, codec: Codec, most_bytes: int) -> Iterator[Chunk]:
    """What the first `most_bytes` of a file hold, piece by piece.

    Raises:
        Exception: `codec.damage`, where it is not what it should be.
    """
    decoder, read_bytes, whole_bytes = codec.decoder(), 0, 0
    while data := file.read(min(_READ_BYTES, most_bytes - read_bytes)):
        read_bytes += len(data)
        while data:
            if decoder.eof:
                decoder = codec.decoder()
            for piece in codec.decode(decoder, data):
                yield Chunk(piece, whole_bytes)
            data = decoder.unused_data if decoder.eof else b""
            if decoder.eof:
                whole_bytes = read_bytes - len(data)
                yield Chunk(b"", whole_bytes)


def _zstd_module() -> Any:
    for name in _ZSTD_MODULES:
        try:
            return import_module(name)
        except ModuleNotFoundError:
            continue
    raise MissingExtraError("a .zst file, unlike a .gz one,", "zstd")
