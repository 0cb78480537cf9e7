"""What a run is about to do and what it has done, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bulkmeta.model.changes import Change
    from bulkmeta.model.job import Pace, RunSpec
    from bulkmeta.runners.local import RunEnd
    from bulkmeta.runners.preflight import Findings

PAGE = 1000


def order_lines(spec: RunSpec, findings: Findings) -> Iterator[str]:
    """Target, change, pace and warnings, a line each."""
    yield f"target    {spec.job.target}"
    yield f"change    {'; '.join(change_words(spec.job.change))}"
    yield f"pace      {pace_words(spec.pace)}"
    for warning in findings.warnings:
        yield f"warning   {warning}"


def change_words(change: Change) -> Iterator[str]:
    """Each wanted change in a few words."""
    if change.replace:
        yield "replace all user metadata"
    for old, new in change.rename_meta.items():
        yield f"rename {old} to {new}"
    for name in change.unset_meta:
        yield f"unset {name}"
    for name, value in change.set_meta.items():
        yield f'set {name} = "{value}"'
    for name, value in change.default_meta.items():
        yield f'set {name} = "{value}" where absent'
    for name, value in change.set_headers.items():
        yield f'header {name} = "{value}"'
    for name in change.unset_headers:
        yield f"unset header {name}"


def pace_words(pace: Pace) -> str:
    """Workers and rate, and how to raise them."""
    if pace.rate is None:
        return f"{pace.concurrency} workers, no cap on the request rate"
    return (
        f"{pace.concurrency} workers, at most {pace.rate:,.0f} requests/s "
        "(change with --concurrency and --rate)"
    )


def estimate_lines(spec: RunSpec, findings: Findings) -> Iterator[str]:
    """How many requests the first page's objects will need, and the time for more."""
    if findings.listed is None:
        return
    per_object = 3 if spec.job.rules.acl == "preserve" else 2
    known = f"more than {PAGE:,}" if findings.more else f"{findings.listed:,}"
    calls = "head, acl, update" if per_object == 3 else "head, update"
    yield f"objects   {known}"
    yield (
        f"requests  at most {per_object} per object ({calls}), "
        "1 for one that needs no change; 1 per 1,000 objects to list them"
    )
    if spec.pace.rate:
        minutes = 1_000_000 * per_object / spec.pace.rate / 60
        yield f"time      at least {minutes:,.0f} minutes per million changed objects"
    yield (
        "effects   each update renews Last-Modified, which lifecycle rules count from, "
        "and is replicated and announced like an upload"
    )


def end_lines(end: RunEnd) -> Iterator[str]:
    """The counters, and the reasons behind skipped and failed objects."""
    rate = end.stats.objects / end.elapsed_s if end.elapsed_s else 0.0
    yield (
        f"{end.stats.objects:,} objects in {end.elapsed_s:,.1f} s "
        f"({rate:,.0f}/s): {end.stats.line()}"
    )
    for reason, count in sorted(end.stats.reasons.items()):
        yield f"  {reason:<28} {count:,}{_advice(reason)}"


def _advice(reason: str) -> str:
    words = ADVICE.get(reason.partition(": ")[2])
    return f"  ({words})" if words else ""


ADVICE = {
    "early_rewrite": (
        "class IA or colder: a rewrite starts the minimum storage duration anew; "
        "--allow-early-rewrite"
    ),
    "appendable": "--allow-appendable",
    "access_denied": "grant the permission; for reading ACLs, or --acl-policy skip",
    "archived": "restore them first",
    "symlink": "a copy would replace the link's target",
    "forced_download": "use the bucket's custom domain as --endpoint",
    "metadata_too_large": "OSS holds 8 KB of user metadata",
}
