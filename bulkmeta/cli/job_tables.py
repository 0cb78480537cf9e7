"""The tables of a job file and their keys, by the names of the flags."""

from __future__ import annotations

from typing import Final

import msgspec

Texts = str | list[str]


class Table(msgspec.Struct, rename="kebab", forbid_unknown_fields=True, kw_only=True):
    pass


class Glob(Table):
    """One of both; the last that matches a key decides."""

    include: str | None = None
    exclude: str | None = None


class SourceTable(Table):
    """Where the objects come from."""

    target: Texts
    all: bool = False
    keys_from: str | None = None
    null: bool = False
    status: Texts = []
    inventory: str | None = None
    endpoint: str | None = None
    region: str | None = None
    profile: str | None = None
    internal: bool = False
    accelerate: bool = False
    dual_stack: bool = False
    request_payer: bool = False
    sign_version: str | None = None


class SelectTable(Table):
    """Which of them are meant."""

    include: Texts = []
    exclude: Texts = []
    globs: list[Glob] = []
    regex: Texts = []
    start_after: str | None = None
    end_before: str | None = None
    shard: str | None = None
    sample: str | None = None
    limit: int | None = None
    min_size: int | str | None = None
    max_size: int | str | None = None
    modified_after: str | None = None
    modified_before: str | None = None
    in_class: Texts = []
    object_type: Texts = []
    where: Texts = []


class ChangeTable(Table):
    """What becomes of them, and what a change may do."""

    set: dict[str, str] = {}
    default: dict[str, str] = {}
    unset: Texts = []
    rename: dict[str, str] = {}
    sub: dict[str, str] = {}
    header: dict[str, str] = {}
    unset_header: Texts = []
    content_type: str | None = None
    types: str | None = None
    replace: bool = False
    tag: dict[str, str] = {}
    untag: Texts = []
    replace_tags: bool = False
    acl: str | None = None
    storage_class: str | None = None
    sse: str | None = None
    sse_key_id: str | None = None
    values: str | None = None
    transform: str | None = None
    missing: str | None = None
    acl_policy: str | None = None
    allow_appendable: bool = False
    allow_early_rewrite: bool = False
    allow_new_versions: bool = False


class PaceTable(Table):
    """How fast."""

    concurrency: int | None = None
    rate: float | str | None = None
    retries: int | None = None
    spread: int | str | None = None
    processes: int | None = None
    on: str | None = None
    max_failures: int | Texts = []
    max_duration: str | None = None
    window: str | None = None
    canary: int | None = None


class ReportTable(Table):
    """What is told and kept."""

    since_last_run: bool = False
    full_every: str | None = None
    wait_lock: str | None = None
    lock_object: str | None = None
    lease: str | None = None
    state: str | None = None
    run_file: str | None = None
    out: str | None = None
    progress: str | None = None
    detailed_exitcode: bool = False
    full: bool = False
    json: bool = False
    log_file: str | None = None
    log_level: str | None = None
    metrics_file: str | None = None
    on_finish: str | None = None
    price_put: float | None = None
    price_get: float | None = None


class Job(Table):
    """A job file. `environment` names the variables that may stand in values."""

    source: SourceTable
    select: SelectTable = msgspec.field(default_factory=SelectTable)
    change: ChangeTable = msgspec.field(default_factory=ChangeTable)
    pace: PaceTable = msgspec.field(default_factory=PaceTable)
    report: ReportTable = msgspec.field(default_factory=ReportTable)
    environment: list[str] = []


TABLES: Final[dict[str, type[Table]]] = {
    "source": SourceTable,
    "select": SelectTable,
    "change": ChangeTable,
    "pace": PaceTable,
    "report": ReportTable,
}
