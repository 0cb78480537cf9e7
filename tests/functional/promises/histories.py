"""What a history is made of: jobs, objects, troubles, and ends before their time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from hypothesis import strategies as st

from bulkmeta.emulator.faults import Fault

if TYPE_CHECKING:
    from bulkmeta.emulator.stored import StoredObject


SMALL_JOURNAL_BYTES, SMALL_FRAME_BYTES = 1_800, 1_500
HEAD, ACL, COPY = "HeadObject", "GetObjectAcl", "CopyObject"
REFUSED, INTERRUPTED = 2, 130
OUTSIDE = "q/outside"

Json = dict[str, Any]
Commands = Literal["apply", "retry", "undo"]


# Jobs, and what they mean


@dataclass(frozen=True, slots=True)
class Job:
    """A change: how the command line says it, and what becomes of a state by it."""

    project: str = "a"
    renames: bool = False
    unsets: bool = False
    header: tuple[str, str] | None = None
    unset_header: str | None = None
    default: bool = False

    def args(self) -> Iterator[str]:
        """The change as options."""
        yield from ("--set", f"project={self.project}")
        if self.renames:
            yield from ("--rename", "owner=team")
        if self.unsets:
            yield from ("--unset", "note")
        if self.default:
            yield from ("--default", "lang=中文")
        if self.header:
            yield from ("--header", "=".join(self.header))
        if self.unset_header:
            yield from ("--unset-header", self.unset_header)

    def applied(self, state: Json) -> Json | None:
        """The state after the change; None if it cannot be made without a loss."""
        meta, headers = dict(state["meta"]), dict(state["headers"])
        if self.renames and "owner" in meta:
            owner = meta.pop("owner")
            if meta.setdefault("team", owner) != owner:
                return None
        if self.unsets:
            meta.pop("note", None)
        meta["project"] = self.project
        if self.default:
            meta.setdefault("lang", "中文")
        headers.pop(self.unset_header, None)
        headers.update([self.header] if self.header else [])
        return {**state, "meta": meta, "headers": headers}


JOBS = st.builds(
    Job,
    project=st.sampled_from(["a", "b"]),
    renames=st.booleans(),
    unsets=st.booleans(),
    header=st.sampled_from([None, ("expires", "never"), ("content-type", "text/新")]),
    unset_header=st.sampled_from([None, "content-language", "content-disposition"]),
    default=st.booleans(),
)

OBJECTS: Final[list[Json]] = [
    {"meta": {"owner": "测试 1", "note": "x"}, "tags": {"t": "1"}},
    {
        "meta": {"owner": "a", "team": "b"},
        "headers": {"expires": "Wed, 21 Oct 2026 7:28:00 GMT"},
    },
    {"meta": {"owner": "a", "team": "a"}, "acl": "public-read", "tags": {"t": "2"}},
    {
        "content_type": "text/html; charset=utf-8",
        "headers": {
            "content-language": "zh-CN",
            "content-disposition": 'attachment; filename="报告.pdf"',
        },
        "acl": "private",
    },
    {"meta": {"empty": "", "project": "a", "lang": "en"}, "storage_class": "IA"},
    {
        "sse": {"x-oss-server-side-encryption": "AES256"},
        "headers": {"content-encoding": "gzip", "cache-control": "no-cache"},
    },
    {"meta": {"note": "y"}, "extra": {"x-oss-brand-new": "1"}},
    {},
]
KINDS = st.sampled_from(range(len(OBJECTS)))


def recorded(stored: StoredObject) -> Json:
    """A stored object's state as `before` and `after` hold it."""
    return {
        "meta": dict(stored.meta),
        "headers": {**stored.headers, "content-type": stored.content_type},
        "acl": stored.acl,
        "storage_class": stored.storage_class,
        "sse": dict(stored.sse),
    }


def told(state: Json | None) -> Json:
    """A `before` or `after` with what is left out where it is empty."""
    return {"sse": {}, **(state or {})}


def shown(state: Json) -> Json:
    """As much of a state as a head shows."""
    return {name: value for name, value in state.items() if name != "acl"}


# Troubles, other writers, and ends before the time


THEIRS: Final[dict[str, Callable[[Iterator[str]], Json]]] = {
    "meta": lambda serials: {"meta": {"theirs": next(serials)}},
    "named": lambda serials: {"meta": {"project": next(serials), "team": "theirs"}},
    "headers": lambda serials: {"headers": {"cache-control": next(serials)}},
    "tags": lambda serials: {"tags": {"theirs": next(serials)}},
    "acl": lambda _: {"acl": "public-read-write"},
    "touch": lambda _: {},
}
"""What another writer changes in an object."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that goes wrong at the service, or another writer in the middle."""

    kind: str
    operation: str
    skip: int
    times: int
    which: int
    theirs: str

    def faults(self, keys: list[str], serials: Iterator[str]) -> Iterator[Fault]:
        """The rules that make it happen; other writers never write the same twice."""
        rare: Json = {"skip": self.skip, "times": self.times}
        one: Json = {"key": keys[self.which % len(keys)], "exact": True}
        match self.kind:
            case "busy":
                yield Fault("error", self.operation, **rare)
            case "broken":
                rare |= {"status": 500, "code": "InternalError"}
                yield Fault("error", self.operation, **rare)
            case "denied":
                yield Fault("error", COPY, status=403, code="AccessDenied", **one)
            case "latency":
                yield Fault("latency", self.operation, seconds=0.02, times=1, **one)
            case "foreign_write":
                for skip in range(self.skip, self.skip + self.times):
                    once = {"skip": skip, "times": 1, **THEIRS[self.theirs](serials)}
                    yield Fault("foreign_write", self.operation, **once)
            case kind:
                yield Fault(kind, self.operation, **rare)


@dataclass(frozen=True, slots=True)
class Cut:
    """An end before the time: at the `nth` step of a kind. Of what is being written, or
    was not synced when the power went, such a `share` is left."""

    how: Literal["kill", "power", "stop"] = "kill"
    step: str = "never"
    nth: int = 1
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Setting:
    """Under which circumstances a command runs."""

    workers: int = 3
    troubles: tuple[Trouble, ...] = ()
    cut: Cut = Cut()


WRITES = st.tuples(
    st.integers(0, 8), st.sampled_from([*THEIRS, "put", "create", "delete"])
)
KINDS_OF_TROUBLE = [
    "busy", "broken", "denied", "reset_before", "reset_after",
    "foreign_write", "foreign_write", "foreign_write", "latency", "latency",
]  # fmt: skip
TROUBLES = st.builds(
    Trouble,
    kind=st.sampled_from(KINDS_OF_TROUBLE),
    operation=st.sampled_from([COPY, HEAD, ACL]),
    skip=st.integers(0, 4),
    times=st.integers(1, 2),
    which=st.integers(0, 8),
    theirs=st.sampled_from(sorted(THEIRS)),
)
CRASH_STEPS = {
    "send": 6, "answer": 6, "write run": 6, "write journal": 4, "sync journal": 4,
    "synced journal": 4, "sync run": 4, "synced run": 4, "fsync": 4,
}  # fmt: skip
"""Up to which step of a kind a crash makes a difference, about."""

CRASHES_AT = [(step, nth) for step, most in CRASH_STEPS.items() for nth in range(most)]
CUTS = st.one_of(
    st.just(Cut()),
    st.builds(Cut, how=st.just("stop"), step=st.just("send"), nth=st.integers(1, 5)),
    *(
        st.builds(
            lambda at, how, share: Cut(how, at[0], at[1] + 1, share),
            at=st.sampled_from(CRASHES_AT),
            how=st.sampled_from(["power", "kill"]),
            share=st.sampled_from([0.0, 0.4, 0.8]),
        )
        for _ in range(3)
    ),
)
SETTINGS = st.builds(
    Setting,
    workers=st.sampled_from([3, 1]),
    troubles=st.lists(TROUBLES, max_size=2).map(tuple),
    cut=CUTS,
)
LIVES = st.lists(SETTINGS, min_size=1, max_size=3)
"""How a run goes, and goes on each time that it was interrupted."""
