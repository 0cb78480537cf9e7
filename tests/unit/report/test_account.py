"""A run counted line by line: right, and bounded whatever comes."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

import pytest

from bulkmeta.errors import ErrorDetail
from bulkmeta.model.metadata import Metadata
from bulkmeta.model.outcome import Outcome, PaceSeen, Status
from bulkmeta.model.run_file import Resumed
from bulkmeta.report.account import Account
from bulkmeta.report.chart import Line, draw

START = datetime(2026, 11, 23, tzinfo=UTC)


def outcome(
    seq: int,
    status: Status = "updated",
    *,
    at_s: float = 0.0,
    value: str = "1",
    name: str = "a",
    **more: object,
) -> Outcome:
    moment = (START + timedelta(seconds=at_s)).isoformat().replace("+00:00", "Z")
    return Outcome(
        seq=seq,
        key=f"k/{seq}",
        status=status,
        before=Metadata({}, {}),
        after=Metadata({name: value}, {}),
        at=moment,
        **more,  # type: ignore[arg-type]  # as each test wants it
    )


def test_what_changed() -> None:
    """By name and value, in how many objects; planned ones count as well."""
    account = Account()
    for seq in range(10):
        account.emit(outcome(seq, value="x" if seq % 5 else "y"))
    account.emit(outcome(11, "planned", value="x"))
    account.emit(outcome(12, "unchanged"))
    account.emit(outcome(13, "failed"))
    ((key, kind),) = account.kinds.items()
    assert (key, kind.objects) == (("+", "meta", "a"), 11)
    assert dict(kind.values) == {(None, "x"): 9, (None, "y"): 2}
    assert account.by_status() == [
        ("updated", 10),
        ("unchanged", 1),
        ("planned", 1),
        ("failed", 1),
    ]


def test_time_is_cut_evenly() -> None:
    """However long a run takes: nothing is lost when the spans get longer."""
    account = Account()
    seconds = [0.0, 0.4, 1.2, 239.9, 240.0, 5000.0, 4999.0, 90_000.0]
    for seq, at_s in enumerate(seconds):
        account.emit(outcome(seq, at_s=at_s, elapsed_ms=50.0))
    assert sum(part.objects for part in account.slices) == len(seconds)
    assert len(account.slices) <= 240
    assert account.width_s * 240 > 90_000
    places = [n for n, part in enumerate(account.slices) for _ in range(part.objects)]
    assert places == sorted(int(at_s / account.width_s) for at_s in seconds)
    assert account.whole().objects == len(seconds)


@pytest.mark.parametrize("elapsed_ms", [0.0, 0.9, 3.0, 47.0, 200.0, 9_000.0])
def test_latency(elapsed_ms: float) -> None:
    """Within a fifth of what it was."""
    account = Account()
    for seq in range(100):
        account.emit(outcome(seq, elapsed_ms=elapsed_ms))
    found = account.whole().latency_ms(0.5)
    assert found is not None
    assert max(elapsed_ms, 1) * 0.8 <= found <= max(elapsed_ms, 1) * 1.2


def test_pace() -> None:
    """Means of what is told in a span, and the throttled answers that came in it; after
    an interruption they are counted from 0 again."""
    account = Account()
    account.emit(outcome(1, at_s=0.1))
    account.emit(outcome(2, at_s=0.5, pace=PaceSeen(4, 100.0, 3)))
    account.emit(outcome(3, at_s=0.9, pace=PaceSeen(8, 50.0, 4)))
    account.emit(outcome(4, at_s=1.5))
    account.emit(outcome(5, at_s=2.5, pace=PaceSeen(2, 20.0, 9)))
    account.add([Resumed(seq=6, after=None, at="")])
    account.emit(outcome(6, at_s=3.5, pace=PaceSeen(1, 10.0, 2)))
    assert [part.mean_pace() for part in account.slices] == [
        (6.0, 75.0),
        None,
        (2.0, 20.0),
        (1.0, 10.0),
    ]
    assert [part.throttled for part in account.slices] == [4, 0, 5, 2]
    assert account.throttled == 11


def test_pace_of_a_long_run() -> None:
    """Nothing is lost when the spans get longer, and there are no more of them."""
    account = Account()
    for second in range(5000):
        pace = PaceSeen(second % 2, 10.0, 2 * second)
        account.emit(outcome(second, at_s=float(second), pace=pace))
    assert len(account.slices) <= 240
    whole = account.whole()
    assert (whole.paces, whole.throttled) == (5000, 9998)
    assert whole.mean_pace() == (0.5, 10.0)


def test_no_latency() -> None:
    """Of nothing there is none."""
    assert Account().whole().latency_ms(0.5) is None


def test_bounded() -> None:
    """Any number of names, values, reasons' examples and objects."""
    account = Account()
    for seq in range(20_000):
        account.emit(outcome(seq, name=f"n{seq % 5000}", value=str(seq)))
        error = ErrorDetail("x", None, "m" * 100)
        account.emit(outcome(seq, "failed", reason="r", error=error))
    assert len(account.kinds) == 200
    assert account.unnamed == 20_000 - 200 * 4
    assert len(account.examples["failed: r"]) == 5
    assert 300 <= len(account.sample) <= 1000
    assert account.objects == 40_000
    assert sys.getsizeof(account.kinds) < 20_000


def test_the_sample_is_the_same_each_time() -> None:
    """Whatever the order."""
    one, other = Account(), Account()
    for seq in range(3000):
        one.emit(outcome(seq))
        other.emit(outcome(2999 - seq))
    assert {o.key for o in one.sample} == {o.key for o in other.sample}


def test_chart() -> None:
    """A gap in a line is one; the axis ends at a round number."""
    chart = draw("t", "", [Line("l", "a", [0.0, 7.0, None, 3.0])], first="x", last="y")
    ((_, path),) = chart.paths
    assert (path.count("M"), path.count("L")) == (2, 1)
    assert [tick.text for tick in chart.up] == ["0", "5", "10"]
    assert [tick.text for tick in chart.across] == ["x", "y"]
    assert draw("t", "", [Line("l", "a", [])], first="", last="").paths[0][1] == ""
    assert chart.right == []


def test_chart_with_two_scales() -> None:
    """Each line goes by its own; large numbers are short enough for the margin."""
    lines = [Line("l", "a", [5.0, 10.0]), Line("r", "c", [1e6, 2e6], on_right=True)]
    chart = draw("t", "", lines, first="", last="")
    assert [tick.text for tick in chart.up] == ["0", "5", "10"]
    assert [tick.text for tick in chart.right] == ["0", "1M", "2M"]
    assert [tick.at for tick in chart.up] == [tick.at for tick in chart.right]
    (_, left), (_, right) = chart.paths
    assert left == right


def test_chart_with_a_lonely_value() -> None:
    """Between two gaps it is a dot, and not lost."""
    line = Line("l", "a", [None, 1.0, None])
    ((_, path),) = draw("t", "", [line], first="", last="").paths
    assert path.endswith("h0")


@pytest.mark.parametrize(
    ("most", "text"), [(4000, "5,000"), (30_000, "50k"), (2.1e6, "5M"), (0.4, "0.5")]
)
def test_chart_numbers(most: float, text: str) -> None:
    """As the axis tells them."""
    chart = draw("t", "", [Line("l", "a", [most])], first="", last="")
    assert chart.up[-1].text == text
