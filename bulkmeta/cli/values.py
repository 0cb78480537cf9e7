"""The file of rows with values for each object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from bulkmeta.cli.options import file_named
from bulkmeta.cli.output import tell
from bulkmeta.model.values import refuse_both
from bulkmeta.sources.values import load_values

if TYPE_CHECKING:
    from bulkmeta.model.job import RunSpec
    from bulkmeta.sources.values import ValuesTable


def with_values(
    spec: RunSpec, values: dict[str, Any]
) -> tuple[RunSpec, ValuesTable | None]:
    """The run with what the rows of --values say, if it is given; they are read whole
    before anything is done.

    Raises:
        UsageError: it cannot be read, or a row or column is none that it may hold.
    """
    name = values["values_file"]
    if name is None:
        return spec, None
    tell(f"reading   {name}")
    path, job = file_named(name).resolve(), spec.job
    file, table = load_values(path, job.target.prefix)
    refuse_both(job.change, file.sets)
    return msgspec.structs.replace(
        spec, job=msgspec.structs.replace(job, values=file)
    ), table
