"""Headers and XML, to and from values."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from bulkmeta.errors import ObjectError
from bulkmeta.model.metadata import SSE_HEADERS, Metadata, ObjectHead
from bulkmeta.model.plan import UpdatePlan
from bulkmeta.oss import wire
from bulkmeta.oss.page import parse_page
from bulkmeta.oss.transport import Response

MODIFIED = "Sun, 22 Nov 2026 10:00:00 GMT"
DATE = "Sun, 22 Nov 2026 11:00:00 GMT"
NOW = datetime(2026, 11, 22, 12, 0, 0, 999, UTC)
NOW_DATE = "Sun, 22 Nov 2026 12:00:00 GMT"
GUARDS = (("etag", '"E"'), ("last-modified", MODIFIED))
PLAIN = Metadata({}, {}, storage_class="Standard")


def answer(*headers: tuple[str, str], body: bytes = b"") -> Response:
    return Response(200, CIMultiDict(headers), body, timedelta())


def read(*headers: tuple[str, str]) -> ObjectHead:
    return wire.read_head(answer(*GUARDS, *headers), NOW)


def refusal(*headers: tuple[str, str]) -> tuple[str, str]:
    with pytest.raises(ObjectError) as caught:
        read(*headers)
    return caught.value.reason, str(caught.value)


# HEAD

VOLATILE = (
    "content-length",
    "content-md5",
    "accept-ranges",
    "date",
    "server",
    "connection",
    "vary",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "x-oss-request-id",
    "x-oss-server-time",
    "x-oss-ec",
    "x-oss-object-type",
    "x-oss-hash-crc64ecma",
    "x-oss-version-id",
    "x-oss-next-append-position",
    "x-oss-sealed-time",
    "x-oss-transition-time",
    "x-oss-expiration",
    "x-oss-restore",
    "x-oss-process-status",
    "x-oss-request-charged",
    "x-oss-tagging-count",
    "x-oss-last-access-time",
    "x-oss-symlink-target",
    "x-oss-delete-marker",
)


@pytest.mark.parametrize("name", VOLATILE)
def test_system_headers_are_never_sent_back(name: str) -> None:
    """Each header that describes the reply or the system is left out of the state."""
    assert read((name, "1")).metadata == PLAIN


@pytest.mark.parametrize(
    ("name", "metadata"),
    [
        *(
            (name, Metadata({}, {name: "v é"}, storage_class="Standard"))
            for name in (
                *("content-type", "cache-control", "content-disposition"),
                *("content-encoding", "content-language", "expires"),
            )
        ),
        *(
            (name, Metadata({}, {}, storage_class="Standard", sse={name: "v é"}))
            for name in (
                "x-oss-server-side-encryption",
                "x-oss-server-side-encryption-key-id",
                "x-oss-server-side-data-encryption",
            )
        ),
        ("x-oss-storage-class", Metadata({}, {}, storage_class="v é")),
        ("x-oss-meta-a-b", Metadata({"a-b": "v é"}, {}, storage_class="Standard")),
    ],
)
def test_carried_headers(name: str, metadata: Metadata) -> None:
    """Each header that an update would lose is part of the state, as it came."""
    assert read((name, "v é")).metadata == metadata


def test_facts_of_a_head() -> None:
    """What guards the update, and what is known of the object beside its metadata."""
    found = read(
        ("date", DATE),
        ("content-length", "12345678901"),
        ("x-oss-object-type", "Appendable"),
        ("x-oss-version-id", "v1"),
        ("x-oss-request-id", "r1"),
        ("x-oss-force-download", "true"),
    )
    assert found == ObjectHead(
        PLAIN,
        "E",
        MODIFIED,
        DATE,
        12_345_678_901,
        "Appendable",
        "v1",
        "r1",
        forced_download=True,
    )


def test_least_of_a_head() -> None:
    """ETag and Last-Modified are all that is needed."""
    assert read() == ObjectHead(PLAIN, "E", MODIFIED, NOW_DATE, 0, "Normal", None, None)


def test_unknown_header_stops_the_object() -> None:
    """A header that might be lost is named, not dropped (promise 1)."""
    assert refusal(("x-oss-brand-new", "1")) == (
        "unknown_header",
        "the object has a header 'x-oss-brand-new' that an update might lose",
    )


def test_directive_is_no_user_metadata() -> None:
    """`x-oss-metadata-directive` begins like user metadata, but for the hyphen."""
    assert refusal(("x-oss-metadata-directive", "COPY"))[0] == "unknown_header"


def test_user_metadata_with_the_prefix_twice() -> None:
    """Only one prefix is wire format; a second one is the object's own name."""
    found = read(("x-oss-meta-x-oss-meta-a", "1"))
    assert found.metadata.meta == {"x-oss-meta-a": "1"}


def test_bytes_that_are_no_text() -> None:
    """In what is sent back they stop the object; in a fact they become a mark."""
    reason, _ = refusal(("x-oss-server-side-encryption-key-id", "k\udcff"))
    assert reason == "not_utf8"
    assert read(("x-oss-request-id", "r\udcff")).request_id == "r?"


def test_repeated_fact_is_nothing() -> None:
    """What is not sent back may come twice; the last one counts."""
    assert read(("x-oss-request-id", "1"), ("X-Oss-Request-Id", "2")).request_id == "2"


@pytest.mark.parametrize(
    "name", ["x-oss-meta-a", "expires", "x-oss-server-side-encryption"]
)
def test_repeated_header_stops_the_object(name: str) -> None:
    """A header that came twice cannot be sent as it is."""
    plain = name.removeprefix("x-oss-meta-")
    assert refusal((name, "1"), (name, "1")) == (
        "repeated_header",
        f"the answer holds {plain!r} twice; it cannot be sent so",
    )


def test_value_that_is_not_utf8_stops_the_object() -> None:
    """Bytes that cannot be sent back unharmed are shown, percent-encoded."""
    raw = b"a\xff\xfe".decode("utf-8", "surrogateescape")
    assert refusal(("x-oss-meta-a", raw)) == (
        "not_utf8",
        "the value of 'a' is not UTF-8 (a%FF%FE); sending it back would damage it",
    )


@pytest.mark.parametrize(
    "headers",
    [
        (),
        GUARDS[:1],
        GUARDS[1:],
        (("etag", ""), GUARDS[1]),
        (GUARDS[0], ("last-modified", "yesterday")),
        (GUARDS[0], ("last-modified", "")),
        (GUARDS[0], ("last-modified", "Sun, 22 Nov 99999999999999 10:00:00 GMT")),
    ],
)
def test_head_without_guards(headers: tuple[tuple[str, str], ...]) -> None:
    """Without both guards no update can be safe, so none is made (promise 3)."""
    with pytest.raises(ObjectError) as caught:
        wire.read_head(answer(*headers), NOW)
    assert (caught.value.reason, str(caught.value)) == (
        "unguardable",
        "the answer lacks ETag or Last-Modified; an update could not be guarded",
    )


def test_nonsense_date_is_made_up_for() -> None:
    """An answer without a date of its own is dated by the service clock."""
    assert read(("date", "today")).date == NOW_DATE


@pytest.mark.parametrize(("value", "forced"), [("true", True), ("false", False)])
def test_forced_download(value: str, forced: bool) -> None:
    """The service tells that it put a Content-Disposition of its own there."""
    assert read(("x-oss-force-download", value)).forced_download is forced


# PUT


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


# Small documents

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


# Whatever comes

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


HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            (
                *("etag", "last-modified", "date", "content-length", "x-oss-meta-a"),
                *("x-oss-storage-class", "x-oss-object-type", "expires", "x-new"),
            )
        ),
        st.just(MODIFIED)
        | st.binary(max_size=12).map(lambda b: b.decode("utf-8", "surrogateescape")),
    ),
    max_size=6,
)


@given(HEADERS)
def test_heads_raise_only_known_errors(headers: list[tuple[str, str]]) -> None:
    """Any headers describe an object or are refused in one of two ways."""
    try:
        found = wire.read_head(answer(*headers), NOW)
    except (ValueError, ObjectError):
        return
    assert found.etag in {wire.clean(value).strip('"') for _, value in headers}
