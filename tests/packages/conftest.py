"""Packages as users get them. Nothing here imports what is tested: wheels are installed
into environments of their own, and their command is run. `.ci/packages` builds them."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener

import pytest

UV = Path(sys.executable).with_name("uv")
SUPPORTED = ("3.11", "3.12", "3.13", "3.14")
OBJECTS = [
    {"key": "p/图 1.jpg", "body": "x", "meta": {"owner": "测试"}, "acl": "private"},
    {"key": "p/b", "body": "", "headers": {"cache-control": "no-cache"}},
]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where the packages are, and what they are tried on."""
    parser.addoption("--packages", type=Path, help="folder of a wheel and an sdist")
    parser.addoption("--this-python", action="store_true", help="on no other one")


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """They are no part of the test suite, for which nothing is built."""
    return None if config.getoption("--packages", None) else True


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`python` is each one that is here, `newest` the last of them."""
    only_this = metafunc.config.getoption("--this-python")
    if "python" in metafunc.fixturenames:
        versions = [sys.executable] if only_this else interpreters()
        metafunc.parametrize("python", versions, scope="session")
    if "newest" in metafunc.fixturenames:
        metafunc.parametrize("newest", interpreters()[-1:], scope="session")


def interpreters() -> list[str]:
    """The versions of Python that are supported and at hand."""
    return [version for version in SUPPORTED if _is_here(version)]


def _is_here(version: str) -> bool:
    find = (UV, "python", "find", "--no-python-downloads", "--system", version)
    return _run(*find).returncode == 0


@dataclass(frozen=True, slots=True)
class Installed:
    """An environment with the wheel, and what it takes, in it."""

    folder: Path

    def python(self, code: str) -> str:
        """What a program prints."""
        return output_of(self.folder / "bin/python", "-c", code)

    def bulkmeta(self, *args: str) -> str:
        """What the command prints; it must go well."""
        return output_of(self.folder / "bin/bulkmeta", *args)

    def told(self, *args: str) -> tuple[int, str]:
        """The command's exit code, and what it says on stderr."""
        done = _run(self.folder / "bin/bulkmeta", *args)
        return done.returncode, done.stderr


def output_of(*command: str | Path) -> str:
    """What a command prints; it must go well."""
    done = _run(*command)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 our own
        command, capture_output=True, text=True, check=False
    )


Install = Callable[[str, str], Installed]
Serve = Callable[[Installed], None]


@pytest.fixture(scope="session")
def packages(request: pytest.FixtureRequest) -> Path:
    """The folder of the packages."""
    folder: Path = request.config.getoption("--packages")
    return folder.resolve()


@pytest.fixture(scope="session")
def wheel(packages: Path) -> Path:
    (found,) = packages.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def sdist(packages: Path) -> Path:
    (found,) = packages.glob("*.tar.gz")
    return found


@pytest.fixture(scope="session")
def install(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Install:
    """Installs the wheel for a version of Python, with an extra or (``""``) without."""

    def installed(version: str, extra: str) -> Installed:
        folder = tmp_path_factory.mktemp("python") / "env"
        output_of(UV, "venv", "-q", "--no-project", "--python", version, folder)
        what = f"bulkmeta[{extra}] @ {wheel.as_uri()}"
        to = ("--python", folder / "bin/python", "--compile-bytecode")
        output_of(UV, "pip", "install", "-q", *to, what)
        return Installed(folder)

    return installed


@pytest.fixture(scope="session")
def plain(install: Install, newest: str) -> Installed:
    """The wheel without extras, on the newest Python."""
    return install(newest, "")


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Serve]:
    """Starts the embedded OSS of an installation, with two objects under `oss://photos/p/`;
    the environment leads there, and the current folder is an empty one."""
    monkeypatch.chdir(tmp_path)
    with ExitStack() as stack:

        def started(installed: Installed) -> None:
            command = [f"{installed.folder}/bin/bulkmeta", "emulator", "--port", "0"]
            process = stack.enter_context(
                subprocess.Popen(  # noqa: S603 as installed
                    [*command, "--bucket", "photos", "--until-eof"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            assert process.stdin
            assert process.stdout
            stack.callback(process.stdin.close)
            for _ in range(5):
                _, told = shlex.split(process.stdout.readline())
                monkeypatch.setenv(*told.split("=", 1))
                if told.startswith("OSS_ENDPOINT="):
                    _put_objects(told.partition("=")[2])

        yield started


def _put_objects(endpoint: str) -> None:
    data = json.dumps({"bucket": "photos", "objects": OBJECTS}).encode()
    request = Request(f"{endpoint}/-/objects", data, method="POST")  # noqa: S310 loopback
    with build_opener(ProxyHandler({})).open(request, timeout=10) as answer:
        answer.read()
