"""Credentials that take more than one unsigned request: roles assumed by a key, single
sign-on, programs. Alibaba Cloud's own library gets them (extra `cloud`)."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from oss2.credentials import Credentials

from bulkmeta.errors import MissingExtraError, RunFatalError, UsageError
from bulkmeta.oss.temporary import Temporary

if TYPE_CHECKING:
    from bulkmeta.oss.profiles import Profile
    from bulkmeta.oss.temporary import Fetch


def fetch_of(profile: Profile) -> Fetch:
    """How the library gets what a profile describes.

    Raises:
        UsageError: the library is missing, or the profile's mode is not known.
    """
    mode = profile.get("mode")
    try:
        from alibabacloud_credentials.provider import (
            CLIProfileCredentialsProvider,
            RamRoleArnCredentialsProvider,
            StaticAKCredentialsProvider,
        )
    except ModuleNotFoundError as error:
        what = f"{profile} is of mode {mode!r}, which"
        raise MissingExtraError(what, "cloud") from error
    # The library writes answers, which hold secrets, to stderr.
    logging.getLogger("credentials").disabled = True
    if profile.path.endswith(".json"):
        provider: Any = CLIProfileCredentialsProvider(
            profile_name=profile.name, profile_file=profile.path
        )
    elif mode.lower() == "ramrolearn":
        provider = RamRoleArnCredentialsProvider(
            credentials_provider=StaticAKCredentialsProvider(
                access_key_id=profile.get("accesskeyid"),
                access_key_secret=profile.get("accesskeysecret"),
            ),
            role_arn=profile.get("ramrolearn", "rolearn"),
            role_session_name=profile.get("rolesessionname") or None,
        )
    else:
        raise UsageError(f"{profile} is of mode {mode!r}, which is not known")
    return partial(_fetch, provider, str(profile))


async def _fetch(provider: Any, words: str) -> Temporary:
    """What the library has now; it keeps and renews it by itself."""
    try:
        found = await asyncio.to_thread(provider.get_credentials)
    except Exception as error:  # noqa: BLE001 whatever it raises, and what it says may hold secrets
        raise RunFatalError(f"{words}: {type(error).__name__}") from None
    credentials = Credentials(
        found.get_access_key_id(),
        found.get_access_key_secret(),
        found.get_security_token() or "",
    )
    return Temporary(credentials, None)
