"""Content types by file name extension: the same on every machine. Pure."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterable
from typing import Final

from bulkmeta.errors import UsageError

# Types that are younger than the standard library's table, or that it takes for what
# the web does not: registered with IANA unless they begin with x-.
_NEWER: Final = {
    "7z": "application/x-7z-compressed",
    "apk": "application/vnd.android.package-archive",
    "arrow": "application/vnd.apache.arrow.file",
    "avif": "image/avif",
    "avro": "application/avro",
    "bz2": "application/x-bzip2",
    "dcm": "application/dicom",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "epub": "application/epub+zip",
    "flac": "audio/flac",
    "geojson": "application/geo+json",
    "glb": "model/gltf-binary",
    "gltf": "model/gltf+json",
    "gz": "application/gzip",
    "heic": "image/heic",
    "heif": "image/heif",
    "ico": "image/vnd.microsoft.icon",
    "ipynb": "application/x-ipynb+json",
    "js": "text/javascript",
    "jsonl": "application/jsonl",
    "jsonld": "application/ld+json",
    "jxl": "image/jxl",
    "m3u8": "application/vnd.apple.mpegurl",
    "m4a": "audio/mp4",
    "m4s": "video/iso.segment",
    "map": "application/json",
    "md": "text/markdown",
    "mjs": "text/javascript",
    "mkv": "video/matroska",
    "mpd": "application/dash+xml",
    "ndjson": "application/x-ndjson",
    "ogg": "audio/ogg",
    "ogv": "video/ogg",
    "opus": "audio/ogg",
    "orc": "application/vnd.apache.orc",
    "otf": "font/otf",
    "parquet": "application/vnd.apache.parquet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "rar": "application/vnd.rar",
    "rtf": "application/rtf",
    "sql": "application/sql",
    "tgz": "application/gzip",
    "toml": "application/toml",
    "ts": "video/mp2t",
    "ttf": "font/ttf",
    "wasm": "application/wasm",
    "webm": "video/webm",
    "webmanifest": "application/manifest+json",
    "webp": "image/webp",
    "woff": "font/woff",
    "woff2": "font/woff2",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "xz": "application/x-xz",
    "yaml": "application/yaml",
    "yml": "application/yaml",
    "zst": "application/zstd",
}
# Without the files of the machine, which differ from one to the next.
_TABLE: Final = {
    ext.removeprefix("."): kind
    for ext, kind in mimetypes.MimeTypes(filenames=()).types_map[True].items()
} | _NEWER
_KIND: Final = re.compile(r"[\w.+-]+/[\w.+-]+(; ?[\w-]+=[\w.-]+)*", re.ASCII)


def content_type_of(key: str, types: dict[str, str]) -> str | None:
    """The type that goes with the key's last extension, in any case; None if there is
    none. `types` come before the table."""
    stem, dot, ext = key.rpartition("/")[2].rpartition(".")
    lower = ext.lower()
    return types.get(lower) or _TABLE.get(lower) if stem and dot else None


def better_type(key: str, types: dict[str, str], there: str | None) -> str | None:
    """The same, unless what is `there` says it already: it keeps its parameters, such
    as a charset, where the type that goes with the extension has none."""
    kind = content_type_of(key, types)
    bare = (there or "").partition(";")[0].strip().lower()
    return None if kind and bare == kind.lower() else kind


def parse_types(lines: Iterable[str], name: str) -> dict[str, str]:
    """Types by extension from lines such as `text/markdown md mkd` (as in mime.types);
    `#` begins a comment.

    Raises:
        UsageError: a line is no such line; it names `name`.
    """
    types: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        kind, *extensions = line.partition("#")[0].split() or [""]
        if not kind:
            continue
        if not _KIND.fullmatch(kind) or not extensions:
            raise UsageError(
                f"{name!r}, line {number}: write a type and its extensions, "
                "such as: text/markdown md mkd"
            )
        types.update({ext.removeprefix(".").lower(): kind for ext in extensions})
    return types
