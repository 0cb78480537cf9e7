"""What cannot be done as asked ends in one line: what, where, and what to do."""

from __future__ import annotations

import io
import os
import pty
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
import pytest

from bulkmeta.cli.main import COMMANDS
from bulkmeta.cli.main import bulkmeta as group
from bulkmeta.journal.files import AppendFile

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS

Command = Callable[..., Any]

OBJECTS = 3
CTRL_C = b"\x03"
TARGET = "oss://bucket/p/"
CHANGE = ("--set", "project=atlas")
YES = ("--yes", "--run-file", "run.jsonl")
GOOD = (TARGET, *CHANGE, *YES)
CREDENTIALS = (
    "OSS_ACCESS_KEY_ID",
    "OSS_ACCESS_KEY_SECRET",
    "OSS_SESSION_TOKEN",
    "ALIBABA_CLOUD_ACCESS_KEY_ID",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    "ALIBABA_CLOUD_SECURITY_TOKEN",
)

# The controlling terminal is what turns Ctrl-C into a signal; a parent may have left
# it ignored.
ON_TERMINAL = """
import fcntl, signal, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGINT, signal.default_int_handler)
from bulkmeta.cli.main import main
main()
"""
# The limit is lifted before the interpreter ends, so that others can write at its exit.
ON_A_FULL_DISK = """
import resource, sys
free = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, free[1]))
from bulkmeta.cli.main import run
code = run()
resource.setrlimit(resource.RLIMIT_FSIZE, free)
sys.exit(code)
"""
PLAIN = "from bulkmeta.cli.main import main; main()"


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bulkmeta.oss.retry.backoff_s", lambda _: 0.0)
    for name in CREDENTIALS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def refused(oss: EmbeddedOSS, bulkmeta: Command) -> Command:
    """A command line that changes nothing and says why, in one line."""
    for number in range(OBJECTS):
        oss.store.put_object("bucket", f"p/{number}", meta={"is": "old"})

    def invoke(*args: str, code: int, words: tuple[str, ...]) -> Any:
        result = bulkmeta(*args)
        assert (result.code, result.out) == (code, ""), result.err
        assert_one_line(result.err, *words)
        assert_nothing_written(oss)
        return result

    return invoke


def assert_one_line(err: str, *words: str) -> None:
    """What was asked for may be said before; the complaint is one line."""
    assert err.endswith("\n"), err
    *order, complaint = err[:-1].split("\n")
    assert complaint.startswith("bulkmeta: ")
    assert all(line.startswith(("target ", "change ", "pace ")) for line in order), err
    assert err.replace("\n", "").isprintable()
    for word in words:
        assert word in complaint


def assert_nothing_written(oss: EmbeddedOSS) -> None:
    assert not any(logged.method == "PUT" for logged in oss.log.requests())
    for stored in oss.store.objects("bucket"):
        assert stored.meta == {"is": "old"}


# Credentials, bucket and connection: exit 4


def test_no_credentials(refused: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any, the line names the variables to set."""
    monkeypatch.delenv("OSS_ACCESS_KEY_ID")
    monkeypatch.delenv("OSS_ACCESS_KEY_SECRET")
    words = ("no credentials found", "OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET")
    refused("apply", *GOOD, code=4, words=words)


@pytest.mark.parametrize("value", ["", "  "])
def test_blank_credentials_are_none(
    refused: Command, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """Variables that hold nothing are as good as not set."""
    monkeypatch.setenv("OSS_ACCESS_KEY_ID", value)
    monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", value)
    refused("apply", *GOOD, code=4, words=("no credentials found",))


@pytest.mark.parametrize("missing", ["OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET"])
def test_half_of_the_credentials(
    refused: Command, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    """One of the pair: the line names the other one."""
    monkeypatch.delenv(missing)
    refused("apply", *GOOD, code=4, words=(missing, "not set"))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("OSS_ACCESS_KEY_ID", "wrong", ("InvalidAccessKeyId", "check the access key")),
        ("OSS_ACCESS_KEY_ID", "wröng", ()),
        (
            "OSS_ACCESS_KEY_SECRET",
            "s3cr3t-but-wrong",
            ("SignatureDoesNotMatch", "check the access key secret"),
        ),
        ("OSS_SESSION_TOKEN", "t0k3n", ("Token",)),
        ("OSS_SESSION_TOKEN", "t0k3n\nmore", ("OSS_SESSION_TOKEN", "line breaks")),
        ("OSS_SESSION_TOKEN", "t0k3n\udcff", ("OSS_SESSION_TOKEN", "UTF-8")),
        ("OSS_ACCESS_KEY_ID", "a\nb", ("OSS_ACCESS_KEY_ID", "line breaks")),
        ("OSS_REGION", "cn-beijing", ("region",)),
    ],
)
def test_wrong_credentials(
    refused: Command,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    words: tuple[str, ...],
) -> None:
    """Refused by the service: its words, where to look, and no secret among them."""
    monkeypatch.setenv(name, value)
    result = refused("apply", *GOOD, code=4, words=words)
    assert "s3cr3t" not in result.err
    assert "t0k3n" not in result.err
    assert "embedded-key-secret" not in result.err


@pytest.mark.parametrize("command", ["apply", "plan"])
def test_no_such_bucket(refused: Command, command: str) -> None:
    """A bucket that does not exist, by each command that works on one."""
    rest = YES if command == "apply" else ()
    words = ("NoSuchBucket", "check the bucket's name", "[request ")
    refused(command, "oss://elsewhere/p/", *CHANGE, *rest, code=4, words=words)


def test_no_such_bucket_to_show(refused: Command) -> None:
    """The same for a command that only looks."""
    refused("show", "oss://elsewhere/p/", code=4, words=("NoSuchBucket",))


@pytest.fixture
def closed_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def test_an_unreachable_endpoint(refused: Command, closed_port: int) -> None:
    """Nobody listens there: the address, and what to check."""
    endpoint = f"http://127.0.0.1:{closed_port}"
    words = ("cannot connect", f"127.0.0.1:{closed_port}", "check --endpoint")
    refused("apply", *GOOD, "--endpoint", endpoint, code=4, words=words)


def test_an_unknown_host(refused: Command) -> None:
    """A host without an address."""
    words = ("cannot connect", "no-such-host.invalid", "check --endpoint")
    endpoint = "https://no-such-host.invalid"
    refused("apply", *GOOD, "--endpoint", endpoint, code=4, words=words)


def test_https_where_http_is_spoken(oss: EmbeddedOSS, refused: Command) -> None:
    """TLS against a plain port ends like any other connection that fails."""
    endpoint = oss.endpoint.replace("http:", "https:")
    words = ("check --endpoint",)
    refused("apply", *GOOD, "--endpoint", endpoint, code=4, words=words)


def test_a_server_that_is_no_oss(refused: Command) -> None:
    """Something answers, but not in HTTP."""
    with _talking(b"SSH-2.0-OpenSSH_9.2\r\n") as port:
        endpoint = f"http://127.0.0.1:{port}"
        words = ("check --endpoint",)
        refused("apply", *GOOD, "--endpoint", endpoint, code=4, words=words)


def test_a_server_that_answers_with_pages(refused: Command) -> None:
    """A web server's page is no answer to a question about a bucket."""
    page = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>"
    with _talking(page) as port:
        endpoint = f"http://127.0.0.1:{port}"
        refused("apply", *GOOD, "--endpoint", endpoint, code=4, words=("unreadable",))


@contextmanager
def _talking(answer: bytes) -> Iterator[int]:
    """A server that says the same to everyone."""
    code = (
        "import socketserver, sys\n"
        "class Talk(socketserver.BaseRequestHandler):\n"
        "    def handle(self):\n"
        "        self.request.recv(9999)\n"
        f"        self.request.sendall({answer!r})\n"
        "with socketserver.TCPServer(('127.0.0.1', 0), Talk) as server:\n"
        "    print(server.server_address[1], flush=True)\n"
        "    server.serve_forever()\n"
    )
    with subprocess.Popen(  # noqa: S603 the few lines above
        [sys.executable, "-S", "-c", code], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout
        try:
            yield int(server.stdout.readline())
        finally:
            server.kill()


# What is wrong with the command line: exit 2, before any request

USAGE: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "no target": ((*CHANGE, *YES), ("oss://BUCKET/PREFIX",)),
    "two buckets": ((TARGET, "oss://other/p/", *CHANGE, *YES), ("several buckets",)),
    "no scheme": (("bucket/p/", *CHANGE, *YES), ("'bucket/p/'", "oss://bucket/prefix")),
    "other scheme": (("s3://bucket/p/", *CHANGE, *YES), ("oss://bucket/prefix",)),
    "no bucket": (("oss:///p/", *CHANGE, *YES), ("bucket name", "3 to 63")),
    "upper-case bucket": (("oss://Bucket/p/", *CHANGE, *YES), ("lower-case",)),
    "bucket with a dot": (("oss://a.b/p/", *CHANGE, *YES), ("bucket name",)),
    "leading slash": (("oss://bucket//p", *CHANGE, *YES), ("cannot begin with a sla",)),
    "backslash": (("oss://bucket/\\p", *CHANGE, *YES), ("cannot begin with a slash",)),
    "long prefix": (("oss://bucket/" + "x" * 1024, *CHANGE, *YES), ("1023 bytes",)),
    "not UTF-8": (("oss://bucket/p\udcff", *CHANGE, *YES), ("not valid UTF-8",)),
    "whole bucket": (("oss://bucket/", *CHANGE, *YES), ("whole bucket", "--all")),
    "whole bucket bare": (("oss://bucket", *CHANGE, *YES), ("whole bucket", "--all")),
    "no change": ((TARGET, *YES), ("no change given", "--set")),
    "no value": ((*GOOD, "--set", "name"), ("'name'", "NAME=VALUE")),
    "no name": ((*GOOD, "--set", "=x"), ("'=x'", "NAME=VALUE")),
    "bad name": ((*GOOD, "--set", "my_name=x"), ("'my_name'", "letters, digits")),
    "blank in name": ((*GOOD, "--set", "my name=x"), ("'my name'", "hyphens")),
    "foreign name": ((*GOOD, "--set", "名=x"), ("'名'", "letters, digits")),
    "only a prefix": ((*GOOD, "--set", "x-oss-meta-=x"), ("x-oss-meta-",)),
    "newline": ((*GOOD, "--set", "a=x\ny"), ("'a'", "line breaks")),
    "carriage return": ((*GOOD, "--set", "a=x\r"), ("'a'", "line breaks")),
    "control": ((*GOOD, "--set", "a=x\x1b[31m"), ("'a'", "control characters")),
    "leading blank": ((*GOOD, "--set", "a= x"), ("'a'", "white space")),
    "trailing blank": ((*GOOD, "--set", "a=x "), ("'a'", "white space")),
    "value not UTF-8": ((*GOOD, "--set", "a=\udcff"), ("'a'", "not valid UTF-8")),
    "name not UTF-8": ((*GOOD, "--set", "\udcff=a"), ("letters, digits",)),
    "header newline": (
        (*GOOD, "--header", "cache-control=a\nb"),
        ("'cache-control'", "line breaks"),
    ),
    "header not UTF-8": (
        (*GOOD, "--header", "cache-control=\udcff"),
        ("'cache-control'", "not valid UTF-8"),
    ),
    "header empty": (
        (*GOOD, "--header", "cache-control="),
        ("'cache-control'", "--unset-header"),
    ),
    "unknown header": ((*GOOD, "--header", "etag=x"), ("'etag'", "cache-control")),
    "header as meta": ((*GOOD, "--set", "expires=x"), ("'expires'", "--header")),
    "unset header as meta": (
        (*GOOD, "--unset", "Expires"),
        ("'Expires'", "--unset-header"),
    ),
    "unset content-type": (
        (*GOOD, "--unset-header", "Content-Type"),
        ("content-type", "cannot remove", "--header content-type="),
    ),
    "same name twice": ((*GOOD, "--set", "Project=x"), ("'project'", "2 times")),
    "same by prefix": (
        (*GOOD, "--set", "x-oss-meta-project=x"),
        ("'project'", "2 times"),
    ),
    "set and unset": ((*GOOD, "--unset", "PROJECT"), ("'project'", "name it once")),
    "set and default": (
        (*GOOD, "--default", "project=x"),
        ("'project'", "name it once"),
    ),
    "set and renamed": (
        (*GOOD, "--rename", "old=project"),
        ("'project'", "name it once"),
    ),
    "renamed to itself": ((*GOOD, "--rename", "a=A"), ("'a'", "name it once")),
    "header set and unset": (
        (*GOOD, "--header", "expires=x", "--unset-header", "EXPIRES"),
        ("'expires'", "name it once"),
    ),
    "replace and unset": ((*GOOD, "--replace", "--unset", "a"), ("--replace",)),
    "over 8 KB": ((*GOOD, "--set", "big=" + "x" * 8190), ("'big'", "8192")),
    "over 8 KB in UTF-8": ((*GOOD, "--set", "big=" + "测" * 2731), ("'big'", "8192")),
    "rate 0": ((*GOOD, "--rate", "0"), ("'0'", "--rate", "max")),
    "rate below 0": ((*GOOD, "--rate", "-5"), ("'-5'", "--rate")),
    "rate nan": ((*GOOD, "--rate", "nan"), ("'nan'", "--rate")),
    "rate inf": ((*GOOD, "--rate", "inf"), ("'inf'", "max")),
    "concurrency 0": ((*GOOD, "--concurrency", "0"), ("--concurrency", "1<=x<=1000")),
    "concurrency text": ((*GOOD, "--concurrency", "x"), ("--concurrency", "'x'")),
    "retries below 0": ((*GOOD, "--retries", "-1"), ("--retries", "0<=x")),
    "option without value": ((*GOOD, "--set"), ("--set", "requires an argument")),
    "bad choice": ((*GOOD, "--acl-policy", "keep"), ("--acl-policy", "'preserve'")),
    "typo": ((*GOOD, "--concurency", "5"), ("--concurency", "did you mean --concurr")),
    "long typo": (
        (*GOOD, "--" + "concurrencies-of-everything-and-all-" + "x" * 14, "1"),
        ("did you mean --concurrency?",),
    ),
    "nothing like it": ((*GOOD, "--zzz"), ("no such option --zzz", "did you mean")),
    "endpoint no address": ((*GOOD, "--endpoint", "http://"), ("'http://'", "https:")),
    "endpoint no port": ((*GOOD, "--endpoint", "http://h:x"), ("'http://h:x'",)),
    "endpoint port 0": ((*GOOD, "--endpoint", "http://h:0"), ("'http://h:0'",)),
    "endpoint scheme": ((*GOOD, "--endpoint", "ftp://h"), ("'ftp://h'", "https://")),
    "endpoint path": ((*GOOD, "--endpoint", "http://h/a"), ("without path",)),
    "endpoint user": ((*GOOD, "--endpoint", "http://u:p@h"), ("user",)),
    "endpoint blank": ((*GOOD, "--endpoint", "http://a b"), ("'http://a b'",)),
    "endpoint bracket": ((*GOOD, "--endpoint", "http://[::1"), ("'http://[::1'",)),
    "endpoint label too long": (
        (*GOOD, "--endpoint", f"https://{'x' * 64}.example.com"),
        ("is no address",),
    ),
    "endpoint not UTF-8": ((*GOOD, "--endpoint", "http://\udcff"), ("endpoint",)),
    "region blank": ((*GOOD, "--region", "cn hangzhou"), ("region",)),
    "region newline": ((*GOOD, "--region", "cn\nhangzhou"), ("region",)),
}


@pytest.mark.parametrize("case", USAGE)
def test_what_cannot_be_meant(
    oss: EmbeddedOSS, refused: Command, case: str, tmp_path: Path
) -> None:
    """A mistake on the command line is told before anything is sent or made: exit 2."""
    args, words = USAGE[case]
    refused("apply", *args, code=2, words=words)
    assert oss.log.requests() == []
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_command(refused: Command) -> None:
    """A command that is none, with the nearest one that is."""
    refused("aply", *GOOD, code=2, words=("'aply'", "did you mean 'apply'?"))


def test_a_command_line_of_blanks(refused: Command) -> None:
    """An empty command is an unknown one, not a crash."""
    refused("", code=2, words=("no such command ''",))


@pytest.mark.parametrize("command", ["plan", "show"])
def test_other_commands_check_the_target_as_well(
    oss: EmbeddedOSS, refused: Command, command: str
) -> None:
    """No command walks a whole bucket without `--all`."""
    change = CHANGE if command == "plan" else ()
    refused(command, "oss://bucket/", *change, code=2, words=("whole bucket", "--all"))
    assert oss.log.requests() == []


def test_no_region_and_no_endpoint(
    refused: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing says where the bucket is: both ways out are named."""
    monkeypatch.delenv("OSS_ENDPOINT")
    monkeypatch.delenv("OSS_REGION")
    refused("apply", *GOOD, code=2, words=("--region", "OSS_REGION", "OSS_ENDPOINT"))


def test_an_endpoint_that_does_not_tell_the_region(
    refused: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A domain of one's own says nothing about the region: it has to be given."""
    monkeypatch.delenv("OSS_REGION")
    words = ("'files.example.com'", "--region")
    refused("apply", *GOOD, "--endpoint", "files.example.com", code=2, words=words)


def test_a_bucket_that_keeps_versions(oss: EmbeddedOSS, refused: Command) -> None:
    """Each update would add a billed version: only with leave."""
    oss.store.configure_bucket("bucket", versioning="Enabled")
    words = ("'bucket'", "keeps versions", "--allow-new-versions")
    refused("apply", *GOOD, code=2, words=words)


# The run file


def test_a_run_file_is_never_overwritten(
    oss: EmbeddedOSS, refused: Command, tmp_path: Path
) -> None:
    """What is there stays as it is, whatever it is."""
    (tmp_path / "run.jsonl").write_text("precious")
    words = ("'run.jsonl'", "exists", "--run-file")
    refused("apply", *GOOD, code=2, words=words)
    assert (tmp_path / "run.jsonl").read_text() == "precious"
    assert oss.log.requests() == []


def test_a_run_file_that_appears_meanwhile_is_not_overwritten(
    bulkmeta: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made by somebody else after the first look: creating it is what decides."""
    monkeypatch.setattr("bulkmeta.cli.session.refuse_existing", lambda *_: None)
    (tmp_path / "run.jsonl").write_text("precious")

    result = bulkmeta("apply", *GOOD)

    assert result.code == 2
    assert "exists; name another" in result.err.splitlines()[-1]
    assert (tmp_path / "run.jsonl").read_text() == "precious"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("there.jsonl", "--out 'there.jsonl' exists; name another file"),
        ("missing/plan.jsonl", "no folder 'missing'"),
        ("", "--out"),
    ],
)
def test_a_plan_that_cannot_be_a_new_file(
    oss: EmbeddedOSS, bulkmeta: Command, tmp_path: Path, path: str, words: str
) -> None:
    """`plan --out` is refused in its own option's name, before anything is sent."""
    (tmp_path / "there.jsonl").write_text("precious")

    result = bulkmeta("plan", TARGET, *CHANGE, "--out", path)

    assert result.code == 2
    assert_one_line(result.err, words, "--out")
    assert "--run-file" not in result.err
    assert (tmp_path / "there.jsonl").read_text() == "precious"
    assert oss.log.requests() == []


def test_a_dangling_link_is_no_run_file(
    oss: EmbeddedOSS, bulkmeta: Command, tmp_path: Path
) -> None:
    """A link to nowhere is not followed: nothing is made at its other end."""
    oss.store.put_object("bucket", "p/0", meta={"is": "old"})
    (tmp_path / "run.jsonl").symlink_to(tmp_path / "target.jsonl")

    result = bulkmeta("apply", *GOOD)

    assert result.code == 2
    assert "exists; name another" in result.err.splitlines()[-1]
    assert not (tmp_path / "target.jsonl").exists()
    assert_nothing_written(oss)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("missing/run.jsonl", ("no folder 'missing'",)),
        ("x" * 300, ("File name too long", "--run-file")),
        (".", ("directory",)),
        ("/dev/null/run.jsonl", ("no folder '/dev/null'",)),
    ],
)
def test_a_run_file_that_cannot_be(
    oss: EmbeddedOSS, refused: Command, path: str, words: tuple[str, ...]
) -> None:
    """A path where no file can be made is told before anything is sent."""
    refused("apply", TARGET, *CHANGE, "--yes", "--run-file", path, code=2, words=words)
    assert oss.log.requests() == []


def test_an_unwritable_folder(
    oss: EmbeddedOSS, bulkmeta: Command, tmp_path: Path
) -> None:
    """A folder in which nothing can be made stops the run before any object is
    asked for."""
    folder = Path("/proc") if os.geteuid() == 0 else tmp_path / "locked"
    if os.geteuid():
        folder.mkdir(mode=0o500)
    oss.store.put_object("bucket", "p/0", meta={"is": "old"})

    result = bulkmeta(
        "apply", TARGET, *CHANGE, "--yes", "--run-file", str(folder / "run.jsonl")
    )

    assert result.code == 2
    complaint = result.err.splitlines()[-1]
    assert complaint.startswith("bulkmeta: ")
    assert "cannot create the run file" in complaint
    assert "name another" in complaint
    assert {logged.operation for logged in oss.log.requests()} <= {
        "GetBucketVersioning"
    }
    assert_nothing_written(oss)


def _process(
    oss: EmbeddedOSS, folder: Path, code: str, *args: str, **changes: Any
) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 our own command line
        [sys.executable, "-c", code, *args],
        env={**os.environ, **oss.environment},
        cwd=folder,
        text=True,
        errors="surrogateescape",
        **{
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            **changes,
        },
    )


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_bytes_that_are_not_utf8_on_a_real_command_line(
    oss: EmbeddedOSS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locale: str
) -> None:
    """Bytes that no text decodes to, in a value and an option: one line, no crash."""
    monkeypatch.setenv("LC_ALL", locale)
    for args in ((*GOOD, "--set", "a=\udcff\udcfe"), (*GOOD, "--opt\udcff\udcfe=1")):
        process = _process(oss, tmp_path, PLAIN, "apply", *args)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out) == (2, "")
        assert_one_line(err)
    assert oss.log.requests() == []


# The question


@contextmanager
def _asked(oss: EmbeddedOSS, folder: Path, *extra: str) -> Iterator[Any]:
    """A run on a terminal of its own, at the moment when it asks."""
    oss.store.put_object("bucket", "p/0", meta={"is": "old"})
    terminal, inner = pty.openpty()
    process = _process(
        oss, folder, ON_TERMINAL, "apply", TARGET, *CHANGE, *extra,
        "--run-file", "run.jsonl", stdin=inner, start_new_session=True,
    )  # fmt: skip
    os.close(inner)
    assert process.stderr
    shown = ""
    try:
        while "[y/N]" not in shown:
            char = process.stderr.read(1)
            assert char, shown
            shown += char
        yield partial(_answer, process, terminal), shown
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
        process.stderr.close()
        if process.stdout:
            process.stdout.close()


def _answer(
    process: subprocess.Popen[str], terminal: int, keys: bytes
) -> tuple[int, str]:
    if keys == CTRL_C:
        # Python misses a signal that comes just before it begins to read.
        time.sleep(0.3)
    os.write(terminal, keys)
    _, err = process.communicate(timeout=30)
    return process.returncode, err


@pytest.mark.parametrize("keys", [b"n\n", b"N\n", b"\n"])
def test_no_is_no(oss: EmbeddedOSS, tmp_path: Path, keys: bytes) -> None:
    """N, or nothing at all, stops the run with nothing changed and no run file."""
    with _asked(oss, tmp_path) as (answer, shown):
        assert "oss://bucket/p/" in shown
        assert 'set project = "atlas"' in shown
        code, err = answer(keys)

    assert (code, err.splitlines()[-1]) == (130, "bulkmeta: nothing was changed")
    assert_nothing_written(oss)
    assert not any(operation == "HeadObject" for operation, _ in oss.log.operations())
    assert list(tmp_path.iterdir()) == []


def test_yes_is_yes(oss: EmbeddedOSS, tmp_path: Path, read_run: Any) -> None:
    """Only after y is anything changed; before, the bucket was looked at at most."""
    with _asked(oss, tmp_path) as (answer, _):
        assert [logged.method for logged in oss.log.requests()] == ["GET", "GET"]
        code, err = answer(b"y\n")

    assert code == 0, err
    assert oss.store.get_object("bucket", "p/0").meta["project"] == "atlas"
    assert read_run(tmp_path / "run.jsonl").summary["counts"]["updated"] == 1


def test_another_answer_is_asked_again(oss: EmbeddedOSS, tmp_path: Path) -> None:
    """Something else than y or n is not taken for either."""
    with _asked(oss, tmp_path) as (answer, _):
        code, err = answer(b"maybe\nn\n")

    assert code != 0
    assert err.count("[y/N]") == 1
    assert_nothing_written(oss)


@pytest.mark.parametrize("keys", [CTRL_C, b"\x04"])
def test_leaving_at_the_question(oss: EmbeddedOSS, tmp_path: Path, keys: bytes) -> None:
    """Ctrl-C and Ctrl-D at the question: 130, one line, nothing changed."""
    with _asked(oss, tmp_path) as (answer, _):
        code, err = answer(keys)

    assert code == 130
    assert err.strip().splitlines()[-1] == "bulkmeta: interrupted"
    assert "Traceback" not in err
    assert_nothing_written(oss)
    assert list(tmp_path.iterdir()) == []


def test_no_terminal_to_ask_on(oss: EmbeddedOSS, tmp_path: Path) -> None:
    """A script that forgot --yes: exit 2 at once, and nothing sent."""
    oss.store.put_object("bucket", "p/0", meta={"is": "old"})
    process = _process(oss, tmp_path, PLAIN, "apply", TARGET, *CHANGE)
    out, err = process.communicate(timeout=30)

    assert (process.returncode, out) == (2, "")
    assert_one_line(err, "no terminal", "--yes")
    assert oss.log.requests() == []
    assert list(tmp_path.iterdir()) == []


def test_standard_input_that_is_closed(oss: EmbeddedOSS, tmp_path: Path) -> None:
    """Started without any standard input at all, as some schedulers do."""
    closing = "import os; os.close(0)\nimport sys; sys.stdin = None\n"
    process = _process(oss, tmp_path, closing + PLAIN, "apply", TARGET, *CHANGE)
    _, err = process.communicate(timeout=30)

    assert process.returncode == 2
    assert_one_line(err, "no terminal", "--yes")


# A full disk


def test_a_full_disk_in_mid_run(oss: EmbeddedOSS, tmp_path: Path) -> None:
    """No line can be written any more: exit 4 with the cause, and the lines that are
    on disk are whole, but for the last."""
    objects = ({"key": f"p/{i:04}", "meta": {"is": "old"}} for i in range(400))
    oss.store.put_objects("bucket", objects)

    process = _process(
        oss, tmp_path, ON_A_FULL_DISK, "apply", *GOOD, "--concurrency", "8",
        "--progress", "none",
    )  # fmt: skip
    _, err = process.communicate(timeout=50)

    assert process.returncode == 4, err
    *order, complaint = err.splitlines()
    assert complaint.startswith("bulkmeta: cannot write 'run.jsonl")
    assert complaint.endswith("make room and continue with resume")
    assert not any(line.startswith("bulkmeta: ") for line in order)
    assert "Traceback" not in err
    content = (tmp_path / "run.jsonl").read_bytes()
    assert len(content) == 20_000
    *whole, _ = content.split(b"\n")
    lines = [msgspec.json.decode(line) for line in whole]
    assert lines[0]["type"] == "run"
    assert {line["type"] for line in lines[1:]} == {"object"}
    assert {line["status"] for line in lines[1:]} == {"updated"}
    changed = [s for s in oss.store.objects("bucket") if "project" in s.meta]
    # The run ends at once: what was under way, and not the rest.
    assert len(changed) < 200


def test_a_disk_that_is_full_from_the_start(
    oss: EmbeddedOSS, bulkmeta: Command
) -> None:
    """Not even the header can be written: no object is touched."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    oss.store.put_object("bucket", "p/0", meta={"is": "old"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "bulkmeta.report.run_file.create_file",
            lambda path, _: AppendFile(path, os.open("/dev/full", os.O_WRONLY)),
        )
        result = bulkmeta("apply", *GOOD)

    assert result.code == 4
    assert "No space left on device" in result.err.splitlines()[-1]
    assert_nothing_written(oss)


JUNK = (
    "", " ", "x", "-1", "0", "1e999", "nan", "=", "a=", "=a", "a=b=c", "{", "{key}",
    "{a.b}", "a={x", "oss://", "oss://B/", "s3://b/", "(", "[", "100%", "0/0", "9/3",
    "size >", "1 == 1", "é", "\x00", "a\nb", "no/such/file", ".", "job.toml",
    "none.toml", "plan.jsonl", "x:y", "a=/b/", "a=/(/x/", "2026-99-99", "5d", "--", "-",
)  # fmt: skip
"""What somebody may type, paste or leave out."""


def command_lines(count: int) -> Iterator[list[str]]:
    """Command lines with something wrong, as people and scripts write them."""
    chance = random.Random(27)  # noqa: S311 - repeatable, not secret
    context = click.Context(group)
    found = {name: group.get_command(context, name) for name in COMMANDS}
    options = {
        name: [
            flag for param in command.params for flag in param.opts if flag[0] == "-"
        ]
        for name, command in found.items()
        if command and name not in {"demo", "emulator"}
    }
    for _ in range(count):
        name = chance.choice([*options])
        line = [name] if chance.random() > 0.05 else []
        for _ in range(chance.randint(0, 4)):
            option = chance.choice(options[name] or ["--x"])
            line += [option] if chance.random() < 0.3 else [option, chance.choice(JUNK)]
        line.insert(chance.randint(0, len(line)), chance.choice([TARGET, *JUNK]))
        yield line


def test_300_bad_command_lines(
    oss: EmbeddedOSS, bulkmeta: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No traceback, and nothing is changed, whatever is typed."""
    oss.store.put_object("bucket", "p/a", meta={"is": "old"})
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
    refused = 0
    for line in command_lines(300):
        result = bulkmeta(*line)
        assert "Traceback" not in result.err + result.out, line
        assert result.code in {0, 1, 2, 4}, (line, result.err)
        if result.code == 2 and result.err != bulkmeta().err:
            refused += 1
            assert len(result.err.splitlines()) == 1, (line, result.err)
    assert refused > 150
    assert dict(oss.store.get_object("bucket", "p/a").meta) == {"is": "old"}
