"""The table of error answers."""

from __future__ import annotations

import pytest

from bulkmeta.errors import Verdict
from bulkmeta.oss.verdicts import BY_CODE, BY_STATUS, WRONG_ENDPOINT, judge

V = Verdict
DOCUMENTED = {
    (304, V.CONFLICT): "NotModified",
    (400, V.REFUSED): (
        "InvalidArgument InvalidObjectName MalformedXML InvalidDigest "
        "InvalidEncryptionAlgorithmError InvalidTargetType InvalidTag "
        "InvalidTaggingKey RepeatedTags EntityTooLarge NotImplemented "
        "OperationNotSupported ObjectAlreadyExists"
    ),
    (400, V.RETRY): "RequestTimeout BadRequest",
    (400, V.FATAL): "KmsServiceNotEnabled",
    (403, V.FATAL): (
        "InvalidAccessKeyId UserDisable BucketDisable SecondLevelDomainForbidden "
        "TransferAccelerationDisabled KmsServiceNotEnabled KmsInDebt"
    ),
    (403, V.REFUSED): "AccessDenied SignatureDoesNotMatch",
    (403, V.SKEWED): "RequestTimeTooSkewed",
    (403, V.EXPIRED): (
        "SecurityTokenExpired InvalidSecurityToken AccessKeyIdAndSecurityTokenNotMatch"
    ),
    (403, V.SKIP): "InvalidObjectState",
    (404, V.SKIP): "NoSuchKey NoSuchVersion SymlinkTargetNotExist",
    (404, V.FATAL): "NoSuchBucket",
    (405, V.REFUSED): "MethodNotAllowed",
    (409, V.REFUSED): (
        "FileImmutable FileAlreadyExists ObjectNotAppendable KeyDisabled "
        "KeyPendingDeletion"
    ),
    (409, V.SKIP): "RestoreAlreadyInProgress",
    (412, V.CONFLICT): "PreconditionFailed",
    (429, V.THROTTLED): "QpsLimitExceeded",
    (500, V.RETRY): "InternalError",
    (503, V.THROTTLED): (
        "ServiceUnavailable TotalQpsLimitExceeded ActiveRequestLimitExceeded "
        "CpuLimitExceeded MetaOperationQpsLimitExceeded "
        "UploadTrafficRateLimitExceeded DownloadTrafficRateLimitExceeded "
        "PartitionQpsLimitted"
    ),
}
ROWS = [
    (status, code, verdict)
    for (status, verdict), codes in DOCUMENTED.items()
    for code in codes.split()
]


@pytest.mark.parametrize(("status", "code", "verdict"), ROWS)
def test_documented_codes(status: int, code: str, verdict: Verdict) -> None:
    """Every row of the service's error pages is in the table, with its action."""
    assert BY_CODE[status, code][0] is verdict
    assert judge(status, code, "")[0] is verdict


def test_no_other_rows() -> None:
    """The table holds nothing that is not documented."""
    assert BY_CODE.keys() == {(status, code) for status, code, _ in ROWS}


@pytest.mark.parametrize(
    ("status", "verdict", "reason"),
    [
        (304, V.CONFLICT, "conflict"),
        (400, V.REFUSED, "service_error"),
        (401, V.RETRY, "unauthorized"),
        (403, V.REFUSED, "service_error"),
        (404, V.REFUSED, "service_error"),
        (408, V.RETRY, "timeout"),
        (412, V.CONFLICT, "conflict"),
        (429, V.THROTTLED, "throttled"),
        (500, V.RETRY, "server_error"),
        (502, V.RETRY, "server_error"),
        (503, V.THROTTLED, "throttled"),
        (504, V.RETRY, "server_error"),
        (302, V.REFUSED, "service_error"),
        (203, V.REFUSED, "service_error"),
    ],
)
def test_unknown_codes_go_by_status(status: int, verdict: Verdict, reason: str) -> None:
    """A code nobody has listed, a proxy's for one, is judged by its status."""
    assert judge(status, "SomethingNew", "") == (verdict, reason)


def test_a_code_counts_with_its_own_status_only() -> None:
    """The same word under another status means nothing known."""
    assert judge(400, "NoSuchKey", "") == (V.REFUSED, "service_error")


def test_wrong_endpoint_is_fatal() -> None:
    """AccessDenied for being in the wrong region is no object's fault."""
    message = f"The bucket you are attempting to access {WRONG_ENDPOINT}. Please…"
    assert judge(403, "AccessDenied", message) == (V.FATAL, "endpoint")


def test_reasons_are_stable_words() -> None:
    """Reasons stand in run files: lower-case words joined by underscores."""
    reasons = {reason for _, reason in (*BY_CODE.values(), *BY_STATUS.values())}
    assert [
        r for r in reasons if not r.replace("_", "").isalpha() or r != r.lower()
    ] == []


def test_who_has_to_pay() -> None:
    """AccessDenied that another permission would not help against."""
    words = "Access denied for requester pay bucket"
    assert judge(403, "AccessDenied", words) == (V.FATAL, "requester_pays")
