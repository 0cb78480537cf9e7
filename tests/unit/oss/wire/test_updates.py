"""What an update carries, and what documents say."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkmeta.model.metadata import SSE_HEADERS, Metadata
from bulkmeta.model.plan import UpdatePlan
from bulkmeta.oss import wire
from bulkmeta.oss.page import parse_page
from tests.unit.oss.wire.conftest import MODIFIED, answer, read


def plan(after: Metadata, key: str = "照片/a b%.jpg") -> UpdatePlan:
    return UpdatePlan(key, Metadata({}, {}), after, "E", MODIFIED)


BARE = {
    "x-oss-copy-source": "/bucket/%E7%85%A7%E7%89%87%2Fa%20b%25.jpg",
    "x-oss-metadata-directive": "REPLACE",
    "x-oss-copy-source-if-match": '"E"',
    "x-oss-copy-source-if-unmodified-since": MODIFIED,
}


@pytest.mark.parametrize(
    ("after", "more"),
    [
        (Metadata({}, {}), {}),
        (Metadata({}, {}, "default", {"t": "1"}, "Standard"), {}),
        (
            Metadata(
                {"a": "测试", "b": ""},
                {"content-type": "a/b", "expires": "Never at all"},
                "public-read",
                None,
                "IA",
                {"x-oss-server-side-encryption": "KMS"},
            ),
            {
                "x-oss-meta-a": "测试",
                "x-oss-meta-b": "",
                "content-type": "a/b",
                "expires": "Never at all",
                "x-oss-object-acl": "public-read",
                "x-oss-storage-class": "IA",
                "x-oss-server-side-encryption": "KMS",
            },
        ),
    ],
)
def test_headers_of_an_update(after: Metadata, more: dict[str, str]) -> None:
    """All that stays and both guards; nothing for default ACL, class and tags."""
    assert wire.replace_headers("bucket", plan(after)) == BARE | more


NAMES = st.from_regex(r"[a-z0-9-]{1,8}", fullmatch=True)
TEXTS = st.text(max_size=8)


@given(
    st.dictionaries(NAMES, TEXTS),
    st.dictionaries(st.sampled_from(("content-type", "expires")), TEXTS),
    st.dictionaries(st.sampled_from(sorted(SSE_HEADERS)), TEXTS),
    st.sampled_from(("Standard", "IA", "Archive")),
)
def test_update_and_head_are_inverse(
    meta: dict[str, str], headers: dict[str, str], sse: dict[str, str], kind: str
) -> None:
    """A head of what an update stores reads the state that was sent (promise 1)."""
    after = Metadata(meta, headers, storage_class=kind, sse=sse)
    sent = wire.replace_headers("bucket", plan(after))
    stored = [(name, value) for name, value in sent.items() if name not in BARE]
    assert read(*stored).metadata == after


def test_accepted_update() -> None:
    """The body's ISO time is given as a head will give it."""
    body = (
        b"<CopyObjectResult><LastModified>2026-11-22T18:00:00.123+08:00</LastModified>"
        b"<ETag>E</ETag></CopyObjectResult>"
    )
    result = wire.parse_copy_result(
        answer(("x-oss-version-id", "v"), ("x-oss-request-id", "r"), body=body)
    )
    assert result == wire.Written(MODIFIED, "v")


def test_accepted_update_with_bytes_that_no_text_holds() -> None:
    """Ids are recorded in UTF-8, whatever bytes they came in: it did land."""
    odd = b"v\xff".decode("utf-8", "surrogateescape")
    result = wire.parse_copy_result(
        answer(
            ("x-oss-version-id", odd),
            ("x-oss-request-id", odd),
            body=b"<CopyObjectResult/>",
        )
    )
    assert result == wire.Written(None, "v?")


def test_accepted_update_without_time() -> None:
    """Only the root element is needed to know that it was accepted."""
    body = b"<CopyObjectResult/>"
    assert wire.parse_copy_result(answer(body=body)) == wire.Written(None, None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<CopyObjectResult>",
        b"<Error><Code>InternalError</Code></Error>",
        b"<CopyObjectResult><LastModified>now</LastModified></CopyObjectResult>",
        b"<CopyObjectResult><LastModified>0001-01-01T00:00:00+08:00</LastModified>"
        b"</CopyObjectResult>",
        b'<?xml version="1.0" encoding="nonsense"?><CopyObjectResult/>',
    ],
)
def test_unreadable_answer_to_an_update(body: bytes) -> None:
    """An answer with 200 that is no CopyObjectResult proves nothing."""
    with pytest.raises(ValueError, match=r".+"):
        wire.parse_copy_result(answer(body=body))


GRANT = (
    b"<AccessControlPolicy><AccessControlList><Grant>%b</Grant></AccessControlList>"
    b"</AccessControlPolicy>"
)


def test_acl() -> None:
    """The one grant of an OSS access control list."""
    assert wire.parse_acl(GRANT % b"public-read") == "public-read"


@pytest.mark.parametrize("body", [b"", GRANT % b"", b"<AccessControlPolicy/>", b"<a/>"])
def test_no_acl(body: bytes) -> None:
    """Without a grant nothing is known, least of all that it is the default."""
    with pytest.raises(ValueError, match=r".+"):
        wire.parse_acl(body)


@pytest.mark.parametrize(
    ("inner", "status"),
    [
        (b"", None),
        (b"<Status>Enabled</Status>", "Enabled"),
        (b"<Status>Suspended</Status>", "Suspended"),
    ],
)
def test_versioning(inner: bytes, status: str | None) -> None:
    """No status means that versioning was never switched on."""
    body = b"<VersioningConfiguration>%b</VersioningConfiguration>" % inner
    assert wire.parse_versioning(body) == status


def test_no_versioning_document() -> None:
    """Another document says nothing about versioning."""
    with pytest.raises(ValueError, match="<a> where <VersioningConfiguration> was"):
        wire.parse_versioning(b"<a/>")


NOISE = st.binary(max_size=12)
TAGS = st.sampled_from(
    (
        "ListBucketResult",
        "Contents",
        "Key",
        "Size",
        "IsTruncated",
        "NextContinuationToken",
        "CopyObjectResult",
        "LastModified",
        "AccessControlPolicy",
        "AccessControlList",
        "Grant",
        "VersioningConfiguration",
        "Status",
    )
)
ELEMENTS: st.SearchStrategy[bytes] = st.recursive(
    NOISE,
    lambda inner: st.builds(
        lambda tag, children: (
            b"<%b>%b</%b>" % (tag.encode(), b"".join(children), tag.encode())
        ),
        TAGS,
        st.lists(inner, max_size=3),
    ),
    max_leaves=8,
)
PARSERS: list[Callable[[bytes], object]] = [
    parse_page,
    wire.parse_acl,
    wire.parse_versioning,
    lambda body: wire.parse_copy_result(answer(body=body)),
]


@given(ELEMENTS | NOISE)
def test_parsers_raise_only_value_errors(body: bytes) -> None:
    """Any bytes are understood or refused in one way."""
    for parse in PARSERS:
        try:
            parse(body)
        except ValueError:
            continue
