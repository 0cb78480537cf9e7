"""How a run ended, as programs are told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from bulkmeta.model.outcome import STATUSES
from bulkmeta.report.text import writable

if TYPE_CHECKING:
    from bulkmeta.report.stats import RunStats
    from bulkmeta.runners.host import RunEnd


SIGNALLED: Final = "interrupted by a signal"


class RunFacts(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended, as far as it came; the names are those of the run file. If it
    was `interrupted`, it did not come to its end, and `why` says in words what it was
    stopped by."""

    command: str
    target: str | None = None
    run_file: str | None = None
    interrupted: bool = False
    why: str | None = None
    objects: int = 0
    counts: dict[str, int] = msgspec.field(default_factory=dict)
    reasons: dict[str, int] = msgspec.field(default_factory=dict)
    requests: dict[str, int] = msgspec.field(default_factory=dict)
    elapsed_s: float = 0.0


def facts_of(end: RunEnd, run_file: Path | None, command: str) -> RunFacts:
    """Of a run that came to an end of its own; one that only looked goes by the name of
    the `command` that did."""
    return RunFacts(
        command=command if end.spec.command == "plan" else end.spec.command,
        target=str(end.spec.job.target),
        run_file=named(run_file),
        interrupted=end.interrupted,
        why=end.why or (SIGNALLED if end.interrupted else None),
        objects=end.stats.objects,
        counts=counts_of(end.stats),
        reasons=dict(end.stats.reasons),
        requests=end.requests,
        elapsed_s=round(end.elapsed_s, 3),
    )


def named(path: Path | None) -> str | None:
    """A file's name as text."""
    return None if path is None else writable(str(path))


def counts_of(stats: RunStats | None) -> dict[str, int]:
    """Objects by status, none left out."""
    return {status: stats.counts[status] if stats else 0 for status in STATUSES}


def as_json(facts: RunFacts, more: Mapping[str, object], **last: object) -> bytes:
    """On one line; `more` and `last` come behind."""
    return msgspec.json.encode({**msgspec.structs.asdict(facts), **more, **last})
