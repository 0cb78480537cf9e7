"""What a run is about to do and what it has done, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from shlex import join
from typing import TYPE_CHECKING, Any, Final

from bulkmeta.model.job import SCHEME
from bulkmeta.model.quantity import counted
from bulkmeta.model.tolerance import small_share_words
from bulkmeta.report.diff import value_words
from bulkmeta.report.text import printable, quoted, utc

if TYPE_CHECKING:
    from bulkmeta.model.changes import Change
    from bulkmeta.model.job import (
        Command,
        JobSpec,
        KeyFile,
        Pace,
        Parent,
        Recent,
        RunSpec,
        Target,
    )
    from bulkmeta.model.selection import Selection
    from bulkmeta.model.shards import Part
    from bulkmeta.model.values import Row, ValuesFile
    from bulkmeta.report.account import Account, Kind
    from bulkmeta.report.stats import RunStats
    from bulkmeta.runners.host import RunEnd
    from bulkmeta.runners.preflight import Findings

_SHOWN = 80
_VALUES: Final = 3


def order_lines(spec: RunSpec) -> Iterator[str]:
    """Target, change and pace, a line each."""
    yield f"target    {_target_words(spec.job)}"
    words = [*job_words(spec.job)]
    if words:
        yield f"change    {'; '.join(words)}"
    if spec.job.values:
        yield f"values    {values_words(spec.job.values)}"
    if spec.job.inventory:
        yield f"inventory {spec.job.inventory.path}"
    if spec.job.keys:
        keys = spec.job.keys
        yield f"keys      {keys.keys:,} from {_origin(keys, spec.command)}"
    if spec.recent and spec.recent.since:
        moment, again = utc(spec.recent.since), _again_words(spec.recent)
        yield f"since     objects modified at {moment} or later{again}"
    conditions = [f"where {_short(text)}" for text in spec.job.where]
    chosen = [*selection_words(spec.job.select), *conditions]
    if chosen:
        yield f"select    {'; '.join(chosen)}"
    if spec.lock:
        name = printable(str(spec.lock))
        yield f"lock      {name}, for {spec.lock.lease_s:g} s at a time"
    yield f"pace      {pace_words(spec.pace, listing=spec.job.takes == 'listing')}"


def _target_words(job: JobSpec) -> str:
    """Where the objects are; and that neighbours are meant, where that is no folder."""
    words = printable(str(job.target))
    lists = job.takes == "listing"
    is_open = any(prefix and prefix[-1] != "/" for prefix in job.target.prefixes)
    return f"{words} (all keys that begin so)" if lists and is_open else words


def _origin(keys: KeyFile, command: Command) -> str:
    """Where keys came from; what cannot be resumed does not keep what it was given."""
    kept = "" if command == "plan" else f", kept in {keys.path}"
    return f"standard input{kept}" if keys.stdin else keys.path


def _again_words(recent: Recent) -> str:
    return f", and {len(recent.again):,} that failed then" if recent.again else ""


def values_words(rows: ValuesFile) -> str:
    """How many rows a file has for a target, what they set, and how many it has for
    nothing there."""
    are = "other is" if rows.others == 1 else "others are"
    others = f"; {rows.others:,} {are} not under it" if rows.others else ""
    count = counted(rows.rows, "row")
    return f"{count} of {printable(rows.path)}: {_columns(rows.sets)}{others}"


def _columns(sets: Row) -> str:
    """What the rows of a file can set, in a few words."""
    names = [
        *(f"set {name}" for name in sets.meta),
        *(f"header {name}" for name in sets.headers),
        *(f"tag {quoted(key)}" for key in sets.tags),
    ]
    return "; ".join(names) or "nothing"


def probe_lines(findings: Findings) -> Iterator[str]:
    """What a run does otherwise because of what a probe saw."""
    if findings.copies:
        yield (
            f"acl       ACLs are not read: copies keep them, as a probe saw on "
            f"{findings.copies.at[:10]} (--acl-policy preserve reads each)"
        )


def job_words(job: JobSpec) -> Iterator[str]:
    """What becomes of the objects, in a few words."""
    if job.parent and job.takes == "former":
        yield f"put back what {job.parent.path} changed"
        return
    if job.parent and job.takes == "drifted":
        where = "only where an object is not as that run left it"
        yield f"put back what {job.parent.path} changed, {where}"
        return
    if job.parent and job.takes in {"planned", "replanned"}:
        yield _planned_words(job.change, job.parent)
        return
    if job.parent and job.takes == "failed":
        yield f"what failed in {job.parent.path}"
    if job.transform:
        yield f"as {job.transform.name} makes it"
    yield from change_words(job.change)


def _planned_words(change: Change, plan: Parent) -> str:
    """What a plan changes, and when it was made. What its rows set is there by name
    only, with an empty value."""
    words = [each.removesuffix(' = ""') for each in change_words(change)]
    when = f"as planned in {plan.path} on {plan.started[:16]}Z"
    return ", ".join(filter(None, ["; ".join(words), when]))


def change_words(change: Change) -> Iterator[str]:
    """Each wanted change in a few words."""
    yield from _meta_words(change)
    for name, value in change.set_headers.items():
        yield f"header {name} = {_short(value)}"
    for name in change.unset_headers:
        yield f"unset header {name}"
    if change.content_type_auto:
        first = f", {counted(len(change.types), 'type')} of --types first"
        yield f"content type by extension{first if change.types else ''}"
    yield from _tag_words(change)
    yield from _service_words(change)


def _meta_words(change: Change) -> Iterator[str]:
    if change.replace:
        yield f"{_all(change.set_meta or change.default_meta)} user metadata"
    for old, new in change.rename_meta.items():
        yield f"rename {old} to {new}"
    for name in change.unset_meta:
        yield f"unset {name}"
    for name, sub in change.sub_meta.items():
        yield (
            f"rewrite {name}: {_short(sub.pattern)} becomes {_short(sub.replacement)}"
        )
    for name, value in change.set_meta.items():
        yield f"set {name} = {_short(value)}"
    for name, value in change.default_meta.items():
        yield f"set {name} = {_short(value)} where absent"


def _all(given: dict[str, str]) -> str:
    return "replace all" if given else "remove all"


def _service_words(change: Change) -> Iterator[str]:
    if change.acl:
        yield f"acl {change.acl}"
    if change.storage_class:
        yield f"storage class {change.storage_class}"
    if change.sse:
        key = f" with key {quoted(change.sse_key_id)}" if change.sse_key_id else ""
        yield f"encryption {change.sse}{key}"


def _tag_words(change: Change) -> Iterator[str]:
    if change.replace_tags:
        yield f"{_all(change.set_tags)} tags"
    for key in change.unset_tags:
        yield f"untag {quoted(key)}"
    for key, value in change.set_tags.items():
        yield f"tag {quoted(key)} = {_short(value)}"


_RESTRICTIONS: Final[dict[str, Callable[[Any], str]]] = {
    "regexes": lambda found: f"regex {' or '.join(map(quoted, found))}",
    "start_after": lambda key: f"keys after {quoted(key)}",
    "end_before": lambda key: f"keys before {quoted(key)}",
    "shard": lambda shard: f"shard {shard.index} of {shard.of}",
    "part": lambda part: f"shard {part.index} of {part.of}: keys {_range_words(part)}",
    "sample": lambda share: f"a sample of {100 * share:g}%",
    "min_size": lambda size: f"{counted(size, 'byte')} or more",
    "max_size": lambda size: f"{counted(size, 'byte')} or less",
    "modified_after": lambda time: f"modified at {utc(time)} or later",
    "modified_before": lambda time: f"modified before {utc(time)}",
    "storage_classes": lambda names: f"class {' or '.join(names)}",
    "object_types": lambda names: f"type {' or '.join(names)}",
    "limit": lambda most: f"at most {counted(most)}",
}


def _range_words(part: Part) -> str:
    ends = [
        f"behind {quoted(part.after)}" if part.after else "",
        f"up to {quoted(part.up_to)}" if part.up_to is not None else "",
    ]
    return " ".join(filter(None, ends)) or "all"


def selection_words(select: Selection) -> Iterator[str]:
    """Each restriction in a few words."""
    yield from map(str, select.keys)
    for name, words in _RESTRICTIONS.items():
        value = getattr(select, name)
        if value not in {None, ()}:
            yield words(value)


def _short(value: str) -> str:
    shown = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…"
    return quoted(shown)


def pace_words(pace: Pace, *, listing: bool = True) -> str:
    """Workers, rate and, of a listing, key ranges; and the options for them."""
    words, flags = [counted(pace.concurrency, "worker")], ["--concurrency"]
    if pace.processes > 1 or pace.cluster:
        where = f" on {pace.cluster}" if pace.cluster else ""
        words = [f"{pace.processes} processes{where} of {words[0]}"]
        flags.insert(0, "--processes")
    if pace.rate is None:
        words.append("no cap on the request rate")
    else:
        words.append(f"at most {pace.rate:,g} requests/s")
        flags.append("--rate")
    if listing and pace.spread > 1:
        words.append(f"up to {pace.spread} key ranges in turn")
        flags.append("--spread")
    if len(flags) == 1:
        return ", ".join(words)
    return f"{', '.join(words)} ({', '.join(flags)})"


def end_lines(end: RunEnd) -> Iterator[str]:
    """How a run ended."""
    stats = end.stats
    yield from sum_lines(stats, end.elapsed_s, end.spec.job.target)
    tolerated = end.spec.until.tolerance
    small = small_share_words(tolerated, stats.objects, stats.counts["failed"])
    if small:
        yield small


def sum_lines(stats: RunStats, elapsed_s: float, target: Target) -> Iterator[str]:
    """The counters, and the reasons behind skipped and failed objects at the target."""
    now = stats.objects - stats.before
    rate = now / elapsed_s if elapsed_s else 0.0
    part = f", {now:,} of them now," if stats.before else ""
    took = f"{counted(stats.objects)}{part} in {elapsed_s:,.1f} s"
    yield f"{took} ({rate:,.0f}/s): {stats.line()}" if stats.objects else took
    for reason, count in sorted(stats.reasons.items()):
        yield f"  {reason:<28} {count:,}{advice(reason, target)}"


def slowed_lines(throttled: int) -> Iterator[str]:
    """That the service let fewer requests through than were allowed."""
    if throttled:
        answers = counted(throttled, "answer")
        yield f"slowed down by the service: {answers} asked for fewer requests"


def advice(reason: str, target: Target) -> str:
    """What can be done about it at the target, in brackets."""
    kind = reason.partition(": ")[2]
    words = ADVICE.get(reason) or ADVICE.get(kind)
    if kind == "access_denied":
        first = f"{SCHEME}{target.bucket}/{target.prefix}"
        command = printable(join(["bulkmeta", "doctor", first]))
        words = f"{command} names the permission"
    return f"  ({words})" if words else ""


ADVICE = {
    "early_rewrite": "IA or colder; --allow-early-rewrite",
    "appendable": "--allow-appendable",
    "archived": "restore them first",
    "symlink": "a copy would replace the link's target",
    "forced_download": "use the bucket's custom domain as --endpoint",
    "failed: missing_field": "--missing skip leaves them alone",
    "metadata_too_large": "OSS holds 8 KB of user metadata",
    "too_many_tags": "OSS holds 10 tags",
    "too_large": "class and encryption change up to 1 GB only",
    "rename_target_exists": "it has both names; --unset one of them",
    "invalid_value": "change the template, or select others",
    "transform_failed": "mend the function, then retry",
    "where_failed": "mend the expression",
    "conflict": "others keep writing; run again at a quieter time",
    "unsettled": "others keep writing; run again at a quieter time",
    "worker_died": "stderr may say why; retry without --processes and --on",
    "unguardable": "check what stands between you and OSS",
    "unknown_header": "an update might lose it; report its name",
    "rewritten": "written again since; undo takes --allow-rewritten",
    "changed_since_run": "changed since, by others or later runs",
    "changed_since_plan": "written since; plan again, or --replan",
    "drift": "written since by others, or undone",
    "gone": "deleted, or never there",
    "not_selected": "--where does not hold for it",
    "no_row": "the file of --values has no row for it",
    "other_version": "another version is current by now",
}


def unprinted_lines(count: int) -> Iterator[str]:
    """That not all differences were shown, if it is so."""
    if count:
        yield f"… and {counted(count, 'more object')}; --full shows each"


def kind_lines(account: Account) -> Iterator[str]:
    """What changes, or changed, by name and value, with the number of objects."""
    kinds = sorted(account.kinds.values(), key=lambda kind: -kind.objects)
    for kind in kinds:
        yield f"  {kind.objects:>10,}  {_kind_words(kind)}"
    if account.unnamed:
        yield f"  {account.unnamed:>10,}  differences of other names"


def _kind_words(kind: Kind) -> str:
    """One kind of difference, with its commonest values."""
    name = f"{kind.sign} {kind.part} {kind.name}".rstrip()
    common = kind.values.most_common(_VALUES)
    told = [f"{value_words(*value)}{_times(count, kind)}" for value, count in common]
    more = len(kind.values) - len(common)
    if more or kind.others:
        than = "more than " if kind.others else ""
        told.append(f"and {than}{counted(more, 'other value')}")
    return f"{name}: {', '.join(told)}"


def _times(count: int, kind: Kind) -> str:
    return "" if count == kind.objects else f" ({count:,})"
