"""`doctor`: each thing that a run may founder on is found, with what to do about it."""

from __future__ import annotations

import json
import os
import pty
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bulkmeta.emulator.faults import Fault
from bulkmeta.emulator.options import Credential, EmulatorOptions
from bulkmeta.emulator.server import EmbeddedOSS

Command = Callable[..., Any]
READING = [
    "credentials", "address", "DNS", "TLS", "clock", "bucket", "versions",
    "retention", "list", "head", "acl", "tags",
]  # fmt: skip
WRITING = ["put", "copy", "put acl", "put tags"]


@pytest.fixture
def doctor(bulkmeta: Command) -> Command:
    """The checks by name, and the exit code."""

    def examined(*args: str) -> tuple[dict[str, Any], int]:
        result = bulkmeta("doctor", "oss://bucket/p/", "--json", *args)
        assert result.out, result.err
        checks = json.loads(result.out)
        return {check["name"]: check for check in checks}, result.code

    return examined


@pytest.fixture(autouse=True)
def _seeded(oss: EmbeddedOSS) -> None:
    oss.store.put_object("bucket", "p/a")


def states(checks: dict[str, Any]) -> dict[str, str]:
    """Those that are not well."""
    return {n: c["state"] for n, c in checks.items() if c["state"] != "ok"}


def test_all_is_well(oss: EmbeddedOSS, doctor: Command) -> None:
    """Each check is made once, and the bucket is as before."""
    checks, code = doctor("--yes")

    assert (code, states(checks)) == (0, {})
    assert list(checks) == [*READING, *WRITING]
    assert [stored.key for stored in oss.store.objects("bucket")] == ["p/a"]


def test_nothing_is_put_without_consent(oss: EmbeddedOSS, doctor: Command) -> None:
    """Nobody said yes: it only reads."""
    checks, code = doctor()

    assert (code, states(checks)) == (0, {"put": "skipped"})
    assert {request.method for request in oss.log.requests()} == {"GET", "HEAD"}


def test_an_empty_bucket(oss: EmbeddedOSS, doctor: Command) -> None:
    """Reading is tried on the temporary object then."""
    oss.store.delete_object("bucket", "p/a", None)

    checks, code = doctor("--yes")

    assert code == 0
    assert [c["state"] for n, c in checks.items() if n in {"head", "acl", "tags"}] == [
        "ok", "ok", "ok"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("operation", "name", "state", "advice"),
    [
        ("GetBucketInfo", "bucket", "warning", "grant oss:GetBucketInfo"),
        ("GetBucketVersioning", "versions", "warning", "oss:GetBucketVersioning"),
        ("GetBucketWorm", "retention", "warning", "grant oss:GetBucketWorm"),
        ("ListObjectsV2", "list", "failed", "oss:ListObjects, or name keys with"),
        ("HeadObject", "head", "failed", "grant oss:GetObject"),
        ("GetObjectAcl", "acl", "failed", "oss:GetObjectAcl, or pass --acl-policy"),
        ("GetObjectTagging", "tags", "warning", "grant oss:GetObjectTagging"),
        ("PutObject", "put", "failed", "grant oss:PutObject"),
        ("CopyObject", "copy", "failed", "grant oss:GetObject and oss:PutObject"),
        ("PutObjectAcl", "put acl", "failed", "oss:PutObjectAcl, or pass"),
        ("PutObjectTagging", "put tags", "warning", "grant oss:PutObjectTagging"),
    ],
)
def test_a_permission_is_missing(
    oss: EmbeddedOSS,
    doctor: Command,
    operation: str,
    name: str,
    state: str,
    advice: str,
) -> None:
    """It is named, and whether a run can do without."""
    oss.faults.add(Fault("error", operation, status=403, code="AccessDenied"))

    checks, code = doctor("--yes", "--object", "p/a")

    assert checks[name]["state"] == state
    assert "AccessDenied" in checks[name]["found"]
    assert advice in checks[name]["advice"]
    assert code == (1 if state == "failed" else 0)


def test_the_object_is_not_there(doctor: Command) -> None:
    """It says what to do, as each line does that is not ok."""
    checks, code = doctor("--yes", "--object", "p/none")
    assert (checks["head"]["state"], code) == ("failed", 1)
    assert checks["head"]["advice"] == "name an object that is there"


def test_protection(oss: EmbeddedOSS, doctor: Command) -> None:
    """A policy that forbids changes, and versions that each of them adds."""
    oss.store.configure_bucket("bucket", versioning="Enabled")
    checks, code = doctor()
    assert (code, checks["versions"]["state"]) == (0, "warning")
    assert "--allow-new-versions" in checks["versions"]["advice"]

    oss.store.configure_bucket("bucket", versioning=None, worm=True)
    checks, code = doctor()
    assert (code, checks["retention"]["state"]) == (1, "failed")


@pytest.mark.parametrize(
    ("offset_s", "state", "words"),
    [
        (0, "ok", "as the service's"),
        (30, "ok", "s behind the service's"),
        (-300, "warning", "5 min ahead of the service's"),
        (7200, "warning", "120 min behind the service's"),
    ],
)
def test_the_clock(
    oss: EmbeddedOSS, doctor: Command, offset_s: int, state: str, words: str
) -> None:
    """How far it is off; beyond 15 minutes the service refuses others."""
    oss.clock.offset_s = offset_s

    checks, code = doctor()

    assert (code, checks["clock"]["state"]) == (0, state)
    assert words in checks["clock"]["found"]
    assert ("others are refused" in str(checks["clock"]["advice"])) is (
        abs(offset_s) > 900
    )


@pytest.mark.parametrize(
    ("variables", "name", "words"),
    [
        ({"OSS_ACCESS_KEY_ID": ""}, "credentials", "but OSS_ACCESS_KEY_ID is not"),
        (
            {"OSS_ACCESS_KEY_ID": "", "OSS_ACCESS_KEY_SECRET": ""},
            "credentials",
            "no credentials found",
        ),
        (
            {"OSS_ENDPOINT": "", "OSS_REGION": ""},
            "address",
            "no endpoint and no region",
        ),
        ({"OSS_ENDPOINT": "http://no.such.invalid"}, "DNS", "no.such.invalid"),
        ({"OSS_ENDPOINT": "http://127.0.0.1:1"}, "connection", "Connection refused"),
        ({"OSS_ACCESS_KEY_SECRET": "other"}, "bucket", "check the access key secret"),
        ({"OSS_ACCESS_KEY_ID": "other"}, "bucket", "InvalidAccessKeyId"),
        ({"OSS_REGION": "cn-beijing"}, "bucket", "check --region"),
    ],
)
def test_nothing_can_be_reached(
    doctor: Command,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    name: str,
    words: str,
) -> None:
    """It ends at what has to be mended first, with exit code 4."""
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)

    checks, code = doctor("--yes")

    assert code == 4
    assert list(checks)[-1] == name
    assert checks[name]["state"] == "failed"
    assert words in checks[name]["found"]


def test_no_such_bucket(bulkmeta: Command) -> None:
    """Another name is another bucket."""
    result = bulkmeta("doctor", "oss://other-bucket")

    assert result.code == 4
    assert "failed    bucket        NoSuchBucket" in result.out


def test_temporary_credentials(
    bulkmeta: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That they are temporary is said; what they are is not."""
    identity = Credential("temporary-id", "temporary-secret", "temporary-token")
    with EmbeddedOSS(EmulatorOptions(credentials=(identity,))) as oss:
        oss.store.create_bucket("bucket")
        monkeypatch.setenv("OSS_ENDPOINT", oss.endpoint)
        monkeypatch.setenv("OSS_ACCESS_KEY_ID", "temporary-id")
        monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", "temporary-secret")
        monkeypatch.setenv("OSS_SESSION_TOKEN", "temporary-token")
        result = bulkmeta("doctor", "oss://bucket", "--yes")

    assert result.code == 0
    assert "temporary, from the environment (OSS_ACCESS_KEY_ID)" in result.out
    assert "temporary-" not in result.out + result.err


# Encryption


@contextmanager
def encrypting(folder: Path, days: int, name: str = "localhost") -> Iterator[str]:
    """A server with a certificate of its own making; its URL."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    own = folder / "own.pem"
    own.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(own)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_shake_hands, args=(listener, context))
        thread.start()
        try:
            yield f"https://localhost:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _shake_hands(listener: socket.socket, context: ssl.SSLContext) -> None:
    """Encrypt each connection, and close it."""
    while True:
        with suppress(ssl.SSLError, ConnectionError):
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, context.wrap_socket(connection, server_side=True) as told:
                told.settimeout(5)
                told.recv(1)


@pytest.mark.parametrize(
    ("days", "trusted", "state", "words"),
    [
        (100, False, "failed", "self-signed certificate"),
        (100, True, "ok", "TLSv1.3, certificate good until"),
        (3, True, "warning", "certificate good until"),
        (-1, True, "failed", "certificate has expired"),
    ],
)
def test_certificates(
    doctor: Command,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    days: int,
    trusted: bool,
    state: str,
    words: str,
) -> None:
    """One that is not to be trusted ends it; one that is about to expire is told."""
    with encrypting(tmp_path, days) as endpoint:
        if trusted:
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "own.pem"))
        monkeypatch.setenv("OSS_ENDPOINT", endpoint)
        checks, code = doctor()

    assert code == 4  # it is no OSS
    assert checks["TLS"]["state"] == state
    assert words in checks["TLS"]["found"]


def test_a_proxy(doctor: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it leads is told, without a password that may stand in it."""
    monkeypatch.setenv("OSS_ENDPOINT", "https://oss-cn-hangzhou.aliyuncs.com")
    monkeypatch.setenv("https_proxy", "http://me:pass-word@127.0.0.1:1")

    checks, code = doctor()

    assert code == 4
    assert checks["proxy"]["found"] == "through 127.0.0.1:1; not looked at"
    assert "pass-word" not in json.dumps(checks)


@pytest.mark.parametrize(
    ("answer", "put"), [("y", True), ("n", False), ("maybe\nYES", True)]
)
def test_asked_on_a_terminal(oss: EmbeddedOSS, answer: str, put: bool) -> None:
    """Somebody is asked before anything is put."""
    master, slave = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "bulkmeta", "doctor", "oss://bucket/p/"],
        env={**os.environ, **oss.environment},
        stdin=slave,
        stdout=subprocess.PIPE,
        stderr=slave,
        text=True,
    ) as process:
        os.write(master, f"{answer}\n".encode())
        out, _ = process.communicate(timeout=30)
    err = os.read(master, 10_000).decode()
    os.close(master)
    os.close(slave)

    assert process.returncode == 0
    assert "Put a temporary object under oss://bucket/p/" in err
    assert err.count("please answer yes or no") == ("maybe" in answer)
    assert ("ok        copy" in out) is put
    assert any(r.operation == "PutObject" for r in oss.log.requests()) is put


def test_nothing_else_is_said(oss: EmbeddedOSS) -> None:
    """Where it ends early, on the loop of the standard library, too."""
    code = (
        "import sys; sys.modules['uvloop'] = None\nfrom bulkmeta.cli.main import main"
    )
    done = subprocess.run(  # noqa: S603 our own command line
        [sys.executable, "-c", f"{code}; main()", "doctor", "oss://no-such-bucket/p/"],
        env={**os.environ, **oss.environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (4, "")
    assert "NoSuchBucket" in done.stdout
