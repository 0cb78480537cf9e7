"""What was found out about copies in each bucket, kept in the user's home folder.

One file a bucket and address, `~/.bulkmeta/probes/…`: it holds no credentials. What was
found at another address is another service, as far as anybody knows.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

import msgspec

from bulkmeta.errors import OutputError, UsageError
from bulkmeta.model.probe import Probed

_FOLDER: Final = ".bulkmeta/probes"


def probe_file(home: Path, bucket: str, endpoint: str) -> Path:
    """Where the findings for a bucket at an address are kept."""
    return home / _FOLDER / f"{quote(endpoint, safe='')}%2F{bucket}.json"


def save_probe(home: Path, probed: Probed) -> Path:
    """Keep what was found, in the place of what was known before; the file.

    Raises:
        OutputError: it cannot be written.
    """
    path = probe_file(home, probed.bucket, probed.endpoint)
    fresh = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh.write_bytes(msgspec.json.format(msgspec.json.encode(probed)) + b"\n")
        fresh.replace(path)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink()
        raise OutputError(f"cannot keep {str(path)!r}: {error.strerror}") from error
    return path


def load_probe(home: Path, bucket: str, endpoint: str) -> Probed | None:
    """What was found before in a bucket at an address; None if nothing was.

    Raises:
        UsageError: the file is damaged, or another bucket's.
    """
    path = probe_file(home, bucket, endpoint)
    try:
        probed = msgspec.json.decode(path.read_bytes(), type=Probed)
    except OSError:  # whatever cannot be read is not known; a run does without
        return None
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{str(path)!r}: {error}; remove it, or run `bulkmeta probe` again"
        ) from error
    if (probed.bucket, probed.endpoint) != (bucket, endpoint) or probed.schema != 1:
        raise UsageError(f"{str(path)!r} is about another bucket; remove it")
    return probed
