"""Quotas of the account and of key ranges."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from bulkmeta.emulator.clock import Clock
from bulkmeta.emulator.errors import ServiceError
from bulkmeta.emulator.limits import Limits
from bulkmeta.emulator.options import EmulatorOptions
from bulkmeta.emulator.store import Store
from tests.functional.emulator.conftest import RawClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.functional.emulator.conftest import Start


class Time:
    """A clock that moves when told to."""

    now = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@pytest.fixture
def time() -> Time:
    """A clock."""
    return Time()


@pytest.fixture
def store() -> Iterator[Store]:
    """A store with 100 keys in the bucket."""
    store = Store(":memory:", Clock())
    store.create_bucket("bucket")
    store.put_objects("bucket", ({"key": f"{i:03}"} for i in range(100)))
    yield store
    store.close()


def admitted(limits: Limits, keys: list[str]) -> int:
    """How many of these requests pass."""
    passed = 0
    for key in keys:
        try:
            limits.check("bucket", key)
            passed += 1
        except ServiceError:
            pass
    return passed


def test_without_limits_all_pass(store: Store, time: Time) -> None:
    """Nothing is limited unless configured."""
    assert admitted(Limits(store, time), ["a"] * 1000) == 1000


def test_the_account_gets_its_rate(store: Store, time: Time) -> None:
    """Over three seconds three times the rate passes, plus a tenth in the burst."""
    limits = Limits(store, time)
    limits.configure(account_qps=100)
    passed = 0
    for _ in range(300):
        passed += admitted(limits, ["a"] * 10)
        time.now += 0.01

    assert 300 <= passed <= 312


def test_each_range_has_its_own_rate(store: Store, time: Time) -> None:
    """A walk in key order gets one range's rate, a spread one gets all of them."""
    limits = Limits(store, time)
    limits.configure(range_qps=10, ranges=4)

    assert admitted(limits, [f"{i:03}" for i in range(25)]) == 2
    time.now += 10
    assert admitted(limits, [f"{i:03}" for i in range(100)]) == 8


def test_ranges_hold_about_as_many_keys(store: Store) -> None:
    """Boundaries follow the keys, not the alphabet."""
    assert store.boundaries("bucket", 4) == ["025", "050", "075"]
    assert store.boundaries("bucket", 1) == []
    assert store.boundaries("none", 4) == []


def test_ranges_follow_a_growing_bucket(store: Store, time: Time) -> None:
    """When a bucket has grown the ranges are cut anew."""
    limits = Limits(store, time)
    limits.configure(range_qps=10, ranges=2)
    assert admitted(limits, ["x1", "x9"] * 5) == 2

    store.put_objects("bucket", ({"key": f"x{i}"} for i in range(900)))
    time.now += 10

    assert admitted(limits, ["x1", "x9"] * 5) == 4


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        ({"account_qps": 1}, 503, "TotalQpsLimitExceeded"),
        ({"range_qps": 1}, 503, "PartitionQpsLimitted"),
        ({"account_qps": 1, "throttle_status": 429}, 429, "QpsLimitExceeded"),
        ({"range_qps": 1, "throttle_status": 429}, 429, "QpsLimitExceeded"),
    ],
)
def test_what_is_too_much_is_throttled(
    start: Start, options: dict[str, float], status: int, code: str
) -> None:
    """The second request in a second is refused, objects and listings alike."""
    oss = start(**options)
    raw = RawClient(oss)

    first = raw.send("GET", params={"list-type": "2", "start-after": "a"})
    second = raw.send("GET", "a")

    assert (first.status, second.status) == (200, status)
    assert code.encode() in second.body
    assert oss.log.requests()[-1].code == code


def test_a_further_page_counts_where_it_begins(start: Start) -> None:
    """A listing moves through the ranges like any walk in key order."""
    oss = start(range_qps=1, ranges=2)
    oss.store.put_objects("bucket", ({"key": f"{i:02}"} for i in range(40)))
    raw = RawClient(oss)
    token = base64.urlsafe_b64encode(b"30").decode()

    statuses = [
        raw.send("GET", params={"list-type": "2", **params}).status
        for params in (
            {"prefix": "0"}, {"prefix": "0"}, {"continuation-token": token},
        )
    ]  # fmt: skip

    assert statuses == [200, 503, 200]


def test_a_choice_that_does_not_exist_is_refused() -> None:
    """Options are checked when they are made."""
    with pytest.raises(ValueError, match="throttle_status"):
        EmulatorOptions(throttle_status=500)
    with pytest.raises(ValueError, match="acl_on_copy"):
        EmulatorOptions(acl_on_copy="maybe")
