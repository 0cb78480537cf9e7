"""A job: which objects, what change, under which rules. What identifies a run.

Pace and connection are not part of a job: the same job may be run faster or slower, or
with another signature.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from bulkmeta.errors import UsageError
from bulkmeta.model import limits
from bulkmeta.model.changes import Change
from bulkmeta.model.outcome import Status
from bulkmeta.model.parts import REWRITE, Parts
from bulkmeta.model.selection import Selection
from bulkmeta.model.tolerance import Tolerance
from bulkmeta.model.transforms import TransformRef
from bulkmeta.model.values import ValuesFile, with_row
from bulkmeta.model.windows import Window

SCHEME = "oss://"
RANGE_RATE = 2000.0
ACCOUNT_RATE = 10_000.0
"""Requests a second that OSS documents for one key range, and for one account."""

CONCURRENCY = 64
RETRIES = 10
"""Objects in hand at once, and retries of one request, unless others are asked for."""

MOST_RANGES = 100
MOST_CONCURRENCY = 1000
MOST_RETRIES = 100
MOST_PROCESSES = 256
_RANGES_PER_QUOTA = 4

AclPolicy = Literal["auto", "preserve", "inventory", "skip"]
Command = Literal["apply", "plan", "retry", "undo"]
KeyForm = Literal["lines", "null", "jsonl", "rows", "run"]
Takes = Literal[
    "listing",
    "keys",
    "inventory",
    "given",
    "failed",
    "former",
    "drifted",
    "planned",
    "replanned",
]
SignatureVersion = Literal["v4", "v1"]
Network = Literal["public", "internal", "accelerate", "dual-stack"]


class Target(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the objects are: a bucket and a key prefix, and further ones in key order.
    None of them begins with another."""

    bucket: str
    prefix: str = ""
    more: tuple[str, ...] = ()

    @property
    def prefixes(self) -> tuple[str, ...]:
        """All of them, in key order."""
        return (self.prefix, *self.more)

    def __str__(self) -> str:
        return " ".join(f"{SCHEME}{self.bucket}/{prefix}" for prefix in self.prefixes)


class Connection(msgspec.Struct, frozen=True):
    """How the service is reached, as far as the user said; the rest is derived."""

    endpoint: str | None = None
    region: str | None = None
    internal: bool = False
    sign_version: SignatureVersion = "v4"
    profile: str | None = None
    accelerate: bool = False
    dual_stack: bool = False
    request_payer: bool = False

    @property
    def network(self) -> Network:
        """Which of a region's endpoints is meant, where none is given.

        Raises:
            UsageError: several are asked for.
        """
        asked: dict[Network, bool] = {
            "internal": self.internal,
            "accelerate": self.accelerate,
            "dual-stack": self.dual_stack,
        }
        named = [name for name, wanted in asked.items() if wanted]
        if len(named) > 1:
            flags = " and ".join(f"--{name}" for name in named)
            raise UsageError(f"{flags} name different endpoints; give one of them")
        return named[0] if named else "public"


class Rules(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a job may do to an object beyond the change itself.

    `acl`: `preserve` reads each object's access control list and sends it back (one
    more request), since OSS documents that a copy resets it; `auto` does so too, but
    where a probe saw the bucket keep it; `inventory` takes it from the inventory, as it
    was then; `skip` does not. With `allow_rewritten` an undo takes back what was
    written again since, if it is as the run left it.
    """

    acl: AclPolicy = "auto"
    allow_appendable: bool = False
    allow_early_rewrite: bool = False
    allow_new_versions: bool = False
    allow_rewritten: bool = False


class Pace(msgspec.Struct, frozen=True):
    """How fast a job may go: objects in hand at once (of each process), requests a
    second (None: no cap), retries of one request, key ranges walked in turn, worker
    processes, and the cluster that they are on. Not part of the job's identity."""

    concurrency: Annotated[int, msgspec.Meta(ge=1, le=MOST_CONCURRENCY)] = CONCURRENCY
    rate: Annotated[float, msgspec.Meta(gt=0)] | None = RANGE_RATE
    retries: Annotated[int, msgspec.Meta(ge=0, le=MOST_RETRIES)] = RETRIES
    spread: Annotated[int, msgspec.Meta(ge=1)] = 1
    processes: Annotated[int, msgspec.Meta(ge=1, le=MOST_PROCESSES)] = 1
    cluster: str | None = None

    @property
    def workers(self) -> int:
        """Objects in hand at once, of all processes."""
        return self.concurrency * self.processes


class Parent(msgspec.Struct, frozen=True):
    """The run file, or plan file, whose lines a run takes its objects from, as it was
    when the run began."""

    path: str
    job_hash: str
    started: str
    size_bytes: int


class KeyFile(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file that names objects, one a line (`null`: with NUL between them; `rows`: in
    a column `key`; `run`: in a run file, those that ended in one of the `statuses`), as
    it was when the job was made; or what `stdin` held, kept there."""

    path: str
    form: KeyForm
    keys: int
    sha256: str
    statuses: tuple[Status, ...] = ()
    stdin: bool = False


class Inventory(msgspec.Struct, frozen=True):
    """An inventory of `bucket` as it was when the job was made: its manifest, here or
    in a bucket, and the columns of its files."""

    path: str
    sha256: str
    bucket: str
    columns: tuple[str, ...]


class JobSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """One job, as it stands in the first line of its run file.

    `takes` says where its objects come from and what they become: those of a listing,
    those that `keys` or an `inventory` name, or those `given` by a program, changed; a
    parent's `failed` ones, changed; a parent's changed ones, back to their `former`
    state, or only those that have `drifted`; a plan's, as `planned`, or `replanned`
    where they are different now. `select` leaves some of them out. `where` holds
    expressions (`model.conditions`) that an object has to meet before it is changed,
    and `values` are rows with what is set on each. A `transform` makes the change for
    each object, in the place of `change`.
    """

    target: Target
    change: Change = Change()
    rules: Rules = Rules()
    parent: Parent | None = None
    takes: Takes = "listing"
    select: Selection = Selection()
    keys: KeyFile | None = None
    where: tuple[str, ...] = ()
    values: ValuesFile | None = None
    transform: TransformRef | None = None
    inventory: Inventory | None = None

    def parts(self) -> Parts:
        """The parts of an object that it may change, as far as that is known before."""
        if self.values:
            return with_row(self.change, self.values.sets).parts()
        if self.change.is_empty():  # a program's change, or what a parent's lines say
            return REWRITE
        return self.change.parts()

    def reads_acl(self) -> bool:
        """Whether each copy needs a request for the access control list that it has to
        carry along; under `auto` a probe may spare some."""
        if self.rules.acl == "inventory" and self.inventory:
            return "ObjectAcl" not in self.inventory.columns
        return self.rules.acl != "skip"

    def restores(self) -> bool:
        """Whether it puts former states back."""
        return self.takes in {"former", "drifted"}

    def hash(self) -> str:
        """A fingerprint of all that decides the result; defaults do not show in it, so
        that an option added later does not change it."""
        canonical = msgspec.json.encode(self, order="deterministic")
        return hashlib.sha256(canonical).hexdigest()


class StopRules(msgspec.Struct, frozen=True):
    """When a run is to end before it is done: after so many seconds, when a `window`
    closes, with more failures than it puts up with, or if one of the first objects (the
    `canary` tells how many) is not well."""

    tolerance: Tolerance = Tolerance()
    max_duration_s: float | None = None
    window: Window | None = None
    canary: int = 0


class Recent(msgspec.Struct, frozen=True):
    """Which objects a run looks at: those modified `since` then (None: all), and those
    to be looked at `again`, whenever they were; the run `began` then. Times are by the
    service's clock."""

    began: str
    since: str | None = None
    again: tuple[str, ...] = ()


class LockObject(msgspec.Struct, frozen=True):
    """An object that one run at a time has, on whatever machine it runs: for `lease_s`
    seconds from each renewal. Another holder is waited for, `wait_s` seconds long."""

    bucket: str
    key: str
    lease_s: float = 60.0
    wait_s: float = 0.0

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.key}"


class RunSpec(msgspec.Struct, frozen=True):
    """One run of a job: `plan` reads only, `apply` writes."""

    job: JobSpec
    command: Command
    connection: Connection = Connection()
    pace: Pace = Pace()
    until: StopRules = StopRules()
    recent: Recent | None = None
    lock: LockObject | None = None


def spread_for(rate: float | None) -> int:
    """How many key ranges to walk in turn for so many requests a second.

    One range carries `RANGE_RATE`. Beyond that it takes four times as many ranges as
    would do if they fell on one partition each, for some will share one. Without a cap
    the account's quota is what can be had.
    """
    wanted = ACCOUNT_RATE if rate is None else rate
    if wanted <= RANGE_RATE:
        return 1
    return min(MOST_RANGES, _RANGES_PER_QUOTA * math.ceil(wanted / RANGE_RATE))


def parse_targets(texts: Sequence[str], *, allow_all: bool) -> Target:
    """The one target that several names make up; a prefix that begins with another is
    part of that.

    Raises:
        UsageError: as `parse_target`, or they name several buckets.
    """
    targets = [parse_target(text, allow_all=allow_all) for text in texts]
    buckets = sorted({target.bucket for target in targets})
    if len(buckets) > 1:
        raise UsageError(
            f"targets in several buckets ({', '.join(buckets)}): make a run of each"
        )
    prefixes: list[str] = []
    for prefix in sorted({target.prefix for target in targets}):
        if not prefixes or not prefix.startswith(prefixes[-1]):
            prefixes.append(prefix)
    return Target(buckets[0], prefixes[0], tuple(prefixes[1:]))


def parse_target(text: str, *, allow_all: bool) -> Target:
    """The target that `oss://bucket/prefix` names.

    Raises:
        UsageError: not such a name, or the whole bucket without `allow_all`.
    """
    if not text.startswith(SCHEME):
        raise UsageError(f"target {text!r}: write it as oss://bucket/prefix")
    bucket, _, prefix = text.removeprefix(SCHEME).partition("/")
    fault = limits.bucket_fault(bucket)
    if fault:
        raise UsageError(f"target {text!r}: {fault}")
    if not prefix and not allow_all:
        raise UsageError(
            f"target {text!r} is the whole bucket; add a prefix, "
            "or --all if that is meant"
        )
    if prefix:
        fault = limits.key_fault(prefix)
        if fault:
            raise UsageError(f"target {text!r}: {fault}")
    return Target(bucket, prefix)
