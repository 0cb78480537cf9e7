"""Checksums of content: what ETag, Content-MD5 and CRC-64 say."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from typing import Any

_CRC_POLY = 0xC96C5795D7870F42
_ALL_ONES = 0xFFFFFFFFFFFFFFFF


@lru_cache(maxsize=1)
def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (_CRC_POLY if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


def crc64(body: bytes) -> int:
    """CRC-64/XZ (ECMA-182 reflected), which OSS gives in x-oss-hash-crc64ecma."""
    table, crc = _crc_table(), _ALL_ONES
    for byte in body:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ _ALL_ONES


def content_md5(body: bytes) -> str:
    """The Content-MD5 of a body."""
    return base64.b64encode(_md5(body)).decode()


def describe_content(
    bucket: str, key: str, body: bytes | None, size: int = 0
) -> dict[str, Any]:
    """Size and checksums; made up, but stable, when only a size is declared."""
    if body is None:
        stand_in = f"{bucket}/{key}/{size}".encode()
        return {"size": size, "etag": _etag(stand_in), "crc64": crc64(stand_in)}
    return {
        "size": len(body),
        "etag": _etag(body),
        "crc64": crc64(body),
        "content_md5": content_md5(body),
    }


def _md5(body: bytes) -> bytes:
    return hashlib.md5(body, usedforsecurity=False).digest()


def _etag(body: bytes) -> str:
    return _md5(body).hex().upper()
