"""Starting, stopping, keeping; common headers; the command."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import aiohttp
import oss2
import pytest
from click.testing import CliRunner

from bulkmeta.emulator import command
from bulkmeta.emulator.options import Credential, EmulatorOptions
from bulkmeta.emulator.server import EmbeddedOSS, environment, run_forever
from tests.functional.emulator.conftest import RawClient

if TYPE_CHECKING:
    from pathlib import Path

    from tests.functional.emulator.conftest import Connect, Start


def test_every_reply_has_the_common_headers(raw: RawClient, oss: EmbeddedOSS) -> None:
    """Request id, server time, the emulator's own Date, and the server's name."""
    oss.clock.offset_s = 600
    replies = [raw.send("PUT", "a"), raw.send("GET", "none"), raw.send("HEAD", "none")]

    for reply in replies:
        assert re.fullmatch(rb"[0-9A-F]{24}", reply.headers["x-oss-request-id"])
        assert int(reply.headers["x-oss-server-time"]) >= 0
        assert reply.headers["server"] == b"AliyunOSS"
        date = oss2.utils.http_to_unixtime(reply.headers["date"].decode())
        assert abs(date - oss.clock.time()) < 5
    assert len({reply.headers["x-oss-request-id"] for reply in replies}) == 3


def test_head_errors_are_in_a_header(raw: RawClient, bucket: Any) -> None:
    """HEAD has no body: its error is base64 in x-oss-err, its EC in x-oss-ec."""
    reply = raw.send("HEAD", "none")

    assert (reply.status, reply.body) == (404, b"")
    assert reply.headers["x-oss-ec"] == b"0026-00000001"
    with pytest.raises(oss2.exceptions.NoSuchKey) as caught:
        bucket.head_object("none")
    assert caught.value.details["EC"] == "0026-00000001"


def test_a_file_keeps_all(tmp_path: Path, connect: Connect) -> None:
    """Buckets and objects with everything are there after a restart."""
    options = EmulatorOptions(database=str(tmp_path / "oss.db"))
    with EmbeddedOSS(options) as oss:
        oss.store.create_bucket("kept", versioning="Enabled")
        client = connect(oss, name="kept")
        client.put_object("文件", b"1", headers={"x-oss-meta-v": "测试".encode()})
        client.put_object("文件", b"2", headers={"x-oss-tagging": "k=v"})
        before = oss.store.versions("kept", "文件")
    with EmbeddedOSS(options) as oss:
        assert oss.store.versions("kept", "文件") == before
        assert connect(oss, name="kept").get_object("文件").read() == b"2"


def test_memory_is_forgotten(connect: Connect, start: Start) -> None:
    """Each embedded OSS in memory is its own."""
    connect(start()).put_object("a", b"")

    assert list(start().store.objects("bucket")) == []


def test_a_taken_port_is_told(oss: EmbeddedOSS) -> None:
    """The error of the server's thread is raised where it was started."""
    port = int(oss.endpoint.rpartition(":")[2])

    with (
        pytest.raises(OSError, match="address"),
        EmbeddedOSS(EmulatorOptions(port=port)),
    ):
        pass


def test_a_database_serves_one(tmp_path: Path) -> None:
    """A second server on the same file is refused instead of serving stale data."""
    options = EmulatorOptions(database=str(tmp_path / "oss.db"))

    with EmbeddedOSS(options) as oss:
        oss.store.create_bucket("bucket")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            EmbeddedOSS(options).__enter__()


def test_a_log_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """The store is closed again when the log cannot be opened."""
    options = EmulatorOptions(log_file=str(tmp_path / "none" / "log"))

    with pytest.raises(FileNotFoundError):
        EmbeddedOSS(options).__enter__()


def test_a_seed_that_fails_leaves_nothing(oss: EmbeddedOSS) -> None:
    """Seeding many objects is all or nothing."""
    with pytest.raises(TypeError):
        oss.store.put_objects("bucket", [{"key": "a"}, {"key": "b", "colour": "red"}])

    assert list(oss.store.objects("bucket")) == []


def test_a_seed_is_checked(oss: EmbeddedOSS) -> None:
    """Header names may be in any case, but have to be in their field."""
    seeded = oss.store.put_object("bucket", "a", headers={"Cache-Control": "x"})

    assert seeded.headers == {"cache-control": "x"}
    with pytest.raises(ValueError, match="headers may only hold"):
        oss.store.put_object("bucket", "a", headers={"x-own": "1"})
    with pytest.raises(ValueError, match="sse may only hold"):
        oss.store.put_object("bucket", "a", sse={"algorithm": "KMS"})
    with pytest.raises(KeyError):
        oss.store.put_object("none", "a")


def test_the_store_may_be_used_from_many_threads(oss: EmbeddedOSS, bucket: Any) -> None:
    """Seeding, reading and serving at once do not disturb each other."""

    def seed(name: int) -> None:
        for i in range(50):
            oss.store.put_object("bucket", f"{name}/{i}")
            oss.store.get_object("bucket", f"{name}/{i}")

    threads = [threading.Thread(target=seed, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for i in range(50):
        bucket.put_object(f"x/{i}", b"")
    for thread in threads:
        thread.join()

    assert len(list(oss.store.objects("bucket"))) == 250


def test_a_cname_leads_to_its_bucket(start: Start) -> None:
    """A custom domain is bound to a bucket by option."""
    oss = start(cnames=(("files.example.com", "bucket"),))
    headers = {"Host": "files.example.com"}

    assert RawClient(oss).send("PUT", "a/b", headers=headers, path="/a/b").status == 200
    assert oss.store.get_object("bucket", "a/b").size == 0


def test_environment_names_the_first_credential() -> None:
    """What a client needs to know, with the token where there is one."""
    options = EmulatorOptions(credentials=(Credential("k", "s", "t"),), region="r")

    assert environment(options, "http://x") == {
        "OSS_ENDPOINT": "http://x",
        "OSS_REGION": "r",
        "OSS_ACCESS_KEY_ID": "k",
        "OSS_ACCESS_KEY_SECRET": "s",
        "OSS_SESSION_TOKEN": "t",
    }
    assert "'s'" not in repr(options)
    assert environment(EmulatorOptions(credentials=()), "x").keys() == {
        "OSS_ENDPOINT",
        "OSS_REGION",
    }


def test_the_environment_of_a_running_one(oss: EmbeddedOSS) -> None:
    """An embedded OSS knows how it is reached."""
    assert oss.environment["OSS_ENDPOINT"] == oss.endpoint


async def test_it_serves_in_the_running_loop() -> None:
    """`run_forever` serves until cancelled, on IPv6 as well."""
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    host = "::1" if socket.has_ipv6 and _has_ipv6_loopback() else "127.0.0.1"
    serving = asyncio.create_task(
        run_forever(EmulatorOptions(host=host), ready.set_result)
    )
    endpoint = await ready
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{endpoint}/-/health") as reply,
    ):
        assert (await reply.json())["ok"]
    serving.cancel()

    with pytest.raises(asyncio.CancelledError):
        await serving


def _has_ipv6_loopback() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_told_to_stop(number: int, tmp_path: Path) -> None:
    """It prints what a shell needs, makes the bucket, and ends with 0."""
    words = [sys.executable, "-m", "bulkmeta.emulator", "--port", "0"]
    words += ["--database", str(tmp_path / "oss.db"), "--bucket", "mine"]
    words += ["--log-file", str(tmp_path / "log")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own command
        assert process.stdout is not None
        lines = [process.stdout.readline().strip() for _ in range(5)]
        process.send_signal(number)
        status = process.wait(20)

    assert [line.partition("=")[0] for line in lines] == [
        "export OSS_ENDPOINT",
        "export OSS_REGION",
        "export OSS_ACCESS_KEY_ID",
        "export OSS_ACCESS_KEY_SECRET",
        "export OSS_BUCKET",
    ]
    assert lines[-1] == "export OSS_BUCKET=mine"
    assert status == 0
    with EmbeddedOSS(EmulatorOptions(database=str(tmp_path / "oss.db"))) as oss:
        assert oss.store.bucket("mine") is not None


def test_the_command_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """It stops cleanly, having warned of an address that is not loopback."""
    announce = command._announce

    def announce_and_stop(*told: Any) -> None:
        announce(*told)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(command, "_announce", announce_and_stop)
    arguments = ["--port", "0", "--host", "0.0.0.0"]  # noqa: S104 - the warning is tested
    result = CliRunner().invoke(command.emulator, arguments)

    assert result.exit_code == 0
    assert "export OSS_BUCKET=demo" in result.stdout
    assert "can be reached from elsewhere" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--port", "{taken}"], "port {taken} is in use; --port 0 takes a free one"),
        (["--host", "localhost", "--port", "{taken}"], "port {taken} is in use"),
        (["--database", "{tmp}/none/oss.db"], "database "),
        (["--log-file", "{tmp}/none/log"], "log file"),
        (["--port", "{taken}", "--bucket", "A_B"], "--bucket 'A_B': a bucket name "),
    ],
)
def test_what_cannot_be_had_is_one_line_and_exit_2(
    oss: EmbeddedOSS, tmp_path: Path, arguments: list[str], told: str
) -> None:
    """A taken port, a database or a log that cannot be used: said clearly."""
    taken = oss.endpoint.rpartition(":")[2]
    given = [a.format(taken=taken, tmp=tmp_path) for a in arguments]
    result = CliRunner().invoke(command.emulator, given)

    assert result.exit_code == 2
    assert result.stderr.startswith(f"bulkmeta: {told.format(taken=taken)}")
    assert len(result.stderr.splitlines()) == 1
