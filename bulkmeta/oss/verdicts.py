"""What each error of the service means: a table, and the look-up in it.

Source: the service's error pages and the three official SDKs. The error code decides
together with the status; the finer `EC` is recorded but never branched on, as OSS
advises. A code that is not listed is judged by its status alone.
"""

from __future__ import annotations

from typing import Final

from bulkmeta.errors import Verdict

_RETRY, _THROTTLED, _FATAL = Verdict.RETRY, Verdict.THROTTLED, Verdict.FATAL
_REFUSED, _SKIP = Verdict.REFUSED, Verdict.SKIP

# (status, code) -> (verdict, reason in the run file)
BY_CODE: Final[dict[tuple[int, str], tuple[Verdict, str]]] = {
    (400, "InvalidArgument"): (_REFUSED, "invalid_argument"),
    (400, "InvalidObjectName"): (_REFUSED, "invalid_key"),
    (400, "MalformedXML"): (_REFUSED, "invalid_argument"),
    (400, "InvalidDigest"): (_REFUSED, "invalid_argument"),
    (400, "InvalidEncryptionAlgorithmError"): (_REFUSED, "encryption"),
    (400, "InvalidTargetType"): (_REFUSED, "unsupported"),
    (400, "InvalidTag"): (_REFUSED, "invalid_tag"),
    (400, "InvalidTaggingKey"): (_REFUSED, "invalid_tag"),
    (400, "RepeatedTags"): (_REFUSED, "invalid_tag"),
    (400, "EntityTooLarge"): (_REFUSED, "too_large"),
    (400, "NotImplemented"): (_REFUSED, "unsupported"),
    (400, "OperationNotSupported"): (_REFUSED, "unsupported"),
    (400, "ObjectAlreadyExists"): (_REFUSED, "directory"),
    (400, "RequestTimeout"): (_RETRY, "timeout"),
    (400, "BadRequest"): (_RETRY, "bad_request"),
    (400, "KmsServiceNotEnabled"): (_FATAL, "kms"),
    (403, "InvalidAccessKeyId"): (_FATAL, "credentials"),
    (403, "SignatureDoesNotMatch"): (_REFUSED, "signature"),
    (403, "UserDisable"): (_FATAL, "account_disabled"),
    (403, "BucketDisable"): (_FATAL, "bucket_disabled"),
    (403, "SecondLevelDomainForbidden"): (_FATAL, "endpoint"),
    (403, "TransferAccelerationDisabled"): (_FATAL, "acceleration"),
    (403, "KmsServiceNotEnabled"): (_FATAL, "kms"),
    (403, "KmsInDebt"): (_FATAL, "kms"),
    (403, "AccessDenied"): (_REFUSED, "access_denied"),
    (403, "RequestTimeTooSkewed"): (Verdict.SKEWED, "clock"),
    (403, "SecurityTokenExpired"): (Verdict.EXPIRED, "credentials"),
    (403, "InvalidSecurityToken"): (Verdict.EXPIRED, "credentials"),
    (403, "AccessKeyIdAndSecurityTokenNotMatch"): (Verdict.EXPIRED, "credentials"),
    (403, "InvalidObjectState"): (_SKIP, "archived"),
    (404, "NoSuchKey"): (_SKIP, "gone"),
    (404, "NoSuchVersion"): (_SKIP, "gone"),
    (404, "SymlinkTargetNotExist"): (_SKIP, "gone"),
    (404, "NoSuchBucket"): (_FATAL, "no_such_bucket"),
    (405, "MethodNotAllowed"): (_REFUSED, "unsupported"),
    (409, "FileImmutable"): (_REFUSED, "immutable"),
    (409, "FileAlreadyExists"): (_REFUSED, "overwrite_forbidden"),
    (409, "ObjectNotAppendable"): (_REFUSED, "unsupported"),
    (409, "RestoreAlreadyInProgress"): (_SKIP, "archived"),
    (409, "KeyDisabled"): (_REFUSED, "kms"),
    (409, "KeyPendingDeletion"): (_REFUSED, "kms"),
    (412, "PreconditionFailed"): (Verdict.CONFLICT, "conflict"),
    (304, "NotModified"): (Verdict.CONFLICT, "conflict"),
    (429, "QpsLimitExceeded"): (_THROTTLED, "throttled"),
    (500, "InternalError"): (_RETRY, "server_error"),
    (503, "ServiceUnavailable"): (_THROTTLED, "throttled"),
    (503, "TotalQpsLimitExceeded"): (_THROTTLED, "throttled"),
    (503, "PartitionQpsLimitted"): (_THROTTLED, "throttled"),  # the service's spelling
    (503, "ActiveRequestLimitExceeded"): (_THROTTLED, "throttled"),
    (503, "CpuLimitExceeded"): (_THROTTLED, "throttled"),
    (503, "MetaOperationQpsLimitExceeded"): (_THROTTLED, "throttled"),
    (503, "UploadTrafficRateLimitExceeded"): (_THROTTLED, "throttled"),
    (503, "DownloadTrafficRateLimitExceeded"): (_THROTTLED, "throttled"),
}

BY_STATUS: Final[dict[int, tuple[Verdict, str]]] = {
    304: (Verdict.CONFLICT, "conflict"),
    401: (_RETRY, "unauthorized"),
    408: (_RETRY, "timeout"),
    412: (Verdict.CONFLICT, "conflict"),
    429: (_THROTTLED, "throttled"),
    503: (_THROTTLED, "throttled"),
}

WRONG_ENDPOINT: Final = "must be addressed using the specified endpoint"
"""AccessDenied with these words means that the bucket lives in another region."""

REQUESTER_PAYS: Final = "requester pay bucket"
"""AccessDenied with these words means that whoever asks has to agree to pay (asserted
against the service by the tests of its Go SDK v2; EC 0003-00000703)."""


def judge(status: int, code: str, message: str) -> tuple[Verdict, str]:
    """The verdict on an error answer, and the reason to record for it."""
    if code == "AccessDenied" and WRONG_ENDPOINT in message:
        return Verdict.FATAL, "endpoint"
    if code == "AccessDenied" and REQUESTER_PAYS in message:
        return Verdict.FATAL, "requester_pays"
    known = BY_CODE.get((status, code)) or BY_STATUS.get(status)
    if known:
        return known
    if status >= 500:
        return Verdict.RETRY, "server_error"
    return Verdict.REFUSED, "service_error"
