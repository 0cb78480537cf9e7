"""Whatever a file or an answer holds, reading it ends as documented. The long form:
`make fuzz SECONDS=3600`."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.harness import FORMATS, harness_of, mutated


@pytest.mark.parametrize("name", FORMATS)
def test_seeds(name: str) -> None:
    """Each input that means something, or once was a finding, is read or refused."""
    harness = harness_of(name)
    for seed in harness.seeds:
        harness(seed)


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=[*HealthCheck])
def test_noise(name: str, data: st.DataObject) -> None:
    """So is what comes of damaging them."""
    harness = harness_of(name)
    harness(data.draw(mutated(harness)))
