"""The errors the service answers with, as exceptions of its handlers."""

from __future__ import annotations

from xml.sax.saxutils import escape


class ServiceError(Exception):
    """A refusal with HTTP status and OSS code; rendered as XML by the server."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        ec: str = "",
        headers: tuple[tuple[str, str], ...] = (),
        details: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Hold what the reply will carry; `details` become extra XML elements."""
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.ec = ec
        self.headers = headers
        self.details = details

    def to_xml(self, request_id: str, host: str) -> bytes:
        """The `<Error>` document of this refusal."""
        fields = [
            ("Code", self.code),
            ("Message", self.message),
            ("RequestId", request_id),
            ("HostId", host),
            *self.details,
        ]
        if self.ec:
            fields.append(("EC", self.ec))
        inner = "".join(f"  <{n}>{escape(v)}</{n}>\n" for n, v in fields)
        text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>\n{inner}</Error>\n'
        return text.encode("utf-8", "surrogateescape")


def invalid_argument(message: str, name: str = "", value: str = "") -> ServiceError:
    """400 InvalidArgument, naming the argument where it is known."""
    details = (("ArgumentName", name), ("ArgumentValue", value)) if name else ()
    return ServiceError(400, "InvalidArgument", message, details=details)


def no_such_key(key: str, headers: tuple[tuple[str, str], ...] = ()) -> ServiceError:
    """404 NoSuchKey."""
    return ServiceError(
        404,
        "NoSuchKey",
        "The specified key does not exist.",
        ec="0026-00000001",
        headers=headers,
        details=(("Key", key),),
    )


def no_such_bucket(bucket: str) -> ServiceError:
    """404 NoSuchBucket."""
    return ServiceError(
        404,
        "NoSuchBucket",
        "The specified bucket does not exist.",
        ec="0015-00000101",
        details=(("BucketName", bucket),),
    )


def immutable() -> ServiceError:
    """409 FileImmutable: a retention policy holds the object."""
    return ServiceError(409, "FileImmutable", "The object you specified is immutable.")


def already_exists() -> ServiceError:
    """409 FileAlreadyExists."""
    return ServiceError(
        409,
        "FileAlreadyExists",
        "The object you specified already exists and can not be overwritten.",
        ec="0026-00000002",
    )


def payer_missing() -> ServiceError:
    """403 AccessDenied: the bucket's owner does not pay for others."""
    message = "Access denied for requester pay bucket"
    return ServiceError(403, "AccessDenied", message, ec="0003-00000703")


def not_implemented(what: str) -> ServiceError:
    """400 NotImplemented: a header or query the service knows no meaning for."""
    message = "A header you provided implies functionality that is not implemented."
    return ServiceError(400, "NotImplemented", message, details=(("Header", what),))
