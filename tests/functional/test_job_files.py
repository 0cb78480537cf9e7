"""Job files: the same as flags, bad ones told by their lines, never by a traceback."""

from __future__ import annotations

import json
import random
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import jsonschema
import pytest

from bulkmeta.cli.apply import apply
from bulkmeta.cli.init import EXAMPLE
from bulkmeta.cli.job_file import line_of
from bulkmeta.cli.job_tables import TABLES
from bulkmeta.cli.plan import plan
from bulkmeta.cli.schema import job_schema

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS

Command = Callable[..., Any]

WHOLE = """
[source]
target = "oss://bucket/p/"

[select]
globs = [{ exclude = "*" }, { include = "*.jpg" }, { exclude = "*/raw/*" }]
max-size = "1K"
limit = 3

[change]
set = { project = "atlas", file = "{stem}" }
rename.photographer = "owner"
unset = "camera"
header = { cache-control = "max-age=5" }
allow-early-rewrite = true
acl-policy = "skip"

[change.tag]
team = "vision"

[pace]
concurrency = 7
rate = 900
"""
FLAGS = (
    "oss://bucket/p/", "--exclude", "*", "--include", "*.jpg", "--exclude", "*/raw/*",
    "--max-size", "1K", "--limit", "3", "--set", "project=atlas",
    "--set", "file={stem}", "--rename", "photographer=owner", "--unset", "camera",
    "--header", "cache-control=max-age=5", "--allow-early-rewrite",
    "--acl-policy", "skip", "--tag", "team=vision",
    "--concurrency", "7", "--rate", "900",
)  # fmt: skip


def fill(oss: EmbeddedOSS) -> None:
    for key in ("p/a.jpg", "p/b.png", "p/raw/c.jpg", "p/d.jpg", "p/e.jpg", "p/f.jpg"):
        oss.store.put_object(
            "bucket", key, body=b"x", meta={"camera": "x100", "photographer": "ada"}
        )


def header_of(name: str) -> dict[str, Any]:
    return dict(json.loads(Path(name).read_text().splitlines()[0]))


def test_a_file_is_what_its_flags_are(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """The same job, hash, pace and requests."""
    fill(oss)
    Path("job.toml").write_text(WHOLE)
    sent = []
    for name, order in (("file", ("job.toml",)), ("flags", FLAGS)):
        oss.log.clear()
        result = bulkmeta("plan", *order, "--out", f"{name}.jsonl")
        assert result.code == 0, result.err
        sent.append(sorted(oss.log.operations()))
    by_file, by_flags = header_of("file.jsonl"), header_of("flags.jsonl")
    assert by_file["job"] == by_flags["job"]
    assert by_file["job_hash"] == by_flags["job_hash"]
    assert sent[0] == sent[1] != []

    result = bulkmeta("apply", "job.toml", "--yes", "--run-file", "run.jsonl")
    assert result.code == 0, result.err
    assert header_of("run.jsonl")["job_hash"] == by_flags["job_hash"]
    assert "7 workers, at most 900 requests/s" in result.err
    changed = oss.store.get_object("bucket", "p/a.jpg")
    assert changed.meta == {"project": "atlas", "file": "a", "owner": "ada"}
    assert changed.tags == {"team": "vision"}


def test_what_is_typed_goes_before_it(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Of one name, or where there can be one only; lists are added to."""
    fill(oss)
    Path("job.toml").write_text(WHOLE)
    result = bulkmeta(
        "plan", "job.toml", "--set", "PROJECT=other", "--set", "new=1", "--limit", "1",
        "--tag", "Team=x", "--exclude", "*/a.jpg", "--concurrency", "3",
    )  # fmt: skip
    assert result.code == 0, result.err
    assert 'set file = "{stem}"; set project = "other"; set new = "1"' in result.err
    assert 'tag "Team" = "x"' in result.err
    assert "at most 1 object" in result.err
    assert "3 workers" in result.err
    assert result.out.startswith("p/d.jpg\n")


def test_a_run_by_a_file_is_resumed_without_it(
    oss: EmbeddedOSS, bulkmeta: Command
) -> None:
    """The run file says all of it."""
    fill(oss)
    Path("job.toml").write_text(WHOLE)
    assert bulkmeta("apply", "job.toml", "--yes", "--run-file", "run.jsonl").code == 0
    Path("job.toml").unlink()
    oss.clock.offset_s += 5
    undone = bulkmeta("undo", "run.jsonl", "--yes", "--run-file", "undo.jsonl")
    assert undone.code == 0, undone.err


SOURCE = '[source]\ntarget = "oss://bucket/p/"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "job.toml, line 1: [source] needs a target"),
        ("[source]\nall = true", "line 1: [source] needs a target"),
        ("[source", "this is no TOML: Expected ']'"),
        (SOURCE + "target = 'x'", "this is no TOML: Cannot overwrite a value"),
        ("[sorce]\n", "no table [sorce]; did you mean 'source'?"),
        (SOURCE + "[zzz]\n", "line 3: no table [zzz]\n"),
        ("change = 1\n" + SOURCE, "line 1: change is one table: write [change]"),
        (
            SOURCE + "[change]\n# here\nsett = { a = '1' }",
            "job.toml, line 5: no key 'sett' in [change]; did you mean 'set'?",
        ),
        (
            SOURCE + "[change]\nlimit = 3",
            "line 4: no key 'limit' in [change]; it stands in [select]",
        ),
        (
            SOURCE + "[change.set]\na = '1'\nyear = 2026",
            "line 5: set.year: expected text, got a whole number; write it in quotes",
        ),
        (SOURCE + "[change]\nreplace = 'yes'", "replace: expected true or false, got"),
        (
            SOURCE + "[change]\nunset = [\n 'a',\n 7,\n]",
            "line 4: unset: expected text, got a whole number (item 2)\n",
        ),
        (
            SOURCE + "[pace]\nconcurrency = '3'\nspead = 1\n[x]",
            "line 4: concurrency: expected a whole number, got text; line 5: no key "
            "'spead' in [pace]; did you mean 'spread'?; line 6: no table [x]",
        ),
        (SOURCE + "[pace]\n\nrate = -1", "line 5: Invalid value for '--rate': '-1' is"),
        (SOURCE + "[pace]\nconcurrency = 0", "line 4: Invalid value for '--concurr"),
        (SOURCE + "[select]\nlimit = 0", "line 4: Invalid value for '--limit'"),
        (SOURCE + "[select]\nregex = '('", "line 4: Invalid value for '--regex'"),
        (
            SOURCE + "[select]\nglobs = [{ include = 'a', exclude = 'b' }]",
            "line 4: each of globs has either include or exclude",
        ),
        (
            SOURCE + "[select]\nglobs = [{ only = 'a' }]",
            "line 4: globs: no key 'only' (item 1)",
        ),
        (
            SOURCE + "[select]\nwhere = 'size >'\n[change]\nreplace = true",
            "line 4: --where 'size >', column 7",
        ),
        (SOURCE + "[change]\nacl = 'secret'", "line 4: Invalid value for '--acl'"),
        (
            SOURCE + "[change]\nset = { a = '1' }\nunset = ['a']",
            "job.toml, lines 4 and 5: 'a' is named 2 times by --set and --unset",
        ),
        (
            SOURCE + "[change.set]\nb = '1'\n'a b' = '1'",
            "line 5: --set 'a b': a metadata name takes only",
        ),
        (
            SOURCE + "[change.set]\nb = '1'\na = '{nope}'",
            "line 5: --set 'a': '{nope}': there is no field",
        ),
        (SOURCE, "no change given"),
        (SOURCE + "[change]\ntypes = 'none'", "line 4: cannot read --types 'none'"),
        (SOURCE + "[source.target]\na = 1", "this is no TOML"),
        (
            "[source]\ntarget = 7",
            "line 2: target: expected text or a list, got a whole number",
        ),
        ("[source]\ntarget = ['a']", "target 'a': write it as oss://bucket/prefix"),
        ("[source]\ntarget = []", "target"),
        (
            "environment = ['NOT_THERE']\n" + SOURCE,
            "line 1: NOT_THERE is not in the environment",
        ),
        (
            "environment = 'A'\n" + SOURCE,
            "line 1: environment: expected a list, got text",
        ),
        ("a = " + "[" * 5000, "this is no TOML"),
        (b"\xff", "cannot read 'job.toml': it is not UTF-8 text"),
        (None, "cannot read 'job.toml': No such file"),
    ],
)
def test_bad_files(
    oss: EmbeddedOSS, bulkmeta: Command, text: str | bytes | None, words: str
) -> None:
    """One line: the file, its lines, what is wrong and what is meant."""
    if text is not None:
        data = text if isinstance(text, bytes) else text.encode()
        Path("job.toml").write_bytes(data)
    result = bulkmeta("apply", "job.toml", "--yes")
    assert (result.code, words in result.err) == (2, True), result.err
    assert result.err.count("\n") == 1
    assert oss.log.operations() == []
    assert not list(Path().glob("*.jsonl"))


PAGE = Path(__file__).parents[2] / "docs/job-files.md"


@pytest.mark.parametrize("number", [0, 1])
def test_the_page(
    oss: EmbeddedOSS,
    bulkmeta: Command,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    """Its examples are job files."""
    monkeypatch.setenv("BUILD", "7")
    oss.store.create_bucket("photos")
    blocks = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 2
    Path("job.toml").write_text(blocks[number])
    result = bulkmeta("plan", "job.toml")
    assert result.code == 0, result.err


def test_a_file_goes_alone(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """It names its targets."""
    Path("job.toml").write_text(WHOLE)
    result = bulkmeta("plan", "job.toml", "oss://bucket/q/")
    assert (result.code, "give it alone" in result.err) == (2, True)
    assert oss.log.operations() == []


def test_keys_that_end_in_toml(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """A target is one, whatever its prefix ends in."""
    oss.store.put_object("bucket", "p/job.toml", body=b"")
    result = bulkmeta("plan", "oss://bucket/p/job.toml", "--set", "a=1")
    assert (result.code, "p/job.toml" in result.out) == (0, True), result.err


def test_environment(
    oss: EmbeddedOSS, bulkmeta: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what is named is put in, and words to people name it, not its value."""
    fill(oss)
    monkeypatch.setenv("BUILD", "s3cret{stem}")
    monkeypatch.setenv("WHERE", "p/a.")
    monkeypatch.setenv("OTHER", "unseen")
    Path("job.toml").write_text(
        "environment = ['BUILD', 'WHERE']\n"
        "[source]\ntarget = 'oss://bucket/${WHERE}'\n"
        "[change.set]\nbuild = 'v-${BUILD}'\nstem = '$${OTHER}'\n"
    )
    refused = bulkmeta("plan", "job.toml")
    assert (refused.code, "to use the variable, add" in refused.err) == (2, True)
    assert "s3cret" not in refused.err

    text = Path("job.toml").read_text().replace("$${OTHER}", "$${{OTHER}}")
    Path("job.toml").write_text(text)
    result = bulkmeta("apply", "job.toml", "--yes", "--run-file", "run.jsonl")
    assert result.code == 0, result.err
    assert "s3cret" not in result.err + result.out
    assert "oss://bucket/${WHERE}" in result.err
    meta = oss.store.get_object("bucket", "p/a.jpg").meta
    assert (meta["build"], meta["stem"]) == ("v-s3cret{stem}", "$${OTHER}")


def uncommented(text: str) -> str:
    """The example with all that it may say, but what excludes another key."""
    text = re.sub(r"^# (\w[\w-]* = )", r"\1", text, flags=re.MULTILINE)
    return re.sub(
        r"^(null|inventory|transform|status) = .*$", "", text, flags=re.MULTILINE
    )


def test_the_example(
    oss: EmbeddedOSS, bulkmeta: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can be taken as it is, and everything in it is a key."""
    result = bulkmeta("init", "mine.toml")
    assert result.code == 0, result.err
    text = Path("mine.toml").read_text()
    again = bulkmeta("init", "mine.toml")
    assert (again.code, "exists" in again.err) == (2, True)
    assert Path("mine.toml").read_text() == text == EXAMPLE.read_text()
    assert bulkmeta("init", "mine.yaml").code == 2
    assert bulkmeta("init", "none/mine.toml").code == 2

    oss.store.create_bucket("photos")
    assert bulkmeta("plan", "mine.toml").code == 0

    monkeypatch.setenv("BUILD", "1")
    whole = tomllib.loads(re.sub(r"^# (\w[\w-]* = )", r"\1", text, flags=re.MULTILINE))
    for table, struct in TABLES.items():
        assert {*whole[table]} == {*struct.__struct_encode_fields__}
    jsonschema.validate(json.loads(json.dumps(whole, default=str)), job_schema())


def test_every_flag_is_a_key() -> None:
    """But those that are no part of a job: consent, how a plan file is taken, and what
    is told of one run."""
    flags = {
        flag.removeprefix("--")
        for param in (*plan.params, *apply.params)
        for flag in param.opts
        if isinstance(param, click.Option) and flag.startswith("--")
    }
    keys = {key for table in TABLES.values() for key in table.__struct_encode_fields__}
    assert flags - {"yes", "replan", "debug"} == keys - {"target", "globs"}


def test_schema(bulkmeta: Command) -> None:
    """Printed, and a schema by itself; it knows what a file may not hold."""
    result = bulkmeta("schema", "job")
    schema = json.loads(result.out)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(tomllib.loads(WHOLE), schema)
    described = schema["$defs"]["ChangeTable"]["properties"]["acl"]
    assert "private" in described["enum"]
    for bad in ({}, {"source": {"target": "x", "al": True}}, {"source": {"target": 1}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, schema)


@pytest.mark.parametrize(
    ("trail", "line"),
    [
        (("source", "target"), 3),
        (("select",), 5),
        (("select", "limit"), 8),
        (("change", "set"), 11),
        (("change", "set", "file"), 11),
        (("change", "rename", "photographer"), 12),
        (("change", "tag", "team"), 19),
        (("nothing",), 1),
    ],
)
def test_lines(trail: tuple[str, ...], line: int) -> None:
    """Of tables, keys, dotted keys, keys inside of tables."""
    assert line_of(WHOLE, trail) == line


def broken(text: str, chance: random.Random) -> str:
    """The text with something else in it: a line, a piece, a value."""
    lines = text.splitlines()
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(lines))
        kind = chance.randrange(6)
        if kind == 0:
            lines[at] = chance.choice(["[", "[x]", "a = 1", "= 3", '"', "[[select]]"])
        elif kind == 1:
            lines[at] = lines[at][: chance.randrange(len(lines[at]) + 1)]
        elif kind == 2:
            lines[at] = re.sub(
                r'"[^"]*"', chance.choice(["1", "[]", "{}", "''"]), lines[at]
            )
        elif kind == 3:
            lines[at] = re.sub(r"\d+", chance.choice(["-1", "'x'", "1e999"]), lines[at])
        elif kind == 4:
            lines[at] = lines[at].replace("e", chance.choice(["ee", "\x00", "é", ""]))
        else:
            lines.insert(at, chance.choice(lines))
    return "\n".join(lines)


def test_300_bad_files(oss: EmbeddedOSS, bulkmeta: Command) -> None:
    """Each is either a good one after all, or told in one line; nothing is sent."""
    chance, refused = random.Random(6), 0  # noqa: S311 - repeatable, not secret
    for number in range(300):
        text = broken(WHOLE, chance)
        Path("job.toml").write_text(text)
        result = bulkmeta("plan", "job.toml")
        assert result.code in {0, 2}, (text, result.err)
        assert "Traceback" not in result.err, (text, result.err)
        if result.code == 2:
            refused += 1
            assert result.err.count("\n") == 1, (text, result.err)
            assert result.err.startswith("bulkmeta: "), (number, result.err)
    assert refused > 200
