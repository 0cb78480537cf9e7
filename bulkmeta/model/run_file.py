"""The lines around the outcomes in a run file: what ran, and how it ended."""

from __future__ import annotations

import msgspec

from bulkmeta.model.job import Command, JobSpec

SCHEMA = 1


class RunHeader(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="run"):
    """The first line: which job, on what, by which version, since when."""

    schema: int = SCHEMA
    version: str
    command: Command
    job: JobSpec
    job_hash: str
    bucket: str
    endpoint: str
    region: str
    started: str


class Resumed(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="resume"
):
    """A run that was interrupted goes on from here.

    Sequence numbers go on at `seq`, for the first object behind key `after` (None: from
    the start) that has no line yet.
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
