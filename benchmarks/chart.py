"""The figures as a picture: CPU seconds per 1,000 objects, as bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from benchmarks.table import Figures

WIDTH: Final = 760
ROW: Final = 26
NAME_WIDTH: Final = 190
BAR_WIDTH: Final = 440

_STYLE: Final = (
    "text{font:13px system-ui,sans-serif;fill:#24292f}"
    ".title{font-weight:600}.own{fill:#0b7285}.other{fill:#adb5bd}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.other{fill:#5c636a}}"
)


def chart(scenarios: Mapping[str, Sequence[Figures]]) -> str:
    """An SVG with one group of bars for each scenario; longer is worse."""
    parts, y = [], 24
    for title, rows in scenarios.items():
        parts.append(f'<text class="title" x="8" y="{y}">{escape(title)}</text>')
        y += 10
        longest = max(row.cpu_per_1000_s for row in rows)
        for row in sorted(rows, key=lambda each: each.cpu_per_1000_s):
            parts += _bar(row, y, longest)
            y += ROW
        y += 30
    height = y - 16
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" role="img" '
        'aria-label="CPU seconds per 1,000 objects by client">'
        f"<style>{_STYLE}</style>{''.join(parts)}</svg>\n"
    )


def _bar(row: Figures, y: int, longest: float) -> list[str]:
    length = max(2.0, row.cpu_per_1000_s / longest * BAR_WIDTH)
    kind = "own" if row.name.startswith("bulkmeta") else "other"
    middle = y + ROW / 2 + 4
    return [
        f'<text x="{NAME_WIDTH}" y="{middle}" text-anchor="end">'
        f"{escape(row.name)}</text>",
        f'<rect class="{kind}" x="{NAME_WIDTH + 8}" y="{y + 4}" '
        f'width="{length:.1f}" height="{ROW - 8}" rx="2"/>',
        f'<text x="{NAME_WIDTH + 14 + length:.1f}" y="{middle}">'
        f"{row.cpu_per_1000_s:.2f}</text>",
    ]
