"""How a run grows: the model, the simulation that it is held to, and answers from
memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import msgspec
import pytest

from benchmarks import scale
from benchmarks.canned import CannedService
from benchmarks.scale_model import (
    CHANGES,
    DRIVER_CPU_S,
    METADATA,
    UNCHANGED,
    Change,
    Service,
    Setup,
    forecast,
)
from benchmarks.scale_real import Point, Trial, work
from benchmarks.scale_simulation import Walk, found_share, shards, simulate
from benchmarks.stub import key_of, page_of
from bulkmeta.journal.run_reader import read_run
from bulkmeta.model.outcome import Outcome
from bulkmeta.oss.transport import Request

ROOT = Path(__file__).parents[2]
OBJECTS = 300_000
WIDE = Service(account=1e6, partitions=1000, largest=0.001)
"""A service that is not what holds a run up."""

STAGES = {
    "--rate": (Service(), Setup()),
    "account quota": (Service(), Setup(rate=None, processes=4)),
    "key ranges": (Service(largest=0.5), Setup(rate=None, processes=4)),
    "requests in flight": (WIDE, Setup(rate=None)),
    "processes": (WIDE, Setup(rate=None, processes=2, concurrency=500)),
    "driver": (WIDE, Setup(rate=None, processes=16, concurrency=200)),
    "listing": (replace(WIDE, page_s=60.0), Setup(rate=None, processes=4)),
}
"""A run that each stage holds up."""

each_stage = pytest.mark.parametrize("stage", STAGES)


@each_stage
def test_the_model_names_what_holds_a_run_up(stage: str) -> None:
    """The narrowest stage."""
    service, setup = STAGES[stage]
    assert forecast(OBJECTS, METADATA, service, setup).bottleneck == stage


@each_stage
def test_the_simulation_agrees(stage: str) -> None:
    """Where one stage alone is what is short, both say the same."""
    service, setup = STAGES[stage]
    told = forecast(OBJECTS, METADATA, service, setup)
    found = simulate(OBJECTS, METADATA, service, setup)
    assert found.seconds == pytest.approx(told.seconds, rel=0.03)
    assert found.requests == pytest.approx(told.requests.total(), rel=0.001)
    assert found.objects == pytest.approx(OBJECTS)


def test_the_default_pace() -> None:
    """2,000 requests a second are 1,000 objects; a page of 1,000 is a request, too."""
    told = forecast(1_000_000, METADATA, Service(), Setup())
    assert (told.requests.get, told.requests.put) == (1_000_000, 1_001_000)
    assert told.seconds == pytest.approx(2_001_000 / 2_000)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_more_requests_take_longer(change: Change) -> None:
    """Each kind of change by what it asks for; one that finds nothing to do writes no
    journal."""
    told = forecast(OBJECTS, change, Service(), Setup())
    least = OBJECTS * change.total / 2_000
    assert least < told.seconds < 1.002 * least
    assert (told.journal_bytes == 0) == (change is UNCHANGED)


def test_one_process_is_its_own_driver() -> None:
    """What a driver takes comes on top only where there are worker processes."""
    alone = forecast(OBJECTS, METADATA, WIDE, Setup(rate=None, concurrency=500))
    assert alone.seconds == pytest.approx(OBJECTS * 0.386e-3)
    crowd = Setup(rate=None, processes=100, concurrency=500)
    led = forecast(OBJECTS, METADATA, WIDE, crowd)
    assert led.seconds == pytest.approx(OBJECTS * DRIVER_CPU_S)


def test_deaths_cost_what_was_in_hand() -> None:
    """All objects are done in spite of them; a little is asked for again, and the model
    knows about how much time that takes."""
    setup = Setup(rate=None, processes=2, deaths_per_hour=600, missing_s=2.0)
    told = forecast(OBJECTS, METADATA, WIDE, setup)
    well = forecast(OBJECTS, METADATA, WIDE, replace(setup, deaths_per_hour=0))
    found = simulate(OBJECTS, METADATA, WIDE, setup)
    assert found.deaths > 20
    assert found.objects == pytest.approx(OBJECTS)
    again = found.requests - told.requests.total()
    most = found.deaths * setup.concurrency * METADATA.total
    assert 0.8 * most < again <= most
    assert found.seconds == pytest.approx(told.seconds, rel=0.1)
    assert found.seconds > well.seconds * 1.1


@pytest.mark.parametrize("every", [20_000, 100_000])
def test_slow_objects_hold_up_the_window(every: int) -> None:
    """A driver gets 20,000 objects beyond one that waits for its answer, no further."""
    service = replace(Service(), slow_every=every)
    setup = Setup(rate=None, processes=4)
    objects = 10_000_000
    told = forecast(objects, METADATA, service, setup)
    quick = forecast(objects, METADATA, Service(), setup)
    found = simulate(objects, METADATA, service, setup)
    assert told.bottleneck == "window"
    assert told.seconds > 2 * quick.seconds
    assert found.seconds == pytest.approx(told.seconds, rel=0.1)


def test_what_ends_inside_the_window_holds_nothing_up() -> None:
    """At 1,000 objects a second the window is 20 s long."""
    service = replace(Service(), slow_every=10_000, slow_s=19.0)
    told = forecast(OBJECTS, METADATA, service, Setup())
    assert told.seconds == forecast(OBJECTS, METADATA, Service(), Setup()).seconds


def test_chance_is_seeded() -> None:
    """The same run comes out the same."""
    setup = Setup(rate=None, processes=4, deaths_per_hour=600)
    first, second = (simulate(OBJECTS, METADATA, WIDE, setup) for _ in range(2))
    assert first == second


def test_the_largest_shard_ends_last() -> None:
    """The model says no more than that the run cannot be quicker than its largest
    shard alone; that shard has waited for its share of the quota before."""
    service = Service(account=100_000, partitions=200, largest=0.005)
    setup = Setup(rate=None, drivers=4, processes=8, concurrency=200, uneven=2.0)
    told = forecast(OBJECTS, METADATA, service, setup)
    found = simulate(OBJECTS, METADATA, service, setup)
    assert told.seconds == pytest.approx(OBJECTS / 2 * DRIVER_CPU_S)
    assert 1.05 * told.seconds < found.seconds < 1.5 * told.seconds


def test_shards_cover_all() -> None:
    """They lie one behind the other, from the first object to the last."""
    cut = shards(1000, Setup(drivers=4, uneven=2.0))
    assert cut == [
        (0.0, 500.0),
        (500.0, pytest.approx(2000 / 3)),
        (pytest.approx(2000 / 3), pytest.approx(2500 / 3)),
        (pytest.approx(2500 / 3), pytest.approx(1000.0)),
    ]


def test_a_walk_takes_each_object_once() -> None:
    """Whatever ranges end first: what was taken lies side by side, without a gap."""
    walk = Walk(0.0, 10_000.0, 7)
    taken: list[tuple[float, float]] = []
    while got := walk.take(300):
        taken += got
    place = 0.0
    for first, objects in sorted(each for each in taken if each[1] > 0):
        assert first == pytest.approx(place, abs=1.0)
        place = first + objects
    assert place == pytest.approx(10_000, abs=1.0)


def test_a_quota_is_found() -> None:
    """The pace uses nearly all of one, and never more."""
    assert 0.9 < found_share(300, 0.02, 20.0) <= 1.01


def test_tables_are_those_of_the_model() -> None:
    """docs/scale.md shows what `python -m benchmarks.scale model` prints."""
    options = scale.parser().parse_args(["model"])
    tables = "\n".join(scale.lines(options)).split("\n\n")
    page = (ROOT / "docs" / "scale.md").read_text()
    assert len(tables) == 3
    assert [table for table in tables if table not in page] == []


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(55, "55 s"), (600, "10.0 min"), (90_000, "25.0 h"), (864_000, "10.0 days")],
)
def test_times_in_words(seconds: float, words: str) -> None:
    """In the largest unit that there are two of."""
    assert scale.span(seconds) == words


def test_numbers_in_words() -> None:
    """Round ones as powers, others with two digits."""
    assert [scale.power(n) for n in (10**8, 2.01e8)] == ["10^8", "2.0e8"]
    assert [scale.volume(n) for n in (842e6, 8.42e12)] == ["842.0 MB", "8.4 TB"]


@pytest.mark.parametrize("token", [None, "999", "1999", "2499", "2999"])
async def test_canned_pages_are_those_of_the_stub(token: str | None) -> None:
    """Those that are cut out of a template as well."""
    params = {"list-type": "2", "max-keys": "1000", "encoding-type": "url"}
    if token:
        params["continuation-token"] = token
    request = Request("ListObjectsV2", "GET", params=params)
    answer = await CannedService(4321).send(request)
    assert answer.body.decode() == page_of(4321, urlencode(params))


def test_a_canned_run_is_a_whole_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each object has its line, and the journal was written and removed."""
    run_file = tmp_path / "run.jsonl"
    work(Trial(2500, str(run_file)))
    keys = [line.key for line in read_run(run_file) if isinstance(line, Outcome)]
    assert sorted(keys) == [key_of(number) for number in range(2500)]
    last = capsys.readouterr().out.splitlines()[-1]
    point = msgspec.json.decode(last, type=Point)
    assert (point.objects, point.run_file) == (2500, run_file.stat().st_size)
    assert point.journal_peak > 2500 * 500
    assert list(tmp_path.iterdir()) == [run_file]
