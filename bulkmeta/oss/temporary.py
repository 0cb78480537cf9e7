"""Temporary credentials: fetched from a service, and fetched anew before they expire.

All are JSON over HTTP without a signature: the ECS metadata service (with the tokens of
its hardened mode), AssumeRoleWithOIDC of STS (RRSA on Kubernetes), and an address that
serves credentials. Sources: Alibaba Cloud's help pages "Instance RAM roles" and
"AssumeRoleWithOIDC"; names of variables as in its own credentials library.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec
from oss2.credentials import Credentials, CredentialsProvider

from bulkmeta.errors import RunFatalError
from bulkmeta.oss.proxies import without_password

_LOG: Final = logging.getLogger(__name__)
METADATA: Final = "http://100.100.100.200"
_ROLES: Final = "/latest/meta-data/ram/security-credentials/"
_LASTING_S: Final = "21600"
_TIMEOUT_S: Final = 5.0
_CONNECT_S: Final = 1.0
_MOST_BYTES: Final = 64 * 1024
"""A session token has some 2 KB."""

_EARLY_S: Final = 900.0
_EARLY_SHARE: Final = 0.2
"""Credentials are fetched anew a fifth of their lifetime, at most 15 minutes, before
they expire."""

_CODE: Final = re.compile(r"[\w.-]{1,100}")
_UNKNOWN_LIFE_S: Final = 60.0
_RETRY_S: Final = 5.0
_SESSION: Final = "bulkmeta"


@dataclass(frozen=True, slots=True, repr=False)
class Temporary:
    """Credentials, and when they expire (seconds of the epoch; None: nobody says)."""

    credentials: Any
    expires_s: float | None

    def __str__(self) -> str:
        if self.expires_s is None:
            return "nobody says when they expire"
        moment = datetime.fromtimestamp(self.expires_s, UTC)
        return f"they expire at {moment:%Y-%m-%dT%H:%M:%SZ}"


Fetch = Callable[[], Awaitable[Temporary]]


class RefreshingProvider(CredentialsProvider):  # type: ignore[misc]  # oss2 is untyped
    """An oss2 credentials provider over what is fetched: one fetch for all who sign."""

    def __init__(
        self, fetch: Fetch, first: Temporary, *, now_s: Callable[[], float] = time.time
    ) -> None:
        self._fetch = fetch
        self._held = first
        self._now_s = now_s
        self._fault = ""

    def get_credentials(self) -> Any:
        """What was fetched last.

        Raises:
            RunFatalError: it has expired, and could not be fetched anew.
        """
        expires_s = self._held.expires_s
        if self._fault and expires_s is not None and self._now_s() >= expires_s:
            raise RunFatalError(
                f"credentials have expired and cannot be fetched anew: {self._fault}"
            )
        return self._held.credentials

    async def keep_fresh(self) -> None:
        """Fetch anew in time, again and again, until cancelled."""
        while True:
            await asyncio.sleep(self._rest_s())
            try:
                self._held, self._fault = await self._fetch(), ""
            except RunFatalError as error:
                self._fault = str(error)
            self._tell()

    def _tell(self) -> None:
        if self._fault:
            _LOG.debug("credentials cannot be fetched anew: %s", self._fault)
        else:
            _LOG.debug("credentials were fetched anew; %s", self._held)

    def _rest_s(self) -> float:
        """How long until the next fetch."""
        if self._fault:
            return _RETRY_S
        if self._held.expires_s is None:
            return _UNKNOWN_LIFE_S
        left_s = self._held.expires_s - self._now_s()
        early_s = min(_EARLY_S, max(left_s, 0.0) * _EARLY_SHARE)
        return max(left_s - early_s, 1.0)


@asynccontextmanager
async def refreshing(
    fetch: Fetch, first: Temporary
) -> AsyncIterator[RefreshingProvider]:
    """A provider that has what was fetched `first`, and stays fresh for as long as the
    body lasts."""
    provider = RefreshingProvider(fetch, first)
    task = asyncio.create_task(provider.keep_fresh())
    try:
        yield provider
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def fetch_instance_role(
    role: str = "", *, tokens_only: bool = False
) -> Temporary:
    """The credentials of the machine's RAM role, from the ECS metadata service; with
    `tokens_only` never without its token.

    Raises:
        RunFatalError: there is no such service, or no role.
    """
    async with _session(trust_env=False) as session:
        headers = await _metadata_token(session, tokens_only=tokens_only)
        if not role:
            text = await _text(session, "GET", METADATA + _ROLES, headers=headers)
            role = text.split("\n", 1)[0].strip()
        url = METADATA + _ROLES + role
        return _temporary(await _text(session, "GET", url, headers=headers), "ECS role")


async def _metadata_token(
    session: aiohttp.ClientSession, *, tokens_only: bool
) -> dict[str, str]:
    wanted = {"X-aliyun-ecs-metadata-token-ttl-seconds": _LASTING_S}
    try:
        token = await _text(
            session, "PUT", f"{METADATA}/latest/api/token", headers=wanted
        )
    except _AnsweredError:
        if tokens_only:
            raise
        return {}
    return {"X-aliyun-ecs-metadata-token": token}


async def fetch_by_oidc(settings: Mapping[str, str]) -> Temporary:
    """What STS gives for a token of the cluster; the token's file is read anew.

    Raises:
        RunFatalError: the file cannot be read, or STS refuses.
    """
    path = Path(settings["token_file"])
    try:
        token = await asyncio.to_thread(path.read_text, "utf-8")
    except (OSError, ValueError) as error:
        raise RunFatalError(
            f"cannot read the OIDC token {str(path)!r}: {error}"
        ) from None
    query = {
        "Action": "AssumeRoleWithOIDC",
        "Format": "JSON",
        "Version": "2015-04-01",
        "Timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "RoleArn": settings["role_arn"],
        "OIDCProviderArn": settings["provider_arn"],
        "OIDCToken": token.strip(),
        "RoleSessionName": settings.get("session_name") or _SESSION,
    }
    async with _session(trust_env=True) as session:
        text = await _text(session, "POST", settings["endpoint"], data=query)
    return _temporary(text, "STS")


async def fetch_from_address(url: str) -> Temporary:
    """What an address serves.

    Raises:
        RunFatalError: it serves no credentials.
    """
    async with _session(trust_env=True) as session:
        return _temporary(await _text(session, "GET", url), "the address")


class _AnsweredError(RunFatalError):
    """The service was there, and refused."""


@asynccontextmanager
async def _session(*, trust_env: bool) -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S, sock_connect=_CONNECT_S)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=trust_env) as session:
        yield session


async def _text(
    session: aiohttp.ClientSession, method: str, url: str, **more: Any
) -> str:
    """The body of a successful answer; words of errors never hold a body."""
    where = without_password(url.partition("?")[0])
    # What is sent is secret itself: a redirect would carry it elsewhere.
    request = session.request(method, url, allow_redirects=False, **more)
    raw = b""
    try:
        async with request as answer:
            async for block in answer.content.iter_any():
                raw += block
                if len(raw) > _MOST_BYTES:
                    raise aiohttp.ClientPayloadError
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise RunFatalError(
            f"no answer from {where} ({type(error).__name__})"
        ) from None
    body = raw.decode("utf-8", "replace")
    if answer.status != 200:
        raise _AnsweredError(f"{where} answers {answer.status}{_code_in(body)}")
    return body


def _code_in(body: str) -> str:
    """The service's own code of an error, if the body has one."""
    try:
        code = msgspec.json.decode(body, type=_Refusal).code
    except (msgspec.DecodeError, RecursionError):
        return ""
    return f" ({code})" if _CODE.fullmatch(code) else ""


class _Refusal(msgspec.Struct, rename="pascal"):
    code: str = ""


class _Served(msgspec.Struct, rename="pascal"):
    access_key_id: str
    access_key_secret: str
    security_token: str
    expiration: datetime


class _Assumed(msgspec.Struct, rename="pascal"):
    credentials: _Served


def _temporary(body: str, origin: str) -> Temporary:
    for form in (_Assumed, _Served):
        try:
            found: Any = msgspec.json.decode(body, type=form)
        except (msgspec.DecodeError, RecursionError):
            continue
        served: _Served = found.credentials if form is _Assumed else found
        credentials = Credentials(
            served.access_key_id, served.access_key_secret, served.security_token
        )
        return Temporary(credentials, served.expiration.timestamp())
    raise RunFatalError(f"{origin} serves no credentials{_code_in(body)}")
