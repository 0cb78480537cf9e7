"""What a harness is: a reader of one format, and what it may raise."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from hypothesis import strategies as st

FORMATS: tuple[str, ...] = tuple(
    sorted(
        path.stem
        for path in (Path(__file__).parent / "formats").glob("*.py")
        if path.stem != "__init__"
    )
)


@dataclass(frozen=True)
class Harness:
    """Reads any bytes; raises nothing but `allowed`. `seeds` are inputs that mean
    something, and `words` what they are made of."""

    read: Callable[[bytes], object]
    allowed: tuple[type[Exception], ...]
    seeds: tuple[bytes, ...]
    words: tuple[bytes, ...] = ()

    def __call__(self, data: bytes) -> None:
        """Read it; whatever else is raised is a finding.

        Raises:
            Exception: one that is not allowed.
        """
        try:
            self.read(data)
        except self.allowed:
            return


def refuse_lines(error: Exception) -> None:
    """Errors are told in one line, whatever they repeat of the input."""
    assert len(str(error).splitlines()) == 1, str(error)


def harness_of(name: str) -> Harness:
    """The harness of a format."""
    found: Harness = import_module(f"tests.fuzz.formats.{name}").HARNESS
    return found


@contextmanager
def kept(data: bytes, name: str = "input") -> Iterator[Path]:
    """A file that holds it, in memory where the system can."""
    memory = Path("/dev/shm")  # noqa: S108 a folder of its own is made in it
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        path = Path(folder, name)
        path.write_bytes(data)
        yield path


def mutated(harness: Harness) -> st.SearchStrategy[bytes]:
    """Inputs like the seeds: cut, joined, doubled, with words of the format or any
    bytes put in; and now and then nothing but noise."""
    seeds = st.sampled_from(harness.seeds)
    put = st.binary(max_size=8)
    if harness.words:
        put = st.one_of(st.sampled_from(harness.words), put)
    step = st.tuples(st.integers(0, 2**16), st.integers(0, 32), put, st.integers(1, 3))
    steps = st.lists(step, max_size=6)
    return st.one_of(st.builds(_changed, seeds, steps), st.binary(max_size=200))


def _changed(seed: bytes, steps: list[tuple[int, int, bytes, int]]) -> bytes:
    """The seed with pieces of it replaced; each step says where, how much goes, what
    comes in its place, and how often."""
    for place, length, put, times in steps:
        at = place % (len(seed) + 1)
        seed = seed[:at] + put * times + seed[at + length :]
    return seed
