"""The file, standard input or inventory that names a job's objects."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from bulkmeta.cli.specs import file_named
from bulkmeta.errors import UsageError
from bulkmeta.model.job import SCHEME
from bulkmeta.runners.inventories import find_inventory
from bulkmeta.runners.loop import run_loop
from bulkmeta.sources.key_file import examine_keys

if TYPE_CHECKING:
    from bulkmeta.model.job import KeyFile, KeyForm, RunSpec

_SUFFIX: Final = ".keys"


def with_keys(spec: RunSpec, values: dict[str, Any], beside: Path | None) -> RunSpec:
    """The run on the objects that --keys-from or --inventory names, if one is given. A
    file of keys is read whole before anything is done. Standard input is kept in a file
    `beside` the run's own, so that the run can be resumed.

    Raises:
        UsageError: it names no objects, or a line is none that it may hold.
    """
    name = values["keys_from"]
    if name is None:
        return _with_inventory(spec, values["inventory"])
    if values["inventory"] is not None:
        raise UsageError("--keys-from and --inventory both name the objects; give one")
    if spec.job.select.looks_at_listing():
        raise UsageError(
            "sizes, times, classes and types are those of a listing; with --keys-from "
            "only keys can be selected"
        )
    statuses = values["statuses"]
    form = "run" if statuses else _form(name, null=values["null"])
    prefix = spec.job.target.prefixes
    if statuses and (name == "-" or values["null"]):
        raise UsageError("--status goes with a run file as --keys-from")
    if name == "-":
        keys = _from_standard_input(beside, form, prefix, yes=values.get("yes", True))
    else:
        keys = examine_keys(file_named(name).resolve(), form, prefix, statuses)
    job = msgspec.structs.replace(spec.job, takes="keys", keys=keys)
    return msgspec.structs.replace(spec, job=job)


def _with_inventory(spec: RunSpec, name: str | None) -> RunSpec:
    """The run on the objects of an inventory, if one is given; its manifest is read."""
    if name is None:
        if spec.job.rules.acl == "inventory":
            raise UsageError("--acl-policy inventory goes with --inventory")
        return spec
    if not name.startswith(SCHEME):
        name = str(file_named(name).resolve())
    inventory = run_loop(find_inventory(name, spec))
    job = msgspec.structs.replace(spec.job, takes="inventory", inventory=inventory)
    return msgspec.structs.replace(spec, job=job)


def _form(name: str, *, null: bool) -> KeyForm:
    if null:
        return "null"
    if name.endswith((".csv", ".csv.gz", ".jsonl.gz", ".parquet")):
        return "rows"
    return "jsonl" if name.endswith(".jsonl") else "lines"


def _from_standard_input(
    beside: Path | None, form: KeyForm, prefix: tuple[str, ...], *, yes: bool
) -> KeyFile:
    """All of it, in a file of its own that stays if it is a good one."""
    if not yes:
        raise UsageError(
            "standard input cannot name keys and answer, too; pass --yes if the run "
            "is meant"
        )
    path = _made(beside).resolve()
    try:
        with path.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        keys = examine_keys(path, form, prefix)
    except UsageError as error:
        path.unlink()
        words = str(error).replace(repr(str(path)), "standard input")
        raise UsageError(words) from error
    except OSError as error:
        path.unlink()
        raise UsageError(f"cannot write {str(path)!r}: {error.strerror}") from error
    except BaseException:
        path.unlink()
        raise
    return msgspec.structs.replace(keys, stdin=True)


def _made(beside: Path | None) -> Path:
    if beside is None:
        descriptor, name = tempfile.mkstemp(_SUFFIX, "bulkmeta-")
        os.close(descriptor)
        atexit.register(Path(name).unlink, missing_ok=True)
        return Path(name)
    path = beside.with_name(beside.name + _SUFFIX)
    try:
        path.touch(0o600, exist_ok=False)
    except OSError as error:
        raise UsageError(f"cannot create {str(path)!r}: {error.strerror}") from error
    return path
