"""Looking at what of an object no head shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from bulkmeta.model.metadata import ObjectHead
    from bulkmeta.model.parts import Parts
    from bulkmeta.oss.bucket import Bucket
    from bulkmeta.oss.effort import Effort


async def look_further(
    bucket: Bucket, key: str, head: ObjectHead, parts: Parts, effort: Effort
) -> ObjectHead:
    """The same head, with the access control list and the tags if `parts` names them;
    of the version that it is about."""
    state, version = head.metadata, head.version_id
    if parts.acl:
        acl = await bucket.acl(key, effort, version)
        state = msgspec.structs.replace(state, acl=acl)
    if parts.tags:  # last, so that the time until they are written is short
        tags = await bucket.tags(key, effort, version)
        state = msgspec.structs.replace(state, tags=tags)
    return msgspec.structs.replace(head, metadata=state)
