"""What `--help` says of a command: its options in sections, then its exit codes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import click

from bulkmeta.cli.exit_codes import (
    INTERRUPTED,
    LOCKED,
    OK,
    OUT_OF_TIME,
    PENDING,
    RUN_FATAL,
    SOME_FAILED,
    THRESHOLD,
    USAGE,
)
from bulkmeta.cli.suggest import TYPED

EXIT_CODES: Final = {
    OK: "All done, or nothing to do.",
    SOME_FAILED: "Some objects failed, or are not as they should be; or --on-finish "
    "failed.",
    USAGE: "The command line asks for what cannot be done; nothing was changed.",
    THRESHOLD: "Stopped: more failed than was put up with (--max-failures, --canary).",
    RUN_FATAL: "It could not go on: credentials, bucket, clock, network, or a full "
    "disk.",
    LOCKED: "Another process is working on the same job or run, or has its lock.",
    OUT_OF_TIME: "Stopped in time (--max-duration, --window): a run that changes "
    "objects can be resumed, plan and verify begin anew.",
    PENDING: "With --detailed-exitcode: there is something to change.",
    INTERRUPTED: "Interrupted, or the answer was no; a run that changes objects can be "
    "resumed.",
}
LIMIT: Final = "Stopped: more failed than was put up with (--max-failures)."
"""Of a run that knows no canary."""

ASKS: Final = {
    USAGE: "The command line asks for what cannot be done.",
    INTERRUPTED: "Interrupted.",
}
"""Of what is no run, and changes nothing."""

_ENVIRONMENT: Final = {
    "OSS_ENDPOINT, OSS_REGION": "The address, where --endpoint and --region are not "
    "given.",
    "OSS_ACCESS_KEY_ID, OSS_ACCESS_KEY_SECRET, OSS_SESSION_TOKEN": "Credentials; where "
    "else they are looked for: docs/credentials.md.",
    "HTTPS_PROXY, NO_PROXY": "The way to the service.",
    "NO_COLOR": "If set, no colours.",
}


class HelpfulCommand(click.Command):
    """A command that ends with one of the codes `exits`, which mean what they do for
    all, or what `means` says."""

    def __init__(
        self,
        *args: Any,
        exits: Iterable[int] = (0, 2),
        means: Mapping[int, str] = ASKS,
        **attrs: Any,
    ) -> None:
        super().__init__(*args, **attrs)
        words = {**EXIT_CODES, **means}
        self.exits = {code: words[code] for code in exits}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[TYPED] = tuple(args)
        return super().parse_args(ctx, args)

    def format_options(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """The options, each in the section of its kind."""
        from bulkmeta.cli.options import sections

        titles = {name: title for title, names in sections() for name in names}
        grouped: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record and isinstance(param, click.Option):
                title = titles.get(str(param.name), "Options")
                grouped.setdefault(title, []).append(record)
        for title, records in sorted(
            grouped.items(), key=lambda at: at[0] == "Options"
        ):
            with formatter.section(title):
                formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """What it goes by besides its options, and how it ends."""
        if any(param.name == "endpoint" for param in self.params):
            with formatter.section("Environment"):
                formatter.write_dl([*_ENVIRONMENT.items()])
        with formatter.section("Exit codes"):
            told = [(str(code), words) for code, words in self.exits.items()]
            formatter.write_dl(told)
