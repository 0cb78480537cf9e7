"""`--metrics-file`: how a run ended, as a file for Prometheus' node exporter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bulkmeta import __version__
from bulkmeta.errors import MissingExtraError, UsageError
from bulkmeta.model.outcome import STATUSES

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from bulkmeta.cli.facts import RunFacts

_PREFIX: Final = "bulkmeta_"
_SUCCESS: Final = "bulkmeta_run_success_timestamp_seconds"
_FAILED: Final = "failed: "

Labels = dict[str, str]


@dataclass(frozen=True, slots=True)
class Measured:
    """What is told of a run that ended; times are Unix times."""

    labels: Labels
    exit_code: int
    facts: RunFacts
    throttled: int
    began_s: float
    ended_s: float


def metrics_file(name: str) -> Path:
    """The file of that name, if metrics can be written there.

    Raises:
        UsageError: they cannot, the file is another one, or the library is missing.
    """
    try:
        import prometheus_client  # noqa: F401 asked for before anything is done
    except ModuleNotFoundError as error:
        raise MissingExtraError("--metrics-file", "metrics") from error
    try:
        path = Path(name).resolve()
        _successes(path)
        if not path.parent.is_dir():
            raise UsageError(f"--metrics-file {name!r}: no folder {str(path.parent)!r}")
    except OSError as error:
        raise UsageError(
            f"cannot write --metrics-file {name!r}: {error.strerror}"
        ) from error
    return path


def write_metrics(path: Path, measured: Measured) -> None:
    """Put them in the place of those of the run before, at once.

    Raises:
        UsageError: there is another file by now.
        OSError: it cannot be written.
    """
    from prometheus_client import write_to_textfile

    successes = _successes(path)
    if measured.exit_code == 0:
        successes = [(measured.labels, measured.ended_s)]
    write_to_textfile(str(path), _registry(measured, successes))


def _successes(path: Path) -> list[tuple[Labels, float]]:
    """When runs ended well, as the file tells so far.

    Raises:
        UsageError: it is no file of metrics of a run.
        OSError: it cannot be read.
    """
    from prometheus_client.parser import text_string_to_metric_families

    refusal = UsageError(
        f"--metrics-file {str(path)!r} is there, and holds no metrics of a run; "
        "name another"
    )
    if not path.exists():
        return []
    if not path.is_file():
        raise refusal
    try:
        families = [*text_string_to_metric_families(path.read_text("utf-8"))]
    except ValueError as error:
        raise refusal from error
    if any(not family.name.startswith(_PREFIX) for family in families):
        raise refusal
    samples = [sample for family in families for sample in family.samples]
    return [(each.labels, each.value) for each in samples if each.name == _SUCCESS]


def _registry(
    measured: Measured, successes: list[tuple[Labels, float]]
) -> CollectorRegistry:
    from prometheus_client import CollectorRegistry, Gauge

    registry = CollectorRegistry()
    for name, words, values in _gauges(measured, successes):
        extra = sorted({*values[0][0]} - {*measured.labels}) if values else []
        gauge = Gauge(name, words, (*measured.labels, *extra), registry=registry)
        for labels, value in values:
            gauge.labels(**labels).set(value)
    return registry


def _gauges(
    measured: Measured, successes: list[tuple[Labels, float]]
) -> Iterator[tuple[str, str, list[tuple[Labels, float]]]]:
    """Each with its name, what it is, and its values."""
    labels, facts = measured.labels, measured.facts
    took_s = max(measured.ended_s - measured.began_s, 0.0)
    failed = {
        reason.removeprefix(_FAILED): count
        for reason, count in facts.reasons.items()
        if reason.startswith(_FAILED)
    }
    counts: dict[str, int] = {
        status: facts.counts.get(status, 0) for status in STATUSES
    }

    def one(value: float, **more: str) -> list[tuple[Labels, float]]:
        return [({**labels, **more}, value)]

    def by(name: str, values: Mapping[str, int]) -> list[tuple[Labels, float]]:
        return [({**labels, name: key}, count) for key, count in values.items()]

    run = "bulkmeta_run"
    yield f"{run}_exit_code", "How it ended.", one(measured.exit_code)
    yield f"{run}_objects", "Objects, by how they ended.", by("status", counts)
    yield f"{run}_failed_objects", "Failed objects.", by("reason", failed)
    yield f"{run}_requests", "Requests sent.", by("operation", facts.requests)
    yield (
        f"{run}_throttled_answers",
        "Answers that asked for fewer requests.",
        one(measured.throttled),
    )
    yield f"{run}_duration_seconds", "How long it took.", one(took_s)
    yield f"{run}_start_timestamp_seconds", "When it began.", one(measured.began_s)
    yield f"{run}_end_timestamp_seconds", "When it ended.", one(measured.ended_s)
    yield _SUCCESS, "When one last ended with exit code 0.", successes
    yield "bulkmeta_build_info", "Which bulkmeta.", one(1, version=__version__)
