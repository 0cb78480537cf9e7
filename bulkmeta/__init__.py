"""Change the metadata of millions of objects in Alibaba Cloud OSS, losing nothing."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bulkmeta.api.blocking import iterate
    from bulkmeta.api.bucket import OpenBucket, open_bucket
    from bulkmeta.api.given import Source
    from bulkmeta.api.jobs import (
        apply,
        apply_plan,
        plan,
        resume,
        retry,
        undo,
        verify,
    )
    from bulkmeta.errors import (
        BulkmetaError,
        ErrorDetail,
        LockedError,
        ObjectError,
        RunFatalError,
        UsageError,
    )
    from bulkmeta.journal.run_reader import read_run
    from bulkmeta.model.changes import Change, Substitution
    from bulkmeta.model.job import Rules
    from bulkmeta.model.metadata import ListedObject, Metadata
    from bulkmeta.model.outcome import Outcome
    from bulkmeta.model.run_file import Resumed, RunHeader, Summary
    from bulkmeta.model.selection import KeyRule, Selection, Shard
    from bulkmeta.model.transforms import ObjectView, Transform
    from bulkmeta.report.drain import Sink

__version__ = "0.1.0.dev0"
__all__ = [
    "BulkmetaError",
    "Change",
    "ErrorDetail",
    "KeyRule",
    "ListedObject",
    "LockedError",
    "Metadata",
    "ObjectError",
    "ObjectView",
    "OpenBucket",
    "Outcome",
    "Resumed",
    "Rules",
    "RunFatalError",
    "RunHeader",
    "Selection",
    "Shard",
    "Sink",
    "Source",
    "Substitution",
    "Summary",
    "Transform",
    "UsageError",
    "apply",
    "apply_plan",
    "iterate",
    "open_bucket",
    "plan",
    "read_run",
    "resume",
    "retry",
    "undo",
    "verify",
]

_HOMES = {
    "BulkmetaError": "bulkmeta.errors",
    "Change": "bulkmeta.model.changes",
    "ErrorDetail": "bulkmeta.errors",
    "KeyRule": "bulkmeta.model.selection",
    "ListedObject": "bulkmeta.model.metadata",
    "LockedError": "bulkmeta.errors",
    "Metadata": "bulkmeta.model.metadata",
    "ObjectError": "bulkmeta.errors",
    "ObjectView": "bulkmeta.model.transforms",
    "OpenBucket": "bulkmeta.api.bucket",
    "Outcome": "bulkmeta.model.outcome",
    "Resumed": "bulkmeta.model.run_file",
    "Rules": "bulkmeta.model.job",
    "RunFatalError": "bulkmeta.errors",
    "RunHeader": "bulkmeta.model.run_file",
    "Selection": "bulkmeta.model.selection",
    "Shard": "bulkmeta.model.selection",
    "Sink": "bulkmeta.report.drain",
    "Source": "bulkmeta.api.given",
    "Substitution": "bulkmeta.model.changes",
    "Summary": "bulkmeta.model.run_file",
    "Transform": "bulkmeta.model.transforms",
    "UsageError": "bulkmeta.errors",
    "apply": "bulkmeta.api.jobs",
    "apply_plan": "bulkmeta.api.jobs",
    "iterate": "bulkmeta.api.blocking",
    "open_bucket": "bulkmeta.api.bucket",
    "plan": "bulkmeta.api.jobs",
    "read_run": "bulkmeta.journal.run_reader",
    "resume": "bulkmeta.api.jobs",
    "retry": "bulkmeta.api.jobs",
    "undo": "bulkmeta.api.jobs",
    "verify": "bulkmeta.api.jobs",
}


def __getattr__(name: str) -> Any:
    """Public names are imported when they are first used, so that none costs others."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
