"""200 objects to show."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS


Command = Callable[..., Any]
KEYS = [f"p/{number:03}" for number in range(200)]


@pytest.fixture
def objects(oss: EmbeddedOSS) -> None:
    """200 objects, one of them with odd characters in key and value."""
    oss.store.put_objects(
        "bucket", ({"key": key, "meta": {"owner": '测试, "q"'}} for key in KEYS)
    )
    oss.store.put_object("bucket", 'p/odd\n,"key', storage_class="IA")


HEAD, TAGS, ACL = "HeadObject", "GetObjectTagging", "GetObjectAcl"
