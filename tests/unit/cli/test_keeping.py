"""What a job keeps between its runs, and what of it the next run goes by."""

from __future__ import annotations

from pathlib import Path

import pytest

from bulkmeta.cli.exit_codes import OK
from bulkmeta.cli.keeping import Kept
from bulkmeta.journal.job_folder import held_job
from bulkmeta.model.job import JobSpec, Recent, RunSpec, Target
from bulkmeta.model.run_file import RunHeader
from bulkmeta.model.transforms import TransformRef
from bulkmeta.report.run_file import create_run_file

FIRST = "2026-11-29T10:00:00+00:00"
SECOND = "2026-11-29T11:00:00+00:00"


@pytest.mark.parametrize(
    ("sha256", "since"), [("0" * 64, "2026-11-29T09:59:00+00:00"), (None, None)]
)
def test_a_transform_that_nobody_can_tell_from_another(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sha256: str | None,
    since: str | None,
) -> None:
    """It may have become another one: the next run looks at all objects."""
    job = JobSpec(Target("bucket", "p/"), transform=TransformRef("made:made", sha256))
    run_file = tmp_path / "run.jsonl"
    header = RunHeader(
        version="1",
        command="apply",
        job=job,
        job_hash=job.hash(),
        bucket="bucket",
        endpoint="http://localhost",
        region="cn-hangzhou",
        started=FIRST,
        recent=Recent(began=FIRST),
    )
    with create_run_file(run_file, header):
        pass

    async def second(_: RunSpec) -> str:
        return SECOND

    monkeypatch.setattr("bulkmeta.cli.keeping.service_time", second)
    values = {"since_last_run": True, "full_every": 86400.0}
    with held_job(tmp_path / "job", "key") as folder:
        kept = Kept(folder, folder.read(), RunSpec(job, "apply"), values)
        kept.end(OK, run_file)
        recent = kept.recent(job)
    assert recent == Recent(began=SECOND, since=since)
