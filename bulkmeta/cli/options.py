"""The options that commands share, and the values that they stand for."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from bulkmeta.cli.debugging import switch_debugging
from bulkmeta.cli.help import HelpfulCommand
from bulkmeta.cli.output import conceal
from bulkmeta.cli.types import (
    Assignment,
    Moment,
    NewFile,
    Price,
    Rate,
    Regex,
    ShardOf,
    Share,
    Size,
    Spread,
)
from bulkmeta.errors import UsageError
from bulkmeta.model import limits
from bulkmeta.model.changes import Change, make_change
from bulkmeta.model.conditions import FIELDS as CONDITION_FIELDS
from bulkmeta.model.conditions import Condition
from bulkmeta.model.content_types import parse_types
from bulkmeta.model.job import (
    SCHEME,
    Command,
    Connection,
    JobSpec,
    Pace,
    Rules,
    RunSpec,
    Target,
    parse_targets,
    spread_for,
)
from bulkmeta.model.metadata import ACLS, ALGORITHMS, CLASSES, TYPES
from bulkmeta.model.outcome import STATUSES
from bulkmeta.model.selection import KeyRule, Selection

_ORDER = "bulkmeta.order"
_JOB = "bulkmeta.job"
JOB_SUFFIX = ".toml"
_SELECTS = set(Selection.__struct_fields__) - {"keys"}

Body = Callable[..., Any]
Decorator = Callable[[Body], Body]


class SelectingCommand(HelpfulCommand):
    """A command that remembers in which order its options were given."""

    def make_parser(self, ctx: click.Context) -> Any:
        parser = super().make_parser(ctx)
        parse = parser.parse_args

        def parse_args(args: list[str]) -> Any:
            options, rest, order = parse(args)
            options, order = self.completed(ctx, options, order)
            ctx.meta[_ORDER] = [param.name for param in order]
            return options, rest, order

        parser.parse_args = parse_args  # type: ignore[method-assign]
        return parser

    def completed(
        self,
        ctx: click.Context,
        options: dict[str, Any],
        order: list[click.Parameter],
    ) -> tuple[dict[str, Any], list[click.Parameter]]:
        """What was typed, as it was given."""
        return options, order


class JobCommand(SelectingCommand):
    """A command whose target may be a job file; what is typed goes before it."""

    def completed(
        self,
        ctx: click.Context,
        options: dict[str, Any],
        order: list[click.Parameter],
    ) -> tuple[dict[str, Any], list[click.Parameter]]:
        """What was typed, behind what the job file says."""
        target = options.get("target")
        if not (isinstance(target, tuple) and any(map(_names_job, target))):
            return options, order
        if len(target) > 1:
            raise UsageError("a job file names its targets; give it alone")
        from bulkmeta.cli.job_file import read_job_file

        ctx.meta[_JOB] = job = read_job_file(target[0])
        conceal(job.secrets())
        by_flag = {flag: param for param in self.params for flag in param.opts}
        given = [(by_flag[f], text) for f, text in job.options if f in by_flag]
        options = _merged(given, options) | {"target": job.target}
        return options, [*(param for param, _ in given), *order]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        with _located(ctx):
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        with _located(ctx):
            return super().invoke(ctx)


def _names_job(target: str) -> bool:
    return target.endswith(JOB_SUFFIX) and not target.startswith(SCHEME)


def _merged(
    given: list[tuple[click.Parameter, str | bool]], typed: dict[str, Any]
) -> dict[str, Any]:
    """A job file's options under those that were typed: of one that may come often
    both count, but of assignments to one name the typed one."""
    merged: dict[str, Any] = {}
    for param, value in given:
        name = str(param.name)
        if not param.multiple:
            merged[name] = value
        elif _name_of(value) not in map(_name_of, typed.get(name, ())) or not (
            isinstance(param.type, Assignment)
        ):
            merged.setdefault(name, []).append(value)
    for name, value in typed.items():
        both = isinstance(value, list) and name in merged
        merged[name] = [*merged[name], *value] if both else value
    return merged


def _name_of(assignment: object) -> str:
    return str(assignment).partition("=")[0].strip().lower()


@contextmanager
def _located(ctx: click.Context) -> Iterator[None]:
    """Errors that are about what a job file says name its lines."""
    try:
        yield
    except (click.UsageError, UsageError) as error:
        job = ctx.meta.get(_JOB)
        if job is None:
            raise
        message = (
            error.format_message()
            if isinstance(error, click.UsageError)
            else str(error)
        )
        raise UsageError(job.located(message)) from error


def file_named(name: str) -> Path:
    """The file of that name; a link to a run file leads to where its journal lies.

    Raises:
        UsageError: there can be none of that name.
    """
    path = Path(name)
    if not limits.is_utf8(name):
        raise UsageError(f"{name!r}: the name is not UTF-8, so it cannot be recorded")
    if "\0" in name:
        raise UsageError(f"{name!r}: a file's name holds no NUL")
    try:
        if not name or path.is_dir():
            raise UsageError(f"{name!r} is no file")
        return path.resolve() if path.is_symlink() else path
    except OSError as error:
        raise UsageError(f"cannot read {name!r}: {error.strerror}") from error


def _file(ctx: click.Context, param: click.Parameter, value: str) -> Path:
    return file_named(value)


def _types(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> dict[str, str]:
    if value is None:
        return {}
    try:
        lines = Path(value).read_text("utf-8").splitlines()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UsageError(f"cannot read --types {value!r}: {reason}") from error
    return parse_types(lines, value)


def _debug(ctx: click.Context, param: click.Parameter, value: bool) -> bool:  # noqa: FBT001 as click calls it
    if value and not ctx.resilient_parsing:
        switch_debugging(on=True)
    return value


RUN = click.argument("run", metavar="RUN.jsonl", callback=_file)
YES = click.option("--yes", "-y", is_flag=True, help="Do not ask; needed in scripts.")
TARGET = click.argument(
    "target", metavar="oss://BUCKET/PREFIX…", nargs=-1, required=True
)

CHANGES = (
    click.option(
        "--set",
        "set_meta",
        type=Assignment(),
        multiple=True,
        help="Set user metadata (x-oss-meta-NAME) to VALUE, which may be made from the "
        "object: {key} {stem} {ext} {part[0]} {meta[old]} {last_modified:%Y-%m} …",
    ),
    click.option(
        "--default",
        "default_meta",
        type=Assignment(),
        multiple=True,
        help="Set user metadata only where the object has no NAME yet.",
    ),
    click.option(
        "--unset",
        "unset_meta",
        metavar="NAME",
        multiple=True,
        help="Remove user metadata NAME.",
    ),
    click.option(
        "--rename",
        "rename_meta",
        type=Assignment("OLD=NEW"),
        multiple=True,
        help="Rename user metadata; fails where both exist with different values.",
    ),
    click.option(
        "--sub",
        "sub_meta",
        type=Assignment("NAME=/PATTERN/REPLACEMENT/"),
        multiple=True,
        help="Rewrite user metadata NAME by a regular expression.",
    ),
    click.option(
        "--header",
        "set_headers",
        type=Assignment(),
        multiple=True,
        help="Set a standard header: cache-control, content-disposition, "
        "content-encoding, content-language, content-type, expires.",
    ),
    click.option(
        "--unset-header",
        "unset_headers",
        metavar="NAME",
        multiple=True,
        help="Remove a standard header (content-type cannot be removed).",
    ),
    click.option(
        "--content-type",
        metavar="auto|TYPE",
        help="Set the content type; auto: by the key's extension, where it is known.",
    ),
    click.option(
        "--types",
        metavar="FILE",
        callback=_types,
        help="With --content-type auto: types to go first, in lines such as "
        "'text/markdown md mkd'.",
    ),
    click.option(
        "--replace",
        is_flag=True,
        help="Make user metadata exactly what --set says; headers stay.",
    ),
    click.option(
        "--tag",
        "set_tags",
        type=Assignment("KEY=VALUE"),
        multiple=True,
        help="Set an object tag. Tags and ACL are changed in place: no new version, "
        "and Last-Modified stays.",
    ),
    click.option(
        "--untag",
        "unset_tags",
        metavar="KEY",
        multiple=True,
        help="Remove an object tag.",
    ),
    click.option(
        "--replace-tags",
        is_flag=True,
        help="Make the object's tags exactly what --tag says.",
    ),
    click.option(
        "--acl",
        type=click.Choice(ACLS, case_sensitive=False),
        help="Set the object's own access control list; default: the bucket's.",
    ),
    click.option(
        "--storage-class",
        "to_class",
        type=click.Choice(CLASSES, case_sensitive=False),
        metavar="CLASS",
        help=f"Move to another storage class ({', '.join(CLASSES)}): rewrites the "
        "content, up to 1 GB.",
    ),
    click.option(
        "--sse",
        type=click.Choice(ALGORITHMS, case_sensitive=False),
        metavar="ALGORITHM",
        help=f"Encrypt on the server ({', '.join(ALGORITHMS)}): rewrites the content, "
        "up to 1 GB.",
    ),
    click.option(
        "--sse-key-id",
        metavar="ID",
        help="With --sse KMS: the key; by default the bucket's, or the service's own.",
    ),
    click.option(
        "--values",
        "values_file",
        metavar="FILE",
        help="Set on each object what its row says: CSV, JSON lines or Parquet with a "
        "column 'key' and others 'meta.NAME', 'header.NAME', 'tag.KEY'.",
    ),
    click.option(
        "--transform",
        metavar="MODULE:FUNCTION",
        help="Make each object's change by a Python function: bulkmeta.ObjectView -> "
        "bulkmeta.Change or None.",
    ),
    click.option(
        "--missing",
        type=click.Choice(["fail", "skip", "empty"]),
        default="fail",
        show_default=True,
        help="What becomes of an object that lacks a field of a template.",
    ),
)

ALL = click.option("--all", "allow_all", is_flag=True, help="Allow an empty prefix.")

SELECTION = (
    click.option(
        "--include",
        metavar="GLOB",
        multiple=True,
        help="Only keys that match (the whole key; * stands for slashes too).",
    ),
    click.option(
        "--exclude",
        metavar="GLOB",
        multiple=True,
        help="No keys that match. The last --include or --exclude that matches a key "
        "decides.",
    ),
    click.option(
        "--regex",
        "regexes",
        type=Regex(),
        multiple=True,
        help="Only keys in which REGEX (or one of several) is found.",
    ),
    click.option("--start-after", metavar="KEY", help="Only keys behind KEY."),
    click.option("--end-before", metavar="KEY", help="Only keys before KEY."),
    click.option(
        "--shard",
        type=ShardOf(),
        metavar="I/N",
        help="Only part I (from 0) of N: each key is in just one, by its hash.",
    ),
    click.option(
        "--sample",
        type=Share(),
        metavar="P%",
        help="Only a share of all keys, each time the same ones, by their hash.",
    ),
    click.option(
        "--limit",
        type=click.IntRange(min=1),
        metavar="N",
        help="Only the first N objects that keys and the listing admit; those count as "
        "well that turn out later not to be meant.",
    ),
)

KEYS = (
    click.option(
        "--keys-from",
        metavar="FILE|-",
        help="Only the objects that FILE (or standard input) names, without a listing: "
        "a key a line, or, by the file's name, JSON lines (.jsonl) or the column 'key' "
        "of .csv or .parquet.",
    ),
    click.option(
        "--null", "-0", is_flag=True, help="With --keys-from: a NUL behind each key."
    ),
    click.option(
        "--status",
        "statuses",
        type=click.Choice(STATUSES),
        multiple=True,
        help="With --keys-from RUN.jsonl: only the objects that ended so in that run.",
    ),
    click.option(
        "--inventory",
        metavar="MANIFEST",
        help="Only the objects that an OSS inventory names, without a listing: its "
        "manifest.json, as a path or oss://BUCKET/KEY.",
    ),
)

LISTED_SELECTION = (
    click.option("--min-size", type=Size(), help="Only objects of SIZE or more."),
    click.option(
        "--max-size",
        type=Size(),
        help="Only objects of SIZE or less: bytes, or as 512K, 10M, 5G (of 1,024).",
    ),
    click.option(
        "--modified-after",
        type=Moment(),
        help="Only objects modified at TIME or later.",
    ),
    click.option(
        "--modified-before",
        type=Moment(),
        help="Only objects modified before TIME: a date or time (UTC), or an age such "
        "as 30d or 12h.",
    ),
    click.option(
        "--in-class",
        "storage_classes",
        type=click.Choice(CLASSES, case_sensitive=False),
        metavar="CLASS",
        multiple=True,
        help=f"Only objects of that storage class (or one of several): "
        f"{', '.join(CLASSES)}.",
    ),
    click.option(
        "--object-type",
        "object_types",
        type=click.Choice(TYPES, case_sensitive=False),
        metavar="TYPE",
        multiple=True,
        help=f"Only objects of that type (or one of several): {', '.join(TYPES)}.",
    ),
)

WHERE = click.option(
    "--where",
    multiple=True,
    metavar="EXPRESSION",
    help="Only objects for which it holds (CEL), such as: size > 1000 && "
    '(!has(meta.team) || headers["content-type"].startsWith("image/")). '
    "It may speak of "
    + ", ".join(CONDITION_FIELDS)
    + "; what the listing can settle is decided without reading the object.",
)

RULES = (
    click.option(
        "--acl-policy",
        type=click.Choice(["auto", "preserve", "inventory", "skip"]),
        default="auto",
        show_default=True,
        help="preserve: read each changed object's ACL and send it back (one more "
        "request); auto: the same, but where `bulkmeta probe` saw the bucket keep it; "
        "inventory: send back what the inventory says, undoing changes made "
        "since then; skip: leave it to the service, which documents a reset.",
    ),
    click.option(
        "--allow-appendable",
        is_flag=True,
        help="Also change appendable objects; the service may refuse some.",
    ),
    click.option(
        "--allow-early-rewrite",
        is_flag=True,
        help="Also change objects of class IA and colder, whose minimum storage "
        "duration starts anew with each rewrite.",
    ),
    click.option(
        "--allow-new-versions",
        is_flag=True,
        help="Run on a bucket that keeps versions; each update adds one.",
    ),
)

PACE = (
    click.option(
        "--concurrency",
        type=click.IntRange(1, 1000),
        metavar="N",
        default=64,
        show_default=True,
        help="Objects in hand at the same time.",
    ),
    click.option(
        "--rate",
        type=Rate(),
        metavar="REQUESTS_PER_S|max",
        default="2000",
        show_default=True,
        help="Requests per second at most: OSS's documented quota of one key range.",
    ),
    click.option(
        "--retries",
        type=click.IntRange(0, 100),
        metavar="N",
        default=10,
        show_default=True,
        help="Tries of one request beyond the first; throttling does not count.",
    ),
)

SPREAD = click.option(
    "--spread",
    type=Spread(),
    metavar="auto|N|off",
    default="auto",
    show_default=True,
    help="Key ranges walked in turn, since OSS limits each. auto: one up to 2,000 "
    "requests/s, above that four per 2,000 (20 for --rate max).",
)

CONNECTION = (
    click.option(
        "--endpoint",
        metavar="URL",
        help="The service, or the bucket's own domain  [env: OSS_ENDPOINT]",
    ),
    click.option(
        "--region", metavar="ID", help="Such as cn-hangzhou  [env: OSS_REGION]"
    ),
    click.option(
        "--profile",
        metavar="NAME",
        help="Credentials, endpoint and region of that profile in ~/.ossutilconfig or "
        "~/.aliyun/config.json.",
    ),
    click.option(
        "--internal",
        is_flag=True,
        help="Use the region's internal endpoint (from inside its VPC).",
    ),
    click.option(
        "--accelerate",
        is_flag=True,
        help="Use the endpoint of transfer acceleration, which has to be switched on "
        "for the bucket, and costs extra.",
    ),
    click.option(
        "--dual-stack",
        is_flag=True,
        help="Use the region's endpoint that IPv6 reaches, too.",
    ),
    click.option(
        "--request-payer",
        is_flag=True,
        help="Pay for the requests to a bucket whose owner has them paid by the "
        "requester.",
    ),
    click.option(
        "--sign-version",
        type=click.Choice(["v4", "v1"]),
        default="v4",
        show_default=True,
        help="Signature version; v1 only for installations that know no other.",
    ),
    click.option(
        "--debug",
        is_flag=True,
        callback=_debug,
        help="Tell on stderr of each request, retry and fetch of credentials; never a "
        "secret. Progress comes in lines then.",
    ),
)

RUN_FILE = click.option(
    "--run-file",
    type=NewFile(),
    help="Where to record each object; must not exist. "
    "[default: bulkmeta-BUCKET-TIME.jsonl]",
)
PROGRESS = click.option(
    "--progress",
    type=click.Choice(["auto", "bar", "plain", "none"]),
    default="auto",
    show_default=True,
    help="On stderr: a screen that changes (bar), lines now and then (plain), or none; "
    "auto: bar on a terminal.",
)


AS_JSON = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print nothing but how it ended, as JSON on one line.",
)


PRICES = (
    click.option(
        "--price-put",
        type=Price(),
        help="What 10,000 PUT requests cost (updates, and pages of a listing), in your "
        "currency: the estimate then tells the cost.",
    ),
    click.option(
        "--price-get",
        type=Price(),
        help="What 10,000 GET requests cost (heads, and reading ACLs and tags).",
    ),
)


def add_options(*groups: tuple[Decorator, ...]) -> Decorator:
    """A decorator that adds groups of options, in the order given."""

    def decorate(command: Body) -> Body:
        for group in reversed(groups):
            for option in reversed(group):
                command = option(command)
        return command

    return decorate


def sections() -> Iterator[tuple[str, set[str]]]:
    """What `--help` tells together: titles, and the names of parameters."""
    for title, group in (
        ("What changes", CHANGES),
        (
            "Which objects",
            (ALL, *SELECTION, *LISTED_SELECTION, WHERE, *KEYS),
        ),
        ("What an update may do", RULES),
        ("How fast", (*PACE, SPREAD)),
        ("What is told and kept", (RUN_FILE, PROGRESS, AS_JSON, *PRICES)),
        ("How the service is reached", CONNECTION),
    ):
        yield title, _names_in(group)


def _names_in(group: tuple[Decorator, ...]) -> set[str]:
    def body() -> None: ...

    for option in group:
        option(body)
    return {str(param.name) for param in body.__click_params__}  # type: ignore[attr-defined]


def _change(values: dict[str, Any]) -> Change:
    kind, headers = values["content_type"], [*values["set_headers"]]
    if kind not in {None, "auto"}:
        headers.append(("content-type", kind))
    if values["types"] and kind != "auto":
        raise UsageError("--types goes with --content-type auto")
    return make_change(
        set_meta=values["set_meta"],
        default_meta=values["default_meta"],
        unset_meta=values["unset_meta"],
        rename_meta=values["rename_meta"],
        set_headers=headers,
        unset_headers=values["unset_headers"],
        replace=values["replace"],
        sub_meta=values["sub_meta"],
        missing=values["missing"],
        content_type_auto=kind == "auto",
        types=values["types"],
        set_tags=values["set_tags"],
        unset_tags=values["unset_tags"],
        replace_tags=values["replace_tags"],
        acl=values["acl"],
        storage_class=values["to_class"],
        sse=values["sse"],
        sse_key_id=values["sse_key_id"],
    )


def gives_change(values: dict[str, Any]) -> bool:
    """Whether the options name any change."""
    return not _change(values).is_empty()


def change_of(values: dict[str, Any]) -> Change:
    """The change that the options name.

    Raises:
        UsageError: it is none, or not a possible one.
    """
    change = _change(values)
    made = values["values_file"] is not None or values["transform"] is not None
    if change.is_empty() and not made:
        raise UsageError(
            "no change given; use --set, --default, --unset, --rename, --sub, "
            "--replace, --header, --unset-header, --content-type, --tag, --untag, "
            "--replace-tags, --acl, --storage-class, --sse, --values or --transform"
        )
    return change


def run_spec(
    target: tuple[str, ...], command: Command, values: dict[str, Any]
) -> RunSpec:
    """The run that a command line asks for."""
    job = JobSpec(
        target=_target(target, values),
        change=change_of(values),
        rules=rules_of(values, Rules()),
        select=selection_of(values),
        where=where_of(values),
    )
    return RunSpec(job, command, connection_of(values), pace_of(values))


def viewing_spec(target: tuple[str, ...], values: dict[str, Any]) -> RunSpec:
    """A run that only looks at objects."""
    job = JobSpec(
        _target(target, values), select=selection_of(values), where=where_of(values)
    )
    return RunSpec(job, "plan", connection_of(values), pace_of(values))


def _target(target: tuple[str, ...], values: dict[str, Any]) -> Target:
    named = values["keys_from"] is not None or values["inventory"] is not None
    return parse_targets(target, allow_all=values["allow_all"] or named)


def where_of(values: dict[str, Any]) -> tuple[str, ...]:
    """The conditions that the options name.

    Raises:
        UsageError: one of them is none, or the library for them is missing.
    """
    texts: tuple[str, ...] = values["where"]
    if texts:
        Condition(texts)
    return texts


def selection_of(values: dict[str, Any]) -> Selection:
    """Which objects the options admit; call it while the command is under way.

    Raises:
        UsageError: no object can be admitted, or a pattern is not UTF-8.
    """
    texts = ("include", "exclude", "regexes")
    for text in itertools.chain.from_iterable(values[name] for name in texts):
        if not limits.is_utf8(text):
            raise UsageError(f"{text!r}: the pattern is not valid UTF-8, as keys are")
    fields = {name: values[name] for name in _SELECTS if name in values}
    selection = Selection(keys=_key_rules(values), **fields)
    _refuse_empty(selection)
    return selection


def _key_rules(values: dict[str, Any]) -> tuple[KeyRule, ...]:
    given = {name: iter(values[name]) for name in ("include", "exclude")}
    order = click.get_current_context().meta.get(_ORDER, ())
    return tuple(
        KeyRule(next(given[name]), wanted=name == "include")
        for name in order
        if name in given
    )


def _refuse_empty(selection: Selection) -> None:
    for option, least, most in (
        ("size", selection.min_size, selection.max_size),
        ("key", selection.start_after, selection.end_before),
    ):
        if least is not None and most is not None and least > most:  # type: ignore[operator]
            raise UsageError(f"no {option} is above {least!r} and below {most!r}")
    after, before = selection.modified_after, selection.modified_before
    if (
        after
        and before
        and datetime.fromisoformat(after) >= datetime.fromisoformat(before)
    ):
        raise UsageError(f"no time is after {after} and before {before}")


def rules_of(values: dict[str, Any], given: Rules) -> Rules:
    """What a job may do: what is `given`, and what the options add to it."""
    return Rules(
        acl=given.acl if values["acl_policy"] == "auto" else values["acl_policy"],
        allow_appendable=values["allow_appendable"] or given.allow_appendable,
        allow_early_rewrite=values["allow_early_rewrite"] or given.allow_early_rewrite,
        allow_new_versions=values["allow_new_versions"] or given.allow_new_versions,
    )


def connection_of(values: dict[str, Any]) -> Connection:
    """How the options say that the service is reached.

    Raises:
        UsageError: they name several endpoints.
    """
    connection = Connection(
        endpoint=values["endpoint"],
        region=values["region"],
        internal=values["internal"],
        sign_version=values["sign_version"],
        profile=values["profile"],
        accelerate=values["accelerate"],
        dual_stack=values["dual_stack"],
        request_payer=values["request_payer"],
    )
    network = connection.network
    if connection.endpoint and network != "public":
        raise UsageError(f"--{network} and --endpoint name different endpoints")
    return connection


def pace_of(values: dict[str, Any]) -> Pace:
    rate = values["rate"]
    return Pace(
        concurrency=values["concurrency"],
        rate=None if rate == "max" else rate,
        retries=values["retries"],
        spread=_spread(values),
    )


def _spread(values: dict[str, Any]) -> int:
    """How many key ranges; one for commands that do not list."""
    if "spread" not in values:
        return 1
    rate = None if values["rate"] == "max" else values["rate"]
    return spread_for(rate) if values["spread"] is None else int(values["spread"])
