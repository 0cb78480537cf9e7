"""Times of the day in which a run may be under way. Pure, but for the machine's zone.

Days are those of a calendar: on one on which clocks are changed the window is an hour
longer or shorter, if the change falls into it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import msgspec

from bulkmeta.errors import UsageError

_FORM: Final = re.compile(r"(\d\d:\d\d)-(\d\d:\d\d)(?:@(?P<zone>\S+))?")
_DAYS_END: Final = "24:00"
_LIKENESS: Final = 0.7
"""Of a slip of the hand, as difflib measures it."""

_WRITE: Final = "write it as 01:00-05:00 or 22:00-04:30@Asia/Shanghai"


class Window(msgspec.Struct, frozen=True):
    """From `opens` to `closes` each day, or into the next; in a time zone, or (None) in
    this machine's."""

    opens: time
    closes: time
    zone: str | None = None

    def closes_at(self, now: datetime) -> datetime | None:
        """When it closes, if it is open now."""
        return next(
            (end for start, end in self._around(now) if start <= now < end), None
        )

    def opens_at(self, now: datetime) -> datetime:
        """When it opens next."""
        return next(start for start, _ in self._around(now) if start > now)

    def _around(self, now: datetime) -> list[tuple[datetime, datetime]]:
        """Its openings and closings from yesterday on."""
        zone = ZoneInfo(self.zone) if self.zone else None
        today = now.astimezone(zone).date()
        spans = []
        for days in (-1, 0, 1, 2):
            day = today + timedelta(days)
            last = day + timedelta(days=self.closes <= self.opens)
            spans.append(
                (
                    datetime.combine(day, self.opens, zone).astimezone(UTC),
                    datetime.combine(last, self.closes, zone).astimezone(UTC),
                )
            )
        return spans

    def __str__(self) -> str:
        zone = f"@{self.zone}" if self.zone else ""
        return f"{self.opens:%H:%M}-{self.closes:%H:%M}{zone}"


def parse_window(text: str) -> Window | None:
    """The window that a text names; None for the whole day, 00:00-24:00, which is
    none.

    Raises:
        UsageError: it names none, or a time zone that this machine does not know.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise _no_window(text)
    try:
        opens = time.fromisoformat(found[1])
        closes = time() if found[2] == _DAYS_END else time.fromisoformat(found[2])
    except ValueError:
        raise _no_window(text) from None
    whole = opens == closes == time() and found[2] == _DAYS_END
    if opens == closes and not whole:
        raise UsageError(
            f"--window {text!r} is always open, or never; 00:00-24:00 is always"
        )
    zone = found["zone"]
    if zone:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            words = f"--window {text!r}: this machine knows no time zone {zone!r}"
            raise UsageError(words + _meant(zone)) from None
    return None if whole else Window(opens, closes, zone)


def _meant(zone: str) -> str:
    """What to do about a time zone that is not known."""
    from difflib import get_close_matches

    known = available_timezones()
    if not known:
        return " (pip install tzdata brings all)"
    close = get_close_matches(zone, known, 1, _LIKENESS)
    return f"; did you mean {close[0]!r}?" if close else "; one is Asia/Shanghai"


def _no_window(text: str) -> UsageError:
    return UsageError(f"--window {text!r}: {_WRITE}")
