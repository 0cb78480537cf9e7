"""What a bucket says of itself: how it is set up, and what must not be changed in it.

Facts: OSS API reference of GetBucketInfo and GetBucketWorm.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from bulkmeta.errors import ObjectError, RunFatalError, ServiceError
from bulkmeta.model.metadata import parse_http_date
from bulkmeta.oss.bucket import fatal
from bulkmeta.oss.transport import Request
from bulkmeta.oss.wire import parse_xml

if TYPE_CHECKING:
    from bulkmeta.oss.bucket import Bucket
    from bulkmeta.oss.transport import Response


class BucketInfo(msgspec.Struct, frozen=True):
    """What a bucket is set to; empty where it does not say. `date` is the service's
    time when it answered."""

    date: str
    location: str = ""
    storage_class: str = ""
    acl: str = ""
    versioning: str = ""
    encryption: str = ""
    hierarchical: bool = False


class Retention(msgspec.Struct, frozen=True):
    """A retention policy: its `state` (empty if there is none), and for how many days
    nothing can be overwritten or deleted."""

    state: str = ""
    days: int = 0


async def read_info(bucket: Bucket) -> BucketInfo:
    """What the bucket is set to (GetBucketInfo); raises as all requests do."""
    request = Request("GetBucketInfo", "GET", params={"bucketInfo": ""})
    return await bucket.ask(request, parse_info)


async def read_retention(bucket: Bucket) -> Retention:
    """By which policy objects are kept (GetBucketWorm); raises as all requests do."""
    request = Request("GetBucketWorm", "GET", params={"worm": ""})
    try:
        return await bucket.ask(request, parse_retention)
    except ServiceError as error:
        if error.detail.code == "NoSuchWORMConfiguration":
            return Retention()
        raise


async def read_time(bucket: Bucket) -> datetime:
    """What time it is at the service, by any answer of it.

    Raises:
        RunFatalError: there is none, or it does not tell.
    """
    request = Request("GetBucketVersioning", "GET", params={"versioning": ""})
    try:
        date = await bucket.ask(request, lambda answer: answer.header("date"))
    except ObjectError as error:
        date = date_of(error)
        if date is None:
            raise fatal(error) from error
    try:
        return parse_http_date(date or "")
    except ValueError as error:
        raise RunFatalError("the service does not tell what time it is") from error


def date_of(error: ObjectError) -> str | None:
    """The service's time by an answer that was an error."""
    headers: dict[str, Any] = getattr(error.__cause__, "headers", {})
    return headers.get("date")


def parse_info(response: Response) -> BucketInfo:
    """What a GetBucketInfo answer says.

    Raises:
        ValueError: the body is not a BucketInfo.
    """
    found = parse_xml(response.body, "BucketInfo").find("Bucket")
    if found is None:
        raise ValueError("a BucketInfo without Bucket")
    algorithm = found.findtext("ServerSideEncryptionRule/SSEAlgorithm") or ""
    return BucketInfo(
        date=response.header("date") or "",
        location=found.findtext("Location") or "",
        storage_class=found.findtext("StorageClass") or "",
        acl=found.findtext("AccessControlList/Grant") or "",
        versioning=found.findtext("Versioning") or "",
        encryption="" if algorithm == "None" else algorithm,
        hierarchical=found.findtext("HierarchicalNamespace") == "Enabled",
    )


def parse_retention(response: Response) -> Retention:
    """What a GetBucketWorm answer says.

    Raises:
        ValueError: the body is not a WormConfiguration.
    """
    found = parse_xml(response.body, "WormConfiguration")
    days = found.findtext("RetentionPeriodInDays") or "0"
    return Retention(found.findtext("State") or "", int(days))
