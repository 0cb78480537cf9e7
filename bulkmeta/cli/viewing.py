"""Printing objects in listing order. Imports what is heavy, so `show` does it late."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Literal

import click

from bulkmeta.cli.main import INTERRUPTED, OK, SOME_FAILED
from bulkmeta.report.order import InOrder
from bulkmeta.report.views import (
    ViewPrinter,
    as_csv,
    as_jsonl,
    as_table,
    csv_header,
)
from bulkmeta.runners.local import view_objects
from bulkmeta.runners.preflight import inspect_bucket

if TYPE_CHECKING:
    from bulkmeta.model.job import RunSpec

FORMATS: Final = {"table": as_table, "jsonl": as_jsonl, "csv": as_csv}


def print_objects(spec: RunSpec, form: Literal["table", "jsonl", "csv"]) -> int:
    """Print every object under the spec's target; the exit code."""
    printer = ViewPrinter(FORMATS[form], click.echo)
    ordered = InOrder(printer)
    asyncio.run(inspect_bucket(spec, sample=False))
    if form == "csv":
        click.echo(csv_header())
    interrupted = asyncio.run(view_objects(spec, ordered))
    ordered.finish()
    if interrupted:
        return INTERRUPTED
    return SOME_FAILED if printer.failed else OK
