"""What was sent, by object."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bulkmeta.emulator.log import LoggedRequest
    from bulkmeta.emulator.server import EmbeddedOSS


Command = Callable[..., Any]
HEAD, ACL, COPY = "HeadObject", "GetObjectAcl", "CopyObject"
VERSIONING, LIST = ("GetBucketVersioning", ""), ("ListObjectsV2", "")
RESTORED = 'ongoing-request="false", expiry-date="Sun, 22 Nov 2037 12:00:00 GMT"'
SSE = "x-oss-server-side-encryption"


def apply(bulkmeta: Command, *args: str, target: str = "oss://bucket/p/") -> Any:
    """Run `apply` without being asked, at any rate."""
    return bulkmeta("apply", target, "--yes", "--rate", "max", *args)


def updates(oss: EmbeddedOSS) -> dict[str, LoggedRequest]:
    """The updates by key; each key has had one."""
    sent = [r for r in oss.log.requests() if r.method == "PUT"]
    found = {r.key: r for r in sent}
    assert len(found) == len(sent)
    return found


def about(oss: EmbeddedOSS, key: str) -> list[str]:
    """The operations on one key, in their order."""
    return [name for name, named in oss.log.operations() if named == key]


LISTED: dict[str, tuple[dict[str, Any], str]] = {
    "p/symlink": ({"object_type": "Symlink", "symlink_target": "p/ok"}, "symlink"),
    "p/appendable": ({"object_type": "Appendable"}, "appendable"),
    "p/archive": ({"storage_class": "Archive"}, "archived"),
    "p/cold": ({"storage_class": "ColdArchive"}, "archived"),
    "p/deep": ({"storage_class": "DeepColdArchive"}, "archived"),
    "p/restoring": (
        {"storage_class": "Archive", "restore": 'ongoing-request="true"'},
        "archived",
    ),
    "p/restored": ({"storage_class": "Archive", "restore": RESTORED}, "early_rewrite"),
    "p/ia": ({"storage_class": "IA"}, "early_rewrite"),
}
