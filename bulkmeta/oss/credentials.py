"""Where credentials come from; the first place that has some counts.

A profile that was asked for; `OSS_ACCESS_KEY_ID`, `OSS_ACCESS_KEY_SECRET` and
`OSS_SESSION_TOKEN`; the `ALIBABA_CLOUD_*` names, keys before OIDC; ossutil's file; the
Alibaba Cloud CLI's; an address that serves them; the machine's RAM role. What is found
is an oss2 credentials provider.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import oss2
from oss2.credentials import Credentials, CredentialsProvider

from bulkmeta.errors import RunFatalError, UsageError
from bulkmeta.model.limits import value_fault
from bulkmeta.oss import federated
from bulkmeta.oss.temporary import (
    Fetch,
    fetch_by_oidc,
    fetch_from_address,
    fetch_instance_role,
    refreshing,
)

if TYPE_CHECKING:
    from bulkmeta.oss.profiles import Environment, Profile, Settings

_LOG: Final = logging.getLogger(__name__)
_FRESH_S: Final = 1.0
_KEYS: Final = ("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_SESSION_TOKEN")
_CLOUD_KEYS: Final = (
    "ALIBABA_CLOUD_ACCESS_KEY_ID",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    "ALIBABA_CLOUD_SECURITY_TOKEN",
)
_OIDC: Final = {
    "role_arn": "ALIBABA_CLOUD_ROLE_ARN",
    "provider_arn": "ALIBABA_CLOUD_OIDC_PROVIDER_ARN",
    "token_file": "ALIBABA_CLOUD_OIDC_TOKEN_FILE",
    "session_name": "ALIBABA_CLOUD_ROLE_SESSION_NAME",
}
NOTHING_FOUND: Final = (
    "no credentials found: set OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET"
)


@dataclass(frozen=True, slots=True)
class CredentialSource:
    """A place that has credentials, in words that never show them; and how they are had
    for as long as a bucket is open."""

    words: str
    opened: Callable[[], AbstractAsyncContextManager[Any]] = field(repr=False)


def provider_of(credentials: Any) -> Any:
    """The oss2 credentials provider behind what a program has: a provider itself, or
    any of oss2's auth objects.

    Raises:
        UsageError: it is neither.
    """
    if isinstance(credentials, oss2.StsAuth):
        credentials = credentials._StsAuth__auth  # noqa: SLF001 oss2 has no other way
    if hasattr(credentials, "get_credentials"):
        return credentials
    provider = getattr(credentials, "credentials_provider", None)
    if provider is None:
        raise UsageError(
            f"a {type(credentials).__name__} holds no credentials: give an oss2 "
            "credentials provider or auth"
        )
    return provider


def find_credentials(settings: Settings) -> CredentialSource:
    """The first place that has credentials; a profile that was named has to have them.
    Nothing is sent.

    Raises:
        UsageError: there is no such profile, or a file cannot be read.
        RunFatalError: a place has half of what is needed.
    """
    environment = settings.environment
    if settings.named is None:
        by_variables = _by_variables(environment)
        if by_variables:
            return by_variables
    for profile in settings.profiles():
        by_profile = _by_profile(profile, environment)
        if by_profile:
            return by_profile
    if settings.named is not None:
        raise RunFatalError(f"profile {settings.named!r} holds no credentials")
    return _by_machine(environment)


def _by_variables(environment: Environment) -> CredentialSource | None:
    for names in (_KEYS, _CLOUD_KEYS):
        if any(environment.get(each, "").strip() for each in names[:2]):
            provider = EnvironmentProvider(environment, names)
            words = f"the environment ({names[0]})"
            return CredentialSource(words, partial(_as_given, provider))
    settings = {key: environment.get(each, "") for key, each in _OIDC.items()}
    if settings["role_arn"] and settings["provider_arn"] and settings["token_file"]:
        return _fetched(
            f"OIDC ({_OIDC['token_file']})",
            partial(fetch_by_oidc, {**settings, "endpoint": _sts(environment)}),
        )
    return None


def _sts(environment: Environment) -> str:
    """The address of STS."""
    if endpoint := environment.get("ALIBABA_CLOUD_STS_ENDPOINT", ""):
        return endpoint if "://" in endpoint else f"https://{endpoint}"
    vpc = environment.get("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED", "").lower() == "true"
    name = "sts-vpc" if vpc else "sts"
    region = environment.get("ALIBABA_CLOUD_STS_REGION", "")
    return (
        f"https://{name}.{region}.aliyuncs.com"
        if region
        else ("https://sts.aliyuncs.com")
    )


def _by_profile(profile: Profile, environment: Environment) -> CredentialSource | None:
    mode = profile.get("mode").lower()
    words, plain = str(profile), mode in {"", "ak", "ststoken"}
    service = profile.get("ecsak")  # of ossutil 1: the metadata service's address
    role = profile.get("ecsrolename", "ramrolename") or service.rpartition("/")[2]
    if mode == "ecsramrole" or (plain and service and not profile.get("accesskeyid")):
        return _fetched(words, _instance_role(environment, role))
    if plain:
        return _by_keys(profile)
    if mode == "oidc":
        settings = {
            "role_arn": profile.get("ramrolearn", "rolearn"),
            "provider_arn": profile.get("oidcproviderarn"),
            "token_file": profile.get("oidctokenfile", "oidctokenfilepath"),
            "session_name": profile.get("rolesessionname", "ramsessionname"),
            "endpoint": _sts(environment),
        }
        return _fetched(words, partial(fetch_by_oidc, settings))
    return _fetched(words, federated.fetch_of(profile))


def _by_keys(profile: Profile) -> CredentialSource | None:
    key_id, secret = profile.get("accesskeyid"), profile.get("accesskeysecret")
    if not (key_id or secret):
        return None
    if not (key_id and secret):
        raise RunFatalError(f"credentials: {profile} has half of a key pair")
    token = profile.get("ststoken", "securitytoken")
    for value in (key_id, secret, token):
        fault = value_fault(value)
        if fault:
            raise RunFatalError(f"credentials: {profile}: {fault}")
    provider = oss2.credentials.StaticCredentialsProvider(key_id, secret, token)
    return CredentialSource(str(profile), partial(_as_given, provider))


def _by_machine(environment: Environment) -> CredentialSource:
    if url := environment.get("ALIBABA_CLOUD_CREDENTIALS_URI", ""):
        words = "the address in ALIBABA_CLOUD_CREDENTIALS_URI"
        return _fetched(words, partial(fetch_from_address, url))
    if environment.get("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "").lower() == "true":
        raise RunFatalError(NOTHING_FOUND)
    role = environment.get("ALIBABA_CLOUD_ECS_METADATA", "")
    fetch = _instance_role(environment, role)
    return CredentialSource(
        "the machine's RAM role", partial(_kept_fresh, NOTHING_FOUND, fetch)
    )


def _instance_role(environment: Environment, role: str) -> Fetch:
    disabled = environment.get("ALIBABA_CLOUD_IMDSV1_DISABLED", "").lower() == "true"
    return partial(fetch_instance_role, role, tokens_only=disabled)


def _fetched(words: str, fetch: Fetch) -> CredentialSource:
    return CredentialSource(words, partial(_kept_fresh, f"credentials: {words}", fetch))


@asynccontextmanager
async def _as_given(provider: Any) -> AsyncIterator[Any]:
    provider.get_credentials()  # the environment may hold half of a pair
    yield provider


@asynccontextmanager
async def _kept_fresh(prefix: str, fetch: Fetch) -> AsyncIterator[Any]:
    try:
        first = await fetch()
    except RunFatalError as error:
        raise RunFatalError(f"{prefix}: {error}") from error
    _LOG.debug("credentials were fetched; %s", first)
    async with refreshing(fetch, first) as provider:
        yield provider


class EnvironmentProvider(CredentialsProvider):  # type: ignore[misc]  # oss2 is untyped
    """An oss2 credentials provider over environment variables, read anew every second.
    `names` are those of key, secret and token."""

    def __init__(
        self,
        environment: Environment,
        names: tuple[str, str, str] = _KEYS,
        *,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._environment = environment
        self._names = names
        self._now_s = now_s
        self._read_s = -math.inf
        self._credentials: Any = None

    def get_credentials(self) -> Any:
        """Key, secret and token, at most a second old.

        Raises:
            RunFatalError: half of the pair is missing, or no header can hold it.
        """
        now_s = self._now_s()
        if now_s - self._read_s >= _FRESH_S:
            self._credentials = self._read()
            self._read_s = now_s
        return self._credentials

    def _read(self) -> Any:
        key_id, secret, token = map(self._value, self._names)
        if key_id and secret:
            return Credentials(key_id, secret, token)
        there, missing = self._names[:2] if key_id else self._names[1::-1]
        raise RunFatalError(f"credentials: {there} is set, but {missing} is not")

    def _value(self, name: str) -> str:
        value = self._environment.get(name, "").strip()
        fault = value_fault(value)
        if fault:
            raise RunFatalError(f"credentials: {name}: {fault}")
        return value
