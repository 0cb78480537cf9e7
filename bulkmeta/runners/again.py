"""The command that tries again what failed in a run that is not to be retried: the same
once more, on the file that the run took its objects from."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bulkmeta.model.job import JobSpec, Rules
    from bulkmeta.model.selection import Selection

_TAKES: Final = {"drifted": "--only-failed-verify", "replanned": "--replan"}
_ALLOWANCES: Final = (
    "allow_appendable",
    "allow_early_rewrite",
    "allow_new_versions",
    "allow_rewritten",
)


def another_way(job: JobSpec) -> str | None:
    """That command for a run of this job, ready for a shell: on the same objects, and
    with all that the run was allowed. None if it is to be retried.

    A limit is kept, too: it counts the lines of that file in their order, so that the
    same objects are meant. Where a file of shards lies is not recorded; to name it is
    left to the reader.
    """
    if not job.parent or job.takes == "failed":
        return None
    words = [
        "undo" if job.restores() else "apply",
        job.parent.path,
        *filter(None, [_TAKES.get(job.takes)]),
        *_rule_words(job.rules),
        *_selection_words(job.select),
    ]
    command = " ".join(["bulkmeta", *map(shell_word, words)])
    return f"{command} (FILE: that of the shards)" if job.select.part else command


def _rule_words(rules: Rules) -> Iterator[str]:
    if rules.acl != "auto":
        yield from ("--acl-policy", rules.acl)
    for name in _ALLOWANCES:
        if getattr(rules, name):
            yield f"--{name.replace('_', '-')}"


def _selection_words(select: Selection) -> Iterator[str]:
    """Its keys, and how many; what else a listing tells, such a file does not."""
    for rule in select.keys:
        yield from ("--include" if rule.wanted else "--exclude", rule.glob)
    for regex in select.regexes:
        yield from ("--regex", regex)
    if select.start_after is not None:
        yield from ("--start-after", select.start_after)
    if select.end_before is not None:
        yield from ("--end-before", select.end_before)
    if select.shard:
        yield from ("--shard", f"{select.shard.index}/{select.shard.of}")
    if select.part:
        yield from ("--shard", f"{select.part.index}/FILE")
    if select.sample is not None:
        yield from ("--sample", f"{100 * select.sample:.15g}%")
    if select.limit is not None:
        yield from ("--limit", str(select.limit))


def shell_word(text: str) -> str:
    """The text as one word for a shell; as escapes where a message could not hold it as
    it is."""
    if text.isprintable() and "  " not in text:
        return shlex.quote(text)
    return f"$'{''.join(map(_escaped, text))}'"


def _escaped(letter: str) -> str:
    if letter in "\\'":
        return f"\\{letter}"
    if letter.isprintable() and letter != " ":
        return letter
    code = ord(letter)
    return f"\\x{code:02x}" if code < 0x80 else f"\\U{code:08x}"
