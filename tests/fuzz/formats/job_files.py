"""Job files: TOML."""

from __future__ import annotations

from bulkmeta.cli.job_file import read_job_file
from bulkmeta.errors import UsageError
from tests.fuzz.harness import Harness, kept

_JOB = b"""\
environment = ["PATH"]
[source]
target = "oss://bucket/p/"
[select]
globs = [{ include = "*.jpg" }, { exclude = "x*" }]
modified-after = 2026-11-22T10:15:00Z
limit = 5
[change]
set = { owner = "${PATH}", b = "{stem}" }
unset = ["c"]
[pace]
rate = 10.5
max-failures = ["5%"]
[report]
progress = "none"
"""


def read(data: bytes) -> None:
    """Its options can be told again, with their lines."""
    with kept(data, "job.toml") as path:
        job = read_job_file(str(path))
        job.secrets()
        job.located("--set 'owner' and --limit are bad", {})


HARNESS = Harness(
    read,
    (UsageError,),
    (
        _JOB,
        _JOB.replace(b"set = {", b"set = { a.b = 1, "),
        _JOB.replace(b"limit = 5", b"limit = nan"),
        b'[source]\ntarget = ["a", "b"]\n[change.set]\n"a b" = "c"\n',
        b"source." + b"a." * 300 + b"b = 1\n",
        b"a = " + b"[" * 300,
        b"a = " + b"9" * 5000,
    ),
    (b"[", b"]", b" = ", b'"""', b"\\u0000", b"1979-05-27", b"0x", b"a.b", b"\r"),
)
