"""What cannot be meant is told before anything is sent."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from bulkmeta.cli.main import COMMANDS
from bulkmeta.cli.main import bulkmeta as group
from tests.functional.bad_input.conftest import (
    CHANGE,
    GOOD,
    PLAIN,
    TARGET,
    YES,
    Command,
    assert_one_line,
    command_process,
)

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS

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
    "header auto": (
        (*GOOD, "--header", "Content-Type=auto"),
        ("'content-type': auto is no type", "--content-type auto"),
    ),
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
    "concurrency text": (
        (*GOOD, "--concurrency", "x"),
        ("--concurrency", "'x' is no whole number"),
    ),
    "retries below 0": ((*GOOD, "--retries", "-1"), ("--retries", "0<=x")),
    "option without value": ((*GOOD, "--set"), ("--set", "requires an argument")),
    "bad choice": ((*GOOD, "--acl-policy", "keep"), ("--acl-policy", "'preserve'")),
    "typo": ((*GOOD, "--concurency", "5"), ("--concurency", "did you mean --concurr")),
    "long typo": (
        (*GOOD, "--" + "concurrencies-of-everything-and-all-" + "x" * 14, "1"),
        ("did you mean --concurrency?",),
    ),
    "nothing like it": (
        (*GOOD, "--zzz"),
        ("no such option --zzz; bulkmeta apply --help names all",),
    ),
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


@pytest.mark.parametrize(
    "args",
    [
        ("apply", *GOOD, "--rate", "x" * 10_000),
        ("apply", *GOOD, "--set", "a={" + "x" * 10_000 + "}"),
        ("apply", *GOOD, "--" + "x" * 10_000),
        ("apply", "x" * 10_000),
        ("report", "run.jsonl", "x" * 10_000),
        ("x" * 10_000,),
    ],
    ids=lambda args: args[-1][:9],
)
def test_long_values_are_not_told_whole(
    bulkmeta: Command, args: tuple[str, ...]
) -> None:
    """Enough of them to know which it is, and how long it is."""
    result = bulkmeta(*args)
    assert result.code == 2
    assert len(result.err) < 500
    assert "x" * 70 + "…" in result.err
    assert "characters)" in result.err


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


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("help",), "no such command 'help'; it is an option: bulkmeta --help"),
        (("help", "apply"), "it is an option: bulkmeta --help"),
        (("version",), "it is an option: bulkmeta --version"),
        (("list",), "no such command 'list'; bulkmeta --help names all"),
        (("set-meta", "oss://b/p/"), "'set-meta'; bulkmeta apply changes metadata"),
        (("setmeta",), "'setmeta'; bulkmeta apply changes metadata"),
        (("set-props",), "'set-props'; bulkmeta apply changes metadata"),
        (("set-acl",), "'set-acl'; bulkmeta apply --acl sets that of objects"),
        (("object-tagging",), "bulkmeta apply --tag and --untag change tags"),
        (("ls", "oss://b/"), "'ls'; bulkmeta show prints each object's metadata"),
        (("stat",), "'stat'; bulkmeta show prints each object's metadata"),
        (("cp",), "no such command 'cp'; bulkmeta --help names all"),
        (("-v",), "no such option -v; options have two hyphens; bulkmeta --help"),
        (("plan", "oss://b/p/", "-zoo", "1"), "no such option -zoo; options have two"),
        (("demo", "--quiet"), "--quiet; bulkmeta demo --help names all"),
        (("demo", "-v.x"), "no such option -v.x; options have two hyphens; bulkmeta"),
        (("report", "-x.jsonl"), "-x.jsonl; a file of that name is ./-x.jsonl"),
        (("apply", "-f-x.toml"), "-f-x.toml; a file of that name is ./-f-x.toml"),
        (("resume", "--x.jsonl"), "--x.jsonl; a file of that name is ./--x.jsonl"),
    ],
)
def test_what_is_like_nothing(
    refused: Command, args: tuple[str, ...], words: str
) -> None:
    """Where nothing is near, the way to what there is is told, and no far-off guess."""
    refused(*args, code=2, words=(words,))


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("plan", "--yes"), "no such option --yes for plan, which asks nothing; it "),
        (("resume", "-y"), "no such option -y for resume, which asks nothing; it "),
        (("plan", "--yes"), "it belongs to apply, retry, undo"),
        (("show", "--set", "a=1"), "--set for show; it belongs to plan and apply"),
        (("apply", "--port", "1"), "--port for apply; it belongs to emulator"),
        (("--yes", "apply"), "--yes in front of the command; it belongs to apply, "),
        (("apply", "--dry-run"), "bulkmeta plan shows what it would change"),
        (("plan", "--dry-run"), "for plan; plan changes nothing anyway; leave it out"),
        (("apply", "-r"), "-r for apply; all keys under a prefix are meant anyway"),
        (("plan", "--recursive"), "for plan; all keys under a prefix are meant any"),
        (("show", "-r"), "-r for show; all keys under a prefix are meant anyway"),
        (("apply", "-f"), "no such option -f for apply; --yes answers its question"),
        (("undo", "--force"), "--force for undo; --yes answers its question"),
        (("resume", "--force"), "no such option --force; bulkmeta resume --help"),
        (("show", "--json"), "for show; --format jsonl prints lines of JSON"),
        (("apply", "--set-meta", "a=1"), "did you mean --set?"),
        (("plan", "oss://b/p/", "-set", "a=1"), "option -set; did you mean --set?"),
        (("apply", "oss://b/p/", "-yes"), "no such option -yes; did you mean --yes?"),
    ],
)
def test_an_option_of_other_commands(
    refused: Command, args: tuple[str, ...], words: str
) -> None:
    """An option that others have is told with those."""
    refused(*args, code=2, words=(words,))


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("shards", "oss://b/p/"), "needs oss://BUCKET/PREFIX…, --into and --out; bul"),
        (("undo", "--yes"), "undo needs RUN.jsonl; bulkmeta undo --help shows"),
    ],
)
def test_what_is_missing(refused: Command, args: tuple[str, ...], words: str) -> None:
    """All that a command needs is told at once, and where examples are."""
    refused(*args, code=2, words=(words,))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--spread", "4"), "--spread 4 goes with --exact; else pages are asked for"),
        (("--exact", "--keys-from", "x"), "--exact counts a listing, and here none is"),
        (("--exact", "--inventory", "x"), "--exact counts a listing, and here none is"),
    ],
)
def test_shards_of_no_listing(
    refused: Command, more: tuple[str, ...], words: str
) -> None:
    """What says nothing to each other is refused before anything is read."""
    cut = ("shards", "oss://b/p/", "--into", "2", "--out", "cut.json")
    refused(*cut, *more, code=2, words=(words,))


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


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_bytes_that_are_not_utf8_on_a_real_command_line(
    oss: EmbeddedOSS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locale: str
) -> None:
    """Bytes that no text decodes to, in a value and an option: one line, no crash."""
    monkeypatch.setenv("LC_ALL", locale)
    for args in ((*GOOD, "--set", "a=\udcff\udcfe"), (*GOOD, "--opt\udcff\udcfe=1")):
        process = command_process(oss, tmp_path, PLAIN, "apply", *args)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out) == (2, "")
        assert_one_line(err)
    assert oss.log.requests() == []


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
