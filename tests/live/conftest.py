"""The live suite: promises held on a real bucket, with the official client as judge.

Nothing here runs without `--live` and the variables below. All that is put lies in one
folder with a random name under the given prefix; nothing outside of it is asked for but
what the bucket itself is: its versioning, its retention. In the end all of the folder
is removed, versions, markers and unfinished uploads too, also after a failure, Ctrl-C,
SIGTERM or SIGHUP; only `kill -9` leaves it to be removed by hand.

One run sends less than 600 requests, retries apart; the official client, which looks
on, refuses to send more than 500 of them. It uploads 33 MB, of which one experiment
makes an object of 1.03 GB for a moment. Four objects of 64 KB or less are of class IA,
which is billed for 30 days.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import oss2
import pytest

VARIABLES = (
    "BULKMETA_LIVE_BUCKET",
    "BULKMETA_LIVE_PREFIX",
    "OSS_ENDPOINT",
    "OSS_REGION",
    "OSS_ACCESS_KEY_ID",
    "OSS_ACCESS_KEY_SECRET",
)
LOOKS = 500
ROUNDS = 5
META = "x-oss-meta-"
SIX = (
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Each test here is skipped before it has a single fixture, unless it is wanted."""
    if reason := _why_not(item.config):
        pytest.skip(reason)


def _why_not(config: pytest.Config) -> str | None:
    if not config.getoption("--live"):
        return "changes a real bucket: only with --live, see CONTRIBUTING.md"
    missing = [name for name in VARIABLES if not os.environ.get(name)]
    return (
        f"--live needs {', '.join(missing)}, see CONTRIBUTING.md" if missing else None
    )


class CountingSession(oss2.Session):  # type: ignore[misc] # oss2 has no types
    """Reads each answer at once, and does not send without end."""

    sent = 0
    most = LOOKS

    def do_request(self, req: Any, timeout: Any) -> Any:
        """Send, then read all."""
        self.sent += 1
        assert self.sent <= self.most, f"more than {self.most} requests"
        reply = super().do_request(req, timeout)
        _ = reply.response.content
        return reply


@dataclass(frozen=True, slots=True)
class State:
    """All of an object that an update could change."""

    headers: dict[str, str]
    meta: dict[str, str]
    tags: dict[str, str]
    acl: str
    storage_class: str
    etag: str


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of temporary objects, as the official client sees it."""

    client: Any
    path: str
    is_cname: bool
    keeps_versions: bool

    @property
    def target(self) -> str:
        """What commands are told."""
        return f"oss://{self.client.bucket_name}/{self.path}"

    def put(self, name: str, body: bytes = b"live", **headers: str) -> str:
        """Put an object, underscores of header names for hyphens; its key."""
        sent = {key.replace("_", "-"): value for key, value in headers.items()}
        self.client.put_object(self.path + name, body, headers=_encoded(sent))
        return self.path + name

    def copy(self, name: str, **headers: str) -> None:
        """Copy an object onto itself with REPLACE and just these headers."""
        sent = {key.replace("_", "-"): value for key, value in headers.items()}
        sent["x-oss-metadata-directive"] = "REPLACE"
        key = self.path + name
        self.client.copy_object(self.client.bucket_name, key, key, _encoded(sent))

    def head(self, name: str) -> dict[str, str]:
        """The headers of an object, by lower-case name."""
        found = self.client.head_object(self.path + name).headers
        return {key.lower(): _decoded(value) for key, value in found.items()}

    def state(self, name: str) -> State:
        """An object as it is now."""
        head, key = self.head(name), self.path + name
        return State(
            {name: head[name] for name in SIX if name in head},
            {
                name.removeprefix(META): value
                for name, value in head.items()
                if name.startswith(META)
            },
            dict(self.client.get_object_tagging(key).tag_set.tagging_rule),
            self.client.get_object_acl(key).acl,
            head.get("x-oss-storage-class", "Standard"),
            head["etag"],
        )

    def write(self, name: str) -> tuple[str, str | None]:
        """What tells one write of an object from another: its time, and its version."""
        head = self.head(name)
        return head["last-modified"], head.get("x-oss-version-id")

    def remove(self) -> list[str]:
        """Remove all versions, markers and uploads; what is still there."""
        for _ in range(ROUNDS):
            with suppress(oss2.exceptions.OssError):  # the next round tries again
                for key, version in (found := self.versions()):
                    which = {"versionId": version} if version else {}
                    with suppress(oss2.exceptions.OssError):
                        self.client.delete_object(key, params=which)
                for key, upload in (uploads := self._uploads()):
                    self.client.abort_multipart_upload(key, upload)
                if not found and not uploads:
                    return []
        return [key for key, _ in (*self.versions(), *self._uploads())]

    def versions(self) -> list[tuple[str, str | None]]:
        """Keys and version ids of all that is there, markers among it."""
        if not self.keeps_versions:
            page = self.client.list_objects_v2(prefix=self.path, max_keys=1000)
            return [(one.key, None) for one in page.object_list]
        page = self.client.list_object_versions(prefix=self.path, max_keys=1000)
        every = (*page.versions, *page.delete_marker)
        return [(one.key, one.versionid) for one in every]

    def _uploads(self) -> list[tuple[str, str]]:
        try:
            page = self.client.list_multipart_uploads(prefix=self.path)
        except oss2.exceptions.ServerError as error:
            if error.code == "NotImplemented":  # the embedded OSS has none
                return []
            raise
        return [(one.key, one.upload_id) for one in page.upload_list]


def _encoded(headers: dict[str, str]) -> dict[str, bytes]:
    return {name: value.encode() for name, value in headers.items()}


def _decoded(value: str) -> str:
    return value.encode("latin-1").decode()  # HTTP libraries take bytes for Latin-1


def _is_cname(endpoint: str) -> bool:
    host = urlsplit(endpoint if "//" in endpoint else f"//{endpoint}").hostname or ""
    ours = host.endswith(".aliyuncs.com") or oss2.utils.is_ip_or_localhost(host)
    return not ours


@contextmanager
def _interruptible() -> Iterator[None]:
    """Signals that end a process do it like Ctrl-C, so that fixtures are torn down."""
    with ExitStack() as former:
        for number in (signal.SIGTERM, signal.SIGHUP):
            old = signal.signal(number, signal.default_int_handler)
            former.callback(signal.signal, number, old)
        yield


@pytest.fixture(scope="session")
def live() -> Iterator[Folder]:
    """The folder of this run, which is gone when it ends."""
    folder = _new_folder()
    session = folder.client.session
    assert folder.remove() == [], "a folder with a random name is not empty"
    with _interruptible():
        try:
            yield folder
        finally:
            session.most = session.sent + LOOKS  # tests may have used up theirs
            left = folder.remove()
            session.session.close()
    assert left == [], f"could not be removed: {left}"


def _new_folder() -> Folder:
    endpoint = os.environ["OSS_ENDPOINT"]
    provider = oss2.credentials.EnvironmentVariableCredentialsProvider()
    client = oss2.Bucket(
        oss2.ProviderAuthV4(provider),
        endpoint,
        os.environ["BULKMETA_LIVE_BUCKET"],
        region=os.environ["OSS_REGION"],
        session=CountingSession(),
        is_cname=_is_cname(endpoint),
    )
    name = f"bulkmeta-live-{secrets.token_hex(8)}/"
    path = os.environ["BULKMETA_LIVE_PREFIX"] + name
    keeps_versions = bool(client.get_bucket_versioning().status)
    return Folder(client, path, _is_cname(endpoint), keeps_versions)


_numbers = count()


@pytest.fixture
def folder(live: Folder) -> Folder:
    """An empty folder for one test."""
    return replace(live, path=f"{live.path}{next(_numbers)}/")


class Bulkmeta:
    """The command, as a process of its own in an empty folder."""

    def __call__(self, *args: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run to the end; it must exit with `code`."""
        done = subprocess.run(  # noqa: S603 our own command
            self.line(*args), capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def line(self, *args: str) -> list[str]:
        """The command line."""
        return [sys.executable, "-m", "bulkmeta", *args]


@pytest.fixture
def bulkmeta(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bulkmeta:
    """The command; run files lie in the current folder."""
    monkeypatch.chdir(tmp_path)
    return Bulkmeta()
