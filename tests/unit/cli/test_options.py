"""From a command line's words to what is to be run."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from bulkmeta.cli import change_options, commands, options, selection_options, specs
from bulkmeta.errors import UsageError
from bulkmeta.model.changes import Change
from bulkmeta.model.job import Connection, JobSpec, Pace, Rules, RunSpec, Target


def parse(*args: str) -> RunSpec:
    """What a command with all shared options makes of `args`.

    Raises:
        click.ClickException, UsageError: as the command line would report.
    """
    made: list[RunSpec] = []

    @click.command(cls=commands.SelectingCommand)
    @options.TARGET
    @options.add_options(
        change_options.CHANGES,
        (
            selection_options.ALL,
            *selection_options.SELECTION,
            selection_options.WHERE,
            *selection_options.KEYS,
        ),
        options.RULES,
        (*options.PACE, options.SPREAD),
        options.UNTIL,
        options.CONNECTION,
    )
    def command(target: tuple[str, ...], **values: object) -> None:
        made.append(specs.run_spec(target, "apply", values))

    command.main(list(args), "bulkmeta", standalone_mode=False)
    return made[0]


def test_defaults() -> None:
    """One change on one prefix; everything else as documented."""
    assert parse("oss://bucket/p", "--set", "a=1") == RunSpec(
        JobSpec(Target("bucket", "p"), Change(set_meta={"a": "1"}), Rules()),
        "apply",
        Connection(),
        Pace(64, 2000.0, 10),
    )


def test_everything() -> None:
    """Every shared option finds its place."""
    assert parse(
        "oss://bucket",
        "--all",
        *("--set", "a=1=2", "--set", "b=", "--default", "c=3", "--unset", "d"),
        *("--rename", "e=f", "--header", "expires=x"),
        *("--unset-header", "cache-control"),
        *("--acl-policy", "skip", "--allow-appendable", "--allow-early-rewrite"),
        *("--allow-new-versions", "--concurrency", "8", "--rate", "max"),
        *("--retries", "0", "--region", "r", "--dual-stack", "--request-payer"),
        *("--sign-version", "v1", "--profile", "p"),
    ) == RunSpec(
        JobSpec(
            Target("bucket", ""),
            Change(
                set_meta={"a": "1=2", "b": ""},
                default_meta={"c": "3"},
                unset_meta=("d",),
                rename_meta={"e": "f"},
                set_headers={"expires": "x"},
                unset_headers=("cache-control",),
            ),
            Rules("skip", True, True, True),
        ),
        "apply",
        Connection(
            None,
            "r",
            sign_version="v1",
            profile="p",
            dual_stack=True,
            request_payer=True,
        ),
        Pace(8, None, 0, 20),
    )


def test_an_endpoint() -> None:
    """As it was typed."""
    spec = parse("oss://bucket/p", "--set", "a=1", "--endpoint", "http://h")
    assert spec.connection == Connection("http://h")


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (
            ("--accelerate", "--dual-stack"),
            "--accelerate and --dual-stack name different endpoints; give one of them",
        ),
        (
            ("--internal", "--endpoint", "h"),
            "--internal and --endpoint name different endpoints",
        ),
        (
            ("--accelerate", "--endpoint", "h"),
            "--accelerate and --endpoint name different endpoints",
        ),
    ],
)
def test_one_endpoint(args: tuple[str, ...], line: str) -> None:
    """Two that name an address contradict each other."""
    with pytest.raises(UsageError) as caught:
        parse("oss://bucket/p", "--set", "a=1", *args)
    assert str(caught.value) == line


@pytest.mark.parametrize(
    ("args", "ranges"),
    [
        ((), 1),
        (("--rate", "2000.5"), 8),
        (("--rate", "10000"), 20),
        (("--rate", "max"), 20),
        (("--rate", "90000"), 100),
        (("--rate", "max", "--spread", "off"), 1),
        (("--rate", "10", "--spread", "3"), 3),
        (("--spread", "auto"), 1),
    ],
)
def test_spread(args: tuple[str, ...], ranges: int) -> None:
    """As many key ranges as the rate needs, unless a number is given."""
    assert parse("oss://bucket/p", "--set", "a=1", *args).pace.spread == ranges


@pytest.mark.parametrize("value", ["0", "101", "-1", "max", "", "1.5"])
def test_no_such_spread(value: str) -> None:
    """Anything else is a mistake, and named."""
    with pytest.raises(click.BadParameter, match="auto or off"):
        parse("oss://bucket/p", "--set", "a=1", "--spread", value)


def test_replace_alone_is_a_change() -> None:
    """`--replace` without `--set` removes all user metadata."""
    spec = parse("oss://bucket/p", "--replace")
    assert spec.job.change == Change(replace=True)


@pytest.mark.parametrize("word", ["auto", "Auto", "AUTO"])
def test_content_type_auto(word: str) -> None:
    """However it is spelled it is no type, as classes and ACLs are what they are."""
    change = parse("oss://bucket/p", "--content-type", word).job.change
    assert change == Change(content_type_auto=True)


@pytest.mark.parametrize(
    ("text", "rate"), [("0.5", 0.5), ("1e3", 1000.0), ("max", None)]
)
def test_rates(text: str, rate: float | None) -> None:
    """Requests a second, or no cap."""
    spec = parse("oss://bucket/p", "--replace", "--rate", text)
    assert spec.pace.rate == rate


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "fast", "", "MAX"])
def test_rates_refused(text: str) -> None:
    """What is no rate is said to be none."""
    with pytest.raises(click.BadParameter) as caught:
        parse("oss://bucket/p", "--replace", "--rate", text)
    assert caught.value.message == (
        f"{text!r} is no rate; give requests per second, or max"
    )


@pytest.mark.parametrize(
    ("option", "text", "form"),
    [
        ("--set", "a", "NAME=VALUE"),
        ("--set", "=1", "NAME=VALUE"),
        ("--default", " =1", "NAME=VALUE"),
        ("--header", "", "NAME=VALUE"),
        ("--rename", "a", "OLD=NEW"),
    ],
)
def test_assignments_refused(option: str, text: str, form: str) -> None:
    """An assignment needs a name and an equal sign."""
    with pytest.raises(click.BadParameter) as caught:
        parse("oss://bucket/p", option, text)
    assert caught.value.message == f"{text!r}: write it as {form}"


def test_no_change() -> None:
    """A job that changes nothing is a mistake."""
    with pytest.raises(UsageError) as caught:
        parse("oss://bucket/p")
    assert str(caught.value) == (
        "no change given; use --set, --default, --unset, --rename, --sub, "
        "--replace, --header, --unset-header, --content-type, --tag, --untag, "
        "--replace-tags, --acl, --storage-class, --sse, --values or --transform"
    )


def test_options_in_the_order_given() -> None:
    """Help shows options as they are listed in the groups."""

    @click.command(cls=commands.SelectingCommand)
    @options.add_options(change_options.CHANGES, selection_options.SELECTION)
    def command(**_values: object) -> None: ...

    names = [parameter.opts[0] for parameter in command.params]
    assert names == [
        *("--set", "--default", "--unset", "--rename", "--sub", "--header"),
        *("--unset-header", "--content-type", "--types", "--replace", "--tag"),
        *("--untag", "--replace-tags", "--acl", "--storage-class", "--sse"),
        *("--sse-key-id", "--values", "--transform", "--missing"),
        *("--include", "--exclude", "--regex", "--start-after"),
        *("--end-before", "--shard", "--sample", "--limit"),
    ]


def test_selection_keeps_the_order_given() -> None:
    """The two options are one list, also with equal signs and other options between."""
    spec = parse(
        *("oss://bucket/p", "--exclude=*", "--set", "include=1", "--include", "*.jpg"),
        *("--exclude", "*/--include/*"),
    )
    assert list(map(str, spec.job.select.keys)) == [
        "exclude *",
        "include *.jpg",
        "exclude */--include/*",
    ]


def test_help_names_every_option() -> None:
    """An option without a line of help would be one nobody finds."""

    @click.command(cls=commands.SelectingCommand)
    @options.add_options(change_options.CHANGES, options.RULES, options.PACE)
    def command(**_values: object) -> None: ...

    shown = CliRunner().invoke(command, ["--help"]).output
    missing = [p.opts[0] for p in command.params if p.opts[0] not in shown]
    assert missing == []


def test_rules_add_to_what_is_given() -> None:
    """Options on a plan file allow more than the plan did; none takes anything back."""
    none = {
        "acl_policy": "auto",
        "allow_appendable": False,
        "allow_early_rewrite": False,
        "allow_new_versions": False,
    }
    given = Rules(acl="skip", allow_appendable=True)
    more = {**none, "allow_new_versions": True}
    assert specs.rules_of(none, given) == given
    assert specs.rules_of(more, given) == Rules(
        acl="skip", allow_appendable=True, allow_new_versions=True
    )
