"""What lines a run file has: what ran, what became of each object, how it ended."""

from __future__ import annotations

import inspect
from typing import Any

import msgspec

from bulkmeta.model.job import Command, JobSpec, LockObject, Pace, Recent, StopRules
from bulkmeta.model.outcome import Outcome

SCHEMA = 1


class RunHeader(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="run"):
    """The first line: which job, on what, by which version, since when; and how fast it
    was to go, when to stop, and by which lock."""

    schema: int = SCHEMA
    version: str
    command: Command
    job: JobSpec
    job_hash: str
    bucket: str
    endpoint: str
    region: str
    started: str
    recent: Recent | None = None
    pace: Pace | None = None
    until: StopRules | None = None
    lock: LockObject | None = None


class Resumed(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="resume"
):
    """A run that was interrupted goes on from here.

    Sequence numbers go on at `seq`, for the first object behind key `after` (None: from
    the start) that has no line yet. Where there are several key ranges that is the
    first of them; each goes on behind its own last object before the first gap.
    """

    seq: int
    after: str | None
    at: str


class Summary(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="summary"
):
    """The last line: there only if the run came to its end."""

    objects: int
    counts: dict[str, int]
    reasons: dict[str, int]
    requests: dict[str, int]
    elapsed_s: float
    finished: str


Record = RunHeader | Outcome | Resumed | Summary
"""A line of a run file."""


def run_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a line of a run file or plan file."""
    schema = msgspec.json.schema(Record)
    for described in schema["$defs"].values():  # msgspec < 0.23 leaves them indented
        described["description"] = inspect.cleandoc(described["description"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"A line of a bulkmeta run file, schema {SCHEMA}",
        **schema,
    }
