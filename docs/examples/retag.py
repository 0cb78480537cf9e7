"""Tag what a database says, from a program of one's own.

    python retag.py oss://photos/2026/

Credentials, region and endpoint come from the environment, as for the command.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator

import bulkmeta


class Totals:
    """A sink: it sees each outcome once it is on record, and nothing is lost if it
    raises: the run ends, and can be resumed."""

    def __init__(self) -> None:
        self.by_status: Counter[str] = Counter()

    def emit(self, result: bulkmeta.Outcome) -> None:
        self.by_status[result.status] += 1

    def flush(self) -> None:
        pass


async def keys_of_my_own(prefix: str) -> AsyncIterator[str]:
    """A source: keys from anywhere, such as a database or a queue."""
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        yield f"{prefix}{name}"


def label(found: bulkmeta.ObjectView) -> bulkmeta.Change | None:
    """A transform: what an object is to become, by what it is."""
    if found.size_bytes == 0:
        return None
    owner = found.meta.get("owner", "nobody")
    return bulkmeta.Change(
        set_meta={"year": str(found.last_modified.year)},
        set_tags={"owner": owner, **found.tags},
    )


async def main(target: str) -> int:
    async with bulkmeta.open_bucket(target, rate=500) as bucket:
        # What would happen, without doing it.
        change = bulkmeta.Change(
            set_meta={"project": "atlas"}, default_meta={"label": "{stem}"}
        )
        async for outcome in bulkmeta.plan(bucket, change, where=["size > 0"]):
            print(outcome.status, outcome.key)

        # The same change, where objects are small enough; the run file is for undo.
        select = bulkmeta.Selection(max_size=10_000_000, limit=1000)
        totals = Totals()
        outcomes = bulkmeta.apply(
            bucket, change, select=select, run_file="project.jsonl", sinks=[totals]
        )
        failed = [outcome async for outcome in outcomes if outcome.status == "failed"]
        print(dict(totals.by_status), [outcome.reason for outcome in failed])

        # A change for each of the keys that a program has.
        keys = keys_of_my_own(bucket.prefix)
        async for outcome in bulkmeta.apply(
            bucket, label, objects=keys, run_file="labels.jsonl"
        ):
            print(outcome.key, outcome.status, outcome.after and outcome.after.tags)

        # Back, and a look at whether it is so.
        async for outcome in bulkmeta.undo(
            bucket, "labels.jsonl", run_file="back.jsonl"
        ):
            print(outcome.key, outcome.status, outcome.reason)
        drift = [
            outcome.key
            async for outcome in bulkmeta.verify(bucket, "project.jsonl")
            if outcome.status == "failed"
        ]
        print("drifted:", drift)
    return 1 if failed else 0


if __name__ == "__main__":
    exit_code = asyncio.run(main(sys.argv[1]))

    # The same where nothing is async, such as in a notebook.
    unset = bulkmeta.Change(unset_meta=("project",))
    for outcome in bulkmeta.iterate(sys.argv[1], lambda it: bulkmeta.plan(it, unset)):
        print(outcome.key, outcome.status)
    sys.exit(exit_code)
