"""What of a URL is left out where others' errors are told."""

from __future__ import annotations

import time

import pytest

from bulkmeta.model.redaction import without_secrets


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("https://me:pa%40ss@host/x?a=1", "https://…@host/x?a=1"),
        ("http://t0ken@host:8080", "http://…@host:8080"),
        ("'oss://me:p@ss@host'", "'oss://…@host'"),
        (
            "https://b.oss/k?OSSAccessKeyId=LTAI&Expires=17&Signature=ab%2Fc%3D",
            "https://b.oss/k?OSSAccessKeyId=…&Expires=17&Signature=…",
        ),
        ("/k?security-token=CAIS+/=&x=1 (403)", "/k?security-token=…&x=1 (403)"),
        (
            "?x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-credential=LTAI%2F2026"
            "&x-oss-security-token=CAIS&x-oss-signature=0123",
            "?x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-credential=…"
            "&x-oss-security-token=…&x-oss-signature=…",
        ),
        ("X-Amz-Signature=0&X-Amz-Date=1", "X-Amz-Signature=…&X-Amz-Date=1"),
        ("u=https%3A%2F%2Fh%3FSignature%3Dab&b", "u=https%3A%2F%2Fh%3FSignature%3D…&b"),
        ('get("/k?Signature=ab")\n', 'get("/k?Signature=…")\n'),
    ],
)  # fmt: skip
def test_what_is_left_out(text: str, told: str) -> None:
    """Users, signatures, tokens and keys; what else stands there is told."""
    assert without_secrets(text) == told


@pytest.mark.parametrize(
    "text",
    [
        "",
        "KeyError: 'signature'",
        "https://host/a@b?mail=me@host#x:y@z",
        "mail to me@host: the signature = value",
        "https://host/?designature=1",
    ],
)
def test_what_stays(text: str) -> None:
    """Words that only look like it."""
    assert without_secrets(text) == text


@pytest.mark.parametrize("text", ["a-" * 50_000, "://" * 30_000, "access" * 20_000])
def test_how_long_it_takes(text: str) -> None:
    """As long as the text is, not its square."""
    before_s = time.process_time()
    without_secrets(text)
    assert time.process_time() - before_s < 1.0
