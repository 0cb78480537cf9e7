"""Credentials from wherever they are, all the way to a bucket; none of them is told."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bulkmeta.emulator.options import Credential, EmulatorOptions
from bulkmeta.emulator.server import EmbeddedOSS
from bulkmeta.oss import temporary
from tests.functional.conftest import FIRST, Service

Command = Callable[..., Any]
SECOND = Credential("STS.second", "s3cret-second", "t0ken-second")
KEPT = Credential("LTAI.kept", "s3cret-kept")
SECRETS = ("s3cret", "t0ken")
TARGET = "oss://bucket/p/"


@pytest.fixture
def oss() -> Iterator[EmbeddedOSS]:
    """An embedded OSS that knows these identities, and no others."""
    options = EmulatorOptions(credentials=(KEPT, FIRST, SECOND))
    with EmbeddedOSS(options) as embedded:
        embedded.store.create_bucket("bucket")
        for number in range(40):
            embedded.store.put_object("bucket", f"p/{number:02}", body=b"")
        yield embedded


@pytest.fixture
def bare(
    oss: EmbeddedOSS, bulkmeta: Command, monkeypatch: pytest.MonkeyPatch
) -> Command:
    """The command line, with an address and nothing to sign with."""
    for name in ("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET"):
        monkeypatch.delenv(name)
    return bulkmeta


def ossutil(text: str) -> None:
    (Path.home() / ".ossutilconfig").write_text(text)


def cli(**profile: Any) -> None:
    folder = Path.home() / ".aliyun"
    folder.mkdir()
    text = json.dumps({"current": "x", "profiles": [{"name": "x", **profile}]})
    (folder / "config.json").write_text(text)


def assert_works(command: Command, *order: str) -> None:
    """A whole run is carried out, and nothing secret is said, or kept."""
    result = command(
        "apply", TARGET, "--set", "a=1", "--yes", "--run-file", "run.jsonl", *order
    )
    assert result.code == 0, result.err
    assert "40 updated" in result.out
    kept = "".join(path.read_text() for path in Path().glob("run.jsonl*"))
    assert not [s for s in SECRETS if s in result.err + result.out + kept]


@pytest.mark.parametrize(
    "text",
    [
        "[Credentials]\naccessKeyID=LTAI.kept\naccessKeySecret=s3cret-kept\n",
        "[default]\naccess-key-id = LTAI.kept\naccess-key-secret = s3cret-kept\n",
        "[default]\nmode=StsToken\naccessKeyId=STS.first\n"
        "accessKeySecret=s3cret-first\nstsToken=t0ken-first\n",
    ],
)
def test_files_of_ossutil(bare: Command, text: str) -> None:
    """Of both versions, as they stand there."""
    ossutil(text)
    assert_works(bare)


def test_a_profile_that_is_named(
    bulkmeta: Command, oss: EmbeddedOSS, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes before variables, in credentials and address."""
    monkeypatch.setenv("OSS_ACCESS_KEY_ID", "someone-else")
    monkeypatch.setenv("OSS_ENDPOINT", "http://127.0.0.1:9")
    ossutil(
        "[default]\naccessKeyID=x\n[profile work]\naccessKeyID=LTAI.kept\n"
        f"accessKeySecret=s3cret-kept\nendpoint={oss.endpoint}\nregion=cn-hangzhou\n"
    )
    assert_works(bulkmeta, "--profile", "work")
    oss.clock.offset_s += 5
    undone = bulkmeta(
        "undo", "run.jsonl", "--yes", "--run-file", "u.jsonl", "--profile", "work"
    )
    assert undone.code == 0, undone.err
    wrong = bulkmeta("plan", TARGET, "--set", "b=1", "--profile", "wrok")
    assert (wrong.code, "there are: default, work" in wrong.err) == (2, True)


@pytest.mark.parametrize(
    "profile",
    [
        {
            "mode": "AK",
            "access_key_id": "LTAI.kept",
            "access_key_secret": "s3cret-kept",
        },
        {
            "mode": "StsToken",
            "access_key_id": "STS.first",
            "access_key_secret": "s3cret-first",
            "sts_token": "t0ken-first",
        },
    ],
)
def test_the_files_of_the_cli(bare: Command, profile: dict[str, str]) -> None:
    """Its current profile."""
    cli(**profile)
    assert_works(bare)


@pytest.mark.parametrize("hardened", [False, True])
@pytest.mark.parametrize("by", ["machine", "cli", "ossutil", "variable"])
def test_the_role_of_the_machine(
    bare: Command,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    hardened: bool,
    by: str,
) -> None:
    """With and without tokens; named or found."""
    service.hardened = hardened
    if by in {"machine", "variable"}:
        monkeypatch.delenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED")
    if by == "variable":
        monkeypatch.setenv("ALIBABA_CLOUD_ECS_METADATA", "my-role")
    if by == "cli":
        cli(mode="EcsRamRole", ram_role_name="my-role")
    if by == "ossutil":
        ossutil("[Credentials]\nmode=EcsRamRole\necsRoleName=my-role\n")
    assert_works(bare)
    roles = "/latest/meta-data/ram/security-credentials/"
    paths = [path for _, path, _ in service.asked]
    found = [roles, f"{roles}some-role"] if by == "machine" else [f"{roles}my-role"]
    assert paths == ["/latest/api/token", *found]


def test_only_with_tokens(
    bare: Command, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the old way is switched off it is not gone."""
    monkeypatch.delenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED")
    monkeypatch.setenv("ALIBABA_CLOUD_IMDSV1_DISABLED", "true")
    result = bare("plan", TARGET, "--set", "a=1")
    assert (result.code, "answers 404" in result.err) == (4, True), result.err


@pytest.mark.parametrize("by", ["variables", "cli"])
def test_a_token_of_the_cluster(
    bare: Command,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    by: str,
) -> None:
    """OIDC, by the variables that a pod has, or a profile."""
    (tmp_path / "oidc").write_text("cluster-t0ken\n")
    monkeypatch.setenv("ALIBABA_CLOUD_STS_ENDPOINT", os.environ["STAND_IN"])
    if by == "cli":
        cli(
            mode="OIDC",
            ram_role_arn="acs:ram::1:role/r",
            oidc_provider_arn="acs:ram::1:oidc-provider/p",
            oidc_token_file=str(tmp_path / "oidc"),
            role_session_name="me",
        )
    else:
        monkeypatch.setenv("ALIBABA_CLOUD_ROLE_ARN", "acs:ram::1:role/r")
        monkeypatch.setenv(
            "ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "acs:ram::1:oidc-provider/p"
        )
        monkeypatch.setenv("ALIBABA_CLOUD_OIDC_TOKEN_FILE", str(tmp_path / "oidc"))
        monkeypatch.setenv("ALIBABA_CLOUD_ROLE_SESSION_NAME", "me")
    assert_works(bare)
    ((method, path, sent),) = service.asked
    assert (method, path) == ("POST", "/")
    assert sent.pop("Timestamp")
    assert sent == {
        "Action": "AssumeRoleWithOIDC",
        "Format": "JSON",
        "Version": "2015-04-01",
        "RoleArn": "acs:ram::1:role/r",
        "OIDCProviderArn": "acs:ram::1:oidc-provider/p",
        "OIDCToken": "cluster-t0ken",
        "RoleSessionName": "me",
    }


def test_an_address(
    bare: Command, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any that serves them."""
    url = f"{os.environ['STAND_IN']}/my-role"
    monkeypatch.setenv("ALIBABA_CLOUD_CREDENTIALS_URI", url)
    assert_works(bare)


def test_fetched_anew_once_for_all(
    bare: Command,
    oss: EmbeddedOSS,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before the first ones expire, in mid-run, and by one request for all workers."""
    monkeypatch.delenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED")
    monkeypatch.setenv("ALIBABA_CLOUD_ECS_METADATA", "my-role")
    service.served = [(FIRST, 3), (SECOND, 3600)]
    assert_works(bare, "--rate", "30", "--concurrency", "16")
    assert service.fetches() == 2
    used = [r.headers["x-oss-security-token"] for r in oss.log.requests()]
    assert {*used} == {"t0ken-first", "t0ken-second"}
    assert used == sorted(used)


def test_nothing_new_to_be_had(
    bare: Command,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The run ends in words when the old ones have expired, and can be resumed."""
    monkeypatch.setattr(temporary, "_RETRY_S", 0.2)
    monkeypatch.delenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED")
    monkeypatch.setenv("ALIBABA_CLOUD_ECS_METADATA", "my-role")
    service.served = [(FIRST, 2)]

    def refuse() -> None:
        service.refusal = (500, '{"Code": "Down", "Message": "s3cret"}')

    threading.Timer(0.6, refuse).start()
    order = ("--set", "a=1", "--yes", "--run-file", "run.jsonl", "--rate", "20")
    result = bare("apply", TARGET, *order)
    assert result.code == 4, result.err
    assert "cannot be fetched anew: " in result.err
    assert "answers 500 (Down)" in result.err
    assert "s3cret" not in result.err

    service.refusal, service.served = None, [(SECOND, 3600)]
    assert bare("resume", "run.jsonl").code == 0


@pytest.mark.parametrize(
    ("prepare", "code", "words"),
    [
        (lambda: None, 4, "no credentials found: set OSS_ACCESS_KEY_ID and"),
        (lambda: ossutil("[default]\naccessKeyID=x\n"), 4, "has half of a key pair"),
        (lambda: ossutil("[default]\nwhat\n"), 2, "line 2: it is no section or key"),
        (lambda: cli(mode="Wonder"), 4, "credentials: profile 'x' of "),
        (lambda: cli(mode="OIDC", oidc_token_file="none"), 4, "cannot read the OIDC"),
    ],
)
def test_what_is_wrong(
    bare: Command, prepare: Callable[[], None], code: int, words: str
) -> None:
    """One line with the place."""
    prepare()
    result = bare("plan", TARGET, "--set", "a=1", "--progress", "none")
    assert (result.code, words in result.err) == (code, True), result.err
    assert "Traceback" not in result.err


def test_no_machine(bare: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no metadata service, the line says where was looked."""
    monkeypatch.delenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED")
    monkeypatch.setattr(temporary, "METADATA", "http://127.0.0.1:9")
    result = bare("plan", TARGET, "--set", "a=1")
    assert result.code == 4
    assert "no credentials found: set OSS_ACCESS_KEY_ID" in result.err
    assert "no answer from http://127.0.0.1:9" in result.err


def test_a_mode_for_the_library(bare: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Roles that are assumed by a key take the extra `cloud`, and it is said so."""
    cli(mode="External", process_command="echo no")
    result = bare("plan", TARGET, "--set", "a=1")
    assert (result.code, "credentials: profile 'x'" in result.err) == (4, True)

    monkeypatch.setitem(sys.modules, "alibabacloud_credentials", None)
    monkeypatch.setitem(sys.modules, "alibabacloud_credentials.provider", None)
    result = bare("plan", TARGET, "--set", "a=1")
    assert (result.code, "pip install '.[cloud]'" in result.err) == (2, True)


def test_a_program_that_has_them(bare: Command) -> None:
    """By the library, of a profile of the CLI."""
    given = {
        "mode": "StsToken",
        "access_key_id": "STS.first",
        "access_key_secret": "s3cret-first",
        "sts_token": "t0ken-first",
    }
    Path("give.json").write_text(json.dumps(given))
    cli(mode="External", process_command="cat give.json")
    assert_works(bare)
