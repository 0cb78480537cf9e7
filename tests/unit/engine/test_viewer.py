"""Looking at one object: what is asked, and what comes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from bulkmeta.engine.viewer import Viewer
from bulkmeta.errors import ObjectError, RunFatalError
from bulkmeta.model.conditions import Condition
from bulkmeta.model.item import Item
from bulkmeta.model.metadata import ListedObject, Metadata, ObjectHead
from bulkmeta.model.viewed import Needs, Viewed

if TYPE_CHECKING:
    from bulkmeta.oss.bucket import Bucket

TIME = "Sun, 22 Nov 2026 10:00:00 GMT"
LISTED = ListedObject("k", 1, "E", "2026-11-22T10:00:00.000Z")
ITEM = Item("k", LISTED)
HEAD = ObjectHead(
    Metadata({"a": "1"}, {}, storage_class="IA"),
    "F",
    TIME,
    TIME,
    2,
    "Normal",
    version_id="v",
    request_id=None,
)
NOTHING = Needs(head=False)


class FakeBucket:
    """Has one object; notes what is asked, and raises what it is told to."""

    def __init__(self, **errors: Exception) -> None:
        self.asked: list[tuple[str, ...]] = []
        self._errors = errors

    def _note(self, kind: str, *about: Any) -> None:
        self.asked.append((kind, *about))
        if kind in self._errors:
            raise self._errors[kind]

    async def head(self, _key: str, _effort: object) -> ObjectHead:
        self._note("head")
        return HEAD

    async def tags(self, _key: str, _effort: object, version: str) -> dict[str, str]:
        self._note("tags", version)
        return {"t": "x"}

    async def acl(self, _key: str, _effort: object, version: str) -> str:
        self._note("acl", version)
        return "private"


async def view(
    bucket: FakeBucket, needs: Needs, item: Item = ITEM, where: str | None = None
) -> Viewed | None:
    condition = Condition((where,)) if where else None
    viewer = Viewer(cast("Bucket", bucket), needs, condition)
    return (await viewer.view_object(1, item)).result


async def test_all_of_it() -> None:
    """Tags and ACL are those of the version that the head is about."""
    bucket = FakeBucket()
    found = await view(bucket, Needs(tags=True, acl=True))
    assert found == Viewed(1, "k", LISTED, HEAD, acl="private", tags={"t": "x"})
    assert bucket.asked == [("head",), ("tags", "v"), ("acl", "v")]


async def test_what_the_listing_tells() -> None:
    """Nothing is asked."""
    bucket = FakeBucket()
    needs = Needs(head=False, listed=frozenset({"size", "object_type"}))
    assert await view(bucket, needs) == Viewed(1, "k", LISTED)
    assert await view(bucket, needs, where="size == 1") == Viewed(1, "k", LISTED)
    assert bucket.asked == []


async def test_what_no_listing_told() -> None:
    """The head stands in for it."""
    found = await view(FakeBucket(), NOTHING, Item("k"))
    told = ListedObject("k", 2, "F", "2026-11-22T10:00:00.000Z", "Normal", "IA")
    assert found == Viewed(1, "k", told, HEAD)


@pytest.mark.parametrize("where", ['meta.a == "2"', 'tags.t == "y"'])
async def test_one_that_is_left_out_has_a_result(where: str) -> None:
    """Without one, the window of unfinished objects would fill up and stand still."""
    found = await view(FakeBucket(), NOTHING, where=where)
    assert found
    assert found.left_out


async def test_tags_are_read_once() -> None:
    """Though both condition and fields are about them."""
    bucket = FakeBucket()
    needs = Needs(head=False, tags=True)
    found = await view(bucket, needs, where='tags.t == "x"')
    assert found
    assert (found.tags, found.left_out) == ({"t": "x"}, False)
    assert bucket.asked == [("head",), ("tags", "v")]


async def test_what_came_before_an_error() -> None:
    """It stays; what comes behind is not asked for."""
    denied = ObjectError("access_denied", "words")
    bucket = FakeBucket(tags=denied)
    found = await view(bucket, Needs(tags=True, acl=True))
    assert found == Viewed(1, "k", LISTED, HEAD, error=denied.detail)
    assert bucket.asked == [("head",), ("tags", "v")]


async def test_another_version() -> None:
    """What is current is not shown for what was meant."""
    found = await view(FakeBucket(), NOTHING, Item("k", version="old"))
    assert found
    assert (found.head, found.error and found.error.code) == (None, "other_version")


async def test_an_error_about_all_objects() -> None:
    """It goes on up."""
    with pytest.raises(RunFatalError):
        await view(FakeBucket(head=RunFatalError("words")), Needs())
