"""Wrong clocks, and credentials past their time."""

from __future__ import annotations

import time
from typing import Any

import pytest

from bulkmeta.emulator.options import Credential, EmulatorOptions
from bulkmeta.emulator.server import EmbeddedOSS
from tests.functional.faults.conftest import (
    AFTER,
    HEAD,
    KEYS,
    VERSIONING,
    Apply,
    assert_changed,
    assert_one_line,
    assert_untouched,
    counts,
    meet,
    refusal,
    requests,
)


@pytest.mark.usefixtures("objects")
@pytest.mark.parametrize("offset_s", [-3600.0, 3600.0])
def test_a_wrong_clock_is_corrected_by_the_services_own(
    oss: EmbeddedOSS, apply: Apply, read_run: Any, offset_s: float
) -> None:
    """An hour off in either direction: one refusal, then signed by the service's
    time."""
    oss.clock.offset_s = offset_s

    result = apply("--concurrency", "1", "--retries", "0")

    assert result.code == 0, result.err
    assert {line["status"] for line in read_run("run.jsonl").objects} == {"updated"}
    skewed = [r for r in requests(oss) if r.code == "RequestTimeTooSkewed"]
    assert [logged.operation for logged in skewed] == [VERSIONING]


@pytest.mark.usefixtures("objects")
def test_a_clock_that_jumps_in_mid_run_is_corrected(
    oss: EmbeddedOSS, apply: Apply, read_run: Any
) -> None:
    """Many requests refused at once correct the clock once, and are sent again."""

    def jumping_s() -> float:
        begun = any(operation == HEAD for operation, _ in oss.log.operations())
        return time.time() + 3600 * begun

    oss.clock._now = jumping_s

    result = apply()

    assert result.code == 0, result.err
    assert {line["status"] for line in read_run("run.jsonl").objects} == {"updated"}
    for key in KEYS:
        assert oss.store.get_object("bucket", key).meta == AFTER


@pytest.mark.usefixtures("objects")
@pytest.mark.parametrize(
    "date",
    [
        "",
        "soon",
        "Sun, 22 Nov 2026 12:00:00",
        "Sun, 22 Nov 2026 12:00:00 -0000",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Mon, 01 Jan 0001 00:00:00 GMT",
        "Sun, 22 Nov 2026 12:00:00 +99999999999999",
    ],
)
def test_a_service_without_a_sane_date_ends_the_run(
    oss: EmbeddedOSS, apply: Apply, monkeypatch: pytest.MonkeyPatch, date: str
) -> None:
    """Refused for its clock by a service that does not tell the time: exit 4."""
    oss.clock.offset_s = 3600
    monkeypatch.setattr("bulkmeta.emulator.service.http_date", lambda _: date)

    result = apply("--retries", "2")

    assert result.code == 4
    assert_one_line(result.err)
    assert "clock" in result.err
    assert counts(oss)[VERSIONING] <= 3
    for key in KEYS:
        assert_untouched(oss, key)


@pytest.mark.usefixtures("objects")
def test_a_skew_that_correcting_does_not_cure_ends_the_run(
    oss: EmbeddedOSS, apply: Apply
) -> None:
    """RequestTimeTooSkewed though both clocks agree: not tried for ever."""
    meet(oss, refusal(403, "RequestTimeTooSkewed"), VERSIONING)

    result = apply()

    assert result.code == 4
    assert_one_line(result.err)
    assert counts(oss) == {VERSIONING: 1}


def test_a_real_expired_token_ends_the_run(
    apply: Apply, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token past its time is tried three times, then it is the run's end."""
    expired = Credential("id", "s3cr3t", "t0k3n", expires_at=time.time() - 1)
    with EmbeddedOSS(EmulatorOptions(credentials=(expired,))) as other:
        other.store.create_bucket("bucket")
        for name, value in other.environment.items():
            monkeypatch.setenv(name, value)

        result = apply()

        assert result.code == 4
        assert_one_line(result.err)
        assert "SecurityTokenExpired" in result.err
        assert "s3cr3t" not in result.err
        assert "t0k3n" not in result.err
        assert other.log.operations() == [(VERSIONING, "")] * 3


@pytest.mark.usefixtures("objects")
def test_an_expired_token_in_mid_run_is_tried_a_bounded_number_of_times(
    oss: EmbeddedOSS, apply: Apply, read_run: Any
) -> None:
    """A credential that runs out in mid-run ends it; what was done is on record."""
    meet(oss, refusal(403, "SecurityTokenExpired"), HEAD, skip=1)

    result = apply("--concurrency", "1")

    assert result.code == 4
    assert_one_line(result.err)
    assert counts(oss)[HEAD] == 1 + 3
    lines = read_run("run.jsonl")
    assert [(line["key"], line["status"]) for line in lines.objects] == [
        ("p/1", "updated")
    ]
    assert_changed(oss, "p/1")
