"""A run as one page of HTML that needs nothing else: no network, no other file."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, StrictUndefined

from bulkmeta.model.quantity import counted
from bulkmeta.report.chart import HEIGHT, LEFT, RIGHT, WIDTH, Chart, Line, draw
from bulkmeta.report.diff import diff_lines, value_words
from bulkmeta.report.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkmeta.model.outcome import Outcome
    from bulkmeta.report.account import Account


def render_page(account: Account, name: str, words: Sequence[str], unended: str) -> str:
    """The page of a run; `words` are lines that say what was to be done, and `unended`
    is why there is no summary, if there is none."""
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["count"] = "{:,}".format
    text = files("bulkmeta.report").joinpath("page.html").read_text("utf-8")
    return environment.from_string(text).render(
        account=account,
        name=name,
        words=words,
        facts=_facts(account, unended),
        charts=_charts(account),
        values=value_words,
        objects=[_shown(outcome) for outcome in account.sample],
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        right=RIGHT,
    )


def _facts(account: Account, unended: str) -> list[tuple[str, str]]:
    """What is told above all else, as pairs."""
    header, summary, whole = account.header, account.summary, account.whole()
    facts = []
    if header:
        facts += [
            ("bucket", header.bucket),
            ("command", header.command),
            ("began", header.started),
        ]
    if summary:
        now, elapsed_s = summary.objects - account.before, summary.elapsed_s
        rate = now / elapsed_s if elapsed_s else 0.0
        part = " (last part)" if account.resumed else ""
        facts += [
            ("ended", summary.finished),
            (f"took{part}", f"{elapsed_s:,.1f} s ({rate:,.0f} objects/s)"),
            (f"requests{part}", f"{sum(summary.requests.values()):,}"),
        ]
    else:
        facts.append(("ended", unended))
    for share, word in ((0.5, "half"), (0.99, "99%")):
        latency_ms = whole.latency_ms(share)
        if latency_ms is not None:
            facts.append((f"{word} of the objects within", f"{latency_ms:,.0f} ms"))
    facts += [
        ("requests tried again for", counted(account.retried)),
        ("other writers met", counted(account.conflicts, "time")),
    ]
    if whole.paces:
        facts.append(("throttled", counted(account.throttled, "answer")))
    return facts


def _charts(account: Account) -> list[Chart]:
    """Objects a second, how long they took, and what the service let through."""
    slices, width_s = account.slices, account.width_s
    if account.first_s is None or len(slices) < 2:
        return []
    ends = {
        "first": _clock(account.first_s),
        "last": _clock(account.first_s + width_s * len(slices)),
    }
    speed = [
        Line("objects", "a", [part.objects / width_s for part in slices]),
        Line("failed", "b", [part.failed / width_s for part in slices]),
        Line("with requests tried again", "c", [p.retried / width_s for p in slices]),
    ]
    latency = [
        Line("half of them", "a", [part.latency_ms(0.5) for part in slices]),
        Line("99%", "c", [part.latency_ms(0.99) for part in slices]),
    ]
    return [
        draw("Objects per second", "", speed, **ends),
        draw("Time per object", "ms", latency, **ends),
        *_pace_charts(account, ends),
    ]


def _pace_charts(account: Account, ends: dict[str, str]) -> list[Chart]:
    """The pace over time, of a run that tells it."""
    told = [part.mean_pace() for part in account.slices]
    # It is told a little after each full second, which may be a span too late.
    paces = [now or before for before, now in pairwise([None, *told])]
    if not any(paces):
        return []
    in_flight = [pace and pace[0] for pace in paces]
    allowed = [pace and pace[1] for pace in paces]
    throttled = [part.throttled / account.width_s for part in account.slices]
    return [
        draw(
            "Requests under way",
            "",
            [
                Line("under way (scale on the left)", "a", in_flight),
                Line("allowed per second (on the right)", "c", allowed, on_right=True),
            ],
            **ends,
        ),
        draw(
            "Throttled answers per second",
            "",
            [Line("answers that asked for fewer requests", "b", throttled)],
            **ends,
        ),
    ]


def _clock(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%H:%M:%S UTC")


def _shown(outcome: Outcome) -> dict[str, Any]:
    """One object of the sample."""
    _, *lines = diff_lines(outcome)
    return {
        "key": printable(outcome.key),
        "status": outcome.status,
        "reason": outcome.reason or "",
        "changes": [line.strip() for line in lines],
        "request": outcome.request_id or "",
    }
