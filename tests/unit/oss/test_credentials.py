"""Credentials out of the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bulkmeta.errors import RunFatalError
from bulkmeta.oss.credentials import EnvironmentProvider, find_credentials
from bulkmeta.oss.profiles import Settings

OSS = {"OSS_ACCESS_KEY_ID": "id", "OSS_ACCESS_KEY_SECRET": "secret"}
CLOUD = {
    "ALIBABA_CLOUD_ACCESS_KEY_ID": "cloud-id",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "cloud-secret",
}
NO_MACHINE = {"ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"}


async def had(environment: dict[str, str]) -> Any:
    """What an environment leads to, where there are no files."""
    settings = Settings(environment | NO_MACHINE, Path("/nowhere"))
    async with find_credentials(settings).opened() as provider:
        return provider.get_credentials()


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        (OSS, ("id", "secret", "")),
        (OSS | {"OSS_SESSION_TOKEN": "t"}, ("id", "secret", "t")),
        (CLOUD, ("cloud-id", "cloud-secret", "")),
        (
            CLOUD | {"ALIBABA_CLOUD_SECURITY_TOKEN": "t"},
            ("cloud-id", "cloud-secret", "t"),
        ),
        (CLOUD | OSS, ("id", "secret", "")),
        (OSS | {"ALIBABA_CLOUD_SECURITY_TOKEN": "t"}, ("id", "secret", "")),
        (
            CLOUD | {"OSS_ACCESS_KEY_ID": " ", "OSS_ACCESS_KEY_SECRET": ""},
            ("cloud-id", "cloud-secret", ""),
        ),
        (
            {"OSS_ACCESS_KEY_ID": " id\n", "OSS_ACCESS_KEY_SECRET": "secret\r\n"},
            ("id", "secret", ""),
        ),
    ],
)
async def test_found(environment: dict[str, str], found: tuple[str, str, str]) -> None:
    """First complete pair wins, with its own token; stray line ends are dropped."""
    credentials = await had(environment)
    assert found == (
        credentials.get_access_key_id(),
        credentials.get_access_key_secret(),
        credentials.get_security_token(),
    )


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        (
            {},
            "no credentials found: set OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET",
        ),
        (
            {"OSS_ACCESS_KEY_ID": "id"} | CLOUD,
            "credentials: OSS_ACCESS_KEY_ID is set, but OSS_ACCESS_KEY_SECRET is not",
        ),
        (
            {"OSS_ACCESS_KEY_SECRET": "s"},
            "credentials: OSS_ACCESS_KEY_SECRET is set, but OSS_ACCESS_KEY_ID is not",
        ),
        (
            {"ALIBABA_CLOUD_ACCESS_KEY_ID": "id"},
            "credentials: ALIBABA_CLOUD_ACCESS_KEY_ID is set, but "
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET is not",
        ),
        (
            OSS | {"OSS_ACCESS_KEY_SECRET": "one\ntwo"},
            "credentials: OSS_ACCESS_KEY_SECRET: a value may not hold line breaks or "
            "other control characters",
        ),
        (
            OSS | {"OSS_SESSION_TOKEN": "\udcff"},
            "credentials: OSS_SESSION_TOKEN: the value is not valid UTF-8",
        ),
    ],
)
async def test_not_found(environment: dict[str, str], line: str) -> None:
    """Half a pair is an error, never a reason to look for other credentials."""
    with pytest.raises(RunFatalError) as caught:
        await had(environment)
    assert str(caught.value) == line


def test_read_anew_every_second() -> None:
    """A token renewed during a run is soon used."""
    environment, now_s = dict(OSS), 0.0
    provider = EnvironmentProvider(environment, now_s=lambda: now_s)
    first = provider.get_credentials()
    environment["OSS_SESSION_TOKEN"] = "new"
    now_s = 0.9
    assert provider.get_credentials() is first
    now_s = 1.0
    assert provider.get_credentials().get_security_token() == "new"


def test_no_secret_in_a_representation() -> None:
    """A provider that ends up in a traceback tells nothing."""
    provider = EnvironmentProvider(OSS | {"OSS_SESSION_TOKEN": "token"})
    shown = f"{provider!r} {provider.get_credentials()!r}"
    assert [word for word in ("secret", "token'") if word in shown] == []
