"""Printing objects in listing order. Imports what is heavy, so `show` does it late."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from bulkmeta.cli.loop import run_loop
from bulkmeta.cli.main import INTERRUPTED, OK, SOME_FAILED
from bulkmeta.cli.output import print_data, print_result, tell
from bulkmeta.report.order import InOrder
from bulkmeta.report.views import (
    ViewPrinter,
    as_csv,
    as_jsonl,
    as_table,
    csv_header,
)
from bulkmeta.runners.local import view_objects

if TYPE_CHECKING:
    from bulkmeta.model.job import Connection, Pace, Target
    from bulkmeta.model.selection import Selection

Form = Literal["table", "jsonl", "csv"]
FORMATS: Final = {"table": as_table, "jsonl": as_jsonl, "csv": as_csv}


def print_objects(
    target: Target, select: Selection, connection: Connection, pace: Pace, form: Form
) -> int:
    """Print the selected objects under `target`; the exit code."""
    write = print_result if form == "table" else print_data
    printer = ViewPrinter(FORMATS[form], write)
    ordered = InOrder(printer)
    if form == "csv":
        write(csv_header())
    interrupted = run_loop(view_objects(target, select, connection, pace, ordered))
    ordered.finish()
    if interrupted:
        tell("bulkmeta: interrupted")
        return INTERRUPTED
    return SOME_FAILED if printer.failed else OK
