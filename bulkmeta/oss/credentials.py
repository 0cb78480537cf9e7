"""Where credentials come from: the environment, read anew every second.

Order: `OSS_ACCESS_KEY_ID`, `OSS_ACCESS_KEY_SECRET`, `OSS_SESSION_TOKEN`, then the
`ALIBABA_CLOUD_*` names. What is returned is an oss2 credentials provider.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Final

import oss2
from oss2.credentials import Credentials, CredentialsProvider

from bulkmeta.errors import RunFatalError, UsageError
from bulkmeta.model.limits import value_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_FRESH_S: Final = 1.0
_SOURCES: Final = (
    ("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_SESSION_TOKEN"),
    (
        "ALIBABA_CLOUD_ACCESS_KEY_ID",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
        "ALIBABA_CLOUD_SECURITY_TOKEN",
    ),
)


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


class EnvironmentProvider(CredentialsProvider):  # type: ignore[misc]  # oss2 is untyped
    """An oss2 credentials provider over environment variables."""

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._environment = environment
        self._now_s = now_s
        self._read_s = -math.inf
        self._credentials: Any = None

    def get_credentials(self) -> Any:
        """The first complete pair of key and secret, at most a second old.

        Raises:
            RunFatalError: there is none, half of one, or one that no header can hold.
        """
        now_s = self._now_s()
        if now_s - self._read_s >= _FRESH_S:
            self._credentials = self._read()
            self._read_s = now_s
        return self._credentials

    def _read(self) -> Any:
        for id_name, secret_name, token_name in _SOURCES:
            key_id, secret = self._value(id_name), self._value(secret_name)
            if key_id and secret:
                return Credentials(key_id, secret, self._value(token_name))
            if key_id or secret:
                missing = secret_name if key_id else id_name
                raise RunFatalError(f"credentials: {missing} is not set, its pair is")
        raise RunFatalError(
            "no credentials found: set OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET"
        )

    def _value(self, name: str) -> str:
        value = self._environment.get(name, "").strip()
        fault = value_fault(value)
        if fault:
            raise RunFatalError(f"credentials: {name}: {fault}")
        return value
