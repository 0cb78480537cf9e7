"""Settings that other tools of the same cloud have written down in the home folder.

`~/.ossutilconfig` as ossutil 1 writes it (one section `[Credentials]`) and as ossutil 2
does (`[default]`, `[profile NAME]`; names ignore case, hyphens and underscores, and
`source-profile` leads to another section; help page "configure-ossutil2"), and
`~/.aliyun/config.json` of the Alibaba Cloud CLI (docs of aliyun-cli, "configuration").
"""

from __future__ import annotations

import configparser
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from bulkmeta.errors import UsageError

OSSUTIL: Final = ".ossutilconfig"
CLI: Final = ".aliyun/config.json"
_OF_VERSION_1: Final = "credentials"
_DEFAULTS: Final = ("default", "profile default", _OF_VERSION_1)
_BUCKETS: Final = ("bucket-endpoint", "bucket-cname")
_DEEPEST: Final = 5
"""Sections that one leads to, one after another."""


Environment = Mapping[str, str]


class Profile(msgspec.Struct, frozen=True):
    """One set of settings, by names without case, hyphens or underscores; `endpoints`
    are those of single buckets. Its words never show a value."""

    path: str
    name: str
    settings: Mapping[str, str]
    endpoints: Mapping[str, str] = {}

    def __str__(self) -> str:
        return f"profile {self.name!r} of {self.path}"

    def __repr__(self) -> str:
        return f"<{self}>"

    def tells_address(self) -> bool:
        """Whether it says where the service is."""
        return bool(self.get("endpoint", "region", "regionid") or self.endpoints)

    def endpoint_of(self, bucket: str) -> str | None:
        """The address of the service, or that of this bucket."""
        return self.endpoints.get(bucket) or self.get("endpoint") or None

    def get(self, *names: str) -> str:
        """The first of these settings that has a value."""
        return next(filter(None, (self.settings.get(name) for name in names)), "")


@dataclass(frozen=True, slots=True)
class Settings:
    """What is set outside of the command line: variables, and the files in `home`,
    which are read when they are asked for. With `named` only that profile counts."""

    environment: Environment = field(repr=False)
    home: Path
    named: str | None = None

    def profiles(self) -> list[Profile]:
        """The named profile, in the first file that has it; or each file's own default:
        ossutil's, then the CLI's current one (or `ALIBABA_CLOUD_PROFILE`).

        Raises:
            UsageError: there is none of that name, or a file cannot be read.
        """
        found, known = [], set[str]()
        current = self.environment.get("ALIBABA_CLOUD_PROFILE", "")
        for read, path, chosen in (
            (_ossutil, self.home / OSSUTIL, ""),
            (_cli, self.home / CLI, current),
        ):
            if path.is_file():
                profiles, default = read(path)
                known |= profiles.keys()
                wanted = self.named or chosen or default
                found += [
                    profiles[name]
                    for name in (wanted, wanted.lower())[: 1 + (wanted not in profiles)]
                    if name in profiles
                ]
        if self.named and not found:
            among = ", ".join(sorted(known)) or "none"
            raise UsageError(
                f"no profile {self.named!r} in ~/{OSSUTIL} or ~/{CLI}; there are: "
                f"{among}"
            )
        return found[:1] if self.named else found


def _text_of(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise UsageError(f"cannot read {str(path)!r}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"cannot read {str(path)!r}: it is not UTF-8 text") from error


def _ossutil(path: Path) -> tuple[dict[str, Profile], str]:
    """The profiles of an ossutil configuration, and the default one's name."""
    parser = configparser.ConfigParser(
        delimiters="=",
        comment_prefixes="#",
        strict=False,
        interpolation=None,
        default_section="",
    )
    parser.optionxform = _plain  # type: ignore[method-assign,assignment]
    try:
        parser.read_string(_text_of(path))
    except configparser.Error as error:
        line = getattr(error, "lineno", None) or error.errors[0][0]  # type: ignore[attr-defined]
        raise UsageError(
            f"{str(path)!r}, line {line}: it is no section or key"
        ) from None
    sections = {name.strip().lower(): dict(parser[name]) for name in parser.sections()}
    endpoints = {
        bucket: host
        for name in _BUCKETS
        for bucket, host in sections.get(name, {}).items()
    }
    profiles = {
        shown: Profile(str(path), shown, _inherited(path, sections, name), endpoints)
        for name, shown in _profile_names(sections)
    }
    return profiles, "default"


def _profile_names(sections: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Each section that is a profile, and the profile's name; of several of one name
    the last counts."""
    for name in sections:
        if name.startswith("profile "):
            yield name, name.removeprefix("profile ").strip()
    for name in reversed(_DEFAULTS):
        if name in sections:
            yield name, "default"


def _inherited(
    path: Path, sections: Mapping[str, dict[str, str]], name: str
) -> dict[str, str]:
    """A section's settings, over those of the profile it comes from."""
    settings, seen = dict(sections[name]), 0
    while source := settings.pop("sourceprofile", ""):
        seen += 1
        for section in (f"profile {source.lower()}", source.lower()):
            if section in sections and seen <= _DEEPEST:
                settings = {**sections[section], **settings}
                settings.setdefault("sourceprofile", "")
                break
        else:
            raise UsageError(
                f"{str(path)!r}, section [{name}]: source-profile {source!r} leads "
                "nowhere"
            )
    return settings


def _cli(path: Path) -> tuple[dict[str, Profile], str]:
    """The profiles of the Alibaba Cloud CLI, and the current one's name."""
    try:
        data = msgspec.json.decode(_text_of(path), type=_CliFile)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UsageError(f"{str(path)!r}: it is no configuration: {error}") from None
    profiles = {
        str(found.get("name", "")): Profile(
            str(path),
            str(found.get("name", "")),
            {_plain(key): str(value) for key, value in found.items() if value},
        )
        for found in data.profiles
    }
    return profiles, data.current


class _CliFile(msgspec.Struct):
    current: str = "default"
    profiles: list[dict[str, Any]] = []


def _plain(name: str) -> str:
    return name.replace("-", "").replace("_", "").strip().lower()
