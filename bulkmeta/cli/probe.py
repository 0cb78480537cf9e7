"""`bulkmeta probe`: what copies do in one bucket."""

from __future__ import annotations

from typing import Any

import click

from bulkmeta.cli import options, specs
from bulkmeta.cli.help import ASKS, HelpfulCommand
from bulkmeta.model.job import parse_target

_MEANS = ASKS | {
    0: "Each question has an answer.",
    1: "A question has none, the bucket ignores conditions, or a temporary object is "
    "left.",
    130: "Interrupted, or the answer was no.",
}


@click.command(cls=HelpfulCommand, exits=(0, 1, 2, 4, 130), means=_MEANS)
@click.argument("target", metavar="oss://BUCKET/PREFIX")
@options.add_options((options.YES, options.AS_JSON), options.CONNECTION)
def probe(target: str, **values: Any) -> int:
    """Find out on temporary objects what this bucket does on an update.

    An update in OSS is a copy of an object onto itself. What becomes of an ACL, a
    storage class or an encryption that the copy does not name is not the same in all
    that is written about it. So about ten objects of a few bytes are put under the
    prefix, copied, looked at and removed again, also after Ctrl-C. Two of them are of
    class IA, each of which is billed as 64 KB for 30 days. Without a terminal to ask
    on it needs --yes.

    What was found is kept in ~/.bulkmeta/probes. Where the bucket was seen to keep
    ACLs, `apply` does not read them, for 30 days: one request less for each object.

    Exit code 1 if a question has no answer, or if the bucket ignores the conditions
    that guard each update.

    \b
    Examples:
      bulkmeta probe oss://photos/2026/
      bulkmeta probe oss://photos/2026/ --yes --json | jq .found.acl
    """
    from bulkmeta.cli.probing import print_probe

    where = parse_target(target, allow_all=True)
    return print_probe(
        where,
        specs.connection_of(values),
        yes=values["yes"],
        as_json=values["as_json"],
    )
