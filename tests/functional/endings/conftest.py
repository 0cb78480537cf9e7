"""A bucket, and what others learn of a run on it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS


Command = Callable[..., Any]
TARGET = "oss://bucket/p/"
CHANGE = (TARGET, "--set", "n=1")
APPLY = ("apply", *CHANGE, "--yes", "--run-file", "night.jsonl", "--state", "s")
METRICS = ("--metrics-file", "night.prom")
HOOK = ("--on-finish", "tee told.json")
COUNT = 5
Values = dict[str, dict[tuple[str, ...], float]]


@pytest.fixture(autouse=True)
def _seeded(oss: EmbeddedOSS) -> None:
    oss.store.put_objects("bucket", ({"key": f"p/{n}"} for n in range(COUNT)))


def metrics(target: tuple[str, str] = ("bucket", "p/")) -> Values:
    """Each metric's values, by the labels it has besides the target's."""
    found: Values = {}
    for family in text_string_to_metric_families(Path("night.prom").read_text()):
        assert (family.type, bool(family.documentation)) == ("gauge", True)
        values = found.setdefault(family.name, {})
        for sample in family.samples:
            labels = dict(sample.labels)
            assert (labels.pop("bucket"), labels.pop("prefix")) == target
            values[tuple(labels.values())] = sample.value
    return found


def told() -> dict[str, Any]:
    return dict(json.loads(Path("told.json").read_text()))
