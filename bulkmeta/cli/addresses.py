"""Where requests may go: what a file says of it, and what can be read on the way."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from bulkmeta.cli import specs
from bulkmeta.cli.output import warn
from bulkmeta.errors import UsageError
from bulkmeta.oss.connect import locate, settings_of
from bulkmeta.oss.endpoint import is_here, is_of_service, is_readable

if TYPE_CHECKING:
    from bulkmeta.model.job import Connection
    from bulkmeta.model.run_file import RunHeader


def connection_for(file: Path, header: RunHeader, values: dict[str, Any]) -> Connection:
    """As the run was connected, unless flags say otherwise.

    Raises:
        UsageError: nobody but the file says that requests are to go where it says.
    """
    given = specs.connection_of(values)
    region = given.region or header.region
    if given.endpoint or given.network != "public":
        return msgspec.structs.replace(given, region=region)
    address = header.endpoint
    if not (is_of_service(address) or is_here(address)):
        known = _address(header.job.target.bucket, given, region)
        if known != address:
            raise UsageError(
                f"{str(file)!r} says that its bucket is at {address!r}, which is no "
                "https address of OSS, nor that of OSS_ENDPOINT: it would be sent "
                f"signed requests; if you know it, pass --endpoint {address}"
            )
    return msgspec.structs.replace(given, endpoint=address, region=region)


def _address(bucket: str, given: Connection, region: str | None) -> str | None:
    """Where the bucket is by what the user has set; None if that says nothing."""
    connection = msgspec.structs.replace(given, region=region)
    with suppress(UsageError):
        return locate(bucket, connection, settings_of(connection)).base
    return None


def warn_if_readable(bucket: str, connection: Connection) -> None:
    """Warn where signatures, session tokens and metadata can be read on the way."""
    address = _address(bucket, connection, connection.region)
    if address and is_readable(address):
        warn(
            f"{address} is not encrypted: signatures, session tokens and metadata can "
            "be read on the way; give an https:// endpoint"
        )
