"""A bucket probed, as a table beside what is documented, or as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from bulkmeta.cli.addresses import warn_if_readable
from bulkmeta.cli.consent import consents, require_terminal
from bulkmeta.cli.exit_codes import INTERRUPTED, OK, SOME_FAILED
from bulkmeta.cli.output import complain, print_result, tell, tell_left
from bulkmeta.model.probe import QUESTIONS, VALID_FOR, Probed
from bulkmeta.oss.connect import settings_of
from bulkmeta.oss.probes import save_probe
from bulkmeta.report.text import plain
from bulkmeta.runners.loop import run_loop
from bulkmeta.runners.probing import probe_at

if TYPE_CHECKING:
    from bulkmeta.model.job import Connection, Target


def print_probe(
    target: Target, connection: Connection, *, yes: bool, as_json: bool
) -> int:
    """Probe the bucket, if that is agreed to, print and keep what was found; the exit
    code.

    Raises:
        UsageError: there is nobody to ask.
        RunFatalError: nothing can be put there, or what was found cannot be kept.
    """
    if not yes:
        require_terminal()
    warn_if_readable(target.bucket, connection)
    if not (yes or consents(f"Put about ten temporary objects under {target}?")):
        complain("nothing was put there")
        return INTERRUPTED
    left: list[str] = []
    try:
        probed = run_loop(probe_at(target, connection, left.extend))
    finally:
        tell_left(left)
    if as_json:
        print_result(msgspec.json.encode(probed))
    else:
        for line in (*table_lines(probed), *conclusion_lines(probed)):
            print_result(line)
    tell(f"kept in   {save_probe(settings_of(connection).home, probed)}")
    unsure = not all(map(probed.is_known, QUESTIONS))
    return SOME_FAILED if left or unsure or not probed.guards_hold() else OK


def table_lines(probed: Probed) -> Iterator[str]:
    """Each question with the documented answer and the bucket's own."""
    yield f"bucket    oss://{probed.bucket} at {probed.endpoint}"
    rows = [("What a copy does not name", "documented", "this bucket")]
    for name, question in QUESTIONS.items():
        documented = question.answer(keeps_versions=bool(probed.keeps_versions))
        found = plain(probed.found[name])
        mark = "  (differs)" if probed.differs(name) else ""
        rows.append((question.about, documented, f"{found}{mark}"))
    for about, documented, found in rows:
        yield f"{about:<40}  {documented:<10}  {found}"


def conclusion_lines(probed: Probed) -> Iterator[str]:
    """What the answers mean for `apply`."""
    if not probed.guards_hold():
        yield (
            "warning   the bucket ignores conditions: an update could overwrite "
            "another writer's. Run nothing here while others write"
        )
    if probed.keeps_acl():
        yield (
            f"acl       kept: for {VALID_FOR.days} days `apply` reads none where the "
            "object is like those seen (--acl-policy preserve reads each)"
        )
    else:
        yield "acl       not seen to be kept: `apply` reads each and sends it back"
    yield "rest      `apply` names all that is not kept, whatever was found here"
