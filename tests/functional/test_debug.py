"""`--debug`: what is told of requests, and where it goes."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from bulkmeta.emulator.faults import Fault
from bulkmeta.emulator.options import Credential, EmulatorOptions
from bulkmeta.emulator.server import EmbeddedOSS

if TYPE_CHECKING:
    from tests.functional.conftest import Service

Command = Callable[..., Any]
TARGET = "oss://bucket/p/"
SET = ("--set", "a=1")
LINE = re.compile(
    r"debug     \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (?P<method>GET|HEAD|PUT) "
    r"(?P<operation>\w+) '(?P<name>.*)': (?P<end>.+), \d+\.\d ms, "
    r"attempt (?P<attempt>\d+), request (?P<id>\S+)"
)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bulkmeta.oss.retry.backoff_s", lambda _: 0.25)


def requests_in(text: str) -> list[re.Match[str]]:
    found = [LINE.fullmatch(line) for line in text.splitlines()]
    return [match for match in found if match]


def debug_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("debug ")]


def test_each_request(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Just those that were sent, each on one line, whatever its key holds; results stay
    alone on stdout."""
    for key in ("p/a", "p/b\n\x1b[2J", "p/测"):
        oss.store.put_object("bucket", key, body=b"")
    assert debug_lines(bulkmeta("plan", TARGET, *SET).err) == []
    oss.log.clear()
    result = bulkmeta("plan", TARGET, *SET, "--debug")
    told = requests_in(result.err)
    assert (result.code, debug_lines(result.out)) == (0, [])
    assert {(m["id"], m["method"], m["operation"], m["end"]) for m in told} == {
        (r.request_id, r.method, r.operation, str(r.status)) for r in oss.log.requests()
    }
    assert {m["name"] for m in told} == {
        "bucket/",
        "bucket/p/a",
        "bucket/p/b\\n\\x1b[2J",
        "bucket/p/测",
    }
    first, *_ = debug_lines(result.err)
    assert first.endswith(
        f"bucket bucket at {oss.endpoint}, region cn-hangzhou; proxy: none; "
        "credentials from the environment (OSS_ACCESS_KEY_ID)"
    )


def test_each_try(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Which one it was, how it ended, and when the next one comes."""
    oss.store.put_object("bucket", "p/a", body=b"")
    oss.faults.add(
        Fault("error", "HeadObject", times=1, status=500, code="InternalError")
    )
    oss.faults.add(Fault("reset_before", "HeadObject", times=1))
    told = bulkmeta("plan", TARGET, *SET, "--debug").err
    heads = [m for m in requests_in(told) if m["operation"] == "HeadObject"]
    assert [m["attempt"] for m in heads] == ["1", "2", "3"]
    assert heads[0]["end"] == "500 InternalError"
    assert heads[1]["end"].startswith("connection (connection lost: ")
    assert (heads[1]["id"], heads[2]["end"]) == ("-", "200")
    again = [line.split("Z ", 1)[1] for line in debug_lines(told) if "again" in line]
    assert again == [
        f"HEAD HeadObject 'p/a': again in 0.25 s, since attempt {number} came to {why}"
        for number, why in ((1, "server_error"), (2, "connection"))
    ]


def test_throttling(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Where the pace goes after a refusal."""
    oss.store.put_object("bucket", "p/a", body=b"")
    oss.faults.add(Fault("error", "HeadObject", times=1))
    told = bulkmeta("plan", TARGET, *SET, "--debug").err
    assert re.search(r"Z throttled: \d+ requests/s from now on$", told, re.MULTILINE)
    assert "came to throttled" in told


def test_throttling_is_told_at_the_end(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Why it took that long, also where nobody watched."""
    oss.store.put_object("bucket", "p/a", body=b"")
    oss.faults.add(Fault("error", "HeadObject", times=2))
    quiet = ("--progress", "none", "--concurrency", "1")
    done = bulkmeta("plan", TARGET, *SET, *quiet)
    words = "slowed down by the service: 2 answers asked for fewer requests"
    assert words in done.out.splitlines()
    assert "slowed down" not in bulkmeta("plan", TARGET, *SET, *quiet).out


def test_fetches_of_credentials(
    service: Service, monkeypatch: pytest.MonkeyPatch, bulkmeta: Command
) -> None:
    """The place they came from, until when they last, and each fetch; no value."""
    first, second = Credential("a", "k1", "t1"), Credential("b", "k2", "t2")
    service.served = [(first, 3), (second, 3600)]
    for name in ("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET"):
        monkeypatch.delenv(name)
    monkeypatch.delenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED")
    with EmbeddedOSS(EmulatorOptions(credentials=(first, second))) as oss:
        oss.store.create_bucket("bucket")
        for number in range(40):
            oss.store.put_object("bucket", f"p/{number:02}", body=b"")
        monkeypatch.setenv("OSS_ENDPOINT", oss.endpoint)
        result = bulkmeta("plan", TARGET, *SET, "--debug", "--rate", "12")
    assert result.code == 0, result.err
    assert "credentials from the machine's RAM role" in result.err
    until = r"they expire at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"
    for words in ("credentials were fetched; ", "credentials were fetched anew; "):
        assert re.search(words + until, result.err, re.MULTILINE)


def test_it_ends_with_the_command(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """What a command switched on it switches off, even where it fails."""
    oss.faults.add(Fault("error", status=403, code="InvalidAccessKeyId"))
    assert bulkmeta("plan", TARGET, *SET, "--debug").code == 4
    assert debug_lines(bulkmeta("plan", TARGET, *SET).err) == []
    tree = logging.getLogger("bulkmeta")
    assert {*map(type, tree.handlers)} <= {logging.NullHandler}
    assert tree.level == logging.NOTSET


def test_python_tells_nothing_by_itself() -> None:
    """A command says what people are to know; a logger's warning would say it twice."""
    code = (
        "import logging, bulkmeta.cli.debugging as d\n"
        "logging.getLogger('bulkmeta.x').warning('once')\n"
        "d.switch_debugging(on=True)\n"
        "logging.getLogger('bulkmeta.x').warning('twice')\n"
    )
    done = subprocess.run(  # noqa: S603 our own interpreter
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "once" not in done.stderr
    assert done.stderr.count("twice") == 1
