"""What a job has for each object: a file of rows, or a function of a program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec

from bulkmeta.cli.output import tell
from bulkmeta.cli.specs import file_named
from bulkmeta.errors import UsageError
from bulkmeta.model.values import refuse_both
from bulkmeta.runners.host import Host
from bulkmeta.runners.transforms import load_transform
from bulkmeta.sources.values import load_values

if TYPE_CHECKING:
    from bulkmeta.model.job import RunSpec


def with_given(spec: RunSpec, values: dict[str, Any]) -> tuple[RunSpec, Host]:
    """The run with --values or --transform, if one of them is given, and what was read
    for it before anything is done.

    Raises:
        UsageError: it cannot be read, or does not hold what it should.
    """
    if values["transform"] is not None:
        return _with_transform(spec, values)
    if values["values_file"] is not None:
        return _with_values(spec, values["values_file"])
    return spec, Host()


def _with_transform(spec: RunSpec, values: dict[str, Any]) -> tuple[RunSpec, Host]:
    if values["values_file"] is not None or not spec.job.change.is_empty():
        raise UsageError(
            "--transform makes the whole change; it cannot go with others or --values"
        )
    ref, function = load_transform(values["transform"])
    job = msgspec.structs.replace(spec.job, transform=ref)
    return msgspec.structs.replace(spec, job=job), Host(transform=function)


def _with_values(spec: RunSpec, name: str) -> tuple[RunSpec, Host]:
    path = file_named(name).resolve()
    tell(f"reading   {name}")
    job = spec.job
    file, table = load_values(path, job.target.prefixes)
    click.get_current_context().call_on_close(table.close)  # if no run does so before
    refuse_both(job.change, file.sets)
    job = msgspec.structs.replace(job, values=file)
    return msgspec.structs.replace(spec, job=job), Host(table=table)
