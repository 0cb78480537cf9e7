"""Request quotas: one for the account, one for each range of a bucket's keys."""

from __future__ import annotations

import time
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .store import Store

_BURST_S = 0.1
_ROUNDING_S = 1e-6
_MESSAGES = {
    "TotalQpsLimitExceeded": "Total requests exceed the account's limit.",
    "PartitionQpsLimitted": "Requests on this range of keys exceed its limit.",
}


class _Quota:
    """A rate, with as much burst as a tenth of a second brings."""

    def __init__(self, qps: float) -> None:
        self._interval = 1 / qps
        self._due = 0.0

    def admits(self, now: float) -> bool:
        due = max(self._due, now)
        if due - now > _BURST_S + _ROUNDING_S:
            return False
        self._due = due + self._interval
        return True


@dataclass(slots=True)
class _Ranges:
    starts: list[str]
    quotas: list[_Quota]
    counted_at: int


class Limits:
    """What may be asked per second; each limit can be switched while serving."""

    def __init__(self, store: Store, now: Callable[[], float] = time.monotonic) -> None:
        """Nothing is limited until `configure` says so."""
        self._store = store
        self._now = now
        self._account: _Quota | None = None
        self._ranges: dict[str, _Ranges] = {}
        self.account_qps: float | None = None
        self.range_qps: float | None = None
        self.ranges = 16
        self.throttle_status = 503

    def configure(
        self,
        *,
        account_qps: float | None = None,
        range_qps: float | None = None,
        ranges: int = 16,
        throttle_status: int = 503,
    ) -> None:
        """Set all limits anew; None switches one off."""
        self.account_qps, self.range_qps = account_qps, range_qps
        self.ranges, self.throttle_status = ranges, throttle_status
        self._account = _Quota(account_qps) if account_qps else None
        self._ranges.clear()

    def check(self, bucket: str, key: str) -> None:
        """Count a request.

        Raises:
            ServiceError: it is one too many.
        """
        now = self._now()
        if self._account is not None and not self._account.admits(now):
            raise self._refusal("TotalQpsLimitExceeded")
        if self.range_qps and not self._range(bucket, key).admits(now):
            raise self._refusal("PartitionQpsLimitted")

    def _refusal(self, code: str) -> ServiceError:
        if self.throttle_status == 429:
            return ServiceError(
                429, "QpsLimitExceeded", "Please reduce your request rate."
            )
        return ServiceError(503, code, _MESSAGES[code])

    def _range(self, bucket: str, key: str) -> _Quota:
        cut = self._ranges.get(bucket)
        # Cut again once the bucket has grown by half: ranges follow the keys.
        if cut is None or self._store.keys_added > cut.counted_at * 1.5 + 16:
            cut = self._ranges[bucket] = self._cut(bucket)
        return cut.quotas[bisect_right(cut.starts, key)]

    def _cut(self, bucket: str) -> _Ranges:
        starts = self._store.boundaries(bucket, self.ranges)
        quotas = [_Quota(self.range_qps or 1) for _ in range(len(starts) + 1)]
        return _Ranges(starts, quotas, self._store.keys_added)
