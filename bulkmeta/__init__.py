"""Change the metadata of millions of objects in Alibaba Cloud OSS, losing nothing."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bulkmeta.errors import BulkmetaError, ErrorDetail, UsageError
    from bulkmeta.journal.run_reader import read_run
    from bulkmeta.model.changes import Change, Substitution
    from bulkmeta.model.metadata import Metadata
    from bulkmeta.model.outcome import Outcome
    from bulkmeta.model.run_file import Resumed, RunHeader, Summary
    from bulkmeta.model.transforms import ObjectView

__version__ = "0.1.0.dev0"
__all__ = [
    "BulkmetaError",
    "Change",
    "ErrorDetail",
    "Metadata",
    "ObjectView",
    "Outcome",
    "Resumed",
    "RunHeader",
    "Substitution",
    "Summary",
    "UsageError",
    "read_run",
]

_HOMES = {
    "BulkmetaError": "bulkmeta.errors",
    "Change": "bulkmeta.model.changes",
    "ErrorDetail": "bulkmeta.errors",
    "Metadata": "bulkmeta.model.metadata",
    "ObjectView": "bulkmeta.model.transforms",
    "Outcome": "bulkmeta.model.outcome",
    "Resumed": "bulkmeta.model.run_file",
    "RunHeader": "bulkmeta.model.run_file",
    "Substitution": "bulkmeta.model.changes",
    "Summary": "bulkmeta.model.run_file",
    "UsageError": "bulkmeta.errors",
    "read_run": "bulkmeta.journal.run_reader",
}


def __getattr__(name: str) -> Any:
    """Public names are imported when they are first used, so that none costs others."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
