"""The file of a cut into shards, written and read. Heavy to import."""

from __future__ import annotations

import os
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import msgspec

from bulkmeta.cli.addresses import warn_if_readable
from bulkmeta.cli.exit_codes import OK
from bulkmeta.cli.nothing import missing_words
from bulkmeta.cli.output import print_result, tell, warn
from bulkmeta.cli.session import refuse_existing
from bulkmeta.errors import UsageError
from bulkmeta.journal.files import new_text, sync_folder
from bulkmeta.model.quantity import counted
from bulkmeta.model.shards import MOST_BYTES, parse_shards
from bulkmeta.runners.loop import run_loop
from bulkmeta.runners.sharding import cut_shards

if TYPE_CHECKING:
    from bulkmeta.model.job import RunSpec, Target
    from bulkmeta.model.shards import Part
    from bulkmeta.runners.sharding import Cut


def write_shards(spec: RunSpec, parts: int, out: Path, *, exact: bool) -> int:
    """Cut the job's target into so many parts, and keep them; the exit code."""
    refuse_existing(out, "--out")
    warn_if_readable(spec.job.target.bucket, spec.connection)
    try:
        with new_text(out, 0o600) as file:
            made = run_loop(cut_shards(spec, parts, tell, exact=exact))
            text = msgspec.json.format(msgspec.json.encode(made.shards)).decode()
            file.write(f"{text}\n")
            file.flush()
            os.fsync(file.fileno())
        sync_folder(out)
    except OSError as error:
        words = f"cannot create {str(out)!r}: {error.strerror}; name another"
        raise UsageError(f"--out: {words}") from error
    for words in missing_words(spec.job, made.missing):
        warn(words)
    print_result(f"{_words(made)}: {out}")
    return OK


def _words(made: Cut) -> str:
    sizes = made.shards.objects
    about = "about " if made.about else ""
    return (
        f"{about}{counted(sum(sizes))} in {len(sizes):,} shards of {about}"
        f"{median(sizes):,.0f} (the largest has {max(sizes):,}; listing requests: "
        f"{made.requests:,})"
    )


def read_part(path: Path, index: int, target: Target) -> Part:
    """One part of a cut that was kept.

    Raises:
        UsageError: the file is none, or is about another target.
    """
    try:
        with path.open("rb") as file:
            shards = parse_shards(file.read(MOST_BYTES + 1))
        part = shards.part(index)
    except OSError as error:
        raise UsageError(
            f"--shard: cannot read {str(path)!r}: {error.strerror}"
        ) from error
    except (ValueError, UsageError) as error:
        raise UsageError(f"--shard: {str(path)!r}: {error}") from error
    if (shards.bucket, shards.prefixes) != (target.bucket, target.prefixes):
        names = " ".join(f"oss://{shards.bucket}/{x}" for x in shards.prefixes)
        raise UsageError(f"--shard: {str(path)!r} cuts {names}, not {target}")
    return part
