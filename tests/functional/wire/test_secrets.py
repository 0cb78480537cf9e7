"""Nothing that is said holds a secret, whatever the service says."""

from __future__ import annotations

import logging

import pytest

from bulkmeta.emulator.faults import Fault
from bulkmeta.emulator.options import Credential, EmulatorOptions
from bulkmeta.emulator.server import EmbeddedOSS
from tests.functional.wire.conftest import (
    ACCESS_KEY_ID,
    SECRET,
    TOKEN,
    Command,
    WireServer,
    refuse_secrets,
    response,
    run_text,
)


def leaky_error(status: str, code: str) -> bytes:
    """An error that tells what was sent, as OSS does on a bad signature."""
    body = (
        f"<Error><Code>{code}</Code><Message>no</Message>"
        f"<StringToSign>x-oss-security-token:{TOKEN}</StringToSign>"
        f"<SignatureProvided>OSS4-HMAC-SHA256 {SECRET}</SignatureProvided></Error>"
    )
    return response(status, (), body.encode())


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [
        ("403 Forbidden", "SignatureDoesNotMatch", 1),
        ("403 Forbidden", "AccessDenied", 1),
        ("403 Forbidden", "InvalidAccessKeyId", 4),
        ("400 Bad Request", "Whatever", 1),
        ("409 Conflict", "FileImmutable", 1),
    ],
)
def test_failing_updates_tell_no_secret(
    wire: WireServer, apply: Command, status: str, code: str, exit_code: int
) -> None:
    """Not even an error that repeats what was sent brings a secret into output, log
    or run file (the `apply` fixture looks)."""
    wire.puts = [leaky_error(status, code)]

    result = apply()

    assert result.code == exit_code
    assert code in result.err + run_text()


WRONG = {
    "secret": {"OSS_ACCESS_KEY_SECRET": f"{SECRET}x"},
    "token": {"OSS_SESSION_TOKEN": f"{TOKEN}x"},
    "key": {"OSS_ACCESS_KEY_ID": "STS.other"},
}


@pytest.mark.parametrize("trouble", ["secret", "token", "key", "expired", "fault"])
@pytest.mark.parametrize("version", ["v4", "v1"])
def test_failing_runs_tell_no_secret(
    bulkmeta: Command,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    trouble: str,
    version: str,
) -> None:
    """Wrong, unknown or expired credentials and refused objects: neither output, log
    nor run file tells secret, token or signature."""
    expires_at = 1.0 if trouble == "expired" else None
    credential = Credential(ACCESS_KEY_ID, SECRET, TOKEN, expires_at)
    with EmbeddedOSS(EmulatorOptions(credentials=(credential,))) as oss:
        oss.store.create_bucket("bucket")
        oss.store.put_object("bucket", "p/a")
        oss.faults.add(Fault("error", "CopyObject", status=403, code="AccessDenied"))
        for name, value in {**oss.environment, **WRONG.get(trouble, {})}.items():
            monkeypatch.setenv(name, value)
        with caplog.at_level(logging.DEBUG):
            result = bulkmeta(
                "apply", "oss://bucket/p/", "--set", "x=1", "--yes",
                "--sign-version", version, "--run-file", "run",
            )  # fmt: skip
        sent = [r.headers["authorization"] for r in oss.log.requests()]

    assert result.code == (1 if trouble == "fault" else 4)
    assert sent
    refuse_secrets(result.out + result.err + caplog.text + run_text(), sent)
