"""Promise 9: a service that throttles is asked less, and no object fails by it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS

QUOTA = 100.0
COUNT = 120


@pytest.mark.parametrize("status", [429, 503])
def test_a_run_on_a_small_quota(
    oss: EmbeddedOSS,
    bulkmeta: Callable[..., Any],
    read_run: Callable[[str], Any],
    status: int,
) -> None:
    """All objects are updated, each once, however small the quota is; few requests are
    refused, although it begins at twice the quota and with 64 workers."""
    oss.clock.offset_s = -60.0
    oss.store.put_objects("bucket", ({"key": f"{n:03}"} for n in range(COUNT)))
    oss.clock.offset_s = 0.0
    oss.limits.configure(account_qps=QUOTA, throttle_status=status)

    result = bulkmeta(
        "apply", "oss://bucket/", "--all", "--set", "project=atlas", "--yes",
        "--rate", "max", "--run-file", "run.jsonl", "--progress", "none",
    )  # fmt: skip

    run = read_run("run.jsonl")
    assert (result.code, Counter(line["status"] for line in run.objects)) == (
        0,
        {"updated": COUNT},
    )
    answers = Counter(logged.status for logged in oss.log.requests())
    assert set(answers) <= {200, status}
    assert answers[status] < 0.35 * answers.total()
