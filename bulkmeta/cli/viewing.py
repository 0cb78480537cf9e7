"""Printing objects in listing order. Imports what is heavy, so `show` does it late."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

from bulkmeta.cli.addresses import warn_if_readable
from bulkmeta.cli.exit_codes import INTERRUPTED, OK, SOME_FAILED
from bulkmeta.cli.nothing import missing_words
from bulkmeta.cli.output import print_data, print_result, tell, warn
from bulkmeta.cli.suggest import nearest
from bulkmeta.errors import UsageError
from bulkmeta.report.order import InOrder
from bulkmeta.report.table import BRIEF, TablePrinter
from bulkmeta.report.views import (
    FIELDS,
    HEADERS,
    KNOWN,
    ViewPrinter,
    as_csv,
    as_jsonl,
    csv_header,
    is_field,
    likely_fields,
    needs_of,
)
from bulkmeta.runners.loop import run_loop
from bulkmeta.runners.reading import view_objects

if TYPE_CHECKING:
    from bulkmeta.model.job import RunSpec

Form = Literal["table", "jsonl", "csv"]


def print_objects(spec: RunSpec, form: Form, fields: Sequence[str]) -> int:
    """Print fields of the job's objects; the exit code."""
    warn_if_readable(spec.job.target.bucket, spec.connection)
    printer = _printer(form, fields)
    ordered = InOrder(printer)
    if form == "csv":
        print_data(csv_header(fields))
    try:
        end = run_loop(view_objects(spec, needs_of(fields), ordered, tell))
    finally:  # what was read is shown, whatever ended it
        ordered.finish()
        printer.finish()
    if isinstance(printer, TablePrinter) and printer.has_cut:
        tell("values with … are cut; --format jsonl shows them whole")
    if end.interrupted:
        tell("bulkmeta: interrupted")
        return INTERRUPTED
    for words in missing_words(spec.job, end.missing):
        warn(words)
    return SOME_FAILED if printer.failed else OK


def _printer(form: Form, fields: Sequence[str]) -> ViewPrinter | TablePrinter:
    if form == "table":
        terminal = sys.stdout is not None and sys.stdout.isatty()
        width = shutil.get_terminal_size().columns if terminal else None
        return TablePrinter(fields, print_result, width)
    line = as_csv if form == "csv" else as_jsonl
    complain = None if "error" in fields else tell
    return ViewPrinter(partial(line, fields=fields), print_data, complain)


def fields_of(text: str | None, form: Form) -> tuple[str, ...]:
    """The fields that a list names; without one, what suits the format.

    Raises:
        UsageError: one of them is none.
    """
    if text is None:
        return BRIEF if form == "table" else FIELDS
    fields = tuple(name.strip() for name in text.split(","))
    for name in fields:
        if not is_field(name):
            guess = _meant(name)
            hint = f"did you mean {guess!r}? " if guess else ""
            is_header = name.startswith("header.")
            known = HEADERS if is_header else KNOWN
            raise UsageError(
                f"--fields: no field {name!r}; {hint}there are {', '.join(known)}"
            )
    return fields


def _meant(name: str) -> str | None:
    """The field that is like it, if there is one; a header by its name alone, too."""
    likely = {field.removeprefix("header."): field for field in likely_fields()}
    guess = nearest(name.removeprefix("header."), likely)
    return likely[guess] if guess else None
