"""A service that takes requests and never answers: people are told, and what to do."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import pytest

from bulkmeta.emulator.faults import Fault
from bulkmeta.oss import silence, transport
from bulkmeta.oss.deadlines import Deadlines

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS
    from tests.conftest import Command, Result

ORDER = ("apply", "oss://bucket/p/", "--set", "n=1", "--yes", "--run-file", "run.jsonl")


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to wait for long."""
    silent = partial(silence.Silence, patience_s=0.3)
    monkeypatch.setattr(transport, "Silence", silent)


@pytest.fixture
def nobody() -> Iterator[str]:
    """The address of a service that accepts connections, and that is all."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


def told(err: str) -> list[str]:
    """What stands there about it."""
    return [line for line in err.splitlines() if "no answer from" in line]


def interrupted(bulkmeta: Command, *command: str) -> Result:
    """What a command comes to that somebody has had enough of."""

    def interrupt() -> None:
        time.sleep(1.5)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        return bulkmeta(*command)
    finally:
        thread.join()
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    "command",
    [
        ("show", "oss://bucket/p/"),
        ("plan", "oss://bucket/p/", "--set", "n=1"),
        ("plan", "oss://bucket/p/", "--set", "n=1", "--debug"),
        ("apply", "oss://bucket/p/", "--set", "n=1", "--yes", "--progress", "none"),
    ],
)
def test_from_the_beginning(
    bulkmeta: Command, nobody: str, command: tuple[str, ...]
) -> None:
    """Each command says once that it waits, and Ctrl-C ends it."""

    done = interrupted(bulkmeta, *command, "--endpoint", f"http://{nobody}")
    assert done.code == 130
    assert told(done.err) == [
        f"warning   no answer from {nobody} for 0.3 s; trying on (Ctrl-C ends)"
    ]


def test_in_a_log(bulkmeta: Command, nobody: str) -> None:
    """Where a log stands in people's place it is there once, as a line of JSON."""
    order = ("plan", "oss://bucket/p/", "--set", "n=1", "--log-file", "-")
    done = interrupted(bulkmeta, *order, "--endpoint", f"http://{nobody}")
    (line,) = told(done.err)
    assert json.loads(line)["logger"] == "bulkmeta.oss.silence"


def test_on_the_way(
    oss: EmbeddedOSS, bulkmeta: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was done is counted, and how it can go on and be taken back."""
    short = partial(Deadlines, 1.0)
    monkeypatch.setattr(transport, "Deadlines", lambda _: short())
    oss.store.put_objects("bucket", ({"key": f"p/{n:04}"} for n in range(500)))
    oss.faults.add(Fault("hang", seconds=3.0, skip=300))
    done = bulkmeta(*ORDER, "--retries", "0", "--max-failures", "3")
    assert done.code == 3
    assert len(told(done.err)) == 1
    words = done.out.splitlines()[0]
    assert (" objects in " in words, " updated" in words) == (True, True)
    assert done.err.splitlines()[-3:-1] == [
        "resume    bulkmeta resume run.jsonl",
        "undo      bulkmeta undo run.jsonl",
    ]


def test_some_fail(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Objects that are not answered are no silence as long as others are."""
    oss.store.put_objects("bucket", ({"key": f"p/{n:04}"} for n in range(60)))
    oss.faults.add(Fault("hang", "HeadObject", seconds=0.8, key="p/0007"))
    done = bulkmeta(*ORDER, "--rate", "50")
    assert (done.code, told(done.err)) == (0, [])


@pytest.mark.parametrize(
    "order",
    [
        ("show", "oss://bucket/p/"),
        ("shards", "oss://bucket/p/", "--into", "2", "--out", "cut.json"),
        ("plan", "oss://bucket/p/", "--set", "n=1"),
    ],
)
def test_given_up_alike(
    oss: EmbeddedOSS, bulkmeta: Command, order: tuple[str, ...]
) -> None:
    """Whoever has not answered yet is asked three times, by whatever command."""
    oss.faults.add(Fault("reset_before"))
    result = bulkmeta(*order)
    assert (result.code, len(oss.log.requests())) == (4, 3)
    assert "check --endpoint and the network" in result.err


def test_who_has_answered_is_asked_again(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """As often as --retries says."""
    oss.store.put_objects("bucket", ({"key": f"p/{n:04}"} for n in range(1500)))
    oss.faults.add(Fault("reset_before", "ListObjectsV2", skip=1, times=4))
    assert bulkmeta("show", "oss://bucket/p/", "--fields", "key").code == 0
